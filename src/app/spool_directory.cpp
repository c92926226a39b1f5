// openat, fstat, renameat: each step on what was opened, never on a path that users can change meanwhile.
#include "app/spool_directory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace posthorn::app {
namespace {

constexpr mode_t kPutHere = 03733;  // sticky, setgid, write and search for all: put files there, and nothing else
constexpr mode_t kMine = 0700;

// Users give their files what time they like: the year 2300 in nanoseconds is more than an integer holds.
TimePoint time_of(const timespec& time) {
    constexpr std::int64_t kFar = 100'000'000'000;  // seconds: three thousand years
    const std::chrono::seconds whole(std::clamp<std::int64_t>(time.tv_sec, -kFar, kFar));
    return TimePoint(whole + std::chrono::duration_cast<TimePoint::duration>(std::chrono::nanoseconds(time.tv_nsec)));
}

std::string because(int error) { return std::strerror(error); }

// The directories above it as `mkdir -p` makes them.
void make_directories(const std::string& path) {
    for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
        const std::string part = path.substr(0, slash);
        if (::mkdir(part.c_str(), 0755) == 0) ::chmod(part.c_str(), 0755);   // the daemon's umask is 077
        if (slash == std::string::npos) return;
    }
}

std::string how_to_make(const std::string& path) {
    const std::string owner = std::to_string(::geteuid()), group = std::to_string(::getegid());
    return "; as root: install -d -m 0755 -o " + owner + " -g " + group + " " + path;
}

void describe(const struct stat& status, intake::SpoolEntry& entry) {
    using Kind = intake::SpoolEntry::Kind;
    entry.kind = S_ISREG(status.st_mode) ? Kind::file : S_ISLNK(status.st_mode) ? Kind::symlink : Kind::other;
    entry.uid = status.st_uid;
    entry.gid = status.st_gid;
    entry.mode = status.st_mode & 07777U;
    entry.links = status.st_nlink;
    entry.size = static_cast<std::uint64_t>(status.st_size);
    entry.modified = time_of(status.st_mtim);
    entry.inode = status.st_ino;
    entry.changed = static_cast<std::int64_t>(status.st_ctim.tv_sec) * 1'000'000'000 + status.st_ctim.tv_nsec;
}

// One of the directories of a spool.
Result<Descriptor> open_part(int spool, const std::string& path, const char* name, mode_t mode, std::vector<std::string>& warnings) {
    const std::string full = path + "/" + name;
    const bool made = ::mkdirat(spool, name, mode & 0777) == 0;
    if (!made && errno != EEXIST) return Error{"cannot create " + full + ": " + because(errno)};
    Descriptor part(::openat(spool, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!part) return Error{"cannot open " + full + ": " + because(errno)};
    struct stat status {};
    if (::fstat(part.get(), &status) != 0) return Error{"cannot look at " + full + ": " + because(errno)};
    // What we made, or what is ours and lets too many at it, gets its mode: umask and older versions are no reason.
    if ((status.st_mode & 07777) != mode && status.st_uid == ::geteuid()) ::fchmod(part.get(), mode);
    if (::fstat(part.get(), &status) == 0 && (status.st_mode & 07777) != mode) {
        char text[16];
        std::snprintf(text, sizeof text, "%04o", static_cast<unsigned>(mode));
        warnings.push_back(full + " belongs to uid " + std::to_string(status.st_uid) + " and has not the mode " + text +
                           ": users may reach each other's mail; as root: chmod " + text + " " + full);
    }
    return part;
}

}  // namespace

