// Header lines that are too long, folded where a fold changes nothing (RFC 5322 s2.2.3).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace posthorn::mail {

// `fields`: whole fields with CRLF. Lines over 998 octets are cut before blanks, after 78 columns where possible; every other
// line stays. In a list (addresses, message ids) a blank may be added behind a comma outside quotes and comments.
// Nothing when some line has no place to cut it.
[[nodiscard]] std::optional<std::string> refold(std::string_view fields, bool is_list = false);

}  // namespace posthorn::mail
