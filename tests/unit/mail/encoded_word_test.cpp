// Encoded words: what is encoded, what stays, and how long lines get (RFC 2047).
#include "mail/encoded_word.hpp"

#include <gtest/gtest.h>

#include "base/base64.hpp"
#include "base/text.hpp"

namespace posthorn::mail {
namespace {

// As a reader shows it (RFC 2047 s6.2): encoded words decoded, blanks between two of them gone.
std::string shown(std::string text) {
    std::string flat;
    for (const char c : text)
        if (c != '\r' && c != '\n') flat += c;
    std::string out;
    bool after_word = false;
    for (std::size_t at = 0; at < flat.size();) {
        const std::size_t blanks = std::min(flat.find_first_not_of(' ', at), flat.size()) - at;
        const std::size_t begin = at + blanks;
        const std::size_t end = std::min(flat.find(' ', begin), flat.size());
        const std::string word = flat.substr(begin, end - begin);
        if (is_encoded_word(word)) {
            if (!after_word) out.append(blanks, ' ');
            const std::string coded = word.substr(10, word.size() - 12);
            if (word[8] == 'B') {
                out += base64_decode(coded).value();
            } else {
                for (std::size_t i = 0; i < coded.size(); ++i) {
                    if (coded[i] == '_') out += ' ';
                    else if (coded[i] != '=') out += coded[i];
                    else {
                        out += static_cast<char>(text::hex_value(coded[i + 1]) * 16 + text::hex_value(coded[i + 2]));
                        i += 2;
                    }
                }
            }
            after_word = true;
        } else {
            out.append(blanks, ' ').append(word);
            after_word = false;
        }
        at = end;
    }
    return out;
}

TEST(EncodedWord, OnlyWhatNeedsIt) {  // SUB-14
    EXPECT_EQ(encode_unstructured(" plain text", 8), " plain text");
    EXPECT_EQ(encode_unstructured(" Gr\xc3\xbc\xc3\x9f" "e an alle", 8), " =?utf-8?B?R3LDvMOfZQ==?= an alle");
    EXPECT_EQ(encode_unstructured(" resultats-voil\xc3\xa0 ici", 8), " =?utf-8?Q?resultats-voil=C3=A0?= ici");
}

TEST(EncodedWord, ReadersSeeTheSameText) {
    for (const std::string text : {" Gr\xc3\xbc\xc3\x9f" "e an alle", " a \xc3\xa4 \xc3\xb6 b \xc3\xbc", " =?utf-8?Q?x?= \xc3\xa4 =?utf-8?Q?y?=",
                                   " \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xae\xe3\x83\x86\xe3\x82\xad\xe3\x82\xb9\xe3\x83\x88\xe3\x81\xa7\xe3\x81\x99\xe3\x81\xae\xe3\x81\xa7\xe9\x95\xb7\xe3\x81\x84\xe8\xa1\x8c\xe3\x81\xab\xe3\x81\xaa\xe3\x82\x8a\xe3\x81\xbe\xe3\x81\x99"}) {
        const std::string encoded = encode_unstructured(text, 8);
        EXPECT_TRUE(text::is_ascii(encoded));
        EXPECT_EQ(shown(encoded), shown(text)) << encoded;
        EXPECT_EQ(shown(encoded).find("=?"), std::string::npos);
    }
}

TEST(EncodedWord, LinesAndWordsAreShort) {  // RFC 2047 s2: 75 for a word, 76 for a line
    std::string long_text;
    for (int i = 0; i < 200; ++i) long_text += i % 7 == 0 ? "\xf0\x9f\x99\x82" : "\xc3\xa4";
    for (const std::size_t column : {8U, 40U, 70U}) {
        const std::string encoded = encode_unstructured(" " + long_text, column);
        EXPECT_EQ(shown(encoded), " " + long_text);
        std::string_view rest = encoded;
        std::size_t indent = column;
        while (!rest.empty()) {
            std::string_view line = text::take_field(rest, '\n');
            if (line.ends_with('\r')) line.remove_suffix(1);
            EXPECT_LE(line.size() + indent, column > 46 ? 147U : 76U) << line;
            EXPECT_FALSE(text::trim(line).empty());
            indent = 0;
        }
    }
}

TEST(EncodedWord, IsRecognised) {
    EXPECT_TRUE(is_encoded_word("=?utf-8?Q?a?="));
    EXPECT_TRUE(is_encoded_word("=?iso-8859-1?b?YQ==?="));
    for (const char* word : {"", "=?utf-8?Q?a", "=??Q?a?=", "=?utf-8?X?a?=", "=?a?=", "plain"}) EXPECT_FALSE(is_encoded_word(word)) << word;
}

}  // namespace
}  // namespace posthorn::mail
