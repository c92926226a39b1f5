// Reading certificates and keys with OpenSSL, and saying in plain words what is wrong with them.
#include "net/certificate.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "base/text.hpp"
#include "net/tls_context.hpp"

namespace posthorn::net {
namespace {

struct X509Deleter {
    void operator()(X509* certificate) const { X509_free(certificate); }
};
struct KeyDeleter {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct BioDeleter {
    void operator()(BIO* bio) const { BIO_free(bio); }
};
using X509Ptr = std::unique_ptr<X509, X509Deleter>;
using KeyPtr = std::unique_ptr<EVP_PKEY, KeyDeleter>;
using BioPtr = std::unique_ptr<BIO, BioDeleter>;

// The file, or why it cannot be read.
Result<BioPtr> open_file(const std::string& kind, const std::string& path) {
    errno = 0;
    ERR_clear_error();
    BioPtr file(BIO_new_file(path.c_str(), "re"));
    if (file) {
        return file;
    }
    const int reason = errno;
    ERR_clear_error();
    std::string text = "cannot read the " + kind + " file " + path + ": " + std::strerror(reason);
    if (reason == EACCES) {
        text += "; the user that Posthorn runs as must be allowed to read it";
    } else if (reason == ENOENT) {
        text += "; check the path in the configuration";
    }
    return Error{std::move(text)};
}

// OpenSSL would ask on the terminal for the passphrase of an encrypted key: a daemon has none.
int no_passphrase(char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
}

TimePoint time_of(const ASN1_TIME* time) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) {
        return TimePoint{};
    }
    return TimePoint(std::chrono::seconds(::timegm(&parts)));
}

void add_name(std::vector<std::string>& names, const ASN1_STRING* text) {
    const auto* octets = reinterpret_cast<const char*>(ASN1_STRING_get0_data(text));
    std::string name(octets, static_cast<std::size_t>(std::max(ASN1_STRING_length(text), 0)));
    text::lower_in_place(name);
    if (!name.empty() && name.find('\0') == std::string::npos) {
        names.push_back(std::move(name));
    }
}

std::vector<std::string> names_of(const X509* certificate) {
    std::vector<std::string> names;
    auto* alternatives =
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; i < sk_GENERAL_NAME_num(alternatives); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives, i);
        if (name->type == GEN_DNS) {
            add_name(names, name->d.dNSName);
        }
    }
    // RFC 6125 s6.4.4: the common name counts only where there is no DNS name.
    const X509_NAME* subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (names.empty() && at >= 0) {
        add_name(names, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    }
    GENERAL_NAMES_free(alternatives);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
}

FileStamp stamp_of(const std::string& path) {
    FileStamp stamp;
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) {
        constexpr std::int64_t kNanoseconds = 1'000'000'000;
        stamp.device = status.st_dev;
        stamp.inode = status.st_ino;
        stamp.size = static_cast<std::uint64_t>(status.st_size);
        stamp.modified_ns = status.st_mtim.tv_sec * kNanoseconds + status.st_mtim.tv_nsec;
        stamp.changed_ns = status.st_ctim.tv_sec * kNanoseconds + status.st_ctim.tv_nsec;
    }
    return stamp;
}

}  // namespace

struct Certificate::Pem {
    X509Ptr own;
    std::vector<X509Ptr> chain;  // without our own
    KeyPtr key;
};

std::string server_end_point(const X509* certificate) {
    int hash = NID_undef;
    // Sets the hash also where it stands in parameters (RSA-PSS), and leaves it undefined for EdDSA.
    if (certificate == nullptr ||
        X509_get_signature_info(const_cast<X509*>(certificate), &hash, nullptr, nullptr, nullptr) != 1) {
        return {};
    }
    if (hash == NID_md5 || hash == NID_sha1) {
        hash = NID_sha256;
    }
    const EVP_MD* digest = EVP_get_digestbynid(hash);
    std::array<unsigned char, EVP_MAX_MD_SIZE> octets{};
    unsigned int size = 0;
    if (digest == nullptr || X509_digest(certificate, digest, octets.data(), &size) != 1) {
        return {};
    }
    return {reinterpret_cast<const char*>(octets.data()), size};
}

std::vector<FileStamp> stamps_of(const std::vector<CertificateFiles>& pairs) {
    std::vector<FileStamp> stamps;
    stamps.reserve(pairs.size() * 2);
    for (const CertificateFiles& files : pairs) {
        stamps.push_back(stamp_of(files.certificate_file));
        stamps.push_back(stamp_of(files.key_file));
    }
    return stamps;
}

