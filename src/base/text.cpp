// ASCII text functions: see text.hpp.
#include "base/text.hpp"

#include <cstring>

namespace posthorn::text {

namespace {

constexpr char kHex[] = "0123456789abcdef";

// Octets of the well-formed UTF-8 sequence at text[at] (RFC 3629 s4), 0 when there is none.
std::size_t utf8_length(std::string_view text, std::size_t at) {
    const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
    const auto tail = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
        return at + i < text.size() && octet(i) >= low && octet(i) <= high;
    };
    const unsigned first = octet(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return tail(1) ? 2 : 0;
    if (first == 0xe0) return tail(1, 0xa0) && tail(2) ? 3 : 0;
    if (first == 0xed) return tail(1, 0x80, 0x9f) && tail(2) ? 3 : 0;  // no surrogates
    if (first >= 0xe1 && first <= 0xef) return tail(1) && tail(2) ? 3 : 0;
    if (first == 0xf0) return tail(1, 0x90) && tail(2) && tail(3) ? 4 : 0;
    if (first >= 0xf1 && first <= 0xf3) return tail(1) && tail(2) && tail(3) ? 4 : 0;
    if (first == 0xf4) return tail(1, 0x80, 0x8f) && tail(2) && tail(3) ? 4 : 0;
    return 0;
}

// The character that a well-formed sequence of two or three octets is.
unsigned code_point(std::string_view sequence) {
    unsigned point = static_cast<unsigned char>(sequence[0]) & (sequence.size() == 2 ? 0x1fU : 0x0fU);
    for (const char c : sequence.substr(1)) point = point << 6U | (static_cast<unsigned char>(c) & 0x3fU);
    return point;
}

// Characters beyond ASCII that move the cursor, break lines or turn the direction of writing: C1 controls,
// LINE and PARAGRAPH SEPARATOR, the bidirectional marks, embeddings, overrides and isolates, the byte order mark.
bool is_deceptive(std::string_view sequence) {
    if (sequence.size() != 2 && sequence.size() != 3) return false;
    const unsigned point = code_point(sequence);
    return point < 0xa0 || point == 0x061c || point == 0x200e || point == 0x200f || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

}  // namespace

bool is_ascii(std::string_view text) {
    const char* at = text.data();
    std::size_t left = text.size();
    for (; left >= 8; at += 8, left -= 8) {
        std::uint64_t word;
        std::memcpy(&word, at, 8);
        if ((word & 0x8080808080808080ULL) != 0) return false;
    }
    for (; left > 0; ++at, --left)
        if (is_8bit(*at)) return false;
    return true;
}

bool has_control(std::string_view text) {
    for (const char c : text)
        if (is_control(c)) return true;
    return false;
}

bool is_utf8(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t length = utf8_length(text, at);
        if (length == 0) return false;
        at += length;
    }
    return true;
}

std::size_t safe_utf8_length(std::string_view text, std::size_t at) {
    const std::size_t length = utf8_length(text, at);
    return is_deceptive(text.substr(at, length)) ? 0 : length;
}

std::string to_lower(std::string_view text) {
    std::string lower(text);
    lower_in_place(lower);
    return lower;
}

void lower_in_place(std::string& text) {
    for (char& c : text) c = to_lower(c);
}

bool iequals(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (to_lower(a[i]) != to_lower(b[i])) return false;
    return true;
}

bool istarts_with(std::string_view text, std::string_view prefix) {
    return text.size() >= prefix.size() && iequals(text.substr(0, prefix.size()), prefix);
}

bool iends_with(std::string_view text, std::string_view suffix) {
    return text.size() >= suffix.size() && iequals(text.substr(text.size() - suffix.size()), suffix);
}

bool icontains(std::string_view text, std::string_view part) {
    if (part.size() > text.size()) return false;
    for (std::size_t at = 0; at + part.size() <= text.size(); ++at)
        if (iequals(text.substr(at, part.size()), part)) return true;
    return false;
}

std::string_view trim_left(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    return text;
}

std::string_view trim_right(std::string_view text) {
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

std::string_view trim(std::string_view text) {
    return trim_left(trim_right(text));
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> fields;
    for (;;) {
        const std::size_t at = text.find(separator);
        fields.push_back(text.substr(0, at));
        if (at == std::string_view::npos) return fields;
        text.remove_prefix(at + 1);
    }
}

std::string_view take_field(std::string_view& rest, char separator) {
    const std::size_t at = rest.find(separator);
    const std::string_view field = rest.substr(0, at);
    rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
    return field;
}

std::optional<std::uint64_t> parse_unsigned(std::string_view text, std::uint64_t limit) {
    if (text.empty()) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : text) {
        if (!is_digit(c)) return std::nullopt;
        const auto digit = static_cast<std::uint64_t>(c - '0');
        if (value > (limit - digit) / 10 || digit > limit) return std::nullopt;
        value = value * 10 + digit;
    }
    return value;
}

std::string safe_for_log(std::string_view text, std::size_t limit) {
    std::string safe;
    safe.reserve(text.size() < limit ? text.size() : limit + 3);
    const auto escape = [&](char c) {
        const auto octet = static_cast<unsigned char>(c);
        safe += "\\x";
        safe += kHex[octet >> 4];
        safe += kHex[octet & 15];
    };
    for (std::size_t at = 0; at < text.size();) {
        if (at >= limit) {
            safe += "...";
            break;
        }
        const char c = text[at];
        if (!is_8bit(c)) {
            if (is_control(c)) {
                escape(c);
            } else {
                if (c == '\\') safe += '\\';
                safe += c;
            }
            ++at;
            continue;
        }
        const std::size_t length = safe_utf8_length(text, at);
        if (length == 0)
            escape(c);
        else
            safe += text.substr(at, length);
        at += length == 0 ? 1 : length;
    }
    return safe;
}

std::string safe_json(std::string_view json) {
    std::string safe;
    safe.reserve(json.size());
    const auto escape = [&](unsigned point) {
        safe += "\\u";
        for (const unsigned shift : {12U, 8U, 4U, 0U}) safe += kHex[point >> shift & 15U];
    };
    for (std::size_t at = 0; at < json.size();) {
        const std::size_t length = utf8_length(json, at);
        const std::string_view sequence = json.substr(at, length);
        if (length == 0) {
            escape(0xfffd);
        } else if (length == 1 && is_control(sequence[0]) && sequence[0] != '\n') {
            escape(static_cast<unsigned char>(sequence[0]));
        } else if (is_deceptive(sequence)) {
            escape(code_point(sequence));
        } else {
            safe += sequence;
        }
        at += length == 0 ? 1 : length;
    }
    return safe;
}

}  // namespace posthorn::text
