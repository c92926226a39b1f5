// Making text fit for MIME: folding, wrapping, quoted-printable, and a boundary that occurs in no part.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::mail {

inline constexpr std::size_t kColumns = 78;         // RFC 5322 s2.1.1: SHOULD
inline constexpr std::size_t kMaxLineOctets = 998;  // MUST, without the CRLF

// "Name: value" with its CRLF, folded at blanks after 78 columns and wherever it must be before 998 octets. A
// "\n" in the value becomes a fold; other control characters become "?".
[[nodiscard]] std::string folded_field(std::string_view name, std::string_view value);

// Plain text with "\n" line ends to CRLF line ends; lines are broken at blanks before 72 columns, each with
// the indent.
[[nodiscard]] std::string wrapped_text(std::string_view text, std::string_view indent = {});

// RFC 2045 s6.7 for text with CRLF line ends: lines of at most 76 octets, line ends kept, all else as it
// decodes.
[[nodiscard]] std::string quoted_printable(std::string_view text);

[[nodiscard]] bool has_long_line(std::string_view text);  // over 998 octets between line ends

// RFC 2046 s5.1.1: at most 70 octets, and no line of any part begins with "--" and it.
[[nodiscard]] std::string make_boundary(std::string_view seed, const std::vector<std::string_view>& parts);

}  // namespace posthorn::mail
