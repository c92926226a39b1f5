// The list, by what the calls are for; libseccomp makes the kernel's filter of it.
#include "sandbox/system_calls.hpp"

#include <linux/prctl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

namespace posthorn::sandbox {
namespace {

// Of any arguments. Names that an architecture does not have are passed over.
constexpr std::array kAlways = std::to_array<const char*>({
    // files
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2", "close", "close_range", "open", "openat",
    "openat2", "creat", "lseek", "dup", "dup2", "dup3", "fcntl", "flock", "fsync", "fdatasync", "sync_file_range", "truncate", "ftruncate", "fallocate",
    "fadvise64", "readahead", "stat", "lstat", "fstat", "newfstatat", "statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2",
    "getdents", "getdents64", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "readlink",
    "readlinkat", "chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat", "lchown", "umask", "utimensat", "getcwd", "copy_file_range",
    "sendfile", "inotify_init1", "inotify_add_watch", "inotify_rm_watch", "pipe", "pipe2",
    // waiting
    "poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd",
    "eventfd2", "timerfd_create", "timerfd_settime", "timerfd_gettime", "futex", "futex_waitv", "nanosleep", "clock_nanosleep", "sched_yield",
    "restart_syscall",
    // sockets that are there; which may be made stands below
    "bind", "listen", "accept", "accept4", "connect", "shutdown", "getsockname", "getpeername", "getsockopt", "setsockopt", "sendto", "sendmsg",
    "sendmmsg", "recvfrom", "recvmsg", "recvmmsg",
    // memory
    "munmap", "mremap", "madvise", "brk", "msync", "mincore", "membarrier", "mlock", "munlock",
    // threads, signals, the end
    "set_robust_list", "get_robust_list", "rseq", "set_tid_address", "gettid", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending",
    "rt_sigtimedwait", "rt_sigsuspend", "sigaltstack", "signalfd4", "exit", "exit_group", "sched_getaffinity", "sched_getparam", "sched_getscheduler",
    "getcpu",
    // what it is, what time it is
    "getpid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "getpgrp", "getpgid", "getsid", "capget",
    "clock_gettime", "clock_getres", "gettimeofday", "time", "times", "getrandom", "uname", "sysinfo", "getrusage", "getrlimit", "prlimit64",
    // how well the clock is kept, for the doctor; setting it takes a capability
    "adjtimex", "clock_adjtime",
});

// What a shell, curl or a script's interpreter needs besides. Not that they gain anything: no_new_privs, Landlock and this list hold for
// them as well.
constexpr std::array kForPrograms = std::to_array<const char*>({
    "execve", "execveat", "vfork", "fork", "wait4", "waitid", "kill", "tkill", "tgkill", "pidfd_open", "pidfd_send_signal", "setpgid", "setsid",
    "arch_prctl", "prctl", "mmap", "mprotect", "chdir", "fchdir", "getpriority", "setpriority", "personality", "alarm", "pause", "getitimer",
    "setitimer", "timer_create", "timer_settime", "timer_gettime", "timer_getoverrun", "timer_delete", "getxattr", "lgetxattr", "fgetxattr",
    "listxattr", "llistxattr", "flistxattr", "memfd_create", "utime", "utimes", "futimesat", "symlink", "symlinkat", "sched_setaffinity",
    "sched_get_priority_max", "sched_get_priority_min", "splice", "tee", "mlockall", "munlockall", "setrlimit", "sync", "syncfs", "socketpair",
});

constexpr std::uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

struct Free {
    void operator()(void* filter) const { ::seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, Free>;

// Adds rules and remembers the first that failed.
class List {
public:
    explicit List(scmp_filter_ctx filter) : filter_(filter) {}

    void allow(const char* name) { allow_if(name, {}); }
    // Rules of one call are alternatives; the conditions of one rule must all hold.
    void allow_if(const char* name, std::initializer_list<scmp_arg_cmp> conditions) {
        const int number = ::seccomp_syscall_resolve_name(name);
        if (number == __NR_SCMP_ERROR) return fail(name, EINVAL);
        if (number < 0) return;   // of other architectures
        const int code = ::seccomp_rule_add_array(filter_, SCMP_ACT_ALLOW, number, static_cast<unsigned>(conditions.size()), conditions.begin());
        if (code < 0 && code != -EEXIST) return fail(name, -code);
        ++size_;
    }
    [[nodiscard]] const std::string& failure() const { return failure_; }
    [[nodiscard]] std::size_t size() const { return size_; }

private:
    void fail(const char* name, int code) {
        if (failure_.empty()) failure_ = std::string("the rule for ") + name + ": " + std::strerror(code);
    }
    scmp_filter_ctx filter_;
    std::size_t size_ = 0;
    std::string failure_;
};

// TCP, UDP and unix sockets, and the kernel's list of our addresses.
void allow_sockets(List& list) {
    for (const int family : {AF_UNIX, AF_INET, AF_INET6}) list.allow_if("socket", {SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(family))});
    list.allow_if("socket", {SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_EQ, 0 /* NETLINK_ROUTE */)});
    for (const unsigned long request : {FIONBIO, FIONREAD, FIOCLEX, FIONCLEX, TCGETS, TIOCGWINSZ, static_cast<int>(0x8933) /* SIOCGIFINDEX */,
                                        static_cast<int>(0x8910) /* SIOCGIFNAME */})
        list.allow_if("ioctl", {SCMP_A1(SCMP_CMP_EQ, request)});
}

// Threads, but no processes; memory that is written or executed, but not both; a name for a thread; signals to itself.
void allow_threads(List& list) {
    list.allow_if("clone", {SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD | kNamespaces, CLONE_THREAD)});
    list.allow_if("mmap", {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE | PROT_EXEC, 0)});
    list.allow_if("mmap", {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE | PROT_EXEC, PROT_WRITE)});
    list.allow_if("mmap", {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE | PROT_EXEC, PROT_EXEC)});
    list.allow_if("mprotect", {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)});
    for (const int option : {PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE, PR_GET_NO_NEW_PRIVS, PR_CAPBSET_READ})
        list.allow_if("prctl", {SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(option))});
    list.allow_if("tgkill", {SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(::getpid()))});
}

