// Names and passwords in the form in which they are compared: SASLprep (RFC 4013).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace posthorn::auth {

// The prepared form, so that what two keyboards make of the same characters is the same octets: compatibility
// forms are normalised (NFKC of Unicode 3.2), soft hyphens and the like vanish, other blanks become spaces.
// Visible ASCII is its own prepared form. Nothing for what may not be in a name or password: octets that are
// not UTF-8, control characters (NUL too), private characters, mixed directions of writing (RFC 4013 s2.3,
// s2.4), for text that comes out empty, and for more than kLongestPrepared octets, which nobody types.
//
// Characters younger than Unicode 3.2 (emoji) are let through as they are, in what is stored, too: against
// the letter of RFC 3454 s7, but such a password is better than the one that is chosen in its place.
[[nodiscard]] std::optional<std::string> saslprep(std::string_view text);

constexpr std::size_t kLongestPrepared = 2048;

}  // namespace posthorn::auth
