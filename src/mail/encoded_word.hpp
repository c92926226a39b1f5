// Encoded words (RFC 2047): UTF-8 in a header that only takes ASCII.
#pragma once

#include <string>
#include <string_view>

namespace posthorn::mail {

// Whether `word` is one encoded word and nothing else, "=?charset?B?...?=" (RFC 2047 s2).
[[nodiscard]] bool is_encoded_word(std::string_view word);

// The unstructured value of a field, folded or not, with every run of words that are not ASCII made encoded words; all other
// words stay as they are. Lines of encoded words are at most 76 octets (s2); `column` octets of the first line are taken
// already. REQUIRES: value is UTF-8 without control characters but TAB and folding.
[[nodiscard]] std::string encode_unstructured(std::string_view value, std::size_t column);

// Text as encoded words that may stand in a phrase or a comment (s5), with a fold between two.
[[nodiscard]] std::string encode_phrase(std::string_view text, std::size_t column);

}  // namespace posthorn::mail
