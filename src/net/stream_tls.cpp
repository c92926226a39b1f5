// The TLS of a stream: handshake and end, and what is to be known of the connection.
#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <boost/asio/ssl/error.hpp>

#include "net/stream_tls.hpp"

namespace posthorn::net {
namespace {

std::string one_line(const X509_NAME* name) {
    BIO* memory = BIO_new(BIO_s_mem());
    X509_NAME_print_ex(memory, name, 0, XN_FLAG_RFC2253);
    const char* text = nullptr;
    const long size = BIO_get_mem_data(memory, &text);
    std::string line(text, static_cast<std::size_t>(std::max(size, 0L)));
    BIO_free(memory);
    return line;
}

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

error_code Stream::Tls::outcome(int result, asio::socket_base::wait_type& direction) {
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
