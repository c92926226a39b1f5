// The client's side of TLS: its contexts, and what it wants to know of the host it connects to.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "base/endpoint.hpp"
#include "base/result.hpp"

namespace posthorn::net {

struct SslContextDeleter {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslContextDeleter>;

struct SslSessionDeleter {
    void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using SslSession = std::unique_ptr<SSL_SESSION, SslSessionDeleter>;

// What both sides have in common: memory given back while idle, no compression, no renegotiation, nothing below
// TLS 1.2.
void set_common_modes(SSL_CTX* context);

// Whom we connect to, and how sure we want to be. host is the name of the MX: sent as SNI and, when verified,
// looked for in the certificate. Sessions are resumed only between equal targets: never across policies.
struct TlsTarget {
    std::string host;
    std::uint16_t port = 0;
    bool verify = false;

    TlsTarget() = default;
    TlsTarget(std::string name, std::uint16_t number, bool check)
        : host(std::move(name)), port(number), verify(check) {}
};

class TlsSessionCache;

// The client's side, one per shard (not thread-safe): opportunistic (any certificate, any cipher of security
// level 0) and verifying. REQUIRES: outlives the call of handshake_client, not the stream.
class ClientTls {
public:
    // ca_file: PEM; empty means the system's. Read when the first verified connection needs it (it costs
    // megabytes).
    explicit ClientTls(std::string ca_file = {});
    ~ClientTls();
    ClientTls(const ClientTls&) = delete;
    ClientTls& operator=(const ClientTls&) = delete;

    // A new SSL for the target: SNI, verification and, where there is one, the session to resume.
    [[nodiscard]] Result<SSL*> connection(const TlsTarget& target);
    [[nodiscard]] std::size_t sessions_kept() const;  // for metrics; at most 256

private:
    [[nodiscard]] Result<SSL_CTX*> context(bool verify);
    std::string ca_file_;
    SslContext opportunistic_;
    SslContext verifying_;
    std::shared_ptr<TlsSessionCache> sessions_;
};

// The last thing OpenSSL complained about on this thread, in its words; clears its error queue.
[[nodiscard]] std::string take_ssl_error();

}  // namespace posthorn::net
