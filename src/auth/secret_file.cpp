// Reading and writing of secret files: the only place in auth that touches the file system.
#include "auth/secret_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/descriptor.hpp"

namespace posthorn::auth {
namespace {

constexpr std::size_t kMaxSize = 1 << 20;

// Removes the temporary file unless it has become the real one.
class TemporaryFile {
public:
    explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
    ~TemporaryFile() {
        if (!path_.empty()) ::unlink(path_.c_str());
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    void keep() { path_.clear(); }

private:
    std::string path_;
};

std::string directory_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

Error failure(std::string_view doing, const std::string& path, int error) {
    return {fmt::format("cannot {} {}: {}", doing, path, std::strerror(error))};
}

Error cannot_read(const std::string& path, int error) {
    switch (error) {
        case ENOENT:
            return {fmt::format("{} does not exist", path)};
        case EACCES:
            return {fmt::format(
                "{} may not be read by this user (uid {}): chown it to the user Posthorn runs as, "
                "or put it in a group of his and chmod 0640 it",
                path, ::geteuid())};
        default:
            return failure("read", path, error);
    }
}

bool write_all(int fd, std::string_view content) {
    while (!content.empty()) {
        const auto n = ::write(fd, content.data(), content.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        content.remove_prefix(std::size_t(n));
    }
    return true;
}

}  // namespace

Result<SecretFile> read_secret_file(const std::string& path) {
    Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (fd.get() < 0) return cannot_read(path, errno);
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return cannot_read(path, errno);
    if (!S_ISREG(status.st_mode)) return Error{fmt::format("{} is not a regular file", path)};

    SecretFile file{path, {}, {}};
    char block[16384];
    while (true) {
        const auto n = ::read(fd.get(), block, sizeof block);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return cannot_read(path, errno);
        if (n == 0) break;
        file.content.append(block, std::size_t(n));
        if (file.content.size() > kMaxSize)
            return Error{fmt::format("{} is larger than 1 MiB: this cannot be the right file", path)};
    }
    // Reading by the group is how a key is shared with one service; anything beyond that is an accident.
    const auto mode = status.st_mode & 07777;
    if ((mode & 0027) != 0) {
        file.exposed_to =
            fmt::format("{} has mode {:04o}, so others than its owner may {} it: chmod {} {}", path, mode,
                        (mode & 0022) != 0 ? "change" : "read", (mode & 0040) != 0 ? "0640" : "0600", path);
    }
    return file;
}

Result<void> write_secret_file(const std::string& path, std::string_view content, Existing existing,
                               unsigned mode) {
    const bool replace = existing == Existing::replace;
    const auto already_there = [&] {
        return Error{fmt::format(
            "{} exists already and is not overwritten: choose another name, or move it away first", path)};
    };
    struct stat old {};
    const bool have_old = ::stat(path.c_str(), &old) == 0;
    if (have_old && !replace) return already_there();

    std::string temporary = path + ".XXXXXX";
    Descriptor fd(::mkostemp(temporary.data(), O_CLOEXEC));  // made with mode 0600
    if (fd.get() < 0) return failure("make a file in the directory of", path, errno);
    TemporaryFile remover(temporary);
    if (have_old) {
        mode = old.st_mode & 0777;
        // Keeps the group by which the service reads it. Fails for an owner who is not in that group: then
        // say so, rather than leave a file that the service can no longer read.
        if ((old.st_uid != ::geteuid() || old.st_gid != ::getegid()) &&
            ::fchown(fd.get(), old.st_uid, old.st_gid) != 0)
            return failure("give its owner and group to the new", path, errno);
    }
    // Made by root in a service's directory (sudo posthorn dkim genkey), the file must be the service's to be
    // of use; the owner of the directory could put another in its place anyway.
    struct stat directory_status {};
    if (!have_old && ::geteuid() == 0 && ::stat(directory_of(path).c_str(), &directory_status) == 0 &&
        ::fchown(fd.get(), directory_status.st_uid, directory_status.st_gid) != 0)
        return failure("give the owner of its directory to the new", path, errno);
    // A directory of root's that a group may read (the package's /etc/posthorn): the service is in that group.
    if (directory_status.st_uid == 0 && directory_status.st_gid != 0 && (directory_status.st_mode & 0050) == 0050) mode |= 0040;
    if (::fchmod(fd.get(), mode) != 0) return failure("set the mode of", path, errno);
    if (!write_all(fd.get(), content) || ::fsync(fd.get()) != 0 || fd.close() != 0)
        return failure("write", path, errno);

    if (replace) {
        if (::rename(temporary.c_str(), path.c_str()) != 0) return failure("replace", path, errno);
        remover.keep();
    } else if (::link(temporary.c_str(), path.c_str()) != 0) {  // unlike rename, fails if somebody was faster
        if (errno == EEXIST) return already_there();
        return failure("make", path, errno);
    }
    Descriptor directory(::open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() < 0 || ::fsync(directory.get()) != 0)
        return failure("sync the directory of", path, errno);
    return {};
}

Result<void> change_secret_file(const std::string& path, const SecretChange& change) {
    // The directory is locked, not the file: the file is another one after the rename.
    Descriptor directory(::open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() < 0) return failure("open the directory of", path, errno);
    while (::flock(directory.get(), LOCK_EX) != 0) {
        if (errno != EINTR) return failure("lock the directory of", path, errno);
    }
    const bool exists = ::access(path.c_str(), F_OK) == 0;
    std::string content;
    if (exists) {
        auto old = read_secret_file(path);
        if (!old) return old.error();
        content = std::move(old->content);
    }
    const auto changed = change(exists ? &content : nullptr);
    if (!changed) return changed.error();
    return write_secret_file(path, *changed, Existing::replace);
}

}  // namespace posthorn::auth
