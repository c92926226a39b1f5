// Why a signature does not hold: what must be undone in a message for it to hold, found by trying.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "auth/dkim/public_key.hpp"
#include "auth/dkim/signature_field.hpp"

namespace posthorn::auth::dkim {

// One field that a signature covers: the name in h=, and the field itself, whole with its CRLF; empty where the message has no such field (any
// more).
struct SignedInstance {
    std::string_view name;
    std::string_view field;
};

// What the header signature is computed over (RFC 6376 s3.7).
[[nodiscard]] std::string signed_header(const std::vector<SignedInstance>& instances, const SignatureField& signature);

// body: that does not give bh=. A sentence, which names the octet where it is known: text was appended, blanks or line ends were changed.
[[nodiscard]] std::string why_body_differs(std::string_view body, const SignatureField& signature);

// instances: over which the signature does not verify. A sentence that names the field where one can be blamed.
[[nodiscard]] std::string why_header_differs(const std::vector<SignedInstance>& instances, const SignatureField& signature, const PublicKey& key);

}  // namespace posthorn::auth::dkim
