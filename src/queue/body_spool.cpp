// Spool files: data, then name, then directory, each on disk before the next.
#include "queue/body_spool.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

namespace posthorn::queue {

namespace {

Error spool_error(std::string_view what, const std::string& path) {
    return Error{"spool: cannot " + std::string(what) + " " + path + ": " + std::strerror(errno)};
}

// A directory's entries are on disk only when the directory is synced as well.
bool sync_directory(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const bool synced = ::fsync(fd) == 0;
    const int error = errno;
    ::close(fd);
    errno = error;
    return synced;
}

Result<void> make_folder(const std::string& directory, const std::string& folder) {
    if (::mkdir(folder.c_str(), 0700) == 0) {
        if (!sync_directory(directory)) {
            return spool_error("sync", directory);
        }
    } else if (errno != EEXIST) {
        return spool_error("create", folder);
    }
    return {};
}

// For file systems without hard links.
Result<std::string> copy_spooled(const std::string& directory, const std::string& spool_file, QueueId id) {
    const std::string path = directory + "/" + spool_file;
    const int from = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (from < 0) {
        return spool_error("read", path);
    }
    Result<BodySpool> copy = BodySpool::open(directory, id);
    std::string piece(256 * 1024, '\0');
    Result<void> written;
    while (copy && written) {
        const ssize_t got = ::read(from, piece.data(), piece.size());
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            written = spool_error("read", path);
        }
        if (got <= 0) {
            break;
        }
        written = copy->write(std::string_view(piece).substr(0, static_cast<std::size_t>(got)));
    }
    ::close(from);
    if (!copy) {
        return copy.error();
    }
    return written ? copy->finish() : Result<std::string>(written.error());
}

}  // namespace

std::string spool_name(QueueId id) {
    // The last bits change fastest: the files spread over 256 directories.
    constexpr std::string_view kHex = "0123456789abcdef";
    const auto low = static_cast<std::size_t>(id.value() & 0xff);
    return std::string{kHex[low >> 4], kHex[low & 15], '/'} + id.to_string();
}

Result<BodySpool> BodySpool::open(const std::string& directory, QueueId id) {
    BodySpool spool;
    spool.name_ = spool_name(id);
    spool.directory_ = directory + "/" + spool.name_.substr(0, 2);
    spool.final_path_ = directory + "/" + spool.name_;
    if (Result<void> made = make_folder(directory, spool.directory_); !made) {
        return made.error();
    }
    spool.fd_ = ::open(spool.directory_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (spool.fd_ < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT)) {
        static std::atomic<unsigned> serial{0};
        spool.temporary_path_ = spool.directory_ + "/.tmp-" + id.to_string() + "-" + std::to_string(serial++);
        spool.fd_ = ::open(spool.temporary_path_.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    }
    if (spool.fd_ < 0) {
        spool.temporary_path_.clear();
        return spool_error("create a file in", spool.directory_);
    }
    return spool;
}

BodySpool::BodySpool(BodySpool&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
      directory_(std::move(other.directory_)),
      name_(std::move(other.name_)),
      final_path_(std::move(other.final_path_)),
      temporary_path_(std::exchange(other.temporary_path_, {})) {}

BodySpool& BodySpool::operator=(BodySpool&& other) noexcept {
    if (this != &other) {
        abandon();
        fd_ = std::exchange(other.fd_, -1);
        size_ = other.size_;
        directory_ = std::move(other.directory_);
        name_ = std::move(other.name_);
        final_path_ = std::move(other.final_path_);
        temporary_path_ = std::exchange(other.temporary_path_, {});
    }
    return *this;
}

BodySpool::~BodySpool() {
    abandon();
}

void BodySpool::abandon() noexcept {
    if (fd_ >= 0) {
        ::close(fd_);
        fd_ = -1;
    }
    if (!temporary_path_.empty()) {
        ::unlink(temporary_path_.c_str());
        temporary_path_.clear();
    }
}

Result<void> BodySpool::write(std::string_view octets) {
    if (fd_ < 0) {
        return Error{"spool: " + name_ + " is not open"};
    }
    while (!octets.empty()) {
        const ssize_t written = ::write(fd_, octets.data(), octets.size());
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            return spool_error("write", final_path_);
        }
        octets.remove_prefix(static_cast<std::size_t>(written));
        size_ += static_cast<std::uint64_t>(written);
    }
    return {};
}

Result<std::string> BodySpool::read(std::uint64_t offset, std::size_t size) const {
    std::string octets(size, '\0');
    std::size_t got = 0;
    while (got < size) {
        const ssize_t more = ::pread(fd_, octets.data() + got, size - got, static_cast<off_t>(offset + got));
        if (more < 0 && errno == EINTR) {
            continue;
        }
        if (more < 0) {
            return spool_error("read", final_path_);
        }
        if (more == 0) {
            break;
        }
        got += static_cast<std::size_t>(more);
    }
    octets.resize(got);
    return octets;
}

Result<std::string> BodySpool::finish() {
    if (fd_ < 0) {
        return Error{"spool: " + name_ + " is not open"};
    }
    if (::fdatasync(fd_) != 0) {
        return spool_error("sync", final_path_);
    }
    // Both ways refuse to replace a file that exists.
    if (temporary_path_.empty()) {
        const std::string self = "/proc/self/fd/" + std::to_string(fd_);
        if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, final_path_.c_str(), AT_SYMLINK_FOLLOW) != 0) {
            return spool_error("name", final_path_);
        }
    } else {
        if (::link(temporary_path_.c_str(), final_path_.c_str()) != 0) {
            return spool_error("name", final_path_);
        }
        ::unlink(temporary_path_.c_str());
        temporary_path_.clear();
    }
    if (!sync_directory(directory_)) {
        const Error error = spool_error("sync", directory_);
        ::unlink(final_path_.c_str());
        return error;
    }
    ::close(fd_);
    fd_ = -1;
    return name_;
}

Result<std::string> link_spooled(const std::string& directory, const std::string& spool_file, QueueId id) {
    const std::string name = spool_name(id);
    const std::string folder = directory + "/" + name.substr(0, 2);
    if (Result<void> made = make_folder(directory, folder); !made) {
        return made.error();
    }
    const std::string from = directory + "/" + spool_file, to = directory + "/" + name;
    if (::link(from.c_str(), to.c_str()) != 0) {
        // Of no hard links on this file system (vfat, some network and container mounts), or of too many.
        if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK) {
            return copy_spooled(directory, spool_file, id);
        }
        return spool_error("name", to);
    }
    if (!sync_directory(folder)) {
        const Error error = spool_error("sync", folder);
        ::unlink(to.c_str());
        return error;
    }
    return name;
}

void remove_spooled(const std::string& directory, const std::string& spool_file) noexcept {
    ::unlink((directory + "/" + spool_file).c_str());
}

}  // namespace posthorn::queue
