// Long header lines: folded at blanks, in lists behind commas, or not at all (RFC 5322 s2.1.1, s2.2.3).
#include "mail/refold.hpp"

#include <gtest/gtest.h>

#include "base/text.hpp"
#include "mail/mime_text.hpp"

namespace posthorn::mail {
namespace {

std::string repeated(std::string_view text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += text;
    return out;
}

std::string unfolded(std::string_view text) {
    std::string out;
    for (const char c : text)
        if (c != '\r' && c != '\n') out += c;
    return out;
}

TEST(Refold, ShortLinesStayAsTheyAre) {
    const std::string fields = "A: b\r\n  c\r\nD:" + repeated(" e", 400) + "\r\n";
    EXPECT_EQ(refold(fields), fields);
}

TEST(Refold, CutsBeforeBlanksAndChangesNothingElse) {
    const std::string field = "X-Words:" + repeated(" word", 300) + "\r\n";
    const auto folded = refold("Subject: x\r\n" + field + "To: y\r\n");
    ASSERT_TRUE(folded);
    EXPECT_FALSE(has_long_line(*folded));
    EXPECT_EQ(unfolded(*folded), unfolded("Subject: x\r\n" + field + "To: y\r\n"));
    std::string_view rest = *folded;
    while (!rest.empty()) {
        const std::string_view line = text::take_field(rest, '\n');
        EXPECT_LE(line.size(), 79U);
        EXPECT_FALSE(text::trim(line).empty());
    }
}

TEST(Refold, AWordOf998OctetsHasALineOfItsOwn) {
    const std::string word(997, 'w');
    const auto folded = refold("X: a " + word + " b " + word + "\r\n");
    ASSERT_TRUE(folded);
    EXPECT_FALSE(has_long_line(*folded));
    EXPECT_FALSE(refold("X: a " + std::string(998, 'w') + "\r\n"));
    EXPECT_FALSE(refold("X:" + repeated(" ", 990) + std::string(20, 'w') + "\r\n"));   // would be a line of blanks
}

TEST(Refold, ListsAreCutBehindCommasOutsideOfQuotesAndComments) {
    const auto folded = refold("To: " + repeated("\"a,b\"@c.example,(x,y)", 60) + "d@e.example\r\n", true);
    ASSERT_TRUE(folded);
    EXPECT_FALSE(has_long_line(*folded));
    EXPECT_EQ(folded->find("\"a,\r\n"), std::string::npos);
    EXPECT_EQ(folded->find("(x,\r\n"), std::string::npos);
    EXPECT_FALSE(refold("To: " + repeated("a@c.example,", 100) + "\r\n", false));
    EXPECT_FALSE(refold("To: \"" + repeated("a@c.example,", 100) + "\"@x.example\r\n", true));
}

}  // namespace
}  // namespace posthorn::mail
