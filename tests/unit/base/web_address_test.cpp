// Web addresses as operators write them.
#include "base/web_address.hpp"

#include <gtest/gtest.h>

namespace posthorn {
namespace {

TEST(WebAddress, IsTakenApart) {
    const WebAddress plain = WebAddress::parse("https://Hooks.Example.com").value();
    EXPECT_TRUE(plain.tls);
    EXPECT_EQ(plain.host, "hooks.example.com");
    EXPECT_EQ(plain.port, 443);
    EXPECT_EQ(plain.target, "/");
    EXPECT_EQ(plain.authority(), "hooks.example.com");
    const WebAddress whole = WebAddress::parse("http://127.0.0.1:8080/a/b?c=d").value();
    EXPECT_FALSE(whole.tls);
    EXPECT_EQ(whole.host, "127.0.0.1");
    EXPECT_EQ(whole.port, 8080);
    EXPECT_EQ(whole.target, "/a/b?c=d");
    EXPECT_EQ(whole.authority(), "127.0.0.1:8080");
    EXPECT_EQ(WebAddress::parse("https://example.com?x=1").value().target, "/?x=1");
    const WebAddress six = WebAddress::parse("https://[::1]:444/x").value();
    EXPECT_EQ(six.host, "::1");
    EXPECT_EQ(six.authority(), "[::1]:444");
    EXPECT_EQ(WebAddress::parse("https://[::1]").value().authority(), "[::1]");
}

TEST(WebAddress, MistakesAreNamed) {
    for (const char* text : {"", "example.com", "ftp://example.com/", "https://", "https://user:pw@example.com/", "https://a b/",
                             "https://example.com/#x", "https://example.com:0/", "https://example.com:x/", "https://[::1/",
                             "https://[127.0.0.1]/", "https://exa\nmple.com/", "https://[::1]x/", "https://b\xc3\xbc" "cher.example/"}) {
        const auto parsed = WebAddress::parse(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_NE(parsed.error().what.find(' '), std::string::npos);
    }
}

TEST(WebAddress, SecretsOfItAreNotShown) {
    EXPECT_EQ(without_secrets("https://hooks.example.com:8443/services/T0/SECRET?k=SECRET"), "https://hooks.example.com:8443/...");
    EXPECT_EQ(without_secrets("https://example.com?k=SECRET"), "https://example.com/...");
    EXPECT_EQ(without_secrets("https://me:SECRET@x@example.com/"), "https://...@example.com/");
    EXPECT_EQ(without_secrets("hooks.example.com/SECRET"), "hooks.example.com/...");
    EXPECT_EQ(without_secrets("https://example.com"), "https://example.com");
    EXPECT_EQ(without_secrets(""), "");
}

TEST(WebAddress, NearIsWhatDoesNotLeaveTheNetworkForSure) {
    for (const char* text : {"http://127.0.0.1/", "http://localhost:80/", "http://[::1]/", "http://10.1.2.3/", "http://192.168.0.9/"})
        EXPECT_TRUE(WebAddress::parse(text).value().is_near()) << text;
    for (const char* text : {"http://example.com/", "http://198.51.100.1/", "http://intranet/"})
        EXPECT_FALSE(WebAddress::parse(text).value().is_near()) << text;
    EXPECT_TRUE(WebAddress::parse("http://localhost/").value().is_literal());
    EXPECT_FALSE(WebAddress::parse("http://intranet/").value().is_literal());
}

}  // namespace
}  // namespace posthorn
