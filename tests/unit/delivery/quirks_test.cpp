// What is remembered of peers, how long, and what becomes of it in a plan.
#include "delivery/quirks.hpp"

#include <gtest/gtest.h>

namespace posthorn::delivery {
namespace {

using std::chrono::hours;

const TimePoint kNow{Duration(1'000'000'000)};

TEST(Quirks, AreNewsOnceAndForgottenInTime) {
    Quirks quirks;
    EXPECT_TRUE(quirks.note(Quirk::no_ipv6, "google", kNow));
    EXPECT_FALSE(quirks.note(Quirk::no_ipv6, "google", kNow + hours(1)));
    EXPECT_TRUE(quirks.holds(Quirk::no_ipv6, "google", kNow + hours(24)));
    EXPECT_FALSE(quirks.holds(Quirk::no_ipv6, "google", kNow + hours(25)));
    EXPECT_FALSE(quirks.holds(Quirk::no_ipv6, "outlook", kNow));
    EXPECT_FALSE(quirks.holds(Quirk::tls, "google", kNow));
    EXPECT_TRUE(quirks.note(Quirk::no_ipv6, "google", kNow + hours(26)));
    // TLSREQ: what wants TLS goes on wanting it.
    EXPECT_TRUE(quirks.note(Quirk::tls, "google", kNow));
    EXPECT_TRUE(quirks.holds(Quirk::tls, "google", kNow + hours(24 * 29)));
}

TEST(Quirks, ComeBackFromMemory) {
    Quirks quirks;
    quirks.restore(Quirks::key_of(Quirk::no_relaying, "mx.b.test b.test"), kNow + hours(1));
    quirks.restore("no-such-quirk-yet google", kNow + hours(1));
    quirks.restore("", kNow + hours(1));
    EXPECT_EQ(quirks.size(), 1U);
    EXPECT_TRUE(quirks.holds(Quirk::no_relaying, "mx.b.test b.test", kNow));
    EXPECT_FALSE(quirks.note(Quirk::no_relaying, "mx.b.test b.test", kNow)) << "known before the restart";
}

TEST(Quirks, ARepairForgetsThemForAllGroups) {
    Quirks quirks;
    quirks.note(Quirk::no_ipv6, "google", kNow);
    quirks.note(Quirk::no_ipv6, "outlook", kNow);
    quirks.note(Quirk::tls, "google", kNow);
    EXPECT_EQ(quirks.forget_all(Quirk::no_ipv6), (std::vector<std::string>{"no-ipv6 google", "no-ipv6 outlook"}));
    EXPECT_EQ(quirks.size(), 1U);
    EXPECT_TRUE(quirks.forget_all(Quirk::no_ipv6).empty());
}

TEST(Quirks, TheirNumberIsBounded) {
    Quirks quirks;
    for (std::size_t i = 0; i < kMaxQuirks + 5; ++i) quirks.note(Quirk::tls, std::to_string(i), kNow + Duration(i));
    EXPECT_EQ(quirks.size(), kMaxQuirks);
    EXPECT_FALSE(quirks.holds(Quirk::tls, "0", kNow)) << "what ends first goes first";
    EXPECT_TRUE(quirks.holds(Quirk::tls, "5", kNow));
}

TEST(Quirks, APlanGetsThoseOfItsGroupAndHosts) {
    Quirks quirks;
    EXPECT_TRUE(quirks.known("google", {"mx1.b.test"}, "b.test", kNow).text().empty());
    quirks.note(Quirk::no_ipv6, "google", kNow);
    quirks.note(Quirk::no_pipelining, "mx2.b.test", kNow);
    quirks.note(Quirk::no_relaying, "mx1.b.test b.test", kNow);
    const KnownQuirks known = quirks.known("google", {"mx1.b.test", "mx2.b.test"}, "b.test", kNow);
    EXPECT_TRUE(known.no_ipv6);
    EXPECT_FALSE(known.tls);
    EXPECT_TRUE(known.has("mx1.b.test", Quirk::no_relaying));
    EXPECT_TRUE(known.has("mx2.b.test", Quirk::no_pipelining));
    EXPECT_FALSE(known.has("mx1.b.test", Quirk::no_pipelining));
    EXPECT_EQ(known.text(), " avoiding IPv6 mx1.b.test:no-relaying mx2.b.test:no-pipelining");
    EXPECT_EQ(known.sentences("google", "b.test").size(), 3U);
    // Of another domain that the host does serve, nothing.
    EXPECT_FALSE(quirks.known("google", {"mx1.b.test"}, "c.test", kNow).has("mx1.b.test", Quirk::no_relaying));
}

// PR-19: Yahoo's "Max message per connection reached", and its close without a word.
TEST(Quirks, WhereConnectionsEndIsLearnt) {
    Quirks quirks;
    EXPECT_EQ(quirks.messages_per_connection("yahoo", kNow), 0U);
    quirks.note_end_after("yahoo", 5, false, kNow);
    EXPECT_EQ(quirks.messages_per_connection("yahoo", kNow), 0U) << "once, in silence, may have been anything";
    quirks.note_end_after("yahoo", 3, false, kNow);
    quirks.note_end_after("yahoo", 5, false, kNow);
    EXPECT_EQ(quirks.messages_per_connection("yahoo", kNow), 0U) << "never the same number twice running";
    quirks.note_end_after("yahoo", 5, false, kNow);
    EXPECT_EQ(quirks.messages_per_connection("yahoo", kNow), 5U);
    quirks.note_end_after("yahoo", 20, true, kNow);
    EXPECT_EQ(quirks.messages_per_connection("yahoo", kNow), 5U) << "the least counts";
    quirks.note_end_after("aol", 20, true, kNow);
    EXPECT_EQ(quirks.messages_per_connection("aol", kNow), 20U) << "with words, at once";
    EXPECT_EQ(quirks.messages_per_connection("yahoo", kNow + hours(25)), 0U);
    quirks.note_end_after("yahoo", 0, true, kNow);
    EXPECT_EQ(quirks.messages_per_connection("yahoo", kNow), 5U) << "no connection carries nothing";
}

}  // namespace
}  // namespace posthorn::delivery
