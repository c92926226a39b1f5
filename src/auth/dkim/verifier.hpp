// Verifies the DKIM signatures of a message (RFC 6376 s6, RFC 8301, RFC 8463), and says of each that does not hold why not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "auth/dns_answers.hpp"
#include "base/clock.hpp"

namespace posthorn::auth::dkim {

// As in Authentication-Results (RFC 8601 s2.7.1). neutral: the signature is not looked at, because there are too many. temperror: DNS did not
// answer. permerror: no attempt will ever succeed (tags, key record). fail: it was checked, and something is not as it was signed.
enum class SignatureResult : std::uint8_t { pass, fail, neutral, permerror, temperror };

[[nodiscard]] std::string_view to_string(SignatureResult result);

struct SignatureReport {
    std::string domain;            // d=
    std::string selector;          // s=
    std::string algorithm;         // a=, "rsa-sha256"
    std::string canonicalisation;  // c=, both halves: "relaxed/simple"
    std::string identity;          // i=, or what it is where it is not given: "@" and d=
    SignatureResult result = SignatureResult::neutral;
    std::string words;             // for people: why not; of pass, what should be known (an unsigned end of the body, a key under test)
    int key_bits = 0;              // 0: no key was had
    bool testing = false;          // t=y in the key's record: the domain asks not to be judged by it (s3.6.1)
    bool expired = false;          // x= is over
    std::optional<std::uint64_t> body_octets;  // l=: only so much of the canonical body is signed
    std::vector<std::string> signed_fields;    // h=, lower case, as listed

    SignatureReport() = default;
};

// Pure: the questions that must be answered first, or a report a signature, topmost first (none: the message bears no signature). message: header
// and body as they came, lines ended by CRLF; where no line is, LF alone is taken for CRLF, as files of Unix have it. Signatures of a chain of
// more than kMostSignatures are neutral and not looked at (s6.1: a limit against abuse).
inline constexpr std::size_t kMostSignatures = 20;
using VerifyStep = std::variant<std::vector<DnsQuestion>, std::vector<SignatureReport>>;
[[nodiscard]] VerifyStep verify(std::string_view message, const DnsAnswers& known, TimePoint now);

}  // namespace posthorn::auth::dkim
