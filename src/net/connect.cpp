// A non-blocking connect, waited for under a deadline.
#include "net/connect.hpp"

#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "net/deadline.hpp"
#include "net/task_group.hpp"

namespace posthorn::net {
namespace {

error_code last_error() {
    return error_code(errno, boost::system::system_category());
}

// Opens and binds; on an error the socket is closed again.
error_code prepare(Stream::Socket& socket, int family, int protocol, const std::optional<IpAddress>& source) {
    const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd < 0) {
        return last_error();
    }
    error_code ec;
    socket.assign(asio::generic::stream_protocol(family, protocol), fd, ec);
    if (ec) {
        ::close(fd);
        return ec;
    }
    if (source) {
        // The port is chosen at connect, so that one source address is not limited to 28,000 connections in
        // all.
        const int on = 1;
        ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        sockaddr_storage local{};
        const socklen_t length = to_sockaddr(*source, 0, local);
        if (::bind(fd, reinterpret_cast<const sockaddr*>(&local), length) != 0) {
            return last_error();
        }
    }
    return {};
}

awaitable<ConnectResult> finish(Stream::Socket socket, SteadyTime limit, TaskGroup* stop_with) {
    const auto close = [&socket] {
        error_code ignored;
        socket.close(ignored);
    };
    Deadline deadline(socket.get_executor(), close);
    deadline.set(limit);
    std::optional<TaskGroup::StopCallback> on_stop;
    if (stop_with != nullptr) {
        on_stop.emplace(*stop_with, close, nullptr);
    }
    auto [ec] = co_await socket.async_wait(asio::socket_base::wait_write, kAwait);
    if (deadline.expired()) {
        co_return ConnectResult(asio::error::timed_out);
    }
    if (ec) {
        co_return ConnectResult(ec);
    }
    if (!socket.is_open()) {
        co_return ConnectResult(asio::error::operation_aborted);
    }
    int failure = 0;
    socklen_t length = sizeof failure;
    if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_ERROR, &failure, &length) != 0) {
        failure = errno;
    }
    if (failure != 0) {
        const error_code reason(failure, boost::system::system_category());
        co_return ConnectResult(reason);
    }
    Stream stream(std::move(socket));
    co_return ConnectResult(std::move(stream));
}

}  // namespace

awaitable<ConnectResult> connect(IpAddress address, std::uint16_t port, std::optional<IpAddress> source,
                                 SteadyTime limit, TaskGroup* stop_with) {
    sockaddr_storage peer{};
    const socklen_t length = to_sockaddr(address, port, peer);
    Stream::Socket socket(co_await asio::this_coro::executor);
    if (source && source->is_v4() != address.is_v4()) {
        source.reset();
    }
    const error_code ec = prepare(socket, peer.ss_family, IPPROTO_TCP, source);
    if (ec) {
        co_return ConnectResult(ec);
    }
    if (::connect(socket.native_handle(), reinterpret_cast<const sockaddr*>(&peer), length) != 0 &&
        errno != EINPROGRESS) {
        const error_code reason = last_error();
        co_return ConnectResult(reason);
    }
    co_return co_await finish(std::move(socket), limit, stop_with);
}

awaitable<ConnectResult> connect(Endpoint endpoint, SteadyTime limit) {
    if (!endpoint.is_unix()) {
        const Result<IpAddress> address = IpAddress::parse(endpoint.host);
        if (!address) {
            const error_code reason = asio::error::host_not_found;
            co_return ConnectResult(reason);
        }
        std::optional<IpAddress> no_source;
        co_return co_await connect(*address, endpoint.port, no_source, limit);
    }
    sockaddr_un path{};
    path.sun_family = AF_UNIX;
    if (endpoint.unix_path.size() >= sizeof path.sun_path) {
        const error_code reason = asio::error::name_too_long;
        co_return ConnectResult(reason);
    }
    std::memcpy(path.sun_path, endpoint.unix_path.c_str(), endpoint.unix_path.size() + 1);
    Stream::Socket socket(co_await asio::this_coro::executor);
    std::optional<IpAddress> no_source;
    const error_code ec = prepare(socket, AF_UNIX, 0, no_source);
    if (ec) {
        co_return ConnectResult(ec);
    }
    // A unix connect never is "in progress": it succeeds, or says EAGAIN when the listener's queue is full.
    if (::connect(socket.native_handle(), reinterpret_cast<const sockaddr*>(&path), sizeof path) != 0) {
        const error_code reason = last_error();
        co_return ConnectResult(reason);
    }
    Stream stream(std::move(socket));
    co_return ConnectResult(std::move(stream));
}

}  // namespace posthorn::net
