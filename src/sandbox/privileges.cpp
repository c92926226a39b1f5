// setuid(2), capset(2) and prctl(2), in the one order in which they can be had.
#include "sandbox/privileges.hpp"

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <vector>

namespace posthorn::sandbox {
namespace {

constexpr int kLastCapability = 63;   // more than there are: the kernel answers EINVAL beyond its own
constexpr std::uint64_t kKeptByRoot = 1ULL << CAP_CHOWN | 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_FOWNER | 1ULL << CAP_FSETID;

Error failed(std::string_view what) { return Error{"cannot ", what, ": ", std::strerror(errno)}; }

Identity identity_of(const passwd& entry) { return {entry.pw_uid, entry.pw_gid, entry.pw_name, true}; }

template <class Ask>
std::optional<Identity> ask_passwd(const Ask& ask) {
    std::vector<char> text(16384);
    passwd entry{};
    passwd* found = nullptr;
    while (ask(&entry, text.data(), text.size(), &found) == ERANGE && text.size() < (1U << 22U)) text.resize(text.size() * 2);
    if (found == nullptr) return std::nullopt;
    return identity_of(*found);
}

std::optional<Identity> user_of(const std::string& name) {
    return ask_passwd([&](auto... rest) { return ::getpwnam_r(name.c_str(), rest...); });
}

std::optional<Identity> user_by_name_or_number(const std::string& written) {
    uid_t uid = 0;
    const char* end = written.data() + written.size();
    if (const auto [stop, code] = std::from_chars(written.data(), end, uid); code == std::errc{} && stop == end)
        return sandbox::user_of(uid, static_cast<gid_t>(uid));
    return user_of(written);
}

int set_capabilities(std::uint64_t kept) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> data{};
    for (std::size_t i = 0; i < data.size(); ++i) {
        const auto part = static_cast<std::uint32_t>(kept >> (32 * i));
        data[i] = {part, part, 0};
    }
    return static_cast<int>(::syscall(SYS_capset, &header, data.data()));
}

std::uint64_t permitted_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> data{};
    if (::syscall(SYS_capget, &header, data.data()) != 0) return 0;
    return data[0].permitted | static_cast<std::uint64_t>(data[1].permitted) << 32U;
}

// initgroups() needs passwd; who is not there has no groups but his own.
int take_on_groups(const Identity& identity) {
    return identity.known ? ::initgroups(identity.name.c_str(), identity.gid) : ::setgroups(1, &identity.gid);
}

}  // namespace

// A number need not be anybody's: containers run as numbers.
Identity user_of(uid_t uid, gid_t group_unless_known) {
    if (auto known = ask_passwd([&](auto... rest) { return ::getpwuid_r(uid, rest...); })) return *known;
    return {uid, group_unless_known, std::to_string(uid), false};
}

Result<Identity> choose_identity(const std::string& wished, const std::string& state_directory) {
    const uid_t own = ::geteuid();
    if (!wished.empty()) {
        const std::optional<Identity> user = user_by_name_or_number(wished);
        if (!user)
            return Error{"sandbox.user is \"", wished, "\", and this machine has no such user; make it (`adduser --system --group ", wished,
                         "`), or correct the name"};
        if (own != 0 && user->uid != own)
            return Error{"sandbox.user is \"", wished, "\", but the daemon was started by ", user_of(own, ::getegid()).name,
                         ", who cannot become another user; start it as root or as ", wished};
        return *user;
    }
    struct stat state {};
    if (own != 0) return user_of(own, ::getegid());
    if (::stat(state_directory.c_str(), &state) == 0) return user_of(state.st_uid, state.st_gid);
    if (auto posthorn = user_of("posthorn")) return *posthorn;
    return user_of(0, 0);
}

ActingAs::ActingAs(const Identity& identity) {
    if (::geteuid() != 0 || identity.uid == 0) return;
    acting_ = true;
    const int count = ::getgroups(0, nullptr);
    groups_.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    // The groups first: without root's uid they could not be changed.
    failed_ = count < 0 || ::getgroups(count, groups_.data()) != count || take_on_groups(identity) != 0 || ::setegid(identity.gid) != 0 ||
              ::seteuid(identity.uid) != 0;
}

ActingAs::~ActingAs() {
    if (!acting_) return;
    const bool root_again = ::seteuid(0) == 0 && ::setegid(0) == 0;
    // Without the right to set groups they have not been changed.
    const bool grouped = ::setgroups(groups_.size(), groups_.data()) == 0 || failed_;
    if (!root_again || !grouped) ::_exit(71);   // neither user: nothing may go on like this
}

Result<void> become(const Identity& identity) {
    const bool root = identity.uid == 0;
    const std::uint64_t kept = root ? kKeptByRoot & permitted_capabilities() : 0;
    // First, since it takes a capability. Who may not shrink the bounding set gains nothing by it either, after no_new_privs.
    for (int capability = 0; capability <= kLastCapability; ++capability) {
        if ((kept >> static_cast<unsigned>(capability) & 1U) == 0) (void)::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    }
    if (::geteuid() != identity.uid) {
        if (take_on_groups(identity) != 0) return failed("take on the groups of " + identity.name);
        if (::setresgid(identity.gid, identity.gid, identity.gid) != 0) return failed("take on the group of " + identity.name);
        if (::setresuid(identity.uid, identity.uid, identity.uid) != 0) return failed("become " + identity.name);
        // Who has changed his user is not his own in /proc; started as that user, as by systemd, he would be.
        ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    }
    (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    // Who has none needs no right to give them up, and may be kept from it.
    if (set_capabilities(kept) != 0 && permitted_capabilities() != kept)
        return failed("give up capabilities (a SystemCallFilter= of systemd must leave capset)");
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("set no_new_privs");
    if (!root && ::setuid(0) == 0) return Error{"cannot stay ", identity.name, ": the kernel lets us become root again"};
    return {};
}

}  // namespace posthorn::sandbox
