// A display name as it is written before an address (RFC 5322 s3.2.5, RFC 2047 s5 (3)).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace posthorn::mail {

// The words of `name`, which may hold encoded words, and of `tail` behind them: encoded words stay, the rest is quoted where it must be
// and becomes encoded words where it is not ASCII. With `utf8` (SMTPUTF8) it stays UTF-8. Octets that are not UTF-8 and control
// characters go. `column`: octets of the line before it. Empty when there is nothing to write.
[[nodiscard]] std::string write_phrase(std::string_view name, std::string_view tail, std::size_t column, bool utf8);

}  // namespace posthorn::mail
