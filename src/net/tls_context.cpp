// Builds the client's contexts, opportunistic and verifying.
#include "net/tls_context.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <cstring>

#include "net/certificate.hpp"
#include "net/tls_session_cache.hpp"

namespace posthorn::net {
namespace {

// What the new-session callback needs to know about a connection; freed with the SSL.
struct SessionOwner {
    std::shared_ptr<TlsSessionCache> cache;
    std::string key;
};

int owner_index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr,
                                                  [](void*, void* owner, CRYPTO_EX_DATA*, int, long, void*) {
                                                      delete static_cast<SessionOwner*>(owner);
                                                  });
    return index;
}

// Returning 1 keeps the reference that OpenSSL hands us.
int keep_session(SSL* ssl, SSL_SESSION* session) {
    auto* owner = static_cast<SessionOwner*>(SSL_get_ex_data(ssl, owner_index()));
    if (owner == nullptr) {
        return 0;
    }
    owner->cache->put(owner->key, SslSession(session));
    return 1;
}

// RFC 6066 s3: without a trailing dot.
std::string without_dot(std::string name) {
    if (!name.empty() && name.back() == '.') name.pop_back();
    return name;
}

// Host, port and all that the certificate was held against: whatever differs there makes another session.
std::string session_key(const TlsTarget& target, const std::string& name) {
    std::string key = name + ':' + std::to_string(target.port);
    if (target.check == TlsCheck::none) return key + ":unverified";
    std::string terms = target.policy;
    for (const std::string& accepted : target.names) terms += '\n' + accepted;
    for (const TlsaAssociation& record : target.tlsa) {
        terms += '\n';
        terms += {static_cast<char>(record.usage), static_cast<char>(record.selector), static_cast<char>(record.matching)};
        terms += record.data;
    }
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (EVP_Digest(terms.data(), terms.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) size = 0;
    key += target.check == TlsCheck::dane ? ":dane:" : (target.must_pass ? ":pkix:" : ":observed:");
    key.append(reinterpret_cast<const char*>(digest.data()), size);
    return key;
}

// RFC 7672 s3: the base domain is the SNI and, for usage 2, the first of the names; usage 3 asks for no name.
Result<void> expect_tlsa(SSL* ssl, const TlsTarget& target, const std::string& name) {
    if (SSL_dane_enable(ssl, name.c_str()) <= 0)
        return Error{"OpenSSL cannot check TLSA records for '" + name + "': " + take_ssl_error()};
    SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    bool usable = false;
    for (const TlsaAssociation& record : target.tlsa)
        usable |= SSL_dane_tlsa_add(ssl, record.usage, record.selector, record.matching,
                                    reinterpret_cast<const unsigned char*>(record.data.data()), record.data.size()) == 1;
    ERR_clear_error();
    if (!usable) return Error{"OpenSSL takes none of the TLSA records of '" + name + "'"};
    return {};
}

Result<void> expect_names(SSL* ssl, const TlsTarget& target, const std::string& host) {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    std::vector<std::string> names = target.names;
    if (names.empty()) names.push_back(host);
    for (const std::string& accepted : names) {
        const std::string name = without_dot(accepted);
        const bool known = IpAddress::parse(name) ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) == 1
                                                  : !name.empty() && SSL_add1_host(ssl, name.c_str()) == 1;
        if (!known) return Error{"'" + name + "' is not a name that a certificate could be checked against"};
    }
    return {};
}

}  // namespace

// Buffers are given back while idle; a record may be sent in parts, from memory that has moved meanwhile.
void set_common_modes(SSL_CTX* context) {
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // A read ends with what is in its buffer: else a peer that sends nothing but key updates or tickets, as fast as they are
    // taken, would keep the thread in SSL_read (RFC 8446 s4.6).
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(context, 1);  // one recv for a record, not one for its head and one for its body
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    // The default minimum depends on the system's openssl.cnf: set it here.
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
}

std::string take_ssl_error() {
    const unsigned long last = ERR_peek_last_error();
    ERR_clear_error();
    if (last == 0) {
        return {};
    }
    if (ERR_SYSTEM_ERROR(last)) {
        return std::strerror(ERR_GET_REASON(last));
    }
    const char* reason = ERR_reason_error_string(last);
    return reason != nullptr ? std::string(reason) : "OpenSSL error " + std::to_string(ERR_GET_REASON(last));
}

