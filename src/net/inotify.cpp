// Reads the kernel's events and keeps their names.
#include "net/inotify.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace posthorn::net {
namespace {

void read_events(std::string_view octets, DirectoryWatch::Arrivals& arrivals) {
    while (octets.size() >= sizeof(inotify_event)) {
        inotify_event event;
        std::memcpy(&event, octets.data(), sizeof event);
        octets.remove_prefix(sizeof event);
        const std::string_view name = octets.substr(0, event.len);
        octets.remove_prefix(name.size());
        if ((event.mask & IN_Q_OVERFLOW) != 0) arrivals.overrun = true;
        if ((event.mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) != 0) arrivals.ended = true;
        // Filled up with NULs.
        if ((event.mask & IN_MOVED_TO) != 0) arrivals.names.emplace_back(name.substr(0, name.find('\0')));
    }
}

}  // namespace

Result<DirectoryWatch> DirectoryWatch::open(asio::io_context& context, const std::string& path) {
    const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0) {
        return Error{"cannot watch " + path + ": " + std::strerror(errno) +
                     (errno == EMFILE ? " (fs.inotify.max_user_instances)" : "")};
    }
    if (::inotify_add_watch(fd, path.c_str(), IN_MOVED_TO | IN_ONLYDIR | IN_DELETE_SELF | IN_MOVE_SELF) < 0) {
        const Error error{"cannot watch " + path + ": " + std::strerror(errno) +
                          (errno == ENOSPC ? " (fs.inotify.max_user_watches)" : "")};
        ::close(fd);
        return error;
    }
    return DirectoryWatch(context, fd);
}

DirectoryWatch::DirectoryWatch(asio::io_context& context, int fd)
    : descriptor_(std::make_unique<asio::posix::stream_descriptor>(context, fd)) {}

awaitable<DirectoryWatch::Arrivals> DirectoryWatch::next() {
    Arrivals arrivals;
    if (!descriptor_->is_open()) {
        arrivals.ended = true;
        co_return arrivals;
    }
    // Whole events only: inotify(7) says how large one can be.
    std::array<char, 4096> buffer;
    const auto [error, size] = co_await descriptor_->async_read_some(asio::buffer(buffer), kAwait);
    if (error) {
        arrivals.ended = true;
        co_return arrivals;
    }
    read_events(std::string_view(buffer.data(), size), arrivals);
    co_return arrivals;
}

void DirectoryWatch::close() {
    error_code ignored;
    descriptor_->close(ignored);
}

}  // namespace posthorn::net
