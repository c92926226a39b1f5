// The making of encoded words: see encoded_word.hpp.
#include "mail/encoded_word.hpp"

#include <algorithm>

#include "base/base64.hpp"
#include "base/text.hpp"

namespace posthorn::mail {
namespace {

constexpr std::size_t kMaxWord = 75;   // RFC 2047 s2
constexpr std::size_t kMaxLine = 76;
constexpr std::string_view kBegin = "=?utf-8?B?";
constexpr std::string_view kQBegin = "=?utf-8?Q?";
constexpr std::string_view kEnd = "?=";

// What may stand for itself in a Q word, also in a phrase (RFC 2047 s5 (3)).
bool is_plain_in_q(char c) { return text::is_alnum(c) || c == '!' || c == '*' || c == '+' || c == '-' || c == '/'; }

std::size_t utf8_length(char first) {
    const auto octet = static_cast<unsigned char>(first);
    return octet < 0x80 ? 1 : octet < 0xe0 ? 2 : octet < 0xf0 ? 3 : 4;
}

std::size_t q_size(std::string_view text) {
    std::size_t size = 0;
    for (const char c : text) size += is_plain_in_q(c) || c == ' ' ? 1 : 3;
    return size;
}

void append_q(std::string& to, std::string_view text) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    for (const char c : text) {
        if (c == ' ') {
            to += '_';
        } else if (is_plain_in_q(c)) {
            to += c;
        } else {
            to += '=';
            to += kDigits[static_cast<unsigned char>(c) >> 4];
            to += kDigits[static_cast<unsigned char>(c) & 15];
        }
    }
}

// As many encoded words as it takes; characters are never split (s5). `column` is kept up to date.
void append_encoded(std::string& to, std::string_view text, std::size_t& column) {
    const bool q = q_size(text) <= (text.size() + 2) / 3 * 4;
    bool first = true;
    while (!text.empty()) {
        std::size_t room = kMaxWord;
        if (first && column + kMaxWord > kMaxLine) {
            // The rest of this line, if it is worth it.
            room = column + 30 > kMaxLine ? 0 : kMaxLine - column;
        }
        if (!first || room == 0) {
            to += "\r\n ";
            column = 1;
            room = kMaxWord;
        }
        room -= kBegin.size() + kEnd.size();
        std::size_t take = 0;
        while (take < text.size()) {
            const std::size_t more = std::min(utf8_length(text[take]), text.size() - take);
            const std::string_view longer = text.substr(0, take + more);
            if ((q ? q_size(longer) : (longer.size() + 2) / 3 * 4) > room) break;
            take += more;
        }
        const std::size_t before = to.size();
        to += q ? kQBegin : kBegin;
        if (q) {
            append_q(to, text.substr(0, take));
        } else {
            to += base64_encode(text.substr(0, take));
        }
        to += kEnd;
        column += to.size() - before;
        text.remove_prefix(take);
        first = false;
    }
}

}  // namespace

bool is_encoded_word(std::string_view word) {
    if (word.size() < 8 || !word.starts_with("=?") || !word.ends_with("?=")) return false;
    const std::string_view inside = word.substr(2, word.size() - 4);
    const std::size_t charset = inside.find('?');
    if (charset == std::string_view::npos || charset == 0 || charset + 2 >= inside.size()) return false;
    const char coding = text::to_lower(inside[charset + 1]);
    return (coding == 'b' || coding == 'q') && inside[charset + 2] == '?' &&
           inside.find('?', charset + 3) == std::string_view::npos;
}

std::string encode_phrase(std::string_view text, std::size_t column) {
    std::string encoded;
    append_encoded(encoded, text, column);
    return encoded;
}

std::string encode_unstructured(std::string_view value, std::size_t column) {
    std::string out;
    out.reserve(value.size() * 2);
    bool after_encoded = false;   // the word before is an encoded word: blanks between two of them are not shown
    while (!value.empty()) {
        const std::size_t word_at = std::min(value.find_first_not_of(" \t\r\n"), value.size());
        const std::string_view blanks = value.substr(0, word_at);
        value.remove_prefix(word_at);
        const std::size_t length = std::min(value.find_first_of(" \t\r\n"), value.size());
        std::string_view word = value.substr(0, length);
        if (text::is_ascii(word)) {
            out += blanks;
            out += word;
            const std::size_t fold = out.rfind('\n');
            column = fold == std::string::npos ? column + blanks.size() + word.size() : out.size() - fold - 1;
            if (!word.empty()) after_encoded = is_encoded_word(word);
            value.remove_prefix(length);
            continue;
        }
        // The run of words that are not ASCII, as one text, unfolded.
        std::string text;
        if (after_encoded) text = " ";
        for (;;) {
            text += word;
            value.remove_prefix(word.size());
            const std::size_t next = std::min(value.find_first_not_of(" \t\r\n"), value.size());
            const std::size_t end = std::min(value.find_first_of(" \t\r\n", next), value.size());
            const std::string_view following = value.substr(next, end - next);
            if (text::is_ascii(following)) {
                // Before an encoded word the blank must be inside as well.
                if (is_encoded_word(following)) text += ' ';
                break;
            }
            for (const char c : value.substr(0, next))
                if (c != '\r' && c != '\n') text += c == '\t' ? ' ' : c;
            value.remove_prefix(next);
            word = following;
        }
        if (!blanks.empty()) {
            out += blanks;
            const std::size_t fold = blanks.rfind('\n');
            column = fold == std::string_view::npos ? column + blanks.size() : blanks.size() - fold - 1;
        }
        // A fold is made of the blank that stands there already: "Subject: " and not "Subject: \r\n ".
        std::string words;
        append_encoded(words, text, column);
        if (words.starts_with("\r\n ") && text::is_blank(out.empty() ? 'x' : out.back())) {
            out.pop_back();
            if (out.empty() || out.back() == ':' || text::is_blank(out.back()) || out.back() == '\n') {
                out += ' ';   // a line of blanks alone is obsolete (RFC 5322 s4.2): the line stays, the fold goes
                words.erase(0, 3);
            }
        }
        out += words;
        after_encoded = true;
    }
    return out;
}

}  // namespace posthorn::mail
