// The stream: tries the system call first, and waits for the socket only when the kernel has nothing to give.
#include "net/stream.hpp"

#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "net/stream_tls.hpp"

namespace posthorn::net {
namespace {

constexpr std::size_t kTlsRecord = 16384;  // largest plaintext of one record, RFC 8446 s5.1

Stream::Socket adopt(asio::io_context& context, int fd) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    Stream::Socket socket(context);
    error_code ec;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
        ec = system_error(errno);
    } else {
        const int protocol = address.ss_family == AF_UNIX ? 0 : IPPROTO_TCP;
        socket.assign(asio::generic::stream_protocol(address.ss_family, protocol), fd, ec);
    }
    if (ec) {
        ::close(fd);
        throw boost::system::system_error(ec, "taking over a socket");
    }
    return socket;
}

}  // namespace

Stream::Stream(Socket socket) : socket_(std::move(socket)) {
    const int fd = socket_.native_handle();
    peer_ = SocketAddress::peer_of(fd);
    local_ = SocketAddress::local_of(fd);
    if (!peer_.is_unix()) {
        // Nagle with the peer's delayed ACK costs 40 ms per turn; we write once per turn anyway.
        const int on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
}

Stream::Stream(asio::io_context& context, int fd) : Stream(adopt(context, fd)) {}
Stream::~Stream() = default;
Stream::Stream(Stream&& other) noexcept = default;

Stream& Stream::operator=(Stream&& other) noexcept {
    if (this != &other) {
        close();
        tls_ = std::move(other.tls_);
        socket_ = std::move(other.socket_);
        peer_ = other.peer_;
        local_ = other.local_;
        drained_ = other.drained_;
        without_waiting_ = other.without_waiting_;
    }
    return *this;
}

int Stream::descriptor() const {
    return socket_.is_open() ? socket_.native_handle() : -1;
}

bool Stream::is_open() const {
    return socket_.is_open();
}

void Stream::close() noexcept {
    error_code ignored;
    socket_.close(ignored);
    if (tls_) {
        tls_->transport.fd = -1;  // the number may belong to another connection a moment later
    }
}

void Stream::end_reading() noexcept {
    error_code ignored;
    socket_.shutdown(asio::socket_base::shutdown_receive, ignored);
}

std::optional<PeerCredentials> Stream::credentials() const {
    if (!peer_.is_unix() || !socket_.is_open()) {
        return std::nullopt;
    }
    return peer_credentials(descriptor());
}

bool Stream::has_arrived() const {
    char first = 0;
    return is_open() && ::recv(descriptor(), &first, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool Stream::has_buffered() const {
    return tls_ && SSL_has_pending(tls_->ssl.get()) == 1;
}

awaitable<error_code> Stream::wait(asio::socket_base::wait_type direction) {
    without_waiting_ = 0;
    if (!socket_.is_open()) {
        co_return asio::error::operation_aborted;
    }
    auto [ec] = co_await socket_.async_wait(direction, kAwait);
    if (!ec && !socket_.is_open()) {
        ec = asio::error::operation_aborted;  // closed after the event, before we ran
    }
    co_return ec;
}

awaitable<void> Stream::give_way() {
    without_waiting_ = 0;
    co_await asio::post(socket_.get_executor(), asio::deferred);
}

IoResult Stream::try_read(std::span<char> buffer, asio::socket_base::wait_type& direction) {
    if (!socket_.is_open()) {
        return IoResult(asio::error::operation_aborted, 0);
    }
    if (tls_) {
        ERR_clear_error();
        std::size_t got = 0;
        const int result = SSL_read_ex(tls_->ssl.get(), buffer.data(), buffer.size(), &got);
        return result > 0 ? IoResult(error_code(), got) : IoResult(tls_->outcome(result, direction), 0);
    }
    direction = asio::socket_base::wait_read;
    for (;;) {
        const ssize_t got = ::recv(descriptor(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got > 0) {
            drained_ = static_cast<std::size_t>(got) < buffer.size();
            return IoResult(error_code(), static_cast<std::size_t>(got));
        }
        drained_ = true;
        if (got == 0) {
            return IoResult(asio::error::eof, 0);
        }
        if (errno != EINTR) {
            return IoResult(errno == EAGAIN ? error_code(asio::error::would_block) : system_error(errno), 0);
        }
    }
}

awaitable<IoResult> Stream::peek_some(std::span<char> buffer) {
    for (;;) {
        const error_code ec = co_await wait(asio::socket_base::wait_read);
        if (ec) {
            co_return IoResult(ec, 0);
        }
        const ssize_t got = ::recv(descriptor(), buffer.data(), buffer.size(), MSG_PEEK | MSG_DONTWAIT);
        if (got > 0) {
            co_return IoResult(error_code(), static_cast<std::size_t>(got));
        }
        if (got == 0) {
            co_return IoResult(asio::error::eof, 0);
        }
        if (errno != EINTR && errno != EAGAIN) {
            co_return IoResult(system_error(errno), 0);
        }
    }
}

void Stream::skip(std::size_t size) {
    std::array<char, 512> taken;
    while (size > 0) {
        const ssize_t got = ::recv(descriptor(), taken.data(), std::min(size, taken.size()), MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return;  // broken meanwhile: the next read says so
        }
        size -= static_cast<std::size_t>(std::max<ssize_t>(got, 0));
    }
}

bool Stream::must_wait() const {
    return tls_ ? tls_->transport.drained && SSL_has_pending(tls_->ssl.get()) == 0 : drained_;
}

awaitable<IoResult> Stream::read_some(std::span<char> buffer) {
    auto direction = asio::socket_base::wait_read;
    // A peer that has just been answered has rarely spoken again: waiting first spares a recv that finds
    // nothing.
    bool waiting = must_wait();
    for (;;) {
        if (waiting) {
            const error_code ec = co_await wait(direction);
            if (ec) {
                co_return IoResult(ec, 0);
            }
        } else if (too_long_without_waiting()) {
            co_await give_way();
        }
        IoResult result = try_read(buffer, direction);
        if (result.error != asio::error::would_block) {
            co_return result;
        }
        waiting = true;
    }
}

awaitable<error_code> Stream::wait_readable() {
    if (!must_wait()) {
        co_return error_code();
    }
    const error_code ec = co_await wait(asio::socket_base::wait_read);
    drained_ = false;
    if (tls_) {
        tls_->transport.drained = false;
    }
    co_return ec;
}

IoResult Stream::try_write(std::string_view data, asio::socket_base::wait_type& direction) {
    if (!tls_) {
        return try_gather(std::span<const std::string_view>(&data, 1), 0, 0, direction);
    }
    if (!socket_.is_open()) {
        return IoResult(asio::error::operation_aborted, 0);
    }
    ERR_clear_error();
    std::size_t sent = 0;
    const int result = SSL_write_ex(tls_->ssl.get(), data.data(), data.size(), &sent);
    return result > 0 ? IoResult(error_code(), sent) : IoResult(tls_->outcome(result, direction), 0);
}

IoResult Stream::try_gather(std::span<const std::string_view> pieces, std::size_t first, std::size_t offset,
                            asio::socket_base::wait_type& direction) {
    if (!socket_.is_open()) {
        return IoResult(asio::error::operation_aborted, 0);
    }
    direction = asio::socket_base::wait_write;
    std::array<iovec, 64> parts;
    std::size_t count = 0;
    for (std::size_t i = first; i < pieces.size() && count < parts.size(); ++i) {
        const std::string_view piece = i == first ? pieces[i].substr(offset) : pieces[i];
        if (!piece.empty()) {
            parts[count++] = iovec{const_cast<char*>(piece.data()), piece.size()};
        }
    }
    if (count == 0) {
        return {};
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    for (;;) {
        const ssize_t sent = ::sendmsg(descriptor(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            return IoResult(error_code(), static_cast<std::size_t>(sent));
        }
        if (errno != EINTR) {
            return IoResult(errno == EAGAIN ? error_code(asio::error::would_block) : system_error(errno), 0);
        }
    }
}

awaitable<IoResult> Stream::write(std::string_view data) {
    auto direction = asio::socket_base::wait_write;
    std::size_t done = 0;
    while (done < data.size()) {
        if (too_long_without_waiting()) {
            co_await give_way();
        }
        // With SSL_MODE_ENABLE_PARTIAL_WRITE OpenSSL takes one record at a time, and the same octets again
        // after a wait.
        const IoResult result = try_write(data.substr(done), direction);
        done += result.size;
        if (result.error == asio::error::would_block) {
            const error_code ec = co_await wait(direction);
            if (ec) {
                co_return IoResult(ec, done);
            }
        } else if (result.error) {
            co_return IoResult(result.error, done);
        }
    }
    co_return IoResult(error_code(), done);
}

awaitable<IoResult> Stream::write(std::span<const std::string_view> pieces) {
    std::size_t done = 0;
    if (tls_) {
        // Pieces are put together, since each SSL_write makes a record, a system call and, with luck, a
        // packet of its own.
        std::string record;
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            std::string_view rest = pieces[i];
            while (!rest.empty()) {
                const std::size_t part = std::min(rest.size(), kTlsRecord - record.size());
                record.append(rest.substr(0, part));
                rest.remove_prefix(part);
                if (record.size() == kTlsRecord) {
                    const IoResult result = co_await write(std::string_view(record));
                    done += result.size;
                    if (result.error) {
                        co_return IoResult(result.error, done);
                    }
                    record.clear();
                }
            }
        }
        const IoResult result = co_await write(std::string_view(record));
        co_return IoResult(result.error, done + result.size);
    }

    auto direction = asio::socket_base::wait_write;
    std::size_t first = 0;
    std::size_t offset = 0;
    for (;;) {
        while (first < pieces.size() && offset == pieces[first].size()) {
            ++first;
            offset = 0;
        }
        if (first == pieces.size()) {
            co_return IoResult(error_code(), done);
        }
        if (too_long_without_waiting()) {
            co_await give_way();
        }
        const IoResult result = try_gather(pieces, first, offset, direction);
        if (result.error == asio::error::would_block) {
            const error_code ec = co_await wait(direction);
            if (ec) {
                co_return IoResult(ec, done);
            }
        } else if (result.error) {
            co_return IoResult(result.error, done);
        }
        done += result.size;
        offset += result.size;
        while (first < pieces.size() && offset > pieces[first].size()) {
            offset -= pieces[first].size();
            ++first;
        }
    }
}

}  // namespace posthorn::net
