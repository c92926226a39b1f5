// What OpenSSL reads from and writes to: a non-blocking socket, without SIGPIPE and without a second copy of
// the data.
#pragma once

#include <openssl/bio.h>

namespace posthorn::net {

// Owned by the stream; the BIO points to it, so it must not move. asio::ssl::stream in its place would hold a
// BIO pair and two buffers, some 70 KiB for each idle connection, and could not be moved with the stream it
// refers to (docs/COROUTINES.md).
struct TlsTransport {
    int fd = -1;          // -1 after close: every operation then fails with EBADF
    bool drained = true;  // the last read took all there was: wait before reading again
    int failure = 0;      // errno of the last operation that failed for good; 0 at end of stream
};

// A BIO over the transport; owned by the SSL it is given to. Null when there is no memory.
[[nodiscard]] BIO* new_transport_bio(TlsTransport& transport);

}  // namespace posthorn::net
