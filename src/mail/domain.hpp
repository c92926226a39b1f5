// Domain names as mail uses them: their ASCII form (RFC 5890 A-labels), their syntax, and which lies below
// which.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace posthorn::mail {

inline constexpr std::size_t kMaxDomainOctets = 255;  // RFC 5321 s4.5.3.1.2
inline constexpr std::size_t kMaxLabelOctets = 63;    // RFC 1035 s2.3.4

// Lower case A-label form by IDNA2008 with the UTS 46 mapping, non-transitional (RFC 5891, RFC 6531 s3.2).
// ASCII names take a short path: they are checked and lowered, an "xn--" label is not decoded. Labels hold
// letters, digits, "-" (not at either end) and "_" (seen in practice). Refused: empty labels and so a final
// dot, names of digits only (an address without its brackets), names over 255 octets.
[[nodiscard]] Result<std::string> to_ascii(std::string_view domain);

// For names given by people and configuration. ASCII, at least one label, all as for to_ascii but without
// "_".
[[nodiscard]] bool is_valid_hostname(std::string_view name);
// A valid host name of at least two labels.
[[nodiscard]] bool is_fqdn(std::string_view name);
// True when child is parent or lies below it; without case. Nothing lies below the empty name.
[[nodiscard]] bool is_subdomain_of(std::string_view child, std::string_view parent);

// "[192.0.2.1]" or "[IPv6:2001:db8::1]" with a valid address inside (RFC 5321 s4.1.3). The tag is read
// without case; an IPv6 address without its tag is taken too. General-address-literals do not exist in
// practice and are refused. Gives the canonical form, lower case but for the tag: "[IPv6:2001:db8::1]".
[[nodiscard]] Result<std::string> parse_address_literal(std::string_view text);
[[nodiscard]] inline bool is_address_literal(std::string_view domain) {
    return domain.starts_with('[');
}

}  // namespace posthorn::mail
