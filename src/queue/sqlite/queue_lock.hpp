// The lock that makes one process the owner of a queue directory.
#pragma once

#include <string>

#include "base/result.hpp"

namespace posthorn::queue::sqlite {

// Held while it lives; the kernel lets go of it when the process dies, however it dies.
class QueueLock {
public:
    // The error names the process that has the queue.
    [[nodiscard]] static Result<QueueLock> acquire(const std::string& directory);

    QueueLock(QueueLock&& other) noexcept;
    QueueLock& operator=(QueueLock&& other) noexcept;
    ~QueueLock();

private:
    explicit QueueLock(int fd) : fd_(fd) {}
    int fd_;
};

}  // namespace posthorn::queue::sqlite
