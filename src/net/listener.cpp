// Opens listening sockets, and explains the few ways in which that fails.
#include "net/listener.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace posthorn::net {
namespace {

constexpr int kBacklog = 4096;  // the kernel cuts it down to net.core.somaxconn

std::string cannot(const Endpoint& endpoint, int reason) {
    std::string text = "cannot listen on " + endpoint.to_string() + ": ";
    switch (reason) {
        case EADDRINUSE:
            return text +
                   "another program listens there already; `ss -ltnp` shows which (often postfix or exim4: "
                   "`systemctl disable --now postfix`)";
        case EACCES:
            if (endpoint.is_unix()) {
                return text +
                       "no permission to create the socket file; its directory must belong to the user that "
                       "Posthorn "
                       "runs as";
            }
            return text +
                   "ports below 1024 need a privilege; start under systemd with "
                   "AmbientCapabilities=CAP_NET_BIND_SERVICE, "
                   "or listen on a higher port";
        case EADDRNOTAVAIL:
            return text + "this machine does not have that address; `ip addr` shows those it has";
        case ENOENT:
            return text + "its directory does not exist; create it, or correct the path";
        default:
            return text + std::strerror(reason);
    }
}

// An error when epoll takes no more (memory, fs.epoll.max_user_watches); the connection is closed then.
// Thrown, it would end the accept loop for good.
AcceptResult taken_over(asio::io_context& home, int fd) {
    try {
        return AcceptResult(Stream(home, fd));
    } catch (const boost::system::system_error& error) {
        return AcceptResult(error.code());
    }
}

Error failed(const Endpoint& endpoint) {
    return Error{cannot(endpoint, errno)};
}

// Removes a socket file that a killed process left behind. Returns why the path cannot be used, or empty.
std::string clear_stale(const Endpoint& endpoint, const sockaddr_un& path) {
    struct stat found {};
    if (::lstat(path.sun_path, &found) != 0) {
        return errno == ENOENT ? std::string() : cannot(endpoint, errno);
    }
    if (!S_ISSOCK(found.st_mode)) {
        return "cannot listen on " + endpoint.to_string() +
               ": there is a file of that name which is no socket; move it away, or correct the path";
    }
    const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (probe.get() < 0) {
        return cannot(endpoint, errno);
    }
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&path), sizeof path) == 0 ||
        errno == EAGAIN) {
        return cannot(endpoint, EADDRINUSE);
    }
    if (errno != ECONNREFUSED) {
        return cannot(endpoint, errno);
    }
    return ::unlink(path.sun_path) == 0 || errno == ENOENT ? std::string() : cannot(endpoint, errno);
}

}  // namespace

Result<Listener> Listener::open(asio::io_context& context, const Endpoint& endpoint, mode_t socket_mode) {
    if (endpoint.is_unix()) return open_unix(context, endpoint, socket_mode);
    Result<BoundSocket> bound = bind_tcp(endpoint);
    if (!bound) return bound.error();
    return adopt(context, std::move(*bound));
}

Result<BoundSocket> Listener::bind_tcp(const Endpoint& endpoint) {
    const bool any = endpoint.host.empty() || endpoint.host == "*";
    const Result<IpAddress> address = IpAddress::parse(any ? "0.0.0.0" : endpoint.host);
    if (!address) {
        return Error{"cannot listen on " + endpoint.to_string() + ": " + address.error().what};
    }
    sockaddr_storage local{};
    socklen_t length = to_sockaddr(*address, endpoint.port, local);
    BoundSocket bound{Descriptor(::socket(local.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP)), endpoint};
    if (!bound.fd) {
        return failed(endpoint);
    }
    const int on = 1;
    ::setsockopt(bound.fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (local.ss_family == AF_INET6) {
        ::setsockopt(bound.fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on,
                     sizeof on);  // else "[::]:25" takes "*:25" with it
    }
    if (::bind(bound.fd.get(), reinterpret_cast<const sockaddr*>(&local), length) != 0) {
        return failed(endpoint);
    }
    bound.endpoint.port = SocketAddress::local_of(bound.fd.get()).port;
    return bound;
}

Result<Listener> Listener::adopt(asio::io_context& context, BoundSocket socket) {
    if (::listen(socket.fd.get(), kBacklog) != 0) {
        return failed(socket.endpoint);
    }
    return Listener(asio::posix::stream_descriptor(context, socket.fd.release()), std::move(socket.endpoint));
}

Result<Listener> Listener::open_unix(asio::io_context& context, const Endpoint& endpoint,
                                     mode_t socket_mode) {
    sockaddr_un path{};
    path.sun_family = AF_UNIX;
    if (endpoint.unix_path.size() >= sizeof path.sun_path) {
        return Error{"cannot listen on " + endpoint.to_string() +
                     ": the path of a unix socket may have at most " +
                     std::to_string(sizeof path.sun_path - 1) + " characters"};
    }
    std::memcpy(path.sun_path, endpoint.unix_path.c_str(), endpoint.unix_path.size() + 1);
    if (std::string problem = clear_stale(endpoint, path); !problem.empty()) {
        return Error{problem};
    }
    Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (fd.get() < 0) {
        return failed(endpoint);
    }
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&path), sizeof path) != 0) {
        return failed(endpoint);
    }
    // The mode is set between bind and listen: before listen nobody can connect, whatever the umask was.
    struct stat made {};
    if (::chmod(path.sun_path, socket_mode) != 0 || ::listen(fd.get(), kBacklog) != 0 ||
        ::stat(path.sun_path, &made) != 0) {
        const int reason = errno;
        ::unlink(path.sun_path);
        return Error{cannot(endpoint, reason)};
    }
    Listener listener(asio::posix::stream_descriptor(context, fd.release()), endpoint);
    listener.device_ = made.st_dev;
    listener.inode_ = made.st_ino;
    return listener;
}

Listener::Listener(Listener&& other) noexcept = default;

Listener::~Listener() {
    close();
}

void Listener::close() noexcept {
    if (!descriptor_.is_open()) {
        return;
    }
    error_code ignored;
    descriptor_.close(ignored);
    struct stat found {};
    // Only our own file: a successor may have replaced it already.
    if (inode_ != 0 && ::lstat(endpoint_.unix_path.c_str(), &found) == 0 && found.st_ino == inode_ &&
        found.st_dev == device_) {
        ::unlink(endpoint_.unix_path.c_str());
    }
}

awaitable<AcceptResult> Listener::accept(asio::io_context& home) {
    for (;;) {
        if (!descriptor_.is_open()) {
            const error_code closed = asio::error::operation_aborted;
            co_return AcceptResult(closed);
        }
        // Waiting first, also in a flood of connections, gives the sessions of this shard their turn.
        auto [ec] = co_await descriptor_.async_wait(asio::posix::descriptor_base::wait_read, kAwait);
        if (ec || !descriptor_.is_open()) {
            const error_code closed = asio::error::operation_aborted;
            co_return AcceptResult(closed);
        }
        const int fd = ::accept4(descriptor_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            co_return taken_over(home, fd);
        }
        const int reason = errno;
        switch (reason) {
            case EMFILE:
            case ENFILE:
            case ENOBUFS:
            case ENOMEM: {
                const error_code exhausted(reason, boost::system::system_category());
                co_return AcceptResult(exhausted);
            }
            default:
                break;  // nothing there after all, or a connection that died in the queue (accept(2), ERRORS)
        }
    }
}

}  // namespace posthorn::net