void allow_programs(List& list) {
    for (const char* name : kForPrograms) list.allow(name);
    list.allow_if("clone", {SCMP_A0(SCMP_CMP_MASKED_EQ, kNamespaces, 0)});
}

// Both sanitizers start threads of their own, look at themselves by ptrace(2), and map memory as they like.
constexpr bool kSanitized =
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    true;
#else
    false;
#endif

}  // namespace

std::string why_no_seccomp() {
    if (kSanitized) return "this build is for looking for faults (a sanitizer), which needs system calls that no mail server does";
    // By the call itself: libseccomp would guess from the kernel's answer to another one.
    if (::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0) return "the kernel does not filter system calls (CONFIG_SECCOMP_FILTER)";
    return {};
}

bool is_system_call(const std::string& name) { return ::seccomp_syscall_resolve_name(name.c_str()) != __NR_SCMP_ERROR; }

namespace {

// clone3 keeps its flags in memory, where no filter sees whether they ask for namespaces; told that there is none, the C library takes
// clone. By a filter of its own, which does not write each thread's start into the kernel's log.
Result<void> hide_clone3() {
    const Filter filter(::seccomp_init(SCMP_ACT_ALLOW));
    if (!filter) return Error{"libseccomp made no filter"};
    int code = ::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (code == 0) code = ::seccomp_load(filter.get());
    if (code != 0) return Error{"putting the rule for clone3 in force: ", std::strerror(-code)};
    return {};
}

}  // namespace

Result<std::size_t> confine_system_calls(const SystemCallWish& wish) {
    if (const std::string why = why_no_seccomp(); !why.empty()) return Error{why};
    if (const Result<void> hidden = hide_clone3(); !hidden) return hidden.error();
    const Filter filter(::seccomp_init(SCMP_ACT_ERRNO(ENOSYS)));
    if (!filter) return Error{"libseccomp made no filter"};
    // What was refused stands in the kernel's log. Where the kernel cannot, it is refused without.
    (void)::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_LOG, 1);
    (void)::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
    (void)::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);   // a search, not a walk: each call passes here
    List list(filter.get());
    for (const char* name : kAlways) list.allow(name);
    list.allow("clone3");   // refused above
    allow_sockets(list);
    if (wish.programs) allow_programs(list);
    else allow_threads(list);
    for (const std::string& name : wish.more) list.allow(name.c_str());
    if (!list.failure().empty()) return Error{list.failure()};
    if (const int code = ::seccomp_load(filter.get()); code != 0) return Error{"putting the list in force: ", std::strerror(-code)};
    return list.size();
}

}  // namespace posthorn::sandbox
