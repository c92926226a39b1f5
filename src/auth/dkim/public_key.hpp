// A DKIM public key as p= of a record holds it: read, measured, and used to verify one signature.
#pragma once

#include <memory>
#include <string_view>

#include "auth/dkim/key.hpp"
#include "base/result.hpp"

namespace posthorn::auth::dkim {

// Immutable; movable.
class PublicKey {
public:
    // base64: p=, without blanks. RSA as SubjectPublicKeyInfo or as the bare RSAPublicKey that RFC 6376 s3.6.1 names (verifiers take both);
    // Ed25519 as the 32 octets of RFC 8463 s4.2. Error: what is wrong with it, for the operator.
    [[nodiscard]] static Result<PublicKey> parse(Algorithm algorithm, std::string_view base64);

    ~PublicKey();
    PublicKey(PublicKey&&) noexcept;
    PublicKey& operator=(PublicKey&&) noexcept;

    [[nodiscard]] Algorithm algorithm() const;
    [[nodiscard]] int bits() const;
    // Whether `signature` (octets of b=) is one over `data` (the canonical header): RSASSA-PKCS1-v1_5 with SHA-256, or PureEdDSA over
    // SHA-256(data) (RFC 8463 s3).
    [[nodiscard]] bool verifies(std::string_view data, std::string_view signature) const;
    // RSA: whether `signature` was made with this key's private half, over whatever. Tells a changed header from a changed key. Ed25519 cannot
    // tell: true.
    [[nodiscard]] bool made(std::string_view signature) const;

private:
    struct Impl;
    explicit PublicKey(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace posthorn::auth::dkim
