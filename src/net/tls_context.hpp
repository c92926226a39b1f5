// The client's side of TLS: its contexts, and what it wants to know of the host it connects to.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

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

// What the peer's certificate has to show. pkix: a chain to one of the CA files' authorities, and one of the target's names.
// dane: one of the TLSA records (RFC 7672 s3): of usage 3 the certificate itself, names and dates aside; of usage 2 an
// authority of its chain, and one of the names.
enum class TlsCheck : std::uint8_t { none, pkix, dane };

// Why a certificate was not good enough, in the terms of RFC 8460 s4.3.
enum class CertificateFault : std::uint8_t { none, expired, host_mismatch, not_trusted, no_tlsa_match, other };

// A TLSA record that this side may use (RFC 7672 s3.1): usage 2 or 3, selector 0 or 1, matching 0 to 2.
struct TlsaAssociation {
    std::uint8_t usage = 3;
    std::uint8_t selector = 1;
    std::uint8_t matching = 1;
    std::string data;  // octets

    TlsaAssociation() = default;
    TlsaAssociation(std::uint8_t use, std::uint8_t part, std::uint8_t match, std::string octets)
        : usage(use), selector(part), matching(match), data(std::move(octets)) {}
    friend bool operator==(const TlsaAssociation&, const TlsaAssociation&) = default;
};

// Whom we connect to, and how sure we want to be. host is sent as SNI: the name of the MX, or with DANE the TLSA base domain
// (RFC 7672 s8.1). Sessions are resumed only between equal targets: never across policies.
struct TlsTarget {
    std::string host;
    std::uint16_t port = 0;
    TlsCheck check = TlsCheck::none;
    // False: the certificate is looked at, and TlsFacts say what was found, but any will do (MTA-STS in testing).
    bool must_pass = true;
    std::vector<std::string> names;     // any one of them will do; empty: host
    std::vector<TlsaAssociation> tlsa;  // of check dane; at least one
    std::string policy;                 // what else must be equal for a session to be resumed: "sts 20261122"

    TlsTarget() = default;
    TlsTarget(std::string name, std::uint16_t number, bool verify)
        : host(std::move(name)), port(number), check(verify ? TlsCheck::pkix : TlsCheck::none) {}
};

class Certificate;
class TlsSessionCache;

// The client's side, one per shard (not thread-safe). Where no certificate has to pass, any cipher of security level 0 will
// do as well. REQUIRES: outlives the call of handshake_client, not the stream.
class ClientTls {
public:
    // ca_file: PEM; empty means the system's. Read when the first verified connection needs it (it costs
    // megabytes). own: shown to servers that ask for one; null: none.
    explicit ClientTls(std::string ca_file = {}, std::shared_ptr<const Certificate> own = nullptr);
    ~ClientTls();
    ClientTls(const ClientTls&) = delete;
    ClientTls& operator=(const ClientTls&) = delete;

    // A new SSL for the target: SNI, verification and, where there is one, the session to resume.
    [[nodiscard]] Result<SSL*> connection(const TlsTarget& target);
    [[nodiscard]] std::size_t sessions_kept() const;  // for metrics; at most kMaxSessions
    static constexpr std::size_t kMaxSessions = 256;

private:
    enum class Kind : std::uint8_t { any, observing, pkix, dane };
    [[nodiscard]] static Kind kind_of(const TlsTarget& target);
    [[nodiscard]] Result<SSL_CTX*> context(Kind kind);
    std::string ca_file_;
    std::shared_ptr<const Certificate> own_;
    std::array<SslContext, 4> contexts_;  // by Kind, made when needed
    std::shared_ptr<TlsSessionCache> sessions_;
};

// What SSL_get_verify_result says, in the words above.
[[nodiscard]] CertificateFault certificate_fault(long verify_result);

// The last thing OpenSSL complained about on this thread, in its words; clears its error queue.
[[nodiscard]] std::string take_ssl_error();

}  // namespace posthorn::net
