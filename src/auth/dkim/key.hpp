// A DKIM private key: read, made, written, and used to sign; RSA (RFC 6376, RFC 8301) or Ed25519 (RFC 8463).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace posthorn::auth::dkim {

enum class Algorithm : std::uint8_t { rsa, ed25519 };

class PrivateKey;
using PrivateKeyPtr = std::shared_ptr<const PrivateKey>;

// Immutable; shared by the key tables that use it. sign() may be called from any number of threads at once.
class PrivateKey {
public:
    // PEM, PKCS#1 ("BEGIN RSA PRIVATE KEY") or PKCS#8 ("BEGIN PRIVATE KEY"), without a pass phrase. RSA below
    // 1024 bits is an error (RFC 8301 s3.2: verifiers reject it). source is the file's name for messages.
    [[nodiscard]] static Result<PrivateKeyPtr> parse(std::string_view pem, const std::string& source);
    // The same from a file; a missing or unreadable one is an error that says which command repairs it.
    [[nodiscard]] static Result<PrivateKeyPtr> load(const std::string& path);
    // rsa: 2048, 3072 or 4096 bits; ed25519: bits is not looked at. RSA takes 50 ms to seconds.
    [[nodiscard]] static Result<PrivateKeyPtr> generate(Algorithm algorithm, int bits = 2048);

    ~PrivateKey();
    PrivateKey(const PrivateKey&) = delete;
    PrivateKey& operator=(const PrivateKey&) = delete;

    [[nodiscard]] Algorithm algorithm() const;
    [[nodiscard]] int bits() const;
    // What an operator should know: RSA of less than 2048 or more than 4096 bits, a file that others may
    // read. Each with its remedy.
    [[nodiscard]] const std::vector<std::string>& warnings() const;
    // The p= tag: base64 of SubjectPublicKeyInfo DER for RSA (RFC 6376 s3.6.1), of the 32 octets for Ed25519
    // (RFC 8463 s4.2).
    [[nodiscard]] const std::string& public_base64() const;

    // The octets of b= over `data` (the canonical header): RSASSA-PKCS1-v1_5 with SHA-256, or PureEdDSA over
    // SHA-256(data) (RFC 8463 s3). Fails only when libcrypto does (no memory).
    [[nodiscard]] Result<std::vector<std::uint8_t>> sign(std::string_view data) const;

    [[nodiscard]] std::string to_pem() const;  // PKCS#8
    // Mode 0600, whole or not at all; never overwrites: an existing file is an error that names it.
    [[nodiscard]] Result<void> write(const std::string& path) const;

private:
    struct Impl;
    explicit PrivateKey(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace posthorn::auth::dkim
