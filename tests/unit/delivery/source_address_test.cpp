// Which local addresses mail of a sender domain leaves from, and when IPv6 is let out.
#include "delivery/source_address.hpp"

#include <gtest/gtest.h>

namespace posthorn::delivery {
namespace {

DeliveryOptions options() {
    DeliveryOptions out;
    out.source_v4 = "192.0.2.1";
    out.source_v6 = "2001:db8::1";
    out.sources = {{"shop.example", "192.0.2.7", "2001:db8::7"},
                   {"news.shop.example", "192.0.2.8", ""},
                   {"six.example", "", "2001:db8::6"}};
    return out;
}

Confirmations confirmed(const std::set<std::string>& addresses, const std::set<std::string>& others = {}) {
    Confirmations out;
    for (const std::string& address : addresses) out[address].confirmed = true;
    for (const std::string& address : others) out[address].why = address + " has no PTR record";
    return out;
}

std::string shown(const std::optional<IpAddress>& address) {
    return address ? address->to_string() : "any";
}

TEST(SourceAddress, IsFixedBySenderDomain) {  // PR-21
    struct Row {
        const char *sender, *v4, *v6;
    };
    const Row table[] = {
        {"other.example", "192.0.2.1", "2001:db8::1"},     {"", "192.0.2.1", "2001:db8::1"},
        {"shop.example", "192.0.2.7", "2001:db8::7"},      {"x.shop.example", "192.0.2.7", "2001:db8::7"},
        {"news.shop.example", "192.0.2.8", "2001:db8::1"}, {"six.example", "192.0.2.1", "2001:db8::6"},
        {"workshop.example", "192.0.2.1", "2001:db8::1"},
    };
    for (const Row& row : table) {
        SCOPED_TRACE(row.sender);
        // A greylisted message comes again from where it came first: nothing but configuration decides.
        for (const Confirmations& found : {Confirmations{}, confirmed({"2001:db8::1", "2001:db8::7"})}) {
            const SourceAddresses source = source_for(options(), row.sender, found);
            EXPECT_EQ(shown(source.v4), row.v4);
            EXPECT_EQ(shown(source.v6), row.v6);
        }
    }
    const SourceAddresses kernel = source_for(DeliveryOptions(), "a.example", {});
    EXPECT_EQ(shown(kernel.v4), "any");
    EXPECT_EQ(shown(kernel.v6), "any");
}

TEST(SourceAddress, Ipv6OnlyWhereItsPtrIsConfirmed) {
    const auto found = confirmed({"2001:db8::7"}, {"2001:db8::1"});
    EXPECT_TRUE(source_for(options(), "shop.example", found).allow_v6);
    const SourceAddresses other = source_for(options(), "other.example", found);
    EXPECT_FALSE(other.allow_v6);
    EXPECT_EQ(other.why, "2001:db8::1 has no PTR record");
    EXPECT_FALSE(source_for(options(), "six.example", found).allow_v6);  // not looked at yet
    EXPECT_TRUE(source_for(DeliveryOptions(), "a.example", confirmed({""})).allow_v6);
    EXPECT_FALSE(source_for(DeliveryOptions(), "a.example", confirmed({}, {""})).allow_v6);
}

TEST(SourceAddress, TheFamilyDecidesFirst) {
    DeliveryOptions fixed = options();
    for (const IpFamily family : {IpFamily::any, IpFamily::v6}) {
        fixed.family = family;
        EXPECT_TRUE(source_for(fixed, "other.example", {}).allow_v6);
    }
    fixed.family = IpFamily::v4;
    EXPECT_FALSE(source_for(fixed, "other.example", confirmed({"2001:db8::1"})).allow_v6);
}

TEST(SourceAddress, KnowsWhatToLookAt) {
    EXPECT_EQ(v6_sources(options()), (std::set<std::string>{"2001:db8::1", "2001:db8::6", "2001:db8::7"}));
    EXPECT_EQ(v6_sources(DeliveryOptions()), std::set<std::string>{""});
}

}  // namespace
}  // namespace posthorn::delivery
