// The BIO of TlsTransport: recv and send with MSG_DONTWAIT, told to OpenSSL in its terms.
#include "net/tls_transport.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace posthorn::net {
namespace {

TlsTransport& transport_of(BIO* bio) {
    return *static_cast<TlsTransport*>(BIO_get_data(bio));
}

int bio_read(BIO* bio, char* buffer, int size) {
    BIO_clear_retry_flags(bio);
    TlsTransport& transport = transport_of(bio);
    ssize_t got = 0;
    do {
        got = ::recv(transport.fd, buffer, static_cast<std::size_t>(size), MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    transport.drained = got < size;
    if (got < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            BIO_set_retry_read(bio);
        } else {
            transport.failure = errno;
        }
        return -1;
    }
    if (got == 0) {
        transport.failure = 0;
    }
    return static_cast<int>(got);
}

int bio_write(BIO* bio, const char* data, int size) {
    BIO_clear_retry_flags(bio);
    TlsTransport& transport = transport_of(bio);
    ssize_t sent = 0;
    do {
        sent = ::send(transport.fd, data, static_cast<std::size_t>(size), MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            BIO_set_retry_write(bio);
        } else {
            transport.failure = errno;
        }
        return -1;
    }
    return static_cast<int>(sent);
}

long bio_ctrl(BIO*, int command, long, void*) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;  // nothing is held back here
}

BIO_METHOD* method() {
    static BIO_METHOD* const made = [] {
        BIO_METHOD* fresh =
            BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR, "posthorn socket");
        BIO_meth_set_read(fresh, bio_read);
        BIO_meth_set_write(fresh, bio_write);
        BIO_meth_set_ctrl(fresh, bio_ctrl);
        return fresh;
    }();
    return made;
}

}  // namespace

BIO* new_transport_bio(TlsTransport& transport) {
    BIO* bio = BIO_new(method());
    if (bio != nullptr) {
        BIO_set_data(bio, &transport);
        BIO_set_init(bio, 1);
    }
    return bio;
}

}  // namespace posthorn::net
