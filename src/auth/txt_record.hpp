// TXT records as lines of a zone file, cut to the strings that DNS allows.
#pragma once

#include <string>
#include <string_view>

namespace posthorn::auth {

// The quoted strings of a value, of at most 255 octets each (RFC 1035 s3.3), `between` them; who reads them joins them without anything between
// (RFC 6376 s3.6.2.2, RFC 7208 s3.3). quote: '"' as it must be written. Quotes and backslashes in the value are escaped (RFC 1035 s5.1).
[[nodiscard]] std::string quoted_strings(std::string_view value, std::string_view between, std::string_view quote = "\"");

// 'name. IN TXT ( "..." "..." )', a string a line; with one string: 'name. IN TXT "..."'.
[[nodiscard]] std::string txt_line(std::string_view name, std::string_view value);

}  // namespace posthorn::auth
