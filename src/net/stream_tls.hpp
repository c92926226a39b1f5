// The TLS side of a stream, shared by its source files only.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

#include "net/stream.hpp"
#include "net/tls_transport.hpp"

namespace posthorn::net {

inline error_code system_error(int number) {
    return error_code(number, boost::system::system_category());
}

struct SslDeleter {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
};

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
    error_code outcome(int result, asio::socket_base::wait_type& direction);
};

}  // namespace posthorn::net
