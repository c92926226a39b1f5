// Each attempt in a line: who is to refuse it, and the call.
#include "sandbox/trial.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>

#include "base/descriptor.hpp"

namespace posthorn::sandbox {
namespace {

// What the kernel answers with, 0 for success.
using Attempt = std::function<int()>;

int code(long result) { return result < 0 ? errno : 0; }

Trial made(std::string what, std::string guard, int answer, bool as_wanted) {
    return {std::move(what), std::move(guard), as_wanted, answer == 0 ? "done" : std::strerror(answer)};
}

// No argument is anything the kernel can use: should the call be let in, it fails with EFAULT, EINVAL or EBADF.
template <class... Arguments>
Attempt call(long number, Arguments... arguments) {
    return [=] { return code(::syscall(number, arguments...)); };
}

struct Forbidden {
    const char* what;
    Attempt attempt;
};

std::vector<Forbidden> forbidden_calls(bool programs) {
    void* const nowhere = reinterpret_cast<void*>(8);
    std::vector<Forbidden> all = {
        {"watch another process (ptrace)", call(SYS_ptrace, 9999, 0, 0, 0)},
        {"read another process's memory (process_vm_readv)", call(SYS_process_vm_readv, -1, nowhere, 1UL, nowhere, 1UL, 0UL)},
        {"load a kernel module (finit_module)", call(SYS_finit_module, -1, nowhere, 0)},
        {"load another kernel (kexec_load)", call(SYS_kexec_load, 0UL, 9999UL, nowhere, 9999UL)},
        {"load a program into the kernel (bpf)", call(SYS_bpf, 9999, nowhere, 0U)},
        {"mount a file system (mount)", call(SYS_mount, nowhere, nowhere, nowhere, 0UL, nullptr)},
        {"make namespaces (unshare)", call(SYS_unshare, 1UL)},
        {"enter namespaces (setns)", call(SYS_setns, -1, 0)},
        {"use the kernel's keys (keyctl)", call(SYS_keyctl, 9999, 0, 0, 0, 0)},
        {"count events of the processor (perf_event_open)", call(SYS_perf_event_open, nowhere, 0, -1, -1, 9999UL)},
        {"make a ring of system calls (io_uring_setup)", call(SYS_io_uring_setup, 0U, nowhere)},
        {"take page faults into its hands (userfaultfd)", call(SYS_userfaultfd, ~0)},
        {"open files past their directories (open_by_handle_at)", call(SYS_open_by_handle_at, -1, nowhere, 0)},
        {"change its user (setuid)", call(SYS_setresuid, -1, -1, -1)},
        {"change its root directory (chroot)", call(SYS_chroot, nowhere)},
        {"set the clock (clock_settime)", call(SYS_clock_settime, 9999, nowhere)},
        {"name the machine (sethostname)", call(SYS_sethostname, nowhere, 1UL)},
        {"make a device (mknodat)", call(SYS_mknodat, -1, nowhere, 0U, 0U)},
        {"send raw packets (socket AF_PACKET)",
         [] {
             const Descriptor made(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
             return made ? 0 : errno;
         }},
        {"reach the hypervisor (socket AF_VSOCK)",
         [] {
             const Descriptor made(::socket(40, SOCK_STREAM | SOCK_CLOEXEC, 0));
             return made ? 0 : errno;
         }},
        {"push keys into a terminal (ioctl TIOCSTI)", call(SYS_ioctl, -1, 0x5412, nowhere)},
    };
    if (programs) return all;
    all.push_back({"start a program (execve)", call(SYS_execve, nowhere, nowhere, nowhere)});
    all.push_back({"start a process (fork)", [] {
                       const long child = ::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
                       if (child == 0) ::_exit(0);
                       return code(child);
                   }});
    all.push_back({"write into memory and run it (mmap)", [] {
                       void* const page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                       if (page == MAP_FAILED) return errno;
                       ::munmap(page, 4096);
                       return 0;
                   }});
    all.push_back({"signal another process (kill)", [] { return code(::kill(1, 0)); }});
    return all;
}

void try_calls(const TrialPlan& plan, std::vector<Trial>& trials) {
    for (const Forbidden& one : forbidden_calls(plan.programs)) {
        const int answer = one.attempt();
        trials.push_back(made(one.what, "seccomp", answer, answer == ENOSYS));
    }
}

int try_open(const std::string& path, int flags) {
    const Descriptor opened(::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600));
    return opened ? 0 : errno;
}

// A file without a name is made, which nobody sees.
int try_making(const std::string& directory) { return try_open(directory, O_TMPFILE | O_RDWR); }

void try_files(const TrialPlan& plan, std::vector<Trial>& trials) {
    for (const char* directory : {"/", "/root", "/home", "/srv", "/opt", "/boot", "/tmp", "/var/log", "/var/mail"}) {
        if (plan.places.covers(Access::read, directory) || ::access(directory, F_OK) != 0) continue;
        const int answer = try_open(directory, O_RDONLY | O_DIRECTORY);
        trials.push_back(made(std::string("list ") + directory, "landlock", answer, answer == EACCES));
    }
    for (const char* directory : {"/etc", "/usr/bin", "/tmp", "/var/tmp", "/var/log", "/dev/shm", "/root"}) {
        if (plan.places.covers(Access::write, directory) || ::access(directory, F_OK) != 0) continue;
        const int answer = try_making(directory);
        // systemd's ProtectSystem= and a container's read-only root answer before Landlock is asked.
        trials.push_back(made(std::string("make a file in ") + directory, answer == EROFS ? "mount" : "landlock", answer, answer == EACCES || answer == EROFS));
    }
    if (!plan.places.covers(Access::write, "/etc/passwd")) {
        const int answer = try_open("/etc/passwd", O_WRONLY);
        trials.push_back(made("change /etc/passwd", answer == EROFS ? "mount" : "landlock", answer, answer == EACCES || answer == EROFS));
    }
}

int try_listening(std::uint16_t port) {
    const Descriptor door(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(door.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return door && ::bind(door.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

}  // namespace

std::vector<Trial> try_everything(const TrialPlan& plan) {
    std::vector<Trial> trials;
    if (plan.seccomp) try_calls(plan, trials);
    if (plan.landlock) try_files(plan, trials);
    // A container may free all ports; then Landlock alone keeps them, from its version 4 on.
    if (const int answer = try_listening(1); plan.ports) trials.push_back(made("listen on port 1", "capabilities", answer, answer == EACCES));
    const bool firm = ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
    trials.push_back(made("gain rights by a setuid program", "no_new_privs", firm ? EPERM : 0, firm));
    const int own = try_making(plan.own_directory);
    trials.push_back(made("make a file in " + plan.own_directory, "nobody", own, own == 0));
    return trials;
}

}  // namespace posthorn::sandbox
