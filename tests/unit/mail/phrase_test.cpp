// Display names: quotes where they are needed, encoded words that stay, and nothing that could end the field.
#include "mail/phrase.hpp"

#include <gtest/gtest.h>

namespace posthorn::mail {
namespace {

TEST(Phrase, IsWrittenAsItMust) {
    EXPECT_EQ(write_phrase("Anna Visitor", "", 6, false), "Anna Visitor");
    EXPECT_EQ(write_phrase("Anna Visitor", "via example.com", 6, false), "\"Anna Visitor via example.com\"");
    EXPECT_EQ(write_phrase("O'Neill, \"Jo\" \\", "", 6, false), "\"O'Neill, \\\"Jo\\\" \\\\\"");
    EXPECT_EQ(write_phrase("=?UTF-8?B?w4lyaWM=?=", "via example.com", 6, false),
              "=?UTF-8?B?w4lyaWM=?= \"via example.com\"");
    EXPECT_EQ(write_phrase("=?UTF-8?Q?=C3=89?= =?UTF-8?Q?ric?=", "", 6, false),
              "=?UTF-8?Q?=C3=89?= =?UTF-8?Q?ric?=");
    EXPECT_EQ(write_phrase("", "", 6, false), "");
    EXPECT_EQ(write_phrase("\r\n ", "via a", 6, false), "via a");
}

// RFC 5322 s2.2: whatever the name holds, it cannot begin another field.
TEST(Phrase, LosesControlCharactersAndWhatIsNoText) {
    EXPECT_EQ(write_phrase("Anna\r\nBcc: x@y", "", 6, false), "\"Anna Bcc: x@y\"");
    EXPECT_EQ(write_phrase(std::string("a\0b", 3), "", 6, false), "a b");
    EXPECT_EQ(write_phrase("caf\xe9 Anna", "", 6, false), "Anna");
}

TEST(Phrase, EncodesWhatIsNotAscii) {
    EXPECT_EQ(write_phrase("\xc3\x89ric", "via a.example", 6, false),
              "=?utf-8?Q?=C3=89ric_via_a=2Eexample?=");
    EXPECT_EQ(write_phrase("\xc3\x89ric", "via a.example", 6, true), "\"\xc3\x89ric via a.example\"");
}

}  // namespace
}  // namespace posthorn::mail
