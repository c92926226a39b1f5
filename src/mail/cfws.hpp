// Comments and folding white space, which may stand before and after almost anything in a structured field (RFC 5322 s3.2.2).
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "base/text.hpp"

namespace posthorn::mail {

struct Cfws {
    std::size_t length = 0;   // octets to skip
    bool closed = true;       // false: a comment has no end
};

// What stands in front of the text: blanks, folding, comments of any depth with their quoted pairs.
[[nodiscard]] inline Cfws cfws_in_front(std::string_view text) {
    std::size_t depth = 0;
    std::size_t at = 0;
    for (; at < text.size(); ++at) {
        const char c = text[at];
        if (c == '(')
            ++depth;
        else if (c == ')' && depth > 0)
            --depth;
        else if (c == '\\' && depth > 0)
            ++at;
        else if (depth == 0 && !text::is_space(c))
            break;
    }
    return {std::min(at, text.size()), depth == 0};
}

}  // namespace posthorn::mail
