// xtext: see xtext.hpp.
#include "mail/xtext.hpp"

#include "base/text.hpp"

namespace posthorn::mail {

std::string xtext_encode(std::string_view octets) {
    constexpr char kDigits[] = "0123456789ABCDEF";  // upper case only (RFC 3461 s4, hexchar)
    std::string text;
    text.reserve(octets.size());
    for (const char c : octets) {
        if (text::is_graphic(c) && c != '+' && c != '=') {
            text += c;
            continue;
        }
        text += '+';
        text += kDigits[static_cast<unsigned char>(c) >> 4];
        text += kDigits[static_cast<unsigned char>(c) & 15];
    }
    return text;
}

std::optional<std::string> xtext_decode(std::string_view text) {
    std::string octets;
    octets.reserve(text.size());
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (!text::is_graphic(c) || c == '=') return std::nullopt;
        if (c != '+') {
            octets += c;
            continue;
        }
        if (at + 2 >= text.size()) return std::nullopt;
        const int high = text::hex_value(text[at + 1]);
        const int low = text::hex_value(text[at + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        octets += static_cast<char>(high << 4 | low);
        at += 2;
    }
    return octets;
}

}  // namespace posthorn::mail
