// Tests of mail/domain.hpp.
#include "mail/domain.hpp"

#include <gtest/gtest.h>

#include <string>

namespace posthorn::mail {
namespace {

std::string ascii(std::string_view domain) {
    auto result = to_ascii(domain);
    return result ? *result : "error: " + result.error().what;
}

TEST(Domain, AsciiNamesAreLowered) {
    EXPECT_EQ(ascii("Example.COM"), "example.com");
    EXPECT_EQ(ascii("localhost"), "localhost");
    EXPECT_EQ(ascii("a_b.example.com"), "a_b.example.com");
    EXPECT_EQ(ascii("XN--bcher-kva.example"), "xn--bcher-kva.example");
    EXPECT_EQ(ascii("4.example.com"), "4.example.com");
    EXPECT_EQ(ascii("a--b.example"), "a--b.example");
}

// RFC 5891; UTS 46 non-transitional: the German sharp s and final sigma stay themselves.
TEST(Domain, InternationalNames) {  // EXT-10, RFC 5891
    EXPECT_EQ(ascii("b\xc3\xbc"
                    "cher.example"),
              "xn--bcher-kva.example");
    EXPECT_EQ(ascii("B\xc3\x9c"
                    "CHER.Example"),
              "xn--bcher-kva.example");
    EXPECT_EQ(ascii("stra\xc3\x9f"
                    "e.de"),
              "xn--strae-oqa.de");
    EXPECT_EQ(ascii("\xe4\xbe\x8b\xe3\x81\x88.jp"), "xn--r8jz45g.jp");
    EXPECT_EQ(ascii("\xe4\xbe\x8b\xe3\x81\x88\xe3\x80\x82jp"), "xn--r8jz45g.jp");  // ideographic full stop
}

TEST(Domain, RefusesWhatNoDnsNameCanBe) {
    for (const std::string& bad :
         {std::string(), std::string("."), std::string("a..b"), std::string(".a"), std::string("a."),
          std::string("-a.b"), std::string("a-.b"), std::string("a b"), std::string("a@b"),
          std::string("192.0.2.1"), std::string("1"), std::string("a\0b", 3), std::string("\xff.de"),
          std::string("\xc3\xbc\0.de", 6), std::string("b\xc3\xbc..de"), std::string(64, 'a') + ".de",
          std::string("ex!ample.com"), std::string("\xe2\x80\xae.de")})
        EXPECT_FALSE(to_ascii(bad)) << bad;
    EXPECT_TRUE(to_ascii(std::string(63, 'a') + ".de"));
    std::string longest;  // 5 * 51 = 255 octets with the last dot off
    for (int i = 0; i < 5; ++i) longest += std::string(50, 'a') + ".";
    longest += "a";
    ASSERT_EQ(longest.size(), 256U);
    EXPECT_FALSE(to_ascii(longest));
    EXPECT_TRUE(to_ascii(longest.substr(1)));
    std::string much;
    for (int i = 0; i < 100000; ++i) much += "\xc3\xbc.";
    EXPECT_FALSE(to_ascii(much + "de"));
}

TEST(Domain, HostNames) {
    EXPECT_TRUE(is_fqdn("mail.example.com"));
    EXPECT_FALSE(is_fqdn("localhost"));
    EXPECT_TRUE(is_valid_hostname("localhost"));
    EXPECT_FALSE(is_valid_hostname("a_b.example.com"));
    EXPECT_FALSE(is_fqdn("mail.example.com."));
    EXPECT_FALSE(is_fqdn("192.0.2.1"));
    EXPECT_FALSE(is_fqdn("[192.0.2.1]"));
    EXPECT_FALSE(is_fqdn(""));
}

TEST(Domain, Subdomains) {
    EXPECT_TRUE(is_subdomain_of("example.com", "EXAMPLE.com"));
    EXPECT_TRUE(is_subdomain_of("a.b.Example.com", "example.com"));
    EXPECT_FALSE(is_subdomain_of("notexample.com", "example.com"));
    EXPECT_FALSE(is_subdomain_of("com", "example.com"));
    EXPECT_FALSE(is_subdomain_of("example.com", ""));
}

TEST(Domain, AddressLiterals) {
    EXPECT_EQ(parse_address_literal("[192.0.2.1]").value(), "[192.0.2.1]");
    EXPECT_EQ(parse_address_literal("[IPv6:2001:DB8::1]").value(), "[IPv6:2001:db8::1]");
    EXPECT_EQ(parse_address_literal("[ipv6:::1]").value(), "[IPv6:::1]");
    EXPECT_EQ(parse_address_literal("[2001:db8::1]").value(), "[IPv6:2001:db8::1]");
    for (const char* bad : {"", "[]", "[", "192.0.2.1", "[192.0.2.1", "[192.0.2.300]", "[IPv6:192.0.2.1]",
                            "[IPv6:]", "[x-tag:abc]", "[localhost]"})
        EXPECT_FALSE(parse_address_literal(bad)) << bad;
}

}  // namespace
}  // namespace posthorn::mail
