// flock on queue.lock: the pid inside is for people only, what counts is the kernel's lock.
#include "queue/sqlite/queue_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace posthorn::queue::sqlite {
namespace {

// What root has just made (posthorn restore) becomes the directory's owner's, or the daemon could not open it.
bool give_to_owner(int fd, const std::string& directory) {
    struct stat file {}, owner {};
    if (::geteuid() != 0 || ::stat(directory.c_str(), &owner) != 0 || owner.st_uid == 0) return true;
    if (::fstat(fd, &file) != 0) return false;
    return file.st_uid != 0 || file.st_nlink != 1 || ::fchown(fd, owner.st_uid, owner.st_gid) == 0;
}

}  // namespace

Result<QueueLock> QueueLock::acquire(const std::string& directory) {
    const std::string path = directory + "/queue.lock";
    // The directory is the daemon's: a link that it laid there would have root, at a restore, write over what it leads to.
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return Error{"cannot open " + path + ": " + std::strerror(errno)};
    }
    QueueLock lock(fd);
    if (!give_to_owner(fd, directory)) {
        return Error{"cannot give " + path + " to the owner of its directory: " + std::strerror(errno)};
    }
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) {
            return Error{"cannot lock " + path + ": " + std::strerror(errno)};
        }
        std::array<char, 300> text{};
        const ssize_t size = ::pread(fd, text.data(), text.size() - 1, 0);
        std::string owner(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
        while (!owner.empty() && owner.back() == '\n') {
            owner.pop_back();
        }
        return Error{"the queue " + directory + " belongs to another running Posthorn (" +
                     (owner.empty() ? std::string("pid unknown") : owner) +
                     "); stop that one first, or give this one another queue.directory"};
    }
    // The host's name tells containers that share a volume apart: each has its own pids.
    std::array<char, 256> host{};
    ::gethostname(host.data(), host.size() - 1);
    const std::string text = "pid " + std::to_string(::getpid()) + " on host " + host.data() + "\n";
    if (::ftruncate(fd, 0) != 0 ||
        ::pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
        return Error{"cannot write " + path + ": " + std::strerror(errno)};
    }
    return lock;
}

QueueLock::QueueLock(QueueLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

QueueLock& QueueLock::operator=(QueueLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}

QueueLock::~QueueLock() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

}  // namespace posthorn::queue::sqlite
