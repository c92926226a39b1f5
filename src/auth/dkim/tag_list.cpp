// Cutting at semicolons.
#include "auth/dkim/tag_list.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace posthorn::auth::dkim {
namespace {

constexpr std::size_t kMostTags = 100;

bool is_tag_name(std::string_view name) {
    return !name.empty() && text::is_alpha(name.front()) &&
           std::all_of(name.begin(), name.end(), [](char c) { return text::is_alnum(c) || c == '_'; });
}

}  // namespace

const Tag* TagList::find(std::string_view name) const {
    const auto found = std::find_if(tags.begin(), tags.end(), [name](const Tag& tag) { return tag.name == name; });
    return found == tags.end() ? nullptr : &*found;
}

Result<TagList> parse_tags(std::string_view text) {
    TagList list;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(';', begin), text.size());
        const std::string_view piece = text.substr(begin, end - begin);
        const std::size_t equals = piece.find('=');
        if (!text::trim(piece).empty()) {
            if (equals == std::string_view::npos || !is_tag_name(text::trim(piece.substr(0, equals))))
                return Error{"\"", text::safe_for_log(text::trim(piece), 60), "\" is no tag: tags are name=value, with ; between them"};
            Tag tag;
            tag.name = text::trim(piece.substr(0, equals));
            tag.value = text::trim(piece.substr(equals + 1));
            tag.begin = begin + equals + 1;
            tag.end = end;
            if (list.find(tag.name) != nullptr) return Error{std::string(tag.name), "= stands there twice"};
            if (list.tags.size() == kMostTags) return Error{"there are more than a hundred tags"};
            list.tags.push_back(tag);
        }
        begin = end + 1;
    }
    return list;
}

}  // namespace posthorn::auth::dkim
