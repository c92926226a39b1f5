// Watches one directory for files that are moved into it, so that nobody has to look again and again.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "net/asio.hpp"

namespace posthorn::net {

// One inotify watch (inotify(7)). Lives on one shard; one waiter at a time. Some file systems tell nobody what other machines do
// (NFS, some volume drivers), so whoever relies on it looks by himself now and then.
class DirectoryWatch {
public:
    // The error says what the kernel refuses, and which of its limits it may be.
    [[nodiscard]] static Result<DirectoryWatch> open(asio::io_context& context, const std::string& path);

    struct Arrivals {
        std::vector<std::string> names;  // moved in, in the order in which that happened
        bool overrun = false;            // there were more than the kernel remembers: look at the whole directory
        bool ended = false;              // closed, or the directory is gone: nothing will be told any more
    };
    awaitable<Arrivals> next();
    // next() ends.
    void close();

private:
    explicit DirectoryWatch(asio::io_context& context, int fd);
    std::unique_ptr<asio::posix::stream_descriptor> descriptor_;
};

}  // namespace posthorn::net
