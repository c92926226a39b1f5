// Builds the client's contexts, opportunistic and verifying.
#include "net/tls_context.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <cstring>

#include "net/tls_session_cache.hpp"

namespace posthorn::net {
namespace {

constexpr std::size_t kSessionsKept = 256;

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

}  // namespace

// Buffers are given back while idle; a record may be sent in parts, from memory that has moved meanwhile.
void set_common_modes(SSL_CTX* context) {
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
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

ClientTls::ClientTls(std::string ca_file)
    : ca_file_(std::move(ca_file)), sessions_(std::make_shared<TlsSessionCache>(kSessionsKept)) {}

ClientTls::~ClientTls() = default;

std::size_t ClientTls::sessions_kept() const {
    return sessions_->size();
}

Result<SSL_CTX*> ClientTls::context(bool verify) {
    SslContext& place = verify ? verifying_ : opportunistic_;
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
    if (verify) {
        SSL_CTX_set_verify(fresh.get(), SSL_VERIFY_PEER, nullptr);
        const bool loaded = ca_file_.empty() ? SSL_CTX_set_default_verify_paths(fresh.get()) == 1
                                             : SSL_CTX_load_verify_file(fresh.get(), ca_file_.c_str()) == 1;
        if (!loaded) {
            const std::string reason = take_ssl_error();
            return Error{"cannot load the CA certificates" +
                         (ca_file_.empty() ? std::string() : " of " + ca_file_) + ": " + reason +
                         "; without them no certificate can be verified"};
        }
    } else {
        // The alternative is clear text, so nothing a peer offers is too weak: small DH, SHA-1 signatures,
        // old servers without secure renegotiation (RFC 7435 s1.2).
        SSL_CTX_set_verify(fresh.get(), SSL_VERIFY_NONE, nullptr);
        SSL_CTX_set_security_level(fresh.get(), 0);
        SSL_CTX_set_options(fresh.get(), SSL_OP_LEGACY_SERVER_CONNECT);
    }
    place = std::move(fresh);
    return place.get();
}

Result<SSL*> ClientTls::connection(const TlsTarget& target) {
    Result<SSL_CTX*> parent = context(target.verify);
    if (!parent) {
        return parent.error();
    }
    ERR_clear_error();
    std::unique_ptr<SSL, void (*)(SSL*)> ssl(SSL_new(*parent), SSL_free);
    if (!ssl) {
        return Error{"OpenSSL cannot make a TLS connection: " + take_ssl_error()};
    }
    std::string name = target.host;
    if (!name.empty() && name.back() == '.') {
        name.pop_back();  // RFC 6066 s3: without a trailing dot
    }
    const bool is_address = IpAddress::parse(name).has_value();
    if (!is_address && !name.empty()) {
        SSL_set_tlsext_host_name(ssl.get(), name.c_str());  // an address is not allowed there
    }
    if (target.verify) {
        SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        const bool known = is_address
                               ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), name.c_str()) == 1
                               : !name.empty() && SSL_set1_host(ssl.get(), name.c_str()) == 1;
        if (!known) {
            return Error{"'" + name + "' is not a name that a certificate could be checked against"};
        }
    }
    std::string key =
        name + ':' + std::to_string(target.port) + (target.verify ? ":verified" : ":opportunistic");
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
