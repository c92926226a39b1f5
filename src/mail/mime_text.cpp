// Folding, wrapping, quoted-printable and boundaries: see mime_text.hpp.
#include "mail/mime_text.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace posthorn::mail {

namespace {

// A single word is cut here when no blank comes in time; leaves room for the indent and a few octets of
// UTF-8.
constexpr std::size_t kCutWordAt = 900;
constexpr std::size_t kTextColumns = 72;  // and so no soft line break when it is made quoted-printable

bool is_utf8_tail(char c) {
    return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

// The longest beginning of word that has at most `limit` octets and does not end inside a UTF-8 character.
std::string_view piece_of(std::string_view word, std::size_t limit) {
    if (word.size() <= limit) return word;
    std::size_t end = limit;
    while (end > limit - 4 && is_utf8_tail(word[end])) --end;
    return word.substr(0, end);
}

// Appends the words of one line to `to`, where `column` octets of a line are already; starts new lines with
// line_end.
void append_words(std::string& to, std::string_view line, std::size_t column, std::size_t columns,
                  std::string_view line_end, std::size_t indent) {
    bool begun = false;
    while (!line.empty()) {
        std::size_t blanks = 0;
        while (blanks < line.size() && line[blanks] == ' ') ++blanks;
        if (blanks == line.size()) return;
        line.remove_prefix(blanks);
        const std::string_view word = piece_of(line.substr(0, line.find(' ')), kCutWordAt);
        line.remove_prefix(word.size());
        if (begun && (blanks == 0 || column + 1 + word.size() > columns)) {
            to += line_end;
            column = indent;
        } else if (begun) {
            to += ' ';
            ++column;
        }
        to += word;
        column += word.size();
        begun = true;
    }
}

}  // namespace

std::string folded_field(std::string_view name, std::string_view value) {
    std::string field(name);
    field += ": ";
    std::string clean;
    clean.reserve(value.size());
    for (const char c : value) clean += c == '\t' ? ' ' : c == '\n' || !text::is_control(c) ? c : '?';
    std::string_view rest = clean;
    std::size_t column = field.size();
    while (!rest.empty()) {
        const std::string_view line = text::trim(text::take_field(rest, '\n'));
        if (line.empty()) continue;  // a folded line of blanks alone is obsolete syntax (RFC 5322 s3.2.2)
        if (column != name.size() + 2) field += "\r\n ";
        append_words(field, line, column == name.size() + 2 ? column : 1, kColumns, "\r\n ", 1);
        column = 0;
    }
    field += "\r\n";
    return field;
}

std::string wrapped_text(std::string_view text, std::string_view indent) {
    std::string wrapped;
    wrapped.reserve(text.size() + text.size() / 16);
    const std::string line_end = "\r\n" + std::string(indent);
    while (!text.empty()) {
        std::string_view line = text::take_field(text, '\n');
        if (line.ends_with('\r')) line.remove_suffix(1);
        const std::size_t own_indent = std::min(line.find_first_not_of(' '), line.size());
        if (own_indent < line.size()) {
            wrapped += indent;
            wrapped.append(own_indent, ' ');
            append_words(wrapped, line, indent.size() + own_indent, kTextColumns,
                         line_end + std::string(own_indent, ' '), indent.size() + own_indent);
        }
        wrapped += "\r\n";
    }
    return wrapped;
}

std::string quoted_printable(std::string_view text) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    constexpr std::size_t kLimit = 76;
    std::string coded;
    coded.reserve(text.size() + text.size() / 8);
    std::size_t column = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (c == '\r' && at + 1 < text.size() && text[at + 1] == '\n') {
            coded += "\r\n";
            column = 0;
            ++at;
            continue;
        }
        const bool at_line_end = at + 1 == text.size() || text[at + 1] == '\r';
        const bool literal = (text::is_graphic(c) && c != '=') || (text::is_blank(c) && !at_line_end);
        const std::size_t width = literal ? 1 : 3;
        // One column is kept for the "=" of a soft line break.
        if (column + width > kLimit - 1) {
            coded += "=\r\n";
            column = 0;
        }
        if (literal) {
            coded += c;
        } else {
            coded += '=';
            coded += kDigits[static_cast<unsigned char>(c) >> 4];
            coded += kDigits[static_cast<unsigned char>(c) & 15];
        }
        column += width;
    }
    return coded;
}

bool has_long_line(std::string_view text) {
    while (!text.empty()) {
        std::string_view line = text::take_field(text, '\n');
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.size() > kMaxLineOctets) return true;
    }
    return false;
}

std::string make_boundary(std::string_view seed, const std::vector<std::string_view>& parts) {
    // "=_" cannot occur in quoted-printable text.
    std::string base = "=_";
    for (const char c : seed.substr(0, 40))
        if (text::is_alnum(c)) base += c;
    base += "_dsn";
    for (unsigned attempt = 0;; ++attempt) {
        const std::string boundary = base + std::to_string(attempt);
        const std::string mark = "--" + boundary;
        bool occurs = false;
        for (const auto part : parts) occurs = occurs || part.find(mark) != std::string_view::npos;
        if (!occurs) return boundary;
    }
}

}  // namespace posthorn::mail