Result<std::shared_ptr<SpoolDirectory>> SpoolDirectory::open(const std::string& path) {
    Descriptor top(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!top && errno == ENOENT) {
        make_directories(path);
        top = Descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
    if (!top) {
        const int error = errno;
        return Error{"cannot open " + path + ": " + because(error) + (error == ENOENT ? how_to_make(path) : "")};
    }
    auto spool = std::shared_ptr<SpoolDirectory>(new SpoolDirectory);
    spool->path_ = path;
    const std::pair<const char*, Descriptor*> parts[] = {
        {"tmp", &spool->unfinished_}, {"new", &spool->incoming_}, {"refused", &spool->refused_}};
    for (const auto& [name, part] : parts) {
        Result<Descriptor> opened = open_part(top.get(), path, name, part == &spool->refused_ ? kMine : kPutHere, spool->warnings_);
        if (!opened) return Error{opened.error().what + how_to_make(path)};
        *part = std::move(*opened);
    }
    if (::flock(spool->incoming_.get(), LOCK_EX | LOCK_NB) != 0) {
        const std::string why = errno == EWOULDBLOCK ? "another daemon serves it already" : because(errno);
        return Error{"cannot lock " + path + "/new: " + why};
    }
    return spool;
}

bool SpoolDirectory::is_current() const {
    struct stat opened {}, there {};
    return ::fstat(incoming_.get(), &opened) == 0 && ::stat((path_ + "/new").c_str(), &there) == 0 && opened.st_ino == there.st_ino &&
           opened.st_dev == there.st_dev;
}

SpoolDirectory::Walk::~Walk() {
    if (stream_ != nullptr) ::closedir(stream_);
}

Result<SpoolDirectory::Walk> SpoolDirectory::walk() const {
    // A descriptor of its own: its place in the directory is the walk's.
    const int fd = ::openat(incoming_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    Walk walk;
    if (fd < 0 || (walk.stream_ = ::fdopendir(fd)) == nullptr) {
        const Error error{"cannot list " + path_ + "/new: " + because(errno)};
        if (fd >= 0) ::close(fd);
        return error;
    }
    return walk;
}

bool SpoolDirectory::Walk::next(std::vector<std::string>& names, std::size_t limit) {
    names.clear();
    errno = 0;
    while (names.size() < limit) {
        const dirent* entry = ::readdir(stream_);
        if (entry == nullptr) break;
        if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
    }
    const bool whole = errno == 0;
    std::sort(names.begin(), names.end());
    return whole;
}

SpoolDirectory::Opened SpoolDirectory::look(const std::string& name) const {
    Opened opened;
    intake::SpoolEntry& entry = opened.entry;
    entry.name = name;
    struct stat status {};
    // Looked at before it is opened: opening a device can do things.
    if (::fstatat(incoming_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        entry.error = errno;
        return opened;
    }
    describe(status, entry);
    if (entry.kind != intake::SpoolEntry::Kind::file) return opened;
    opened.file = Descriptor(::openat(incoming_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!opened.file) {
        entry.error = errno;
        return opened;
    }
    // And again, for it may be another one by now: what was opened is what counts.
    if (::fstat(opened.file.get(), &status) != 0) {
        entry.error = errno;
        return opened;
    }
    describe(status, entry);
    struct stat written_in {};
    if (::fstat(unfinished_.get(), &written_in) == 0 && (written_in.st_mode & S_ISGID) != 0) entry.spool_gid = written_in.st_gid;
    return opened;
}

std::string SpoolDirectory::still_the_same(const intake::SpoolEntry& entry) const {
    struct stat status {};
    if (::fstatat(incoming_.get(), entry.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return because(errno);
    return status.st_ino == entry.inode ? "" : "its owner has put another file in its place";
}

std::string SpoolDirectory::remove(const intake::SpoolEntry& entry) const {
    if (const std::string why = still_the_same(entry); !why.empty()) return errno == ENOENT ? "" : why;
    if (::unlinkat(incoming_.get(), entry.name.c_str(), 0) == 0 || errno == ENOENT) return {};
    return because(errno);
}

Result<std::string> SpoolDirectory::put_aside(const intake::SpoolEntry& entry) const {
    if (const std::string why = still_the_same(entry); !why.empty()) return Error{why};
    for (unsigned attempt = 0; attempt < 1000; ++attempt) {
        const std::string name = intake::refused_name(entry, attempt);
        // What is there already may be somebody's mail.
        if (::syscall(SYS_renameat2, incoming_.get(), entry.name.c_str(), refused_.get(), name.c_str(), RENAME_NOREPLACE) == 0)
            return path_ + "/refused/" + name;
        if (errno != EEXIST) break;
    }
    return Error{because(errno)};
}

bool SpoolDirectory::sync() const { return ::fsync(incoming_.get()) == 0; }

std::size_t SpoolDirectory::clear_abandoned(TimePoint now, Duration after) const {
    const int fd = ::openat(unfinished_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* stream = fd < 0 ? nullptr : ::fdopendir(fd);
    if (stream == nullptr) {
        if (fd >= 0) ::close(fd);
        return 0;
    }
    std::size_t removed = 0;
    while (const dirent* entry = ::readdir(stream)) {
        const std::string_view name = entry->d_name;
        struct stat status {};
        if (name == "." || name == ".." || ::fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (!intake::is_abandoned(time_of(status.st_mtim), now, after)) continue;
        // A directory that is not empty stays: nothing of ours makes one.
        if (::unlinkat(fd, entry->d_name, S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0) == 0) ++removed;
    }
    ::closedir(stream);
    return removed;
}

Result<std::string> read_piece(int file, std::uint64_t offset, std::size_t size) {
    std::string octets(size, '\0');
    for (;;) {
        const ssize_t got = ::pread(file, octets.data(), size, static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return Error{because(errno)};
        octets.resize(static_cast<std::size_t>(got));
        return octets;
    }
}

}  // namespace posthorn::app
