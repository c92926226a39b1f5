// Small functions on ASCII text: character classes, comparison without case, trimming, splitting, making text
// safe to show.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// None of these looks at the locale, none but those that return a std::string or a vector allocates.
namespace posthorn::text {

[[nodiscard]] constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
[[nodiscard]] constexpr bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}
[[nodiscard]] constexpr bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
[[nodiscard]] constexpr bool is_alpha(char c) {
    return is_upper(c) || is_lower(c);
}
[[nodiscard]] constexpr bool is_alnum(char c) {
    return is_alpha(c) || is_digit(c);
}
[[nodiscard]] constexpr bool is_blank(char c) {
    return c == ' ' || c == '\t';
}  // RFC 5234 WSP
[[nodiscard]] constexpr bool is_space(char c) {
    return is_blank(c) || c == '\r' || c == '\n';
}
[[nodiscard]] constexpr bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}
[[nodiscard]] constexpr bool is_8bit(char c) {
    return static_cast<unsigned char>(c) >= 0x80;
}
[[nodiscard]] constexpr bool is_graphic(char c) {
    return c > 0x20 && c < 0x7f;
}  // ASCII, visible
[[nodiscard]] constexpr char to_lower(char c) {
    return is_upper(c) ? static_cast<char>(c + ('a' - 'A')) : c;
}
[[nodiscard]] constexpr char to_upper(char c) {
    return is_lower(c) ? static_cast<char>(c - ('a' - 'A')) : c;
}
// -1 when c is no hexadecimal digit.
[[nodiscard]] constexpr int hex_value(char c) {
    if (is_digit(c)) return c - '0';
    const char lower = to_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

[[nodiscard]] bool is_ascii(std::string_view text);
[[nodiscard]] bool has_control(std::string_view text);
// Well-formed UTF-8 after RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text);
// Octets of the UTF-8 character at text[at], 0 when the octets there are none or would deceive a reader: C1
// controls, line separators, marks that turn the direction of writing.
[[nodiscard]] std::size_t safe_utf8_length(std::string_view text, std::size_t at);

[[nodiscard]] std::string to_lower(std::string_view text);
void lower_in_place(std::string& text);

// ASCII letters compare without case, all other octets as they are.
[[nodiscard]] bool iequals(std::string_view a, std::string_view b);
[[nodiscard]] bool istarts_with(std::string_view text, std::string_view prefix);
[[nodiscard]] bool iends_with(std::string_view text, std::string_view suffix);
[[nodiscard]] bool icontains(std::string_view text, std::string_view part);

// Without blanks, CR and LF at the ends.
[[nodiscard]] std::string_view trim_left(std::string_view text);
[[nodiscard]] std::string_view trim_right(std::string_view text);
[[nodiscard]] std::string_view trim(std::string_view text);

// "a,,b" at ',' gives "a", "", "b"; the empty text gives one empty field. The views point into text.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);
// The same without a vector: takes the field before the separator off the front of rest. Without a separator
// it takes all.
std::string_view take_field(std::string_view& rest, char separator);

// Decimal digits only, no sign, no blanks; nothing when empty or above `limit`.
[[nodiscard]] std::optional<std::uint64_t> parse_unsigned(std::string_view text,
                                                          std::uint64_t limit = UINT64_MAX);

// One line that no terminal and no log reader can be fooled with: control characters and octets that are not
// UTF-8 become \xHH (the backslash itself \\), and what is longer than limit octets is cut with "...".
[[nodiscard]] std::string safe_for_log(std::string_view text, std::size_t limit = 1000);

// JSON of the same values that fools no terminal: what safe_for_log() escapes beyond ASCII becomes \uXXXX, as
// control characters do but the line feed (serializers leave DEL as it is); octets that are not UTF-8 become
// \ufffd.
[[nodiscard]] std::string safe_json(std::string_view json);

}  // namespace posthorn::text
