// The reading of Content-Type and Content-Transfer-Encoding: see mime_part.hpp.
#include "mail/mime_part.hpp"

#include "base/text.hpp"
#include "mail/cfws.hpp"

namespace posthorn::mail {
namespace {

// RFC 2045 s5.1: no blanks, controls and tspecials.
bool is_token_char(char c) {
    return text::is_8bit(c) || (text::is_graphic(c) && std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos);
}

std::string_view without_cfws(std::string_view text) { return text.substr(cfws_in_front(text).length); }

std::string_view take_token(std::string_view& text) {
    std::size_t length = 0;
    while (length < text.size() && is_token_char(text[length])) ++length;
    const std::string_view token = text.substr(0, length);
    text.remove_prefix(length);
    return token;
}

// A quoted string, or what stands up to the next ";" or blank: boundaries with "=" or "/" and no quotes exist.
std::string take_value(std::string_view& text) {
    std::string value;
    if (!text.starts_with('"')) {
        std::size_t length = 0;
        while (length < text.size() && text[length] != ';' && !text::is_space(text[length])) ++length;
        value = text.substr(0, length);
        text.remove_prefix(length);
        return value;
    }
    text.remove_prefix(1);
    while (!text.empty() && text.front() != '"') {
        if (text.front() == '\\' && text.size() > 1) text.remove_prefix(1);
        if (text.front() != '\r' && text.front() != '\n') value += text.front();
        text.remove_prefix(1);
    }
    if (!text.empty()) text.remove_prefix(1);
    return value;
}

}  // namespace

ContentType read_content_type(std::string_view value) {
    ContentType found;
    std::string_view rest = without_cfws(value);
    const std::string type = text::to_lower(take_token(rest));
    rest = without_cfws(rest);
    if (type.empty() || !rest.starts_with('/')) return found;
    rest = without_cfws(rest.substr(1));
    const std::string subtype = text::to_lower(take_token(rest));
    if (subtype.empty()) return found;
    found.type = type;
    found.subtype = subtype;
    for (;;) {
        rest = without_cfws(rest);
        const std::size_t semicolon = rest.find(';');
        if (semicolon == std::string_view::npos) return found;
        rest = without_cfws(rest.substr(semicolon + 1));
        const std::string name = text::to_lower(take_token(rest));
        rest = without_cfws(rest);
        if (!rest.starts_with('=')) continue;
        rest = without_cfws(rest.substr(1));
        std::string parameter = take_value(rest);
        if (name == "boundary" && found.boundary.empty()) {
            found.boundary = std::string(text::trim_right(parameter));   // RFC 2046 s5.1.1: ends in no blank
        }
    }
}

TransferEncoding read_transfer_encoding(std::string_view value) {
    std::string_view rest = without_cfws(value);
    const std::string_view name = take_token(rest);
    if (name.empty() || text::iequals(name, "7bit") || text::iequals(name, "8bit") || text::iequals(name, "binary")) {
        return TransferEncoding::identity;
    }
    if (text::iequals(name, "quoted-printable")) return TransferEncoding::quoted_printable;
    if (text::iequals(name, "base64")) return TransferEncoding::base64;
    return TransferEncoding::unknown;
}

}  // namespace posthorn::mail
