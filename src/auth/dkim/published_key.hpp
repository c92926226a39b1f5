// The DKIM key that DNS has for a selector, as a verifier reads it (RFC 6376 s3.6.1), beside the one that we sign with.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auth/dkim/key.hpp"
#include "base/result.hpp"

namespace posthorn::auth::dkim {

// The tags of one record. Those that a verifier has no use for are left out.
struct PublishedKey {
    std::string key_type = "rsa";       // k=
    std::string public_base64;          // p=, without blanks; empty: revoked
    std::vector<std::string> hashes;    // h=, lower case; empty: all
    std::vector<std::string> services;  // s=; empty: all
    bool testing = false;               // t=y
    bool strict = false;                // t=s: i= must be the very d=

    [[nodiscard]] bool allows_hash(std::string_view name) const;
    [[nodiscard]] bool allows_service(std::string_view name) const;
};

// Error: the record is none that a verifier could use, and what is wrong with it; the quoting of a zone editor among it.
[[nodiscard]] Result<PublishedKey> parse_published_key(std::string_view text);

enum class KeyState : std::uint8_t { same, missing, other, revoked, unusable };

struct KeyFinding {
    KeyState state = KeyState::missing;
    std::string words;  // one sentence for the operator, also of `same` where there is something to be said (testing)
};

// records: the texts of the TXT records at selector._domainkey.domain. With several only one may be a key: verifiers take any (s3.6.2.2).
[[nodiscard]] KeyFinding compare(std::span<const std::string> records, const PrivateKey& ours);

}  // namespace posthorn::auth::dkim