CertificateFault certificate_fault(long verify_result) {
    switch (verify_result) {
        case X509_V_OK:
            return CertificateFault::none;
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return CertificateFault::expired;
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return CertificateFault::host_mismatch;
        case X509_V_ERR_DANE_NO_MATCH:
            return CertificateFault::no_tlsa_match;
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_CERT_UNTRUSTED:
        case X509_V_ERR_CERT_REJECTED:
        case X509_V_ERR_CERT_REVOKED:
        case X509_V_ERR_CERT_NOT_YET_VALID:
        case X509_V_ERR_INVALID_CA:
        case X509_V_ERR_INVALID_PURPOSE:
        case X509_V_ERR_PATH_LENGTH_EXCEEDED:
            return CertificateFault::not_trusted;
        default:
            return CertificateFault::other;
    }
}

ClientTls::ClientTls(std::string ca_file, std::shared_ptr<const Certificate> own)
    : ca_file_(std::move(ca_file)), own_(std::move(own)), sessions_(std::make_shared<TlsSessionCache>(kMaxSessions)) {}

ClientTls::~ClientTls() = default;

std::size_t ClientTls::sessions_kept() const {
    return sessions_->size();
}

ClientTls::Kind ClientTls::kind_of(const TlsTarget& target) {
    switch (target.check) {
        case TlsCheck::none:
            return Kind::any;
        case TlsCheck::pkix:
            return target.must_pass ? Kind::pkix : Kind::observing;
        case TlsCheck::dane:
            return Kind::dane;
    }
    return Kind::pkix;
}

Result<SSL_CTX*> ClientTls::context(Kind kind) {
    SslContext& place = contexts_[static_cast<std::size_t>(kind)];
    if (place) {
        return place.get();
    }
    ERR_clear_error();
    SslContext fresh(SSL_CTX_new(TLS_client_method()));
    if (!fresh) {
        return Error{"OpenSSL cannot make a TLS context: " + take_ssl_error()};
    }
    set_common_modes(fresh.get());
    SSL_CTX_set_session_cache_mode(fresh.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(fresh.get(), keep_session);
    if (kind == Kind::pkix || kind == Kind::observing) {
        const bool loaded = ca_file_.empty() ? SSL_CTX_set_default_verify_paths(fresh.get()) == 1
                                             : SSL_CTX_load_verify_file(fresh.get(), ca_file_.c_str()) == 1;
        if (!loaded) {
            const std::string reason = take_ssl_error();
            return Error{"cannot load the CA certificates" +
                         (ca_file_.empty() ? std::string() : " of " + ca_file_) + ": " + reason +
                         "; without them no certificate can be verified"};
        }
    }
    if (kind == Kind::dane && SSL_CTX_dane_enable(fresh.get()) != 1) {
        return Error{"OpenSSL cannot check TLSA records: " + take_ssl_error()};
    }
    if (kind == Kind::pkix || kind == Kind::dane) {
        SSL_CTX_set_verify(fresh.get(), SSL_VERIFY_PEER, nullptr);
    } else {
        // The alternative is clear text, so nothing a peer offers is too weak: small DH, SHA-1 signatures,
        // old servers without secure renegotiation (RFC 7435 s1.2).
        SSL_CTX_set_verify(fresh.get(), SSL_VERIFY_NONE, nullptr);
        SSL_CTX_set_security_level(fresh.get(), 0);
        SSL_CTX_set_options(fresh.get(), SSL_OP_LEGACY_SERVER_CONNECT);
    }
    if (own_) {
        if (const Result<void> installed = own_->install(fresh.get()); !installed) return installed.error();
    }
    place = std::move(fresh);
    return place.get();
}

Result<SSL*> ClientTls::connection(const TlsTarget& target) {
    Result<SSL_CTX*> parent = context(kind_of(target));
    if (!parent) {
        return parent.error();
    }
    ERR_clear_error();
    std::unique_ptr<SSL, void (*)(SSL*)> ssl(SSL_new(*parent), SSL_free);
    if (!ssl) {
        return Error{"OpenSSL cannot make a TLS connection: " + take_ssl_error()};
    }
    const std::string name = without_dot(target.host);
    if (!name.empty() && !IpAddress::parse(name)) {
        SSL_set_tlsext_host_name(ssl.get(), name.c_str());  // an address is not allowed there
    }
    if (target.check == TlsCheck::dane) {
        if (const Result<void> expected = expect_tlsa(ssl.get(), target, name); !expected) return expected.error();
    }
    if (target.check != TlsCheck::none) {
        if (const Result<void> expected = expect_names(ssl.get(), target, name); !expected) return expected.error();
    }
    std::string key = session_key(target, name);
    if (SslSession session = sessions_->take(key)) {
        SSL_set_session(ssl.get(), session.get());  // takes a reference of its own
    }
    auto owner = std::make_unique<SessionOwner>(SessionOwner{sessions_, std::move(key)});
    if (SSL_set_ex_data(ssl.get(), owner_index(), owner.get()) == 1) {
        owner.release();
    }
    return ssl.release();
}

}  // namespace posthorn::net
