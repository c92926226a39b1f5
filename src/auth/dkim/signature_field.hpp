// A DKIM-Signature field as a verifier reads it (RFC 6376 s3.5, s6.1.1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/dkim/key.hpp"
#include "auth/options.hpp"
#include "base/result.hpp"

namespace posthorn::auth::dkim {

struct SignatureField {
    std::string algorithm;           // a=, lower case as written
    Algorithm key_type = Algorithm::rsa;
    std::string signature;           // b=, octets
    std::string body_hash;           // bh=, octets
    Canonical header = Canonical::simple;
    Canonical body = Canonical::simple;
    std::string domain;              // d=, lower case A-labels
    std::string selector;            // s=
    std::string identity;            // i=, or "@" and d=
    std::string identity_domain;     // of it, lower case A-labels
    std::vector<std::string> names;  // h=, lower case
    std::optional<std::uint64_t> body_octets;   // l=
    std::optional<std::uint64_t> signed_at;     // t=, seconds
    std::optional<std::uint64_t> expires_at;    // x=
    std::string without_signature;   // the field with the value of b= deleted (s3.7), without its last CRLF

    [[nodiscard]] std::string key_name() const { return selector + "._domainkey." + domain; }
    [[nodiscard]] std::string canonicalisation() const;
};

// What could be read of a field, and what is wrong with it, or nothing: what is read before the mistake names the signature to people.
struct SignatureFieldRead {
    SignatureField field;
    std::string mistake;
};

// raw: the whole field with its CRLF.
[[nodiscard]] SignatureFieldRead read_signature_field(std::string_view raw);

}  // namespace posthorn::auth::dkim
