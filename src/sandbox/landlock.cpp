// Three system calls; numbers that the headers of Debian 12 do not have yet stand here (linux/landlock.h of Linux 6.12).
#include "sandbox/landlock.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>

#include "base/descriptor.hpp"

namespace posthorn::sandbox {
namespace {

constexpr std::uint64_t kRefer = 1ULL << 13U;          // version 2
constexpr std::uint64_t kTruncate = 1ULL << 14U;       // version 3
constexpr std::uint64_t kIoctlDevice = 1ULL << 15U;    // version 5
constexpr std::uint64_t kBindTcp = 1ULL << 0U;         // version 4
constexpr std::uint64_t kScopeAbstract = 1ULL << 0U;   // version 6
constexpr std::uint64_t kScopeSignal = 1ULL << 1U;
constexpr int kRulePort = 2;

constexpr std::uint64_t kReadFile = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr std::uint64_t kReadDirectory = LANDLOCK_ACCESS_FS_READ_DIR;
// No devices are made, and nothing becomes executable.
constexpr std::uint64_t kWriteFile = LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate;
constexpr std::uint64_t kWriteDirectory = LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                          LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                                          LANDLOCK_ACCESS_FS_MAKE_SYM | kRefer;
constexpr std::uint64_t kMakeDevice = LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK;

// As the newest kernels read it; older ones take its beginning.
struct Ruleset {
    std::uint64_t files = 0;
    std::uint64_t ports = 0;
    std::uint64_t scopes = 0;
};
struct PortRule {
    std::uint64_t allowed = 0;
    std::uint64_t port = 0;
};

std::uint64_t files_known_to(int version) {
    std::uint64_t all = kReadFile | kReadDirectory | LANDLOCK_ACCESS_FS_EXECUTE | kWriteFile | kWriteDirectory | kMakeDevice;
    if (version < 3) all &= ~kTruncate;
    if (version >= 5) all |= kIoctlDevice;
    return all;
}

std::uint64_t rights(Access access, bool directory) {
    std::uint64_t right = kReadFile | kReadDirectory;
    if (access == Access::run) right |= LANDLOCK_ACCESS_FS_EXECUTE;
    if (access == Access::write) right |= kWriteFile | kWriteDirectory;
    return directory ? right : right & (kReadFile | LANDLOCK_ACCESS_FS_EXECUTE | kWriteFile);
}

Error failed(std::string_view what) { return Error{what, ": ", std::strerror(errno)}; }

Result<void> grant_place(int ruleset, const Place& place, std::uint64_t known) {
    const Descriptor there(::open(place.path.c_str(), O_PATH | O_CLOEXEC));
    struct stat status {};
    // What is gone, or closed to this user, needs no right.
    if (!there || ::fstat(there.get(), &status) != 0) return {};
    landlock_path_beneath_attr rule{};
    rule.allowed_access = rights(place.access, S_ISDIR(status.st_mode)) & known;
    rule.parent_fd = there.get();
    if (::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) return failed("granting " + place.path);
    return {};
}

}  // namespace

int landlock_version() {
    const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version < 0 ? 0 : static_cast<int>(version);
}

Result<int> confine_files(const LandlockWish& wish) {
    const int version = landlock_version();
    if (version == 0) return Error{"the kernel has no Landlock, or it is switched off (lsm= at boot, a container's filter)"};
    if (version < kOldestLandlock)
        return Error{"the kernel's Landlock is of version 1, under which no file can be moved to another directory; Linux 5.19 has version 2"};
    Ruleset asked;
    asked.files = files_known_to(version);
    asked.ports = kBindTcp;
    asked.scopes = kScopeSignal | (wish.abstract_sockets ? 0 : kScopeAbstract);
    const std::size_t size = version >= 6 ? sizeof asked : version >= kLandlockWithPorts ? sizeof asked.files + sizeof asked.ports : sizeof asked.files;
    const Descriptor ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &asked, size, 0)));
    if (!ruleset) return failed("making a ruleset");
    for (const Place& place : wish.places.all()) {
        if (const Result<void> granted = grant_place(ruleset.get(), place, asked.files); !granted) return granted.error();
    }
    if (version >= kLandlockWithPorts) {
        std::vector<std::uint16_t> ports = wish.ports;
        ports.push_back(0);
        for (const std::uint16_t port : ports) {
            const PortRule rule{kBindTcp, port};
            if (::syscall(SYS_landlock_add_rule, ruleset.get(), kRulePort, &rule, 0) != 0) return failed("granting a port");
        }
    }
    if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) return failed("putting the rules in force");
    return version;
}

}  // namespace posthorn::sandbox
