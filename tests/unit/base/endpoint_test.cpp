// Tests of base/endpoint.hpp.
#include "base/endpoint.hpp"

#include <gtest/gtest.h>

namespace posthorn {
namespace {

IpAddress ip(std::string_view text) {
    return IpAddress::parse(text).value();
}

TEST(IpAddress, ParsesAndPrints) {
    EXPECT_EQ(ip("192.0.2.1").to_string(), "192.0.2.1");
    EXPECT_EQ(ip("2001:DB8:0:0::1").to_string(), "2001:db8::1");
    EXPECT_EQ(ip("::ffff:192.0.2.1"), ip("192.0.2.1"));
    EXPECT_EQ(IpAddress::from_v4({192, 0, 2, 1}), ip("192.0.2.1"));
    for (const char* bad :
         {"", "192.0.2", "192.0.2.256", "1.2.3.4.5", "0x7f.1", ":::", "g::1", "fe80::1%eth0", "localhost",
          " 1.2.3.4", "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb"})
        EXPECT_FALSE(IpAddress::parse(bad)) << bad;
    EXPECT_FALSE(IpAddress::parse(std::string_view("127.0.0.1\0x", 11)));
}

TEST(IpAddress, KnowsWhatIsNotPublic) {
    for (const char* text :
         {"127.0.0.1", "127.255.0.9", "::1", "0.0.0.0", "::", "10.1.2.3", "172.16.0.1", "172.31.255.255",
          "192.168.0.1", "169.254.1.1", "100.64.0.1", "224.0.0.1", "255.255.255.255", "fe80::1", "fc00::1",
          "fdff::1", "ff02::1", "::ffff:10.0.0.1"})
        EXPECT_TRUE(ip(text).is_private()) << text;
    for (const char* text : {"8.8.8.8", "172.15.0.1", "172.32.0.1", "192.169.0.1", "100.128.0.1", "126.0.0.1",
                             "128.0.0.1", "2a00:1450::1", "192.0.2.1"})
        EXPECT_FALSE(ip(text).is_private()) << text;
    EXPECT_TRUE(ip("127.0.0.2").is_loopback());
    EXPECT_TRUE(ip("::1").is_loopback());
    EXPECT_FALSE(ip("::2").is_loopback());
    EXPECT_TRUE(ip("0.0.0.0").is_unspecified());
    EXPECT_TRUE(ip("::").is_unspecified());
    EXPECT_TRUE(ip("1.2.3.4").is_v4());
    EXPECT_FALSE(ip("::1").is_v4());
}

TEST(IpNetwork, Contains) {
    const auto net = [](std::string_view text) { return IpNetwork::parse(text).value(); };
    EXPECT_TRUE(net("127.0.0.0/8").contains(ip("127.9.9.9")));
    EXPECT_FALSE(net("127.0.0.0/8").contains(ip("128.0.0.0")));
    EXPECT_TRUE(net("192.0.2.128/25").contains(ip("192.0.2.200")));
    EXPECT_FALSE(net("192.0.2.128/25").contains(ip("192.0.2.127")));
    EXPECT_TRUE(net("192.0.2.1").contains(ip("::ffff:192.0.2.1")));
    EXPECT_FALSE(net("192.0.2.1").contains(ip("192.0.2.2")));
    EXPECT_TRUE(net("0.0.0.0/0").contains(ip("8.8.8.8")));
    EXPECT_FALSE(net("0.0.0.0/0").contains(ip("::1")));
    EXPECT_TRUE(net("::/0").contains(ip("2001:db8::1")));
    EXPECT_FALSE(
        net("::/0").contains(ip("8.8.8.8")));  // or "all of IPv6" would open the relay to all of IPv4
    EXPECT_TRUE(net("fd00::/8").contains(ip("fdab::1")));
    EXPECT_FALSE(net("fd00::/8").contains(ip("fe00::1")));
    EXPECT_EQ(net("10.0.0.0/8").to_string(), "10.0.0.0/8");
    EXPECT_EQ(net("::1").to_string(), "::1/128");
}

TEST(IpNetwork, MistakesAreNamed) {
    const auto host_bits = IpNetwork::parse("10.1.2.3/8");
    ASSERT_FALSE(host_bits);
    EXPECT_NE(host_bits.error().what.find("the network is 10.0.0.0/8"), std::string::npos)
        << host_bits.error().what;
    for (const char* bad :
         {"10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "/8", "", "all"})
        EXPECT_FALSE(IpNetwork::parse(bad)) << bad;
}

TEST(Endpoint, ParsesItsForms) {
    const auto parsed = [](std::string_view text, std::uint16_t port = 0) {
        return Endpoint::parse(text, port).value();
    };
    EXPECT_EQ(parsed("127.0.0.1:25"), (Endpoint{"127.0.0.1", 25, ""}));
    EXPECT_EQ(parsed("[::1]:587"), (Endpoint{"::1", 587, ""}));
    EXPECT_EQ(parsed("*:25"), (Endpoint{"0.0.0.0", 25, ""}));
    EXPECT_EQ(parsed("[::]:25"), (Endpoint{"::", 25, ""}));
    EXPECT_EQ(parsed("127.0.0.1", 53), (Endpoint{"127.0.0.1", 53, ""}));
    EXPECT_EQ(parsed("::1", 53), (Endpoint{"::1", 53, ""}));
    EXPECT_EQ(parsed("[::1]", 53), (Endpoint{"::1", 53, ""}));
    EXPECT_EQ(parsed("127.0.0.1:0"), (Endpoint{"127.0.0.1", 0, ""}));
    EXPECT_EQ(parsed("unix:/run/posthorn/submit.sock"), (Endpoint{"", 0, "/run/posthorn/submit.sock"}));
    for (const char* text : {"127.0.0.1:25", "[::1]:587", "unix:/run/x.sock"})
        EXPECT_EQ(parsed(text).to_string(), text);
}

TEST(Endpoint, RefusesTheRest) {
    for (const char* bad :
         {"", ":25", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:smtp", "localhost:25", "[::1]",
          "[::1]25", "[::1", "::1", "[127.0.0.1]:25", "unix:", "unix:relative.sock", "25"})
        EXPECT_FALSE(Endpoint::parse(bad)) << bad;
    EXPECT_FALSE(Endpoint::parse("unix:/" + std::string(200, 'x')));
}

}  // namespace
}  // namespace posthorn
