// Contexts, the choice among them by name, and tickets.
#include "net/server_tls.hpp"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/text.hpp"

namespace posthorn::net {
namespace {

constexpr const char* kSuites12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kGroups = "X25519:P-256:P-384";
constexpr long kTicketLifetime = 7200;  // seconds

// What the callbacks need to know of a connection; freed with its SSL.
struct Handshake {
    std::shared_ptr<const ServerTls> tls;
    std::string server_name;  // what the client asked for, lower case, or empty
};

int handshake_index() {
    static const int index = SSL_get_ex_new_index(
        0, nullptr, nullptr, nullptr, [](void*, void* handshake, CRYPTO_EX_DATA*, int, long, void*) {
            delete static_cast<Handshake*>(handshake);
        });
    return index;
}

Handshake* handshake_of(const SSL* ssl) {
    return static_cast<Handshake*>(SSL_get_ex_data(ssl, handshake_index()));
}

// The host name of the extension server_name (RFC 6066 s3): a list with one name of type 0. Empty when there
// is none, or nothing that could be one.
std::string server_name_in(std::span<const unsigned char> extension) {
    if (extension.size() < 5) {
        return {};
    }
    const auto number = [&](std::size_t at) {
        return static_cast<std::size_t>(extension[at]) << 8 | extension[at + 1];
    };
    if (number(0) != extension.size() - 2 || extension[2] != TLSEXT_NAMETYPE_host_name ||
        number(3) != extension.size() - 5) {
        return {};
    }
    std::string name(reinterpret_cast<const char*>(extension.data()) + 5, extension.size() - 5);
    text::lower_in_place(name);
    return name;
}

// A ticket's note: the name, a NUL (which no name that was asked for by OpenSSL can have), the end point.
std::string note_of(const std::string& server_name, const std::string& end_point) {
    return server_name + std::string(1, '\0') + end_point;
}

std::string_view note_in(SSL_SESSION* session) {
    void* octets = nullptr;
    std::size_t size = 0;
    if (session == nullptr || SSL_SESSION_get0_ticket_appdata(session, &octets, &size) != 1) {
        return {};
    }
    return {static_cast<const char*>(octets), size};
}

}  // namespace

struct ServerTls::Callbacks {
    // Before anything else of the ClientHello is looked at, thus before a ticket is.
    static int client_hello(SSL* ssl, int*, void*) {
        Handshake* handshake = handshake_of(ssl);
        const unsigned char* extension = nullptr;
        std::size_t size = 0;
        if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &extension, &size) == 1) {
            handshake->server_name = server_name_in({extension, size});
            SSL_set_SSL_CTX(ssl, handshake->tls->context_for(handshake->server_name));
        }
        return SSL_CLIENT_HELLO_SUCCESS;
    }

    // With it OpenSSL keeps the name in the session and tells it to us.
    static int server_name(SSL*, int*, void*) { return SSL_TLSEXT_ERR_OK; }

    // RFC 5077 s4: name, IV, AES-CBC, HMAC-SHA-256. 1: good; 2: good, and the client gets a new ticket; 0:
    // make or take none; -1: end the connection.
    static int ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                          EVP_MAC_CTX* mac, int making) {
        TicketKeys& keys = *handshake_of(ssl)->tls->tickets_;
        const SteadyTime now = std::chrono::steady_clock::now();
        TicketKeys::Found found;
        if (making == 1) {
            const auto key = keys.current(now);
            if (!key || RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) {
                return 0;
            }
            found.key = *key;
            std::copy(key->name.begin(), key->name.end(), name);
        } else {
            const auto known = keys.find({name, found.key.name.size()}, now);
            if (!known) {
                return 0;
            }
            found = *known;
        }
        std::array<char, 7> hash{"SHA256"};
        const std::array<OSSL_PARAM, 3> parameters{
            OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, found.key.mac.data(), found.key.mac.size()),
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash.data(), 0),
            OSSL_PARAM_construct_end()};
        const bool ready =
            EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, found.key.cipher.data(), iv, making) == 1 &&
            EVP_MAC_CTX_set_params(mac, parameters.data()) == 1;
        OPENSSL_cleanse(&found.key, sizeof found.key);
        if (!ready) {
            return -1;
        }
        return found.old ? 2 : 1;
    }

    // A ticket is about to be made. One that follows from another keeps that one's note.
    static int note_ticket(SSL* ssl, void*) {
        if (SSL_session_reused(ssl) == 1) {
            return 1;
        }
        const std::string note =
            note_of(handshake_of(ssl)->server_name, net::server_end_point(SSL_get_certificate(ssl)));
        return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), note.data(), note.size());
    }

    static SSL_TICKET_RETURN take_ticket(SSL* ssl, SSL_SESSION* session, const unsigned char*, std::size_t,
                                         SSL_TICKET_STATUS status, void*) {
        if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) {
            return SSL_TICKET_RETURN_IGNORE_RENEW;
        }
        const std::string_view note = note_in(session);
        if (note.substr(0, note.find('\0')) != handshake_of(ssl)->server_name) {
            return SSL_TICKET_RETURN_IGNORE_RENEW;
        }
        return status == SSL_TICKET_SUCCESS_RENEW ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE;
    }
};

