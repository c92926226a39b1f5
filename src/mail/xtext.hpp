// xtext, the coding of ENVID and ORCPT on the wire (RFC 3461 s4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace posthorn::mail {

[[nodiscard]] std::string xtext_encode(std::string_view octets);
// Nothing when there is a "+" without two upper case hexadecimal digits (lower case is taken as well), a "=",
// a blank or an octet outside printable ASCII.
[[nodiscard]] std::optional<std::string> xtext_decode(std::string_view text);

}  // namespace posthorn::mail
