// The kernel's clock, files and file systems.
#include <linux/magic.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "doctor/probes.hpp"

namespace posthorn::doctor {
namespace {

// statfs(2); those that linux/magic.h does not name have their number here.
constexpr long kCifs = 0xFF534D42, kSmb2 = 0xFE534D42;

std::string network_type(long type) {
    switch (type) {
        case NFS_SUPER_MAGIC:
            return "NFS";
        case SMB_SUPER_MAGIC:
        case kCifs:
        case kSmb2:
            return "SMB";
        case AFS_SUPER_MAGIC:
            return "AFS";
        case CEPH_SUPER_MAGIC:
            return "Ceph";
        case V9FS_MAGIC:
            return "9P";
        default:
            return {};
    }
}

std::string name_of(uid_t uid) {
    const passwd* const entry = ::getpwuid(uid);
    return entry != nullptr ? entry->pw_name : std::to_string(uid);
}

}  // namespace

ClockFact look_at_clock(TimePoint now, const std::vector<std::string>& files) {
    ClockFact fact;
    fact.now = now;
    timex kernel{};
    const int state = ::adjtimex(&kernel);
    fact.known = state >= 0;
    fact.synchronised = state >= 0 && state != TIME_ERROR && (kernel.status & STA_UNSYNC) == 0;
    fact.error =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::microseconds(kernel.esterror));
    for (const std::string& file : files) {
        struct stat status {};
        if (::stat(file.c_str(), &status) != 0) continue;
        const TimePoint changed{std::chrono::seconds(status.st_mtim.tv_sec)};
        if (changed <= fact.newest) continue;
        fact.newest = changed;
        fact.newest_file = file;
    }
    return fact;
}

CertificateFact look_at_certificate(const net::CertificateFiles& files, const std::string& hostname,
                                    const std::string& authorities) {
    CertificateFact fact;
    fact.file = files.certificate_file;
    fact.key_file = files.key_file;
    const auto loaded = net::Certificate::load(files);
    if (!loaded) {
        fact.fault = loaded.error().what;
        return fact;
    }
    const net::Certificate& certificate = **loaded;
    fact.names = certificate.names();
    fact.not_before = certificate.not_before();
    fact.not_after = certificate.not_after();
    fact.for_hostname = certificate.covers(hostname);
    if (const auto chain = certificate.verify_chain(authorities); !chain)
        fact.chain_fault = chain.error().what;
    struct stat status {};
    // A group of its own may read, as certbot and Docker give keys to.
    if (::stat(files.key_file.c_str(), &status) == 0 && (status.st_mode & 0007) != 0)
        fact.exposed = "everybody on this machine";
    return fact;
}

FileFact look_at_file(std::string path, std::string what) {
    FileFact fact;
    fact.path = std::move(path);
    fact.what = std::move(what);
    struct stat status {};
    if (::stat(fact.path.c_str(), &status) != 0) {
        fact.fault = std::strerror(errno);
        return fact;
    }
    fact.mode = status.st_mode & 07777;
    fact.owner = name_of(status.st_uid);
    if (!std::ifstream(fact.path))
        fact.fault = "it cannot be read by this user; run this as root, or as " + fact.owner;
    return fact;
}

std::optional<IpAddress> kernel_source_v4() {
    // i.root-servers.net; connecting a datagram socket sends nothing.
    constexpr std::uint32_t kTarget = 0xC0249411;
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return std::nullopt;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(25);
    address.sin_addr.s_addr = htonl(kTarget);
    socklen_t length = sizeof address;
    const bool found = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                       ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0;
    ::close(fd);
    if (!found) return std::nullopt;
    const std::uint32_t number = ntohl(address.sin_addr.s_addr);
    return IpAddress::from_v4({static_cast<std::uint8_t>(number >> 24),
                               static_cast<std::uint8_t>(number >> 16),
                               static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)});
}

DiskFact look_at_disk(const std::string& directory, std::uint64_t min_free) {
    DiskFact fact;
    fact.directory = directory;
    fact.min_free = min_free;
    // Before the first start there is none: its file system is that of what it will be made in.
    std::string there = directory;
    struct stat status {};
    while (::stat(there.c_str(), &status) != 0 && errno == ENOENT && there.size() > 1) {
        fact.missing = true;
        const std::size_t slash = there.find_last_of('/');
        there = slash == std::string::npos ? "." : slash == 0 ? "/" : there.substr(0, slash);
    }
    struct statfs kind {};
    struct statvfs space {};
    if (::statfs(there.c_str(), &kind) != 0 || ::statvfs(there.c_str(), &space) != 0) {
        fact.fault = directory + ": " + std::strerror(errno);
        return fact;
    }
    fact.network_type = network_type(static_cast<long>(kind.f_type));
    fact.read_only = (space.f_flag & ST_RDONLY) != 0;
    fact.free = static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize;
    fact.total = static_cast<std::uint64_t>(space.f_blocks) * space.f_frsize;
    fact.inodes = space.f_files;
    fact.free_inodes = space.f_favail;
    return fact;
}

}  // namespace posthorn::doctor
