// One HTTP request over a unix socket or TCP, blocking, with a deadline; the answer is read by Boost.Beast's parser.
#include "admin/client.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/descriptor.hpp"
#include "base/endpoint.hpp"
#include "base/text.hpp"

namespace posthorn::admin {

namespace http = boost::beast::http;

namespace {

// False when the deadline passed.
bool wait_for(int fd, short events, SteadyTime deadline) {
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        pollfd what{fd, events, 0};
        const int ready = ::poll(&what, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
        if (ready > 0) {
            return true;
        }
        if (ready == 0 || errno != EINTR) {
            return false;
        }
    }
}

Error no_connection(const std::string& path, int reason) {
    switch (reason) {
        case ENOENT:
            return Error{"there is no " + path +
                         ": the daemon is not running, or [admin] socket is another one; start it with "
                         "`systemctl start posthorn` (in a container: start that), or name the socket with --socket"};
        case ECONNREFUSED:
            return Error{"nobody answers on " + path +
                         ": the daemon is not running; start it with `systemctl start posthorn` (in a container: start that)"};
        case EACCES:
            return Error{"no permission to open " + path +
                         "; run this as root or as the user that the daemon runs as"};
        default:
            return Error{"cannot connect to " + path + ": " + std::strerror(reason)};
    }
}

Result<Descriptor> connect_socket(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        return Error{path.empty() ? "the configuration has no admin socket ([admin] socket is empty)"
                                  : "the path of the admin socket is too long: " + path};
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd.get() < 0 || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return no_connection(path, errno);
    return fd;
}

// Within the deadline, so that an address that swallows packets does not hold the command for minutes.
bool connect_within(int fd, const addrinfo& address, SteadyTime end) {
    if (::connect(fd, address.ai_addr, address.ai_addrlen) == 0) return true;
    if (errno != EINPROGRESS || !wait_for(fd, POLLOUT, end)) {
        if (errno == EINPROGRESS) errno = ETIMEDOUT;
        return false;
    }
    int failed = 0;
    socklen_t size = sizeof failed;
    if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) == 0) errno = failed;
    return errno == 0;
}

Result<Descriptor> connect_tcp(const WebAddress& where) {
    const SteadyTime end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    const std::string shown = "http://" + where.authority();
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int failed = ::getaddrinfo(where.host.c_str(), std::to_string(where.port).c_str(), &wanted, &found); failed != 0)
        return Error{fmt::format("cannot find {}: {}", where.host, ::gai_strerror(failed))};
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, ::freeaddrinfo);
    int reason = 0;
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
        char text[NI_MAXHOST] = {};
        ::getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
        const auto address = IpAddress::parse(text);
        if (!address || !address->is_private()) {
            return Error{fmt::format("{} leads to {}, out into the Internet, where the token would be read on the way; make a tunnel "
                                     "(ssh -L 2580:127.0.0.1:2580 HOST) and ask http://127.0.0.1:2580", shown, text)};
        }
        Descriptor fd(::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (fd.get() >= 0 && connect_within(fd.get(), *one, end)) {
            ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK);
            return fd;
        }
        reason = errno;
    }
    return Error{fmt::format("nobody answers on {} ({}): the daemon is not running, or admin.listen is another address", shown,
                             std::strerror(reason))};
}

// One request and its answer. Without a sink the answer has to come whole before the deadline.
Result<ClientAnswer> exchange(const DaemonAddress& where, const std::string& method, const std::string& target,
                              Duration deadline, const std::function<void(std::string_view)>& sink) {
    const std::string socket_path = where.url ? "http://" + where.url->authority() : where.socket;   // in words
    Result<Descriptor> connected = where.url ? connect_tcp(*where.url) : connect_socket(where.socket);
    if (!connected) return connected.error();
    const Descriptor fd = std::move(*connected);
    SteadyTime end = std::chrono::steady_clock::now() + deadline;

    std::string wire = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n", method, target,
                                   where.url ? where.url->authority() : "posthorn");
    if (!where.token.empty()) wire += fmt::format("Authorization: Bearer {}\r\n", where.token);
    wire += "\r\n";
    for (std::size_t sent = 0; sent < wire.size();) {
        const ssize_t n = ::send(fd.get(), wire.data() + sent, wire.size() - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            return Error{"the daemon closed " + socket_path + ": " + std::strerror(errno)};
        }
        sent += n > 0 ? static_cast<std::size_t>(n) : 0;
    }

    http::response_parser<http::string_body> parser;
    constexpr std::uint64_t kMostOctets = 64ULL * 1024 * 1024;
    if (sink) {
        parser.body_limit(boost::none);
    } else {
        parser.body_limit(kMostOctets);
    }
    parser.eager(true);
    std::string pending;
    std::array<char, 65536> block;
    while (!parser.is_done()) {
        if (!wait_for(fd.get(), POLLIN, end)) {
            return Error{"the daemon did not answer in time on " + socket_path + "; its log may say why"};
        }
        const ssize_t n = ::recv(fd.get(), block.data(), block.size(), 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return Error{"the daemon ended before it had answered on " + socket_path};
        }
        pending.append(block.data(), static_cast<std::size_t>(n));
        std::size_t taken = 1;
        while (taken != 0 && !pending.empty() && !parser.is_done()) {
            boost::system::error_code ec;
            taken = parser.put(boost::asio::const_buffer(pending.data(), pending.size()), ec);
            pending.erase(0, taken);
            if (ec && ec != http::error::need_more) {
                return Error{"what answers on " + socket_path + " is not Posthorn: " + ec.message()};
            }
        }
        if (sink && parser.is_header_done() && parser.get().result_int() == 200) {
            sink(parser.get().body());
            parser.get().body().clear();
            end = std::chrono::steady_clock::now() + deadline;
        }
    }
    return ClientAnswer{parser.get().result_int(), parser.get().body()};
}

}  // namespace

Result<ClientAnswer> request(const DaemonAddress& where, const std::string& method, const std::string& target, Duration deadline) {
    return exchange(where, method, target, deadline, {});
}

Result<ClientAnswer> request_long(const DaemonAddress& where, const std::string& method, const std::string& target,
                                  const std::function<void(std::string_view)>& sink, Duration deadline) {
    return exchange(where, method, target, deadline, sink);
}

Result<ClientAnswer> request(const std::string& socket_path, const std::string& method,
                             const std::string& target, Duration deadline) {
    return exchange(DaemonAddress{socket_path, {}, {}}, method, target, deadline, {});
}

Result<ClientAnswer> request_long(const std::string& socket_path, const std::string& method, const std::string& target,
                                  const std::function<void(std::string_view)>& sink, Duration deadline) {
    return exchange(DaemonAddress{socket_path, {}, {}}, method, target, deadline, sink);
}

std::string url_encode(const std::string& value) {
    std::string out;
    for (const char c : value) {
        if (text::is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~') {
            out += c;
        } else {
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return out;
}

}  // namespace posthorn::admin
