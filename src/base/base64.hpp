// Base64 and hexadecimal text (RFC 4648 s4, s5, s8): strict when read, without line breaks when written.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace posthorn {

[[nodiscard]] std::string base64_encode(std::string_view octets);
[[nodiscard]] std::string base64_encode(std::span<const std::uint8_t> octets);
// Nothing when there is a character outside the alphabet (white space too), wrong padding, or a padding bit
// that is not zero.
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);
// As above, but blanks, CR and LF anywhere are skipped: for folded header values, DNS records and PEM.
[[nodiscard]] std::optional<std::string> base64_decode_folded(std::string_view text);

// The alphabet of RFC 4648 s5 without padding: for URLs.
[[nodiscard]] std::string base64url_encode(std::string_view octets);
[[nodiscard]] std::optional<std::string> base64url_decode(std::string_view text);

[[nodiscard]] std::string hex_encode(std::string_view octets);  // lower case
[[nodiscard]] std::string hex_encode(std::span<const std::uint8_t> octets);
[[nodiscard]] std::optional<std::string> hex_decode(std::string_view text);  // either case, even length

}  // namespace posthorn