Result<std::shared_ptr<const Certificate>> Certificate::load(const CertificateFiles& files) {
    const std::string& certificate_file = files.certificate_file;
    const std::string& key_file = files.key_file;
    Result<BioPtr> certificates = open_file("certificate", certificate_file);
    if (!certificates) {
        return certificates.error();
    }
    Result<BioPtr> keys = open_file("key", key_file);
    if (!keys) {
        return keys.error();
    }

    auto pem = std::make_shared<Pem>();
    pem->own.reset(PEM_read_bio_X509_AUX(certificates->get(), nullptr, nullptr, nullptr));
    while (pem->own) {
        X509Ptr next(PEM_read_bio_X509(certificates->get(), nullptr, nullptr, nullptr));
        if (!next) {
            break;
        }
        pem->chain.push_back(std::move(next));
    }
    // The end of the file is an error to PEM_read_bio, as is a chain that is cut off: only the first is none.
    const unsigned long last = ERR_peek_last_error();
    const bool at_end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    const std::string reason = take_ssl_error();
    if (!pem->own || !at_end) {
        return Error{
            "the certificate file " + certificate_file + " is not usable: " + reason +
            "; it must hold PEM certificates (-----BEGIN CERTIFICATE-----), our own first, then the chain"};
    }

    bool encrypted = false;
    pem->key.reset(PEM_read_bio_PrivateKey(keys->get(), nullptr, no_passphrase, &encrypted));
    const std::string key_reason = take_ssl_error();
    if (encrypted) {
        return Error{"the key file " + key_file +
                     " is protected by a passphrase, which a daemon cannot be asked for; " +
                     "remove it with: openssl pkey -in " + key_file + " -out new.key"};
    }
    if (!pem->key) {
        return Error{"the key file " + key_file + " is not usable: " + key_reason +
                     "; it must hold a PEM private key (-----BEGIN PRIVATE KEY-----)"};
    }
    const bool belongs = X509_check_private_key(pem->own.get(), pem->key.get()) == 1;
    ERR_clear_error();
    if (!belongs) {
        return Error{"the key in " + key_file + " does not belong to the certificate in " + certificate_file +
                     "; both must come from the same request"};
    }

    std::shared_ptr<Certificate> made(new Certificate());
    made->files_ = files;
    made->names_ = names_of(pem->own.get());
    made->not_before_ = time_of(X509_get0_notBefore(pem->own.get()));
    made->not_after_ = time_of(X509_get0_notAfter(pem->own.get()));
    made->key_type_ = EVP_PKEY_get_base_id(pem->key.get());
    made->pem_ = std::move(pem);
    return std::shared_ptr<const Certificate>(std::move(made));
}

bool Certificate::covers(std::string_view host) const {
    std::string name(host);
    text::lower_in_place(name);
    if (std::binary_search(names_.begin(), names_.end(), name)) {
        return true;
    }
    const auto dot = name.find('.');
    return dot != std::string::npos && dot > 0 &&
           std::binary_search(names_.begin(), names_.end(), "*" + name.substr(dot));
}

Result<void> Certificate::verify_chain(const std::string& authorities) const {
    const std::unique_ptr<X509_STORE, void (*)(X509_STORE*)> store(X509_STORE_new(), X509_STORE_free);
    const std::unique_ptr<X509_STORE_CTX, void (*)(X509_STORE_CTX*)> check(X509_STORE_CTX_new(),
                                                                           X509_STORE_CTX_free);
    const std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> chain(
        sk_X509_new_null(), [](STACK_OF(X509) * all) { sk_X509_free(all); });
    bool ready = store && check && chain;
    ready = ready && (authorities.empty() ? X509_STORE_set_default_paths(store.get())
                                          : X509_STORE_load_file(store.get(), authorities.c_str())) == 1;
    for (const X509Ptr& one : pem_->chain) ready = ready && sk_X509_push(chain.get(), one.get()) > 0;
    ready = ready && X509_STORE_CTX_init(check.get(), store.get(), pem_->own.get(), chain.get()) == 1;
    if (!ready) return Error{"the authorities cannot be read: " + take_ssl_error()};
    X509_STORE_CTX_set_flags(check.get(), X509_V_FLAG_NO_CHECK_TIME);
    const bool good = X509_verify_cert(check.get()) == 1;
    const int reason = X509_STORE_CTX_get_error(check.get());
    ERR_clear_error();
    if (good) return {};
    return Error{X509_verify_cert_error_string(reason)};
}

Result<void> Certificate::install(SSL_CTX* context) const {
    ERR_clear_error();
    bool done = SSL_CTX_use_certificate(context, pem_->own.get()) == 1 &&
                SSL_CTX_use_PrivateKey(context, pem_->key.get()) == 1;
    for (std::size_t i = 0; done && i < pem_->chain.size(); ++i) {
        done = SSL_CTX_add1_chain_cert(context, pem_->chain[i].get()) == 1;
    }
    if (!done) {
        return Error{"the certificate in " + files_.certificate_file + " is not usable: " + take_ssl_error() +
                     "; have it issued with a key of today's strength (EC P-256, or RSA of 2048 bits)"};
    }
    return {};
}

std::int64_t days_left(const Certificate& certificate, TimePoint now) {
    return std::chrono::floor<std::chrono::days>(certificate.not_after() - now).count();
}

DateNotice date_notice(const Certificate& certificate, TimePoint now) {
    const std::string& file = certificate.files().certificate_file;
    const std::int64_t days = days_left(certificate, now);
    if (now < certificate.not_before()) {
        return {"the certificate in " + file + " is not valid yet: check this machine's clock", true};
    }
    if (now >= certificate.not_after()) {
        return {"the certificate in " + file + " has expired: clients that check it will refuse; renew it " +
                    "(it is read again by itself)",
                true};
    }
    if (certificate.not_after() - now < kExpiryNotice) {
        return {"the certificate in " + file + " expires in " + std::to_string(days) +
                    (days == 1 ? " day" : " days") +
                    ": see why it was not renewed (certbot renew), and renew it; it is read again by itself",
                false};
    }
    return {};
}

Result<void> check_authorities(const std::string& path) {
    const Result<BioPtr> file = open_file("CA", path);
    if (!file) return file.error();
    const std::unique_ptr<X509_STORE, void (*)(X509_STORE*)> store(X509_STORE_new(), X509_STORE_free);
    ERR_clear_error();
    if (store && X509_STORE_load_file(store.get(), path.c_str()) == 1) return {};
    return Error{"the CA file " + path + " holds no certificates that can be read: " + take_ssl_error() +
                 "; it must be PEM, -----BEGIN CERTIFICATE-----"};
}

}  // namespace posthorn::net