Result<std::shared_ptr<const ServerTls>> ServerTls::load(const std::vector<CertificateFiles>& pairs,
                                                         const ServerTlsRules& rules) {
    if (pairs.empty()) {
        const Error nothing{"no certificate was named"};
        return nothing;
    }
    std::shared_ptr<ServerTls> tls(new ServerTls());
    tls->tickets_ = rules.tickets ? rules.tickets : std::make_shared<TicketKeys>();
    tls->stamps_ = stamps_of(pairs);  // first: what is written while we read must look new afterwards
    for (const CertificateFiles& files : pairs) {
        Result<std::shared_ptr<const Certificate>> certificate = Certificate::load(files);
        if (!certificate) {
            return certificate.error();
        }
        if (Result<void> added = tls->add(*certificate, rules.min_version); !added) {
            return added.error();
        }
    }
    return std::shared_ptr<const ServerTls>(std::move(tls));
}

Result<void> ServerTls::add(const std::shared_ptr<const Certificate>& certificate, TlsVersion min_version) {
    // The twin of an earlier one: the same names, another type of key, so both fit into one context.
    for (const auto& earlier : certificates_) {
        const bool same_names = earlier->names() == certificate->names();
        const bool type_taken =
            std::any_of(certificates_.begin(), certificates_.end(), [&](const auto& other) {
                return other->names() == certificate->names() && other->key_type() == certificate->key_type();
            });
        if (same_names && !type_taken) {
            const auto context =
                std::find_if(contexts_.begin(), contexts_.end(), [&](const SslContext& candidate) {
                    return SSL_CTX_get_app_data(candidate.get()) == earlier.get();
                });
            if (context != contexts_.end()) {
                certificates_.push_back(certificate);
                return certificate->install(context->get());
            }
        }
    }

    ERR_clear_error();
    SslContext context(SSL_CTX_new(TLS_server_method()));
    const int oldest = min_version == TlsVersion::v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    if (context) {
        set_common_modes(context.get());
    }
    if (!context || SSL_CTX_set_min_proto_version(context.get(), oldest) != 1 ||
        SSL_CTX_set_cipher_list(context.get(), kSuites12) != 1 ||
        SSL_CTX_set1_groups_list(context.get(), kGroups) != 1) {
        return Error{"OpenSSL cannot make a TLS context: " + take_ssl_error()};
    }
    SSL_CTX* raw = context.get();
    SSL_CTX_set_security_level(raw, 2);
    SSL_CTX_clear_options(raw, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_max_early_data(raw, 0);
    SSL_CTX_set_verify(raw, SSL_VERIFY_NONE, nullptr);
    // One ticket a handshake is enough: mail clients open one connection at a time.
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(raw, 1);
    SSL_CTX_set_timeout(raw, kTicketLifetime);
    static constexpr unsigned char kId[] = "posthorn";
    SSL_CTX_set_session_id_context(raw, kId, sizeof kId - 1);
    SSL_CTX_set_client_hello_cb(raw, &Callbacks::client_hello, nullptr);
    SSL_CTX_set_tlsext_servername_callback(raw, &Callbacks::server_name);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(raw, &Callbacks::ticket_key);
    SSL_CTX_set_session_ticket_cb(raw, &Callbacks::note_ticket, &Callbacks::take_ticket, nullptr);
    SSL_CTX_set_app_data(raw, const_cast<Certificate*>(certificate.get()));  // whose context it is

    if (Result<void> installed = certificate->install(raw); !installed) {
        return installed;
    }
    for (const std::string& name : certificate->names()) {
        by_name_.emplace(name, raw);  // not over an earlier one
    }
    certificates_.push_back(certificate);
    contexts_.push_back(std::move(context));
    return {};
}

SSL_CTX* ServerTls::context_for(std::string_view server_name) const {
    if (const auto exact = by_name_.find(std::string(server_name)); exact != by_name_.end()) {
        return exact->second;
    }
    // RFC 6125 s6.4.3: a wildcard stands for one label.
    const auto dot = server_name.find('.');
    if (dot != std::string_view::npos && dot > 0) {
        if (const auto wild = by_name_.find("*" + std::string(server_name.substr(dot)));
            wild != by_name_.end()) {
            return wild->second;
        }
    }
    return contexts_.front().get();
}

bool ServerTls::covers(std::string_view host) const {
    return std::any_of(certificates_.begin(), certificates_.end(),
                       [&](const auto& certificate) { return certificate->covers(host); });
}

SSL* ServerTls::connection() const {
    std::unique_ptr<SSL, void (*)(SSL*)> ssl(SSL_new(contexts_.front().get()), SSL_free);
    if (!ssl) {
        return nullptr;
    }
    auto handshake = std::make_unique<Handshake>(Handshake{shared_from_this(), {}});
    if (SSL_set_ex_data(ssl.get(), handshake_index(), handshake.get()) != 1) {
        return nullptr;
    }
    handshake.release();
    SSL_set_accept_state(ssl.get());
    return ssl.release();
}

std::string ServerTls::end_point_of(const SSL* ssl) {
    if (SSL_session_reused(ssl) != 1) {
        return server_end_point(SSL_get_certificate(ssl));
    }
    const std::string_view note = note_in(SSL_get_session(ssl));
    const auto nul = note.find('\0');
    return nul == std::string_view::npos ? std::string() : std::string(note.substr(nul + 1));
}

}  // namespace posthorn::net
