// Lists of tags, "name=value; name=value": what DKIM-Signature fields and key records are made of (RFC 6376 s3.2).
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace posthorn::auth::dkim {

// Views into the text.
struct Tag {
    std::string_view name;   // as written: names are compared with case
    std::string_view value;  // without the blanks and line ends around it
    std::size_t begin = 0;   // of the value with all that surrounds it: right behind '='
    std::size_t end = 0;     // at the ';' or the end of the text
};

struct TagList {
    std::vector<Tag> tags;  // in their order

    [[nodiscard]] const Tag* find(std::string_view name) const;
};

// Empty pieces between semicolons are passed over, as all verifiers do. Error: a piece that is no tag, or a name that stands there twice, which
// makes the whole list invalid.
[[nodiscard]] Result<TagList> parse_tags(std::string_view text);

}  // namespace posthorn::auth::dkim
