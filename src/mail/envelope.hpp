// The envelope: who sends, who receives, and what was asked of the transport (RFC 5321 s3.3, RFC 3461, RFC 6531, RFC 8689).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace posthorn::mail {

// RFC 3461 s4.1. `unset` is not the same as any set of the others.
struct Notify {
    static constexpr std::uint8_t unset = 0, never = 1, success = 2, failure = 4, delay = 8;
};

enum class DsnReturn : std::uint8_t { unset = 0, full = 1, headers = 2 };

enum class BodyType : std::uint8_t { unset = 0, seven_bit = 1, eight_bit_mime = 2, binary_mime = 3 };

// One RCPT. Addresses are kept as "local@domain" without the angle brackets, the local part as the client wrote it
// (quoted where it was quoted), the domain in lower case A-label form where that is possible.
struct EnvelopeRecipient {
    std::string address;
    std::string orcpt;                     // "rfc822;..." decoded from xtext, or empty
    std::uint8_t notify = Notify::unset;
};

struct Envelope {
    std::string reverse_path;              // empty: the null reverse-path <>
    std::vector<EnvelopeRecipient> recipients;
    BodyType body = BodyType::unset;
    bool smtputf8 = false;
    bool require_tls = false;
    DsnReturn ret = DsnReturn::unset;
    std::string envid;                     // decoded from xtext
};

}  // namespace posthorn::mail
