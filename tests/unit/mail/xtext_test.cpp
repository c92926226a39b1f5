// Tests of mail/xtext.hpp (RFC 3461 s4).
#include "mail/xtext.hpp"

#include <gtest/gtest.h>

#include <string>

namespace posthorn::mail {
namespace {

TEST(Xtext, Rfc3461Section4) {
    EXPECT_EQ(xtext_encode("user+tag@example.com"), "user+2Btag@example.com");
    EXPECT_EQ(xtext_encode("a=b c"), "a+3Db+20c");
    EXPECT_EQ(xtext_decode("user+2Btag@example.com"), "user+tag@example.com");
    EXPECT_EQ(xtext_decode("+2b"), "+");  // lower case is not allowed to be sent, but is sent
    EXPECT_EQ(xtext_decode(""), "");
    for (const char* bad : {"a+", "a+2", "a+2G", "a=b", "a b", "caf\xc3\xa9", "a\r\nb"})
        EXPECT_EQ(xtext_decode(bad), std::nullopt) << bad;
}

TEST(Xtext, EveryOctetComesBack) {
    std::string all;
    for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
    EXPECT_EQ(xtext_decode(xtext_encode(all)), all);
}

}  // namespace
}  // namespace posthorn::mail
