// Tests of mail/mime_text.hpp: folding, wrapping, quoted-printable, boundaries.
#include "mail/mime_text.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "base/text.hpp"
#include "mail/header.hpp"

namespace posthorn::mail {
namespace {

std::size_t longest_line(std::string_view text) {
    std::size_t longest = 0;
    while (!text.empty()) {
        const std::string_view line = text::trim_right(text::take_field(text, '\n'));
        longest = std::max(longest, line.size());
    }
    return longest;
}

std::string decode_quoted_printable(std::string_view text) {
    std::string decoded;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '=') {
            decoded += text[at];
        } else if (text.substr(at + 1, 2) == "\r\n") {
            at += 2;
        } else {
            decoded += static_cast<char>(text::hex_value(text[at + 1]) << 4 | text::hex_value(text[at + 2]));
            at += 2;
        }
    }
    return decoded;
}

TEST(FoldedField, FoldsAtBlanks) {
    EXPECT_EQ(folded_field("Name", "value"), "Name: value\r\n");
    const std::string field = folded_field(
        "Diagnostic-Code", "smtp; 550-5.7.26 first line\n550-5.7.26 second line\n550 5.7.26 end");
    EXPECT_EQ(
        field,
        "Diagnostic-Code: smtp; 550-5.7.26 first line\r\n 550-5.7.26 second line\r\n 550 5.7.26 end\r\n");
    std::string words;
    for (int i = 0; i < 200; ++i) words += "word" + std::to_string(i) + " ";
    const std::string folded = folded_field("X", words);
    EXPECT_LE(longest_line(folded), 78U);
    EXPECT_EQ(HeaderBlock(folded).value("X"), text::trim(words));
}

// Whatever a peer said, it stays one well-formed field.
TEST(FoldedField, AnyValueIsOneWellFormedField) {
    std::mt19937 random(3464);
    const std::string alphabet = "ab \n\n\r\t\0\x7f:;";
    for (int round = 0; round < 20000; ++round) {
        std::string value(random() % 30, 'a');
        for (char& c : value) c = alphabet[random() % alphabet.size()];
        if (round % 100 == 0) value += std::string(5000, 'y');
        const std::string field = folded_field("X-Field", value);
        const HeaderBlock block(field);
        ASSERT_EQ(block.size(), 1U) << ::testing::PrintToString(field);
        ASSERT_FALSE(block.fault()) << block.fault()->what << ::testing::PrintToString(field);
        ASSERT_EQ(field.find("\r\n \r\n"), std::string::npos) << ::testing::PrintToString(field);
    }
}

TEST(WrappedText, WrapsAndIndents) {
    EXPECT_EQ(wrapped_text("one\n\ntwo\n", "  "), "  one\r\n\r\n  two\r\n");
    std::string words;
    for (int i = 0; i < 100; ++i) words += "word ";
    EXPECT_LE(longest_line(wrapped_text(words, "    ")), 72U);
    EXPECT_LE(longest_line(wrapped_text(std::string(5000, 'x'), "    ")), 998U);
    // A long word is never cut inside a UTF-8 character.
    std::string euros;
    for (int i = 0; i < 2000; ++i) euros += "\xe2\x82\xac";
    const std::string wrapped = wrapped_text("x" + euros);
    for (std::string_view left = wrapped; !left.empty();)
        EXPECT_TRUE(text::is_utf8(text::take_field(left, '\n')));
}

TEST(QuotedPrintable, Rfc2045Section67) {
    EXPECT_EQ(quoted_printable("a=b\r\n"), "a=3Db\r\n");
    EXPECT_EQ(quoted_printable("blank \r\ntab\t\r\nend "), "blank=20\r\ntab=09\r\nend=20");
    EXPECT_EQ(quoted_printable("caf\xc3\xa9"), "caf=C3=A9");
    EXPECT_EQ(quoted_printable("a\nb\rc"), "a=0Ab=0Dc");
}

TEST(QuotedPrintable, AllOctetsComeBackAndLinesAreShort) {
    std::mt19937 random(2045);
    for (int round = 0; round < 300; ++round) {
        std::string text(random() % 400, '\0');
        for (char& c : text) c = random() % 3 == 0 ? "\r\n =\t"[random() % 5] : static_cast<char>(random());
        const std::string coded = quoted_printable(text);
        EXPECT_TRUE(text::is_ascii(coded));
        EXPECT_LE(longest_line(coded), 76U);
        EXPECT_EQ(decode_quoted_printable(coded), text);
    }
}

TEST(Boundary, OccursInNoPart) {
    const std::string first = make_boundary("0abc", {});
    EXPECT_LE(first.size(), 70U);
    const std::string evil = "--" + first + "\r\n";
    const std::string second = make_boundary("0abc", {"x", evil});
    EXPECT_NE(first, second);
    EXPECT_EQ(evil.find("--" + second), std::string::npos);
    EXPECT_LE(make_boundary(std::string(500, 'x') + "\"\r\n;", {}).size(), 70U);
    EXPECT_EQ(make_boundary("a\"\r\n;b", {}).find_first_of("\"\r\n;"), std::string::npos);
}

TEST(LongLines, AreSeen) {
    EXPECT_FALSE(has_long_line(std::string(998, 'x') + "\r\n" + std::string(998, 'y')));
    EXPECT_TRUE(has_long_line("a\r\n" + std::string(999, 'x') + "\r\n"));
}

}  // namespace
}  // namespace posthorn::mail
