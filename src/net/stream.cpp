// The stream: tries the system call first, and waits for the socket only when the kernel has nothing to give.
#include "net/stream.hpp"

#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <boost/asio/ssl/error.hpp>
#include <cerrno>
#include <stdexcept>

#include "net/tls_transport.hpp"

namespace posthorn::net {
namespace {

constexpr std::size_t kTlsRecord = 16384;  // largest plaintext of one record, RFC 8446 s5.1

struct SslDeleter {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
};

error_code system_error(int number) {
    return error_code(number, boost::system::system_category());
}

std::string one_line(const X509_NAME* name) {
    BIO* memory = BIO_new(BIO_s_mem());
    X509_NAME_print_ex(memory, name, 0, XN_FLAG_RFC2253);
    const char* text = nullptr;
    const long size = BIO_get_mem_data(memory, &text);
    std::string line(text, static_cast<std::size_t>(std::max(size, 0L)));
    BIO_free(memory);
    return line;
}

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

struct Stream::Tls {
    TlsTransport transport;
    std::unique_ptr<SSL, SslDeleter> ssl;
    TlsCheck check = TlsCheck::none;
    bool verifying = false;  // and it must pass

    Tls(int fd, SSL* connection) : ssl(connection) {
        transport.fd = fd;
        BIO* bio = new_transport_bio(transport);
        if (bio == nullptr) {
            throw std::bad_alloc();
        }
        SSL_set_bio(ssl.get(), bio, bio);
    }
    // SMTP says QUIT where TLS has close_notify, and hardly anybody sends both. OpenSSL would call the session of a connection
    // that ended without it a bad one, and never resume it; one that really went wrong is marked so by the alert already.
    ~Tls() {
        if (SSL_is_init_finished(ssl.get()) == 1) {
            SSL_set_shutdown(ssl.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        }
    }
    Tls(const Tls&) = delete;
    Tls& operator=(const Tls&) = delete;

    // What a call that returned `result` <= 0 came to: would_block with the direction to wait for, or the
    // error.
    error_code outcome(int result, asio::socket_base::wait_type& direction) {
        switch (SSL_get_error(ssl.get(), result)) {
            case SSL_ERROR_WANT_READ:
                direction = asio::socket_base::wait_read;
                return asio::error::would_block;
            case SSL_ERROR_WANT_WRITE:
                direction = asio::socket_base::wait_write;
                return asio::error::would_block;
            case SSL_ERROR_ZERO_RETURN:
                return asio::error::eof;
            case SSL_ERROR_SYSCALL:
                if (transport.failure != 0) {
                    return system_error(transport.failure);
                }
                return asio::error::eof;
            default: {
                const unsigned long first = ERR_peek_error();
                return first == 0 ? error_code(asio::error::eof)
                                  : error_code(static_cast<int>(first), asio::error::get_ssl_category());
            }
        }
    }
};

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

awaitable<HandshakeResult> Stream::handshake() {
    auto direction = asio::socket_base::wait_read;
    for (;;) {
        ERR_clear_error();
        const int result = SSL_do_handshake(tls_->ssl.get());
        if (result == 1) {
            co_return HandshakeResult();
        }
        error_code ec = tls_->outcome(result, direction);
        if (ec == asio::error::would_block) {
            ec = co_await wait(direction);
            if (!ec) {
                continue;
            }
            co_return HandshakeResult(ec, "connection closed or timed out during the TLS handshake");
        }
        HandshakeResult failed(ec, handshake_failure(ec));
        if (tls_->verifying) failed.fault = certificate_fault(SSL_get_verify_result(tls_->ssl.get()));
        failed.untrusted = failed.fault != CertificateFault::none;
        co_return failed;
    }
}

std::string Stream::handshake_failure(const error_code& ec) const {
    if (ec == asio::error::eof) {
        return "the peer closed the connection during the TLS handshake";
    }
    const long verified = SSL_get_verify_result(tls_->ssl.get());
    std::string detail = take_ssl_error();
    if (detail.empty()) {
        detail = ec.message();
    }
    if (tls_->verifying && verified != X509_V_OK) {
        detail += ": ";
        detail += X509_verify_cert_error_string(verified);
    }
    return detail;
}

awaitable<HandshakeResult> Stream::handshake_server(std::shared_ptr<const ServerTls> tls) {
    SSL* connection = tls->connection();
    if (connection == nullptr || !socket_.is_open()) {
        SSL_free(connection);
        co_return HandshakeResult(asio::error::operation_aborted, "no TLS connection could be set up");
    }
    tls_ = std::make_unique<Tls>(descriptor(), connection);
    co_return co_await handshake();
}

awaitable<HandshakeResult> Stream::handshake_client(ClientTls& tls, TlsTarget target) {
    Result<SSL*> connection = tls.connection(target);
    if (!connection) {
        co_return HandshakeResult(asio::error::invalid_argument, connection.error().what);
    }
    SSL_set_connect_state(*connection);
    tls_ = std::make_unique<Tls>(descriptor(), *connection);
    tls_->check = target.check;
    tls_->verifying = target.check != TlsCheck::none && target.must_pass;
    co_return co_await handshake();
}

awaitable<void> Stream::shutdown_tls() {
    if (!tls_ || !socket_.is_open() || SSL_in_init(tls_->ssl.get())) {
        co_return;
    }
    auto direction = asio::socket_base::wait_read;
    std::array<char, 256> rest{};
    for (;;) {
        ERR_clear_error();
        int result = SSL_shutdown(tls_->ssl.get());
        if (result == 1) {
            co_return;
        }
        if (result == 0) {
            // Ours is sent. What the peer still says is of no interest, but must be read to reach its
            // close_notify.
            std::size_t got = 0;
            result = SSL_read_ex(tls_->ssl.get(), rest.data(), rest.size(), &got);
            if (result > 0) {
                continue;
            }
        }
        if (tls_->outcome(result, direction) != asio::error::would_block) {
            co_return;  // close_notify, truncation, reset: all mean the end
        }
        const error_code ec = co_await wait(direction);
        if (ec) {
            co_return;
        }
    }
}

namespace {

// RFC 9266 s2, s4.2.
std::string exporter_of(SSL* ssl) {
    static constexpr std::string_view kLabel = "EXPORTER-Channel-Binding";
    std::string octets(32, '\0');
    if (SSL_version(ssl) < TLS1_3_VERSION ||
        SSL_export_keying_material(ssl, reinterpret_cast<unsigned char*>(octets.data()), octets.size(), kLabel.data(),
                                   kLabel.size(), nullptr, 0, 0) != 1) {
        return {};
    }
    return octets;
}

// RFC 5929 s3.1: the first Finished message, which is the client's but for a resumed session.
std::string unique_of(SSL* ssl) {
    if (SSL_version(ssl) != TLS1_2_VERSION || SSL_get_extms_support(ssl) != 1) {
        return {};
    }
    const bool ours = (SSL_is_server(ssl) == 1) == (SSL_session_reused(ssl) == 1);
    std::array<char, EVP_MAX_MD_SIZE> finished{};
    const std::size_t size = ours ? SSL_get_finished(ssl, finished.data(), finished.size())
                                  : SSL_get_peer_finished(ssl, finished.data(), finished.size());
    return std::string(finished.data(), std::min(size, finished.size()));
}

}  // namespace

TlsFacts Stream::tls_facts() const {
    TlsFacts facts;
    SSL* ssl = tls_->ssl.get();
    facts.version = SSL_get_version(ssl);
    // The registry's name, which RFC 8314 s4.3 wants in Received; OpenSSL has one of its own for TLS 1.2.
    const char* suite = SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl));
    facts.cipher = suite != nullptr ? suite : SSL_get_cipher_name(ssl);
    facts.bits = SSL_get_cipher_bits(ssl, nullptr);
    if (tls_->check != TlsCheck::none) {
        const long verified = SSL_get_verify_result(ssl);
        facts.fault = certificate_fault(verified);
        facts.verified = facts.fault == CertificateFault::none;
        if (facts.verified) facts.verified_by = tls_->check;
        else facts.fault_detail = X509_verify_cert_error_string(verified);
        std::uint8_t usage = 0;
        if (tls_->check == TlsCheck::dane && SSL_get0_dane_tlsa(ssl, &usage, nullptr, nullptr, nullptr, nullptr) >= 0)
            facts.tlsa_usage = usage;
    }
    facts.resumed = SSL_session_reused(ssl) == 1;
    if (const X509* certificate = SSL_get0_peer_certificate(ssl)) {
        facts.peer_subject = one_line(X509_get_subject_name(certificate));
        facts.peer_issuer = one_line(X509_get_issuer_name(certificate));
    }
    if (const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)) {
        facts.server_name = name;
    }
    facts.server_end_point = SSL_is_server(ssl) == 1 ? ServerTls::end_point_of(ssl)
                                                     : server_end_point(SSL_get0_peer_certificate(ssl));
    facts.tls_exporter = exporter_of(ssl);
    facts.tls_unique = unique_of(ssl);
    return facts;
}

}  // namespace posthorn::net
