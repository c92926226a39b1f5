// SASLprep: the examples of RFC 4013, and what is let through beyond it.
#include "auth/saslprep.hpp"

#include <gtest/gtest.h>

namespace posthorn::auth {
namespace {

using namespace std::string_view_literals;

TEST(Saslprep, DoesAsTheExamplesOfTheRfc) {
    // RFC 4013 s3.
    EXPECT_EQ(saslprep("I\xc2\xadX"), "IX");            // SOFT HYPHEN mapped to nothing
    EXPECT_EQ(saslprep("user"), "user");                // no transformation
    EXPECT_EQ(saslprep("USER"), "USER");                // case preserved
    EXPECT_EQ(saslprep("\xc2\xaa"), "a");               // NFKC, input in ISO 8859-1
    EXPECT_EQ(saslprep("\xe2\x85\xa8"), "IX");          // NFKC, will match #1
    EXPECT_EQ(saslprep("\x07"), std::nullopt);          // prohibited character
    EXPECT_EQ(saslprep("\xd8\xa7\x31"), std::nullopt);  // bidirectional check
}

TEST(Saslprep, MakesTwoWaysOfTypingTheSame) {
    EXPECT_EQ(saslprep("ju\xcc\x88rgen"), saslprep("j\xc3\xbcrgen"));
    EXPECT_EQ(saslprep("a\xc2\xa0z"), "a z");  // NO-BREAK SPACE
}

TEST(Saslprep, RefusesWhatIsNoText) {
    EXPECT_EQ(saslprep(""), std::nullopt);
    EXPECT_EQ(saslprep("a\0b"sv), std::nullopt);
    EXPECT_EQ(saslprep("j\xfcrgen"), std::nullopt);     // Latin-1
    EXPECT_EQ(saslprep("\xed\xa0\x80"), std::nullopt);  // a surrogate
    EXPECT_EQ(saslprep("\xee\x80\x80"), std::nullopt);  // private use
    EXPECT_EQ(saslprep("\xc2\xad"), std::nullopt);      // nothing is left
    EXPECT_EQ(saslprep("tab\tbed"), std::nullopt);
    EXPECT_EQ(saslprep(std::string(kLongestPrepared + 1, 'x')), std::nullopt);
    EXPECT_EQ(saslprep(std::string(kLongestPrepared, 'x'))->size(), kLongestPrepared);
}

TEST(Saslprep, LetsYoungCharactersThrough) {
    EXPECT_EQ(saslprep("\xf0\x9f\x93\xaf horn"), "\xf0\x9f\x93\xaf horn");  // U+1F4EF of Unicode 6.0
}

}  // namespace
}  // namespace posthorn::auth
