// How a receiver knows that a request is ours: an HMAC over the time and the body.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"

namespace posthorn::events {

inline constexpr std::string_view kSignatureField = "Posthorn-Signature";

// "t=1763804334,v1=0a1b...": seconds since 1970, then for each secret the HMAC-SHA256 (RFC 2104) of "1763804334." and the body, in
// small hexadecimal digits. One that fits is enough, so that a secret can be changed without a gap. The time is signed, so that a
// receiver can refuse what somebody recorded and sends again.
[[nodiscard]] std::string signature_of(const std::vector<std::string>& secrets, TimePoint now, std::string_view body);

// The secret in a file: the first line's text without blanks around it.
[[nodiscard]] std::string secret_of_file(std::string_view content);

}  // namespace posthorn::events
