// Tests of base/base64.hpp.
#include "base/base64.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace posthorn {
namespace {

using namespace std::string_literals;

// RFC 4648 s10.
TEST(Base64, TestVectors) {
    const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                           {"f", "Zg=="},
                                                           {"fo", "Zm8="},
                                                           {"foo", "Zm9v"},
                                                           {"foob", "Zm9vYg=="},
                                                           {"fooba", "Zm9vYmE="},
                                                           {"foobar", "Zm9vYmFy"}};
    for (const auto& [octets, text] : vectors) {
        EXPECT_EQ(base64_encode(std::string_view(octets)), text);
        EXPECT_EQ(base64_decode(text), octets);
    }
    EXPECT_EQ(hex_encode(std::string_view("foobar")), "666f6f626172");
    EXPECT_EQ(hex_decode("666F6f626172"), "foobar");
}

TEST(Base64, IsStrict) {
    for (const char* bad : {"Zg", "Zg=", "Zg===", "=", "====", "Zg==Zg==", "Z g=", "Zm9v\n",
                            "Zm9v=", "Zh==", "Zm9=", "Zm-v", "Zm_v"})
        EXPECT_EQ(base64_decode(bad), std::nullopt) << bad;
    EXPECT_EQ(base64_decode_folded(" Zm9v\r\n\tYmFy "), "foobar");
    EXPECT_EQ(base64_decode_folded("Zm9v!"), std::nullopt);
    for (const char* bad : {"6", "6g", "zz", " 66"}) EXPECT_EQ(hex_decode(bad), std::nullopt) << bad;
}

TEST(Base64, UrlAlphabetHasNoPadding) {
    const std::string octets = "\xfb\xff\xfe\x01";
    EXPECT_EQ(base64_encode(std::string_view(octets)), "+//+AQ==");
    EXPECT_EQ(base64url_encode(octets), "-__-AQ");
    EXPECT_EQ(base64url_decode("-__-AQ"), octets);
    for (const char* bad : {"-__-AQ==", "+//+AQ", "A", "-__-AR"})
        EXPECT_EQ(base64url_decode(bad), std::nullopt) << bad;
}

TEST(Base64, EveryStringComesBack) {
    std::mt19937 random(4648);
    for (int round = 0; round < 500; ++round) {
        std::string octets(random() % 100, '\0');
        for (char& c : octets) c = static_cast<char>(random());
        EXPECT_EQ(base64_decode(base64_encode(std::string_view(octets))), octets);
        EXPECT_EQ(base64url_decode(base64url_encode(octets)), octets);
        EXPECT_EQ(hex_decode(hex_encode(std::string_view(octets))), octets);
    }
}

}  // namespace
}  // namespace posthorn
