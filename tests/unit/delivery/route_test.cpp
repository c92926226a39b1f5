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

}  // namespace
}  // namespace posthorn::delivery
