// The SPF record to publish, made of the one that is there (SD-76): nothing lost, nothing added that passes already, one record in the end.
#include "auth/spf_merge.hpp"

#include <gtest/gtest.h>

#include <random>

#include "auth/spf.hpp"
#include "support/dns_zone.hpp"

namespace posthorn::auth::spf {
namespace {

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }

Merge merged(const test::DnsZone& zone, std::initializer_list<std::string_view> addresses = {"192.0.2.1", "2001:db8::1"}) {
    std::vector<IpAddress> ips;
    for (const std::string_view one : addresses) ips.push_back(ip(one));
    return zone.settle([&](const DnsAnswers& known) { return merge("example.com", ips, "mail.example.com", known); });
}

bool says(const Merge& merge, std::string_view words) {
    return std::any_of(merge.words.begin(), merge.words.end(), [&](const std::string& one) { return one.find(words) != std::string::npos; });
}

TEST(SpfMerge, MakesOneWhereThereIsNone) {
    const Merge made = merged(test::DnsZone("example.com TXT site-verification=1\n"));
    EXPECT_EQ(made.state, Merge::State::made);
    EXPECT_EQ(made.record, "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all");
    EXPECT_EQ(made.lookups, 0U);
    EXPECT_TRUE(made.found.empty());
}

TEST(SpfMerge, LeavesWhatIsRightAsItIs) {
    // By a network, and by an include: neither gets a term of its own.
    const Merge right = merged(test::DnsZone("example.com TXT v=spf1  ip4:192.0.2.0/24 include:_spf.example.net  -all\n"
                                             "_spf.example.net TXT v=spf1 ip6:2001:db8::/64 -all\n"));
    EXPECT_EQ(right.state, Merge::State::right);
    EXPECT_EQ(right.record, "v=spf1  ip4:192.0.2.0/24 include:_spf.example.net  -all");
    EXPECT_TRUE(right.added.empty());
    EXPECT_EQ(right.lookups, 1U);
    EXPECT_TRUE(right.words.empty());
}

TEST(SpfMerge, KeepsEveryTermAndAddsOnlyWhatDoesNotPass) {
    const Merge changed = merged(test::DnsZone("example.com TXT v=spf1 ip4:192.0.2.0/24 include:_spf.example.net mx ~all\n"
                                               "example.com MX 10 mx.example.net\nmx.example.net A 203.0.113.1\n"
                                               "_spf.example.net TXT v=spf1 a:a.example.net -all\na.example.net A 203.0.113.2\n"));
    EXPECT_EQ(changed.state, Merge::State::changed);
    EXPECT_EQ(changed.record, "v=spf1 ip6:2001:db8::1 ip4:192.0.2.0/24 include:_spf.example.net mx ~all");
    ASSERT_EQ(changed.added.size(), 1U);
    EXPECT_EQ(changed.lookups, 3U);  // include, a beneath it, mx: also those that our address does not come to
    EXPECT_TRUE(says(changed, "added ip6:2001:db8::1"));
}

TEST(SpfMerge, SeveralBecomeOne) {  // s4.5, SD-76
    const Merge one = merged(test::DnsZone("example.com TXT v=spf1 mx -all\nexample.com TXT v=spf1 ip4:192.0.2.1 ~all\nexample.com MX 10 mx.example.com\n"
                                           "mx.example.com A 203.0.113.1\nmx.example.com AAAA 2001:db8::1\n"));
    EXPECT_EQ(one.state, Merge::State::changed);
    EXPECT_EQ(one.record, "v=spf1 mx ip4:192.0.2.1 ~all");
    EXPECT_EQ(one.found.size(), 2U);
    EXPECT_TRUE(one.added.empty());
    EXPECT_TRUE(says(one, "2 SPF records")) << one.words.front();
}

TEST(SpfMerge, ABrokenTermIsLeftOutAndNamed) {
    const Merge mended = merged(test::DnsZone("example.com TXT v=spf1 ipv4:198.51.100.1 ip4:198.51.100.2 -all\n"), {"192.0.2.1"});
    EXPECT_EQ(mended.record, "v=spf1 ip4:192.0.2.1 ip4:198.51.100.2 -all");
    EXPECT_TRUE(says(mended, "ipv4:198.51.100.1"));
}

TEST(SpfMerge, CountsBeyondTheLimit) {  // s4.6.4
    std::string record = "example.com TXT v=spf1", zone;
    for (int i = 0; i < 12; ++i) {
        record += " include:i" + std::to_string(i) + ".example.net";
        zone += "i" + std::to_string(i) + ".example.net TXT v=spf1 ip4:203.0.113." + std::to_string(i) + " ?all\n";
    }
    const Merge many = merged(test::DnsZone(record + " -all\n" + zone), {"192.0.2.1"});
    EXPECT_EQ(many.lookups, 12U);
    EXPECT_TRUE(many.record.starts_with("v=spf1 ip4:192.0.2.1 include:i0.example.net"));
    EXPECT_TRUE(says(many, "12 of its terms")) << many.words.back();
    // The address that stands in front passes nevertheless.
    test::DnsZone after("example.com TXT " + many.record + "\n" + zone);
    const Outcome outcome = after.settle([&](const DnsAnswers& known) { return evaluate(Subject(ip("192.0.2.1"), "example.com", "m"), known); });
    EXPECT_EQ(outcome.verdict, Verdict::pass);
}

TEST(SpfMerge, CountsNamesThatDoNotExist) {  // s4.6.4
    const Merge voids = merged(test::DnsZone("example.com TXT v=spf1 ip4:192.0.2.1 a:x.gone a:y.gone a:z.gone -all\n"), {"192.0.2.1"});
    EXPECT_EQ(voids.state, Merge::State::right);
    EXPECT_EQ(voids.void_lookups, 3U);
    EXPECT_TRUE(says(voids, "do not exist"));
}

TEST(SpfMerge, NamesATermWhoseTargetHasNoRecord) {
    const Merge gone = merged(test::DnsZone("example.com TXT v=spf1 ip4:192.0.2.1 include:gone.example -all\n"), {"192.0.2.1"});
    EXPECT_EQ(gone.state, Merge::State::right);
    EXPECT_TRUE(says(gone, "include:gone.example")) << gone.words.size();
}

TEST(SpfMerge, SilenceIsNeverTakenForNone) {
    const Merge silent = merged(test::DnsZone("example.com TXT !\n"));
    EXPECT_EQ(silent.state, Merge::State::unknown);
    EXPECT_EQ(silent.record, "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all");
    EXPECT_TRUE(says(silent, "there must be only one"));
    EXPECT_TRUE(says(merged(test::DnsZone("example.com TXT !\n"), {}), "add this server's addresses to that"));
    const Merge open = merged(test::DnsZone("example.com TXT v=spf1 include:_spf.example.net -all\n_spf.example.net TXT !\n"), {"192.0.2.1"});
    EXPECT_EQ(open.state, Merge::State::unknown);
    EXPECT_EQ(open.record, "v=spf1 include:_spf.example.net -all");
}

TEST(SpfMerge, RedirectStaysLast) {
    const Merge redirected = merged(test::DnsZone("example.com TXT v=spf1 redirect=_spf.example.net\n_spf.example.net TXT v=spf1 -all\n"), {"192.0.2.1"});
    EXPECT_EQ(redirected.record, "v=spf1 ip4:192.0.2.1 redirect=_spf.example.net");
    EXPECT_EQ(redirected.lookups, 1U);
}

TEST(SpfMerge, WhatStoodBehindAllStaysWithoutEffect) {  // s5.1
    const Merge two = merged(test::DnsZone("example.com TXT v=spf1 +all -ip6:2001:db8::/32\nexample.com TXT v=spf1 mx -all\n"), {"192.0.2.1"});
    EXPECT_EQ(two.record, "v=spf1 ip4:192.0.2.1 mx ~all");
}

// What is merged is right when it is looked at again.
TEST(SpfMerge, IsAtRestAfterOneChange) {
    for (const char* old : {"v=spf1 -all", "v=spf1 mx foo -all", "v=spf1 -ip4:192.0.2.0/24 ~all", "v=spf1", "v=spf1 redirect=example.com", "v=spf1 ip4:192.0.2.1/33"}) {
        const Merge first = merged(test::DnsZone(std::string("example.com TXT ") + old + "\n"));
        const Merge second = merged(test::DnsZone("example.com TXT " + first.record + "\n"));
        EXPECT_EQ(second.state, Merge::State::right) << old << " -> " << first.record;
        EXPECT_EQ(second.record, first.record);
    }
}

// Whatever stands there, in whatever number: afterwards there is one record, our addresses pass, and nothing is left to change.
TEST(SpfMerge, OfAnyRecordsPassesAndIsAtRest) {
    const std::vector<std::string> terms = {"mx", "a", "-a:x.gone", "include:_spf.example.net", "include:gone.example", "~ip4:192.0.2.0/24", "-ip6:2001:db8::/32",
                                            "ip4:192.0.2.1", "ptr", "exists:%{i}.example.net", "ipv4:1.2.3.4", "-all", "~all", "?all", "+all", "redirect=_spf.example.net",
                                            "redirect=example.com", "exp=e.example.net", "x=%{d}", "a/33", "mx//64", "IP4:203.0.113.1", "a:%{h}", "\x80"};
    std::mt19937 random(7);
    for (int round = 0; round < 3000; ++round) {
        test::DnsZone zone("_spf.example.net TXT v=spf1 ip4:198.51.100.0/24 ?all\nexample.com MX 10 mx.example.com\nmx.example.com A 203.0.113.1\n");
        std::string shown;
        for (std::size_t records = random() % 3; records > 0; --records) {
            std::string record = "v=spf1";
            for (std::size_t count = random() % 14; count > 0; --count) record += " " + terms[random() % terms.size()];
            zone.add("example.com TXT " + record + "\n");
            shown += record + " | ";
        }
        const Merge first = merged(zone);
        shown += "-> " + first.record;
        zone.remove("TXT", "example.com").add("example.com TXT " + first.record + "\n");
        for (const char* ours : {"192.0.2.1", "2001:db8::1"}) {
            const Outcome outcome =
                zone.settle([&](const DnsAnswers& known) { return evaluate(Subject(ip(ours), "example.com", "mail.example.com"), known); });
            ASSERT_EQ(outcome.verdict, Verdict::pass) << ours << ": " << shown;
        }
        const Merge second = merged(zone);
        ASSERT_EQ(second.record, first.record) << shown;
        ASSERT_EQ(second.state, Merge::State::right) << shown;
    }
}

}  // namespace
}  // namespace posthorn::auth::spf
