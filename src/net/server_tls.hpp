// The server's side of TLS: certificates by the name a client asks for, and the rules of its handshakes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"
#include "net/certificate.hpp"
#include "net/ticket_keys.hpp"
#include "net/tls_context.hpp"

namespace posthorn::net {

enum class TlsVersion : std::uint8_t { v1_2, v1_3 };

struct ServerTlsRules {
    TlsVersion min_version = TlsVersion::v1_2;
    std::shared_ptr<TicketKeys> tickets;  // null: keys of its own
};

// What is decided here, and by what:
//  - TLS 1.2 and 1.3 (RFC 8996, RFC 8997: nothing below 1.2, TLS-5), or 1.3 only.
//  - TLS 1.2 suites: ECDHE with AES-GCM or ChaCha20-Poly1305 only (RFC 9325 s4.1, s4.2: forward secrecy,
//  AEAD;
//    no static RSA, no CBC, no finite-field DHE; the "intermediate" set of Mozilla but for its DHE). All of
//    them are good, so the client's order counts: a telephone without AES takes ChaCha20. Groups X25519,
//    P-256, P-384. OpenSSL's security level 2, whatever the system's openssl.cnf says.
//  - no renegotiation, no compression (RFC 9325 s3.3, s3.5), no early data (a replayed MAIL would be a second
//    message), no client certificates.
//  - tickets, no session cache: ten thousand idle clients cost no memory here. A ticket remembers the server
//    name it was given for, and is honoured for no other (RFC 6066 s3); and the certificate's end point, so
//    that the channel binding of a resumed connection is of the certificate that its client once saw, also
//    when another one has come since.
//  - certificates by SNI: an exact name before a wildcard, of equals the one listed first; no name, or one
//  that
//    none is for, gets the first certificate, never an alert, since many clients send the name of the domain
//    or of an alias and do not check. Certificates of equal names and different key types (RSA and ECDSA)
//    serve together: OpenSSL takes the one that the client understands.
//
// Immutable; shared by all shards through shared_ptr<const>. A reload makes a new one and old sessions keep
// theirs.
class ServerTls : public std::enable_shared_from_this<ServerTls> {
public:
    // At least one pair, the default first. Any unusable one is an error: it names the file, what is wrong
    // with it and what to do.
    [[nodiscard]] static Result<std::shared_ptr<const ServerTls>> load(
        const std::vector<CertificateFiles>& pairs, const ServerTlsRules& rules = {});
    [[nodiscard]] static Result<std::shared_ptr<const ServerTls>> load(const std::string& certificate_file,
                                                                       const std::string& key_file) {
        return load({CertificateFiles{certificate_file, key_file}});
    }

    // In the order of `pairs`: what /metrics, `posthorn status` and the watch over expiry look at.
    [[nodiscard]] const std::vector<std::shared_ptr<const Certificate>>& certificates() const {
        return certificates_;
    }
    // The files as they were just before they were read.
    [[nodiscard]] const std::vector<FileStamp>& stamps() const { return stamps_; }
    [[nodiscard]] bool covers(std::string_view host) const;

    // A new SSL for one connection, in accepting state; it keeps this object alive. Null when there is no
    // memory.
    [[nodiscard]] SSL* connection() const;
    // Of a connection made by connection() after its handshake: the end point (RFC 5929 s4.1) of the
    // certificate that its client saw.
    [[nodiscard]] static std::string end_point_of(const SSL* ssl);

private:
    struct Callbacks;
    ServerTls() = default;
    [[nodiscard]] SSL_CTX* context_for(std::string_view server_name) const;
    Result<void> add(const std::shared_ptr<const Certificate>& certificate, TlsVersion min_version);

    std::shared_ptr<TicketKeys> tickets_;
    std::vector<FileStamp> stamps_;
    std::vector<std::shared_ptr<const Certificate>> certificates_;
    std::vector<SslContext> contexts_;                   // the default first
    std::unordered_map<std::string, SSL_CTX*> by_name_;  // exact names, and "*.example.com"
};

}  // namespace posthorn::net
