// A certificate with its key: read from files, judged, and told apart from what the files hold later.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace posthorn::net {

// tls-server-end-point (RFC 5929 s4.1): the certificate's digest, raw octets, by the hash of its signature,
// or by SHA-256 where that is MD5 or SHA-1. Empty for null, and where the signature names no single hash.
[[nodiscard]] std::string server_end_point(const X509* certificate);

// Both PEM; the certificate file holds the chain, our own certificate first. Symbolic links are followed, as
// certbot's live/NAME/fullchain.pem is one.
struct CertificateFiles {
    std::string certificate_file;
    std::string key_file;
    friend bool operator==(const CertificateFiles&, const CertificateFiles&) = default;
};

// What tells one state of a file from another without reading it, behind all symbolic links. A file that is
// not there or may not be seen is a state of its own.
struct FileStamp {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t modified_ns = 0,
                 changed_ns = 0;  // changed: also by chmod and chown, which may be the repair
    friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

// Two stamps a pair: certificate, key.
[[nodiscard]] std::vector<FileStamp> stamps_of(const std::vector<CertificateFiles>& pairs);

// Immutable.
class Certificate {
public:
    // The error names the file, what is wrong with it and what to do. Expired ones are loaded: whether they
    // are still good for anything, the caller says.
    [[nodiscard]] static Result<std::shared_ptr<const Certificate>> load(const CertificateFiles& files);

    [[nodiscard]] const CertificateFiles& files() const { return files_; }
    // DNS names it is for, lower case, "*.example.com" as it stands; of subjectAltName, or the common name
    // where that is missing. Sorted.
    [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
    [[nodiscard]] TimePoint not_before() const { return not_before_; }
    [[nodiscard]] TimePoint not_after() const { return not_after_; }
    // RSA, EC, Ed25519 ... as OpenSSL's NID: a context holds one certificate of each.
    [[nodiscard]] int key_type() const { return key_type_; }
    // RFC 6125 s6.4: a wildcard stands for exactly one label, and only for the whole of the leftmost one.
    [[nodiscard]] bool covers(std::string_view host) const;
    // Whether a client that trusts these authorities (PEM; empty: the system's, or SSL_CERT_FILE) gets from here to one of them by the chain in
    // the file. Names and dates of our own certificate are not looked at. The error says where the chain ends.
    [[nodiscard]] Result<void> verify_chain(const std::string& authorities) const;
    // Puts certificate, chain and key into a context, beside those of other key types.
    [[nodiscard]] Result<void> install(SSL_CTX* context) const;

private:
    struct Pem;
    Certificate() = default;

    CertificateFiles files_;
    std::vector<std::string> names_;
    TimePoint not_before_{}, not_after_{};
    int key_type_ = 0;
    std::shared_ptr<const Pem> pem_;
};

// Days from now to the end, rounded down; negative when it has passed.
[[nodiscard]] std::int64_t days_left(const Certificate& certificate, TimePoint now);

// What the operator must be told about the dates, with what to do: empty while all is well; `urgent` when
// clients refuse the certificate already.
struct DateNotice {
    std::string text;
    bool urgent = false;
};
inline constexpr std::chrono::days kExpiryNotice{14};
[[nodiscard]] DateNotice date_notice(const Certificate& certificate, TimePoint now);

// Whether a file of authorities (PEM) can be read and holds any; the error says what is wrong with it.
[[nodiscard]] Result<void> check_authorities(const std::string& path);

}  // namespace posthorn::net
