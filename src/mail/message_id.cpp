// Message identifiers: see message_id.hpp.
#include "mail/message_id.hpp"

#include "base/text.hpp"

namespace posthorn::mail {

namespace {

// Skips blanks, folding and one level or more of comments.
std::string_view without_comments_in_front(std::string_view text) {
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
    return text.substr(at < text.size() ? at : text.size());
}

}  // namespace

std::string make_message_id(QueueId id, std::string_view domain) {
    std::string text = "<" + id.to_string() + "@";
    text += domain;
    text += '>';
    return text;
}

bool is_valid_message_id(std::string_view value) {
    value = without_comments_in_front(value);
    const std::size_t end = value.find('>');
    if (!value.starts_with('<') || end == std::string_view::npos) return false;
    if (!without_comments_in_front(value.substr(end + 1)).empty()) return false;
    const std::string_view inside = value.substr(1, end - 1);
    // Left sides with quotes, several "@" and dots anywhere exist; what no receiver threads by are blanks and
    // controls.
    const std::size_t at = inside.rfind('@');
    if (at == std::string_view::npos || at == 0 || at + 1 == inside.size()) return false;
    for (const char c : inside)
        if (c == '<' || text::is_control(c) || text::is_blank(c)) return false;
    return true;
}

}  // namespace posthorn::mail
