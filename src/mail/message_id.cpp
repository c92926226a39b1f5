// Message identifiers: see message_id.hpp.
#include "mail/message_id.hpp"

#include "mail/cfws.hpp"

namespace posthorn::mail {

namespace {

std::string_view without_comments_in_front(std::string_view text) { return text.substr(cfws_in_front(text).length); }

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
