// What DNS says about a domain, and where that leads.
#include "delivery/route.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace posthorn::delivery {
namespace {

dns::MxAnswer answer(std::vector<dns::MxHost> hosts) {
    dns::MxAnswer out;
    out.status = dns::Status::ok;
    out.hosts = std::move(hosts);
    out.ttl = std::chrono::seconds(300);
    return out;
}

Outcome failure(const RouteDecision& decision) {
    const auto* outcome = std::get_if<Outcome>(&decision);
    EXPECT_NE(outcome, nullptr);
    return outcome != nullptr ? *outcome : Outcome{};
}

TEST(Route, NullMxFailsAtOnce) {  // SMTP-27, RFC 7505 s4.1
    dns::MxAnswer none = answer({});
    none.null_mx = true;
    const Outcome outcome = failure(route_of("example.com", none, "mail.example.net"));
    EXPECT_EQ(outcome.result, Disposition::failed);
    EXPECT_EQ(outcome.reply.code, 556);
    EXPECT_EQ(outcome.reply.enhanced.to_string(), "5.1.10");
}

TEST(Route, NxdomainIsPermanentAndSilenceIsNot) {  // SMTP-22
    dns::MxAnswer gone;
    gone.status = dns::Status::nxdomain;
    EXPECT_EQ(failure(route_of("example.com", gone, "h.example")).result, Disposition::failed);
    dns::MxAnswer silent;
    silent.status = dns::Status::temporary;
    silent.detail = "127.0.0.1 said SERVFAIL";
    const Outcome outcome = failure(route_of("example.com", silent, "h.example"));
    EXPECT_EQ(outcome.result, Disposition::deferred);
    EXPECT_EQ(outcome.failure_class, Class::dns);
    EXPECT_NE(outcome.reply.joined().find("SERVFAIL"), std::string::npos);
}

TEST(Route, SiteKeyIsTheSameForEqualSets) {
    const auto a = route_of("a.example", answer({{10, "mx1.host"}, {20, "mx2.host"}}), "h.example");
    const auto b = route_of("b.example", answer({{5, "mx2.host"}, {5, "mx1.host"}}), "h.example");
    EXPECT_EQ(std::get<Route>(a).site_key, std::get<Route>(b).site_key);
}

TEST(Route, OwnNameTakesItselfAndAllThatIsNotBetterAway) {  // SMTP-25
    const auto some = route_of("a.example", answer({{10, "best.host"}, {20, "us.example"}, {20, "equal.host"}, {30, "worse.host"}}),
                               "us.example");
    ASSERT_EQ(std::get<Route>(some).hosts.size(), 1U);
    EXPECT_EQ(std::get<Route>(some).hosts[0].name, "best.host");
    const Outcome loop = failure(route_of("a.example", answer({{10, "US.example"}, {20, "worse.host"}}), "us.example"));
    EXPECT_EQ(loop.reply.enhanced.to_string(), "5.4.6");
}

TEST(Route, EqualPreferencesAreShuffledAndOthersKeepTheirPlace) {  // SMTP-24
    std::minstd_rand random(7);
    const std::vector<RouteHost> hosts = {{10, "a", false}, {10, "b", false}, {10, "c", false}, {20, "last", false}};
    std::set<std::string> first;
    for (int i = 0; i < 200; ++i) {
        const auto order = attempt_order(hosts, random);
        first.insert(order.front().name);
        EXPECT_EQ(order.back().name, "last");
    }
    EXPECT_EQ(first, (std::set<std::string>{"a", "b", "c"}));
}

TEST(Route, AddressLiteral) {  // RFC 5321 s4.1.3
    EXPECT_EQ(std::get<Route>(route_of_literal("[192.0.2.7]")).hosts[0].name, "192.0.2.7");
    EXPECT_EQ(std::get<Route>(route_of_literal("[IPv6:2001:db8::1]")).hosts[0].name, "2001:db8::1");
    EXPECT_EQ(failure(route_of_literal("[nonsense]")).result, Disposition::failed);
}

TEST(Route, PrivateAddressesAreRefusedUnlessAllowed) {
    dns::AddressAnswer addresses;
    addresses.status = dns::Status::ok;
    addresses.v4 = {*IpAddress::parse("127.0.0.1"), *IpAddress::parse("10.0.0.1"), *IpAddress::parse("198.51.100.1")};
    addresses.v6 = {*IpAddress::parse("::1"), *IpAddress::parse("2001:db8::5")};
    DeliveryOptions options;
    const AddressChoice safe = usable_addresses(addresses, options);
    for (const IpAddress& address : safe.addresses) EXPECT_FALSE(address.is_private()) << address.to_string();
    EXPECT_NE(safe.refused.find("allow_private_addresses"), std::string::npos);
    options.allow_private_addresses = true;
    EXPECT_EQ(usable_addresses(addresses, options).addresses.size(), 5U);
    options.family = IpFamily::v6;
    EXPECT_EQ(usable_addresses(addresses, options).addresses.size(), 2U);
}

// RFC 5321 s5.1, SMTP-23: an MX names a host. Others are asked; a domain with nothing else cannot be delivered to.
TEST(Route, MxThatAreNoHostNamesAreLeftOut) {
    const auto mixed = route_of("a.example",
                                answer({{5, "192.0.2.1"}, {6, "a\\032b.example"}, {7, "-x.example"}, {10, "mx_1.example"}}), "h.example");
    ASSERT_TRUE(std::holds_alternative<Route>(mixed));
    const Route& route = std::get<Route>(mixed);
    ASSERT_EQ(route.hosts.size(), 1U);
    EXPECT_EQ(route.hosts[0].name, "mx_1.example") << "_ is seen in practice";
    EXPECT_NE(route.left_out.find("'192.0.2.1' is an IP address"), std::string::npos) << route.left_out;
    EXPECT_EQ(route.site_key, "mx_1.example");
    const Outcome none = failure(route_of("a.example", answer({{5, "192.0.2.1"}, {5, "2001:db8::1"}}), "h.example"));
    EXPECT_EQ(none.result, Disposition::failed);
    EXPECT_EQ(none.reply.enhanced.to_string(), "5.4.4");
    EXPECT_NE(none.reply.joined().find("192.0.2.1"), std::string::npos);
}

TEST(Route, ImplicitMxIsOrdinary) {  // RFC 5321 s5.1, SMTP-23
    dns::MxAnswer implicit = answer({{0, "example.com"}});
    implicit.implicit = true;
    EXPECT_EQ(std::get<Route>(route_of("example.com", implicit, "h.example")).hosts[0].name, "example.com");
    const Outcome loop = failure(route_of("h.example", answer({{0, "h.example"}}), "h.example"));
    EXPECT_EQ(loop.reply.enhanced.to_string(), "5.4.6");
}

TEST(Route, OurOwnShortageIsNotTheDomainsFault) {
    dns::MxAnswer shortage;
    shortage.status = dns::Status::temporary;
    shortage.local_shortage = true;
    EXPECT_TRUE(failure(route_of("example.com", shortage, "h.example")).shortage);
    shortage.local_shortage = false;
    EXPECT_FALSE(failure(route_of("example.com", shortage, "h.example")).shortage);
}

TEST(Route, SiteKeysStayShort) {
    std::vector<dns::MxHost> many, others;
    for (int i = 0; i < 100; ++i) many.push_back({10, "a-rather-long-host-name-" + std::to_string(i) + ".example"});
    others = many;
    others.back().name = "another.example";
    const std::string key = std::get<Route>(route_of("a.example", answer(many), "h.example")).site_key;
    EXPECT_LT(key.size(), 500U);
    std::reverse(many.begin(), many.end());
    EXPECT_EQ(std::get<Route>(route_of("b.example", answer(many), "h.example")).site_key, key);
    EXPECT_NE(std::get<Route>(route_of("c.example", answer(others), "h.example")).site_key, key);
    // Sites share open connections: the sum has to be one that nobody finds another set for.
    EXPECT_EQ(key.substr(400, 4), ",...");
    EXPECT_EQ(key.size(), 400U + 4 + 64);
}

TEST(Route, DomainsAreAskedByTheirALabels) {  // RFC 6531 s3.2, RFC 5891
    EXPECT_EQ(std::get<std::string>(name_to_ask("M\u00fcnchen.example")), "xn--mnchen-3ya.example");
    EXPECT_EQ(std::get<std::string>(name_to_ask("Example.COM")), "example.com");
    for (const std::string& bad : {std::string("\xff.example"), std::string("a..b"), std::string("\u2665\u2028.example"),
                                  std::string(70, 'x') + ".example", std::string("192.0.2.1"), std::string("a b.example")}) {
        const auto asked = name_to_ask(bad);
        ASSERT_TRUE(std::holds_alternative<Outcome>(asked)) << bad;
        EXPECT_EQ(std::get<Outcome>(asked).result, Disposition::failed);
        EXPECT_EQ(std::get<Outcome>(asked).reply.enhanced.to_string(), "5.1.2");
    }
}

TEST(Route, EveryAddressThatIsNotPublicIsRefused) {  // by default; RFC 6890, SMTP-26
    DeliveryOptions options;
    for (const char* text :
         {"0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.1.1", "172.16.0.1", "172.31.255.255",
          "192.168.1.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
          "fe80::1", "fc00::1", "fd12::1", "ff02::1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:7f00:1::1",
          "2002:c0a8:101::1", "::127.0.0.1", "100::1"}) {
        dns::AddressAnswer addresses;
        const IpAddress address = *IpAddress::parse(text);
        (address.is_v4() ? addresses.v4 : addresses.v6).push_back(address);
        const AddressChoice choice = usable_addresses(addresses, options);
        EXPECT_TRUE(choice.addresses.empty()) << text;
        EXPECT_NE(choice.refused.find("allow_private_addresses"), std::string::npos) << text;
    }
    for (const char* text : {"8.8.8.8", "100.63.255.255", "172.32.0.1", "198.51.100.1", "2001:db8::1", "2a00::1", "64:ff9b::8.8.8.8",
                             "2002:808:808::1", "::ffff:8.8.8.8"}) {
        dns::AddressAnswer addresses;
        addresses.v6 = {*IpAddress::parse(text)};
        EXPECT_EQ(usable_addresses(addresses, options).addresses.size(), 1U) << text;
    }
}

// RFC 5321 s5.1: "If the SMTP client is itself among the hosts". By address, whatever its name is.
TEST(OwnAddress, LeadsBackOnlyWhereWeListen) {
    OwnAddresses own;
    own.machine = {*IpAddress::parse("198.51.100.7"), *IpAddress::parse("2001:db8::7"), *IpAddress::parse("127.0.0.1")};
    own.listeners = {*Endpoint::parse("*:25"), *Endpoint::parse("198.51.100.7:2525"), *Endpoint::parse("[::]:26"),
                     *Endpoint::parse("unix:/run/x.sock"), *Endpoint::parse("127.0.0.1:587")};
    const auto leads = [&](const char* address, std::uint16_t port) { return own.lead_back(*IpAddress::parse(address), port); };
    EXPECT_TRUE(leads("198.51.100.7", 25));
    EXPECT_TRUE(leads("127.0.0.9", 25));
    EXPECT_TRUE(leads("0.0.0.0", 25));
    EXPECT_TRUE(leads("198.51.100.7", 2525));
    EXPECT_TRUE(leads("2001:db8::7", 26));
    EXPECT_TRUE(leads("0.0.0.0", 587));
    EXPECT_FALSE(leads("2001:db8::7", 25)) << "only IPv4 is listened on there";
    EXPECT_FALSE(leads("127.0.0.1", 2525));
    EXPECT_FALSE(leads("198.51.100.8", 25)) << "somebody else";
    EXPECT_FALSE(leads("198.51.100.7", 24)) << "another program of this machine may hold the mailboxes";
    EXPECT_FALSE(leads("127.0.0.2", 587));
}

TEST(OwnAddress, AHostWithOneOfThemLeadsBack) {  // SMTP-25
    OwnAddresses own;
    own.machine = {*IpAddress::parse("198.51.100.7")};
    own.listeners = {*Endpoint::parse("*:25")};
    dns::AddressAnswer addresses;
    addresses.v4 = {*IpAddress::parse("198.51.100.1"), *IpAddress::parse("198.51.100.7")};
    EXPECT_TRUE(usable_addresses(addresses, DeliveryOptions(), &own, 25).leads_back);
    EXPECT_FALSE(usable_addresses(addresses, DeliveryOptions(), &own, 2525).leads_back);
    EXPECT_FALSE(usable_addresses(addresses, DeliveryOptions()).leads_back);
    const Outcome outcome = leads_back("example.com", {10, "mx.example"});
    EXPECT_EQ(outcome.result, Disposition::failed);
    EXPECT_EQ(outcome.reply.code, 554);
    EXPECT_EQ(outcome.reply.enhanced.to_string(), "5.4.6");
}

}  // namespace
}  // namespace posthorn::delivery
