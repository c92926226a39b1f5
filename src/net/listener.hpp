// Listening sockets, TCP and unix, with errors an operator can act upon.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/descriptor.hpp"
#include "base/endpoint.hpp"
#include "base/result.hpp"
#include "net/stream.hpp"

namespace posthorn::net {

// One accepted connection, or the reason why there is none: operation_aborted after close().
struct AcceptResult {
    error_code error;
    std::optional<Stream> stream;

    AcceptResult() = default;
    explicit AcceptResult(error_code failed) : error(failed) {}
    explicit AcceptResult(Stream accepted) : stream(std::move(accepted)) {}
    [[nodiscard]] bool ok() const { return stream.has_value(); }
};

// A TCP socket that has its address, made while we had the right to it; nobody can connect to it yet.
struct BoundSocket {
    Descriptor fd;
    Endpoint endpoint;  // with the port that the kernel chose for 0
};

// Owned by the acceptor's coroutine or by the server, on one io_context. Its unix socket file is removed when
// it closes.
class Listener {
public:
    // TCP: SO_REUSEADDR, IPv6 only its own family, a backlog as large as the kernel allows. Unix: a file that
    // nobody listens on any more is replaced, one in use is an error; socket_mode is set before the first
    // client can connect.
    [[nodiscard]] static Result<Listener> open(asio::io_context& context, const Endpoint& endpoint,
                                               mode_t socket_mode = 0666);
    // The two halves of open() for TCP. bind_tcp() needs no io_context, and so no thread.
    [[nodiscard]] static Result<BoundSocket> bind_tcp(const Endpoint& endpoint);
    [[nodiscard]] static Result<Listener> adopt(asio::io_context& context, BoundSocket socket);
    ~Listener();
    Listener(Listener&&) noexcept;
    Listener& operator=(Listener&&) = delete;

    // The stream belongs to `home`, which may be another shard's context; use it there only. After EMFILE,
    // ENFILE, ENOBUFS or ENOMEM the connection stays in the kernel's queue: wait a moment before the next
    // call. Errors of a connection that died in the queue are passed over.
    awaitable<AcceptResult> accept(asio::io_context& home);
    // As bound: with the port that the kernel chose for 0.
    [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
    void close() noexcept;

private:
    [[nodiscard]] static Result<Listener> open_unix(asio::io_context& context, const Endpoint& endpoint,
                                                    mode_t socket_mode);
    Listener(asio::posix::stream_descriptor descriptor, Endpoint endpoint)
        : descriptor_(std::move(descriptor)), endpoint_(std::move(endpoint)) {}
    asio::posix::stream_descriptor descriptor_;
    Endpoint endpoint_;
    dev_t device_ = 0;  // identity of our socket file, so that only ours is removed
    ino_t inode_ = 0;
};

}  // namespace posthorn::net
