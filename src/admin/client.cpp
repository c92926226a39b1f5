// One HTTP request over a unix socket, blocking, with a deadline; the answer is read by Boost.Beast's parser.
#include "admin/client.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cerrno>
#include <cstring>

#include "base/descriptor.hpp"
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
                         "`systemctl start posthorn`, or name the socket with --socket"};
        case ECONNREFUSED:
            return Error{"nobody answers on " + path +
                         ": the daemon is not running; start it with `systemctl start posthorn`"};
        case EACCES:
            return Error{"no permission to open " + path +
                         "; run this as root or as the user that the daemon runs as"};
        default:
            return Error{"cannot connect to " + path + ": " + std::strerror(reason)};
    }
}

// One request and its answer. Without a sink the answer has to come whole before the deadline.
Result<ClientAnswer> exchange(const std::string& socket_path, const std::string& method, const std::string& target,
                              Duration deadline, const std::function<void(std::string_view)>& sink) {
    SteadyTime end = std::chrono::steady_clock::now() + deadline;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path.empty() || socket_path.size() >= sizeof address.sun_path) {
        return Error{socket_path.empty() ? "the configuration has no admin socket ([admin] socket is empty)"
                                         : "the path of the admin socket is too long: " + socket_path};
    }
    std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
    const Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd.get() < 0 ||
        ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return no_connection(socket_path, errno);
    }

    const std::string wire = fmt::format(
        "{} {} HTTP/1.1\r\nHost: posthorn\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", method, target);
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

Result<ClientAnswer> request(const std::string& socket_path, const std::string& method,
                             const std::string& target, Duration deadline) {
    return exchange(socket_path, method, target, deadline, {});
}

Result<ClientAnswer> request_long(const std::string& socket_path, const std::string& method, const std::string& target,
                                  const std::function<void(std::string_view)>& sink, Duration deadline) {
    return exchange(socket_path, method, target, deadline, sink);
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
