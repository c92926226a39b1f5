// A file descriptor that closes itself.
#pragma once

#include <unistd.h>

#include <utility>

namespace posthorn {

class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int fd) : fd_(fd) {}  // what open() gave: negative is none
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    // Whoever asked for it closes it.
    [[nodiscard]] int release() { return std::exchange(fd_, -1); }
    // For those who must know whether what was written is there: 0, or -1 with errno.
    int close() { return ::close(std::exchange(fd_, -1)); }

private:
    int fd_ = -1;
};

}  // namespace posthorn
