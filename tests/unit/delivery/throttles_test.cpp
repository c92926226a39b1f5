// Which gates a refusal slows, what recovers them, what the operator hears, and that all of it is bounded and kept.
#include "delivery/throttles.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "delivery/shaping.hpp"

namespace posthorn::delivery {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const TimePoint kStart{hours(24 * 365 * 50)};

Flow flow(std::string org = "example.com", std::string group = "google") {
    Flow made;
    made.group = made.provider = std::move(group);
    made.site_key = "gmail-smtp-in.l.google.com";
    made.dkim_domain = made.spf_domain = made.sender_org = std::move(org);
    made.source = "192.0.2.1";
    return made;
}

std::vector<Judged> delivered(std::size_t recipients = 1) {
    std::vector<Judged> judged(recipients);
    for (Judged& item : judged) item.outcome.result = Disposition::delivered;
    return judged;
}

std::vector<Judged> refused(Whose whose, std::optional<Duration> pause = minutes(10), std::optional<Duration> pause_max = std::nullopt) {
    auto judgement = std::make_shared<Judgement>();
    judgement->failure_class = Class::throttle;
    judgement->whose = whose;
    judgement->pause = pause;
    judgement->pause_max = pause_max;
    judgement->rule = "google/rate";
    std::vector<Judged> judged(1);
    judged[0].outcome.failure_class = Class::throttle;
    judged[0].outcome.host = "mx.google.com[192.0.2.25]";
    judged[0].outcome.reply.code = 421;
    judged[0].outcome.reply.lines = {"4.7.28 unusual rate"};
    judged[0].outcome.judgement = std::move(judgement);
    return judged;
}

bool closed(const Throttles& throttles, const std::string& key) { return throttles.wish(key).allowance == std::uint64_t{0}; }

struct Open : testing::Test {
    Throttles throttles;
    const std::string ip = gate_key(flow(), GateKind::ip), dkim = gate_key(flow(), GateKind::dkim), spf = gate_key(flow(), GateKind::spf);
};
using Scopes = Open;

TEST_F(Scopes, WhereTheTextNamesNoneAllThreeAreSlowed) {  // PR-13
    throttles.heed(flow(), refused({}), kStart);
    EXPECT_TRUE(closed(throttles, ip));
    EXPECT_TRUE(closed(throttles, dkim));
    EXPECT_TRUE(closed(throttles, spf));
    EXPECT_EQ(throttles.size(), 3u);
    const RestraintChanges changes = throttles.take_changes();
    ASSERT_EQ(changes.notices.size(), 1u) << "one refusal is one line";
    EXPECT_EQ(changes.gates.size(), 3u);
    EXPECT_EQ(changes.saved.size(), 3u);
}

TEST_F(Scopes, WhatTheTextNamesIsSlowedAndNothingElse) {
    throttles.heed(flow(), refused({Party::dkim_domain}), kStart);
    EXPECT_FALSE(closed(throttles, ip));
    EXPECT_TRUE(closed(throttles, dkim));
    EXPECT_FALSE(closed(throttles, gate_key(flow("other.example"), GateKind::dkim))) << "another domain goes on";
    EXPECT_FALSE(closed(throttles, gate_key(flow("example.com", "yahoo"), GateKind::dkim))) << "and this one elsewhere";
    throttles.heed(flow(), refused({Party::url}), kStart);
    EXPECT_TRUE(closed(throttles, "provider|google")) << "what the text links to: all mail goes slower";
}

// 4.2.1 "that user receives too quickly", and 4.7.28 "same Message-ID": nobody else's mail waits for that.
TEST_F(Scopes, ARecipientsOrAMessagesOwnLimitSlowsNothing) {
    throttles.heed(flow(), refused({Party::recipient}), kStart);
    throttles.heed(flow(), refused({Party::message}), kStart);
    EXPECT_EQ(throttles.size(), 0u);
    EXPECT_TRUE(throttles.take_changes().gates.empty());
}

TEST_F(Scopes, UnsignedMailIsSlowedByItsAddressWhereTheDkimDomainIsNamed) {
    Flow unsigned_mail = flow();
    unsigned_mail.dkim_domain.clear();
    throttles.heed(unsigned_mail, refused({Party::dkim_domain}), kStart);
    EXPECT_TRUE(closed(throttles, ip));
}

// PR-19: Yahoo's silent close, and "Max message per connection reached" (at_once: tried over another connection).
TEST_F(Scopes, WhatIsTriedAnotherWayAtOnceSlowsNothing) {
    std::vector<Judged> closing = refused({});
    closing[0].at_once = true;
    throttles.heed(flow(), closing, kStart);
    std::vector<Judged> silent(1);
    silent[0].outcome.failure_class = Class::connection;
    throttles.heed(flow(), silent, kStart);
    EXPECT_EQ(throttles.size(), 0u);
    EXPECT_EQ(throttles.refusals(), 0u);
}

TEST_F(Open, RecoversStepByStepAndIsForgotten) {
    throttles.heed(flow(), refused({}), kStart);
    TimePoint now = kStart + minutes(10);
    EXPECT_EQ(throttles.next_change(), now);
    throttles.tick(now);
    EXPECT_EQ(throttles.wish(ip).concurrency, 1u);
    (void)throttles.take_changes();
    for (int i = 0; i < 60 && throttles.size() != 0; ++i, now += minutes(1)) throttles.heed(flow(), delivered(20), now);
    EXPECT_EQ(throttles.size(), 0u);
    EXPECT_EQ(throttles.wish(ip), queue::GateSettings{});
    const RestraintChanges changes = throttles.take_changes();
    EXPECT_EQ(std::count_if(changes.saved.begin(), changes.saved.end(), [](const SavedState& state) { return state.value.empty(); }), 3)
        << "nothing is left on disk";
    EXPECT_EQ(changes.cleared.size(), 3u);
}

TEST_F(Open, MailOfOthersDoesNotOpenIt) {
    throttles.heed(flow(), refused({Party::dkim_domain}), kStart);
    throttles.tick(kStart + minutes(10));
    for (int i = 0; i < 60; ++i) throttles.heed(flow("other.example"), delivered(9), kStart + minutes(11 + i));
    EXPECT_EQ(throttles.find(dkim)->phase(), Throttle::Phase::trial);
}

TEST_F(Open, ThePaceOfTheLastMinutesIsWhatIsHalved) {
    for (int i = 0; i < 60; ++i) throttles.heed(flow(), delivered(2), kStart + seconds(i));
    throttles.heed(flow(), refused({Party::source_ip}), kStart + seconds(60));
    EXPECT_EQ(throttles.find(ip)->rate(), 120u * 60 / 2);
}

// What a mailbox answers shows that they talk to us; a refusal of the sender, or no connection, shows nothing.
TEST_F(Open, AnAnswerAboutTheMailIsASuccessOtherTroubleIsNot) {
    throttles.heed(flow(), refused({}), kStart);
    throttles.tick(kStart + minutes(10));
    std::vector<Judged> other(1);
    for (const Class word : {Class::connection, Class::dns, Class::auth, Class::rep, Class::temp, Class::local}) {
        other[0].outcome.failure_class = word;
        other[0].outcome.judgement = std::make_shared<Judgement>();
        throttles.heed(flow(), other, kStart + minutes(11));
        EXPECT_EQ(throttles.find(ip)->phase(), Throttle::Phase::trial) << to_string(word);
    }
    other[0].outcome.failure_class = Class::rcpt_perm;
    throttles.heed(flow(), other, kStart + minutes(11));
    EXPECT_EQ(throttles.find(ip)->phase(), Throttle::Phase::slow);
}

TEST_F(Open, AnAlarmIsRaisedOnceAtTheThirdPauseAndClearedAtTheEnd) {
    TimePoint now = kStart;
    std::size_t raised = 0;
    for (int i = 0; i < 5; ++i) {
        throttles.heed(flow(), refused({Party::source_ip}, minutes(1)), now);
        raised += throttles.take_changes().raised.size();
        EXPECT_EQ(raised, i >= 2 ? 1u : 0u) << i;
        now += minutes(1);
        throttles.tick(now);
    }
    EXPECT_TRUE(throttles.forget({}, "yahoo", now).empty());
    EXPECT_TRUE(throttles.forget("example.com", "google", now).empty()) << "it is the machine's";
    EXPECT_EQ(throttles.forget({}, "google", now).size(), 1u);
    const RestraintChanges changes = throttles.take_changes();
    ASSERT_EQ(changes.cleared.size(), 1u);
    EXPECT_EQ(changes.cleared[0].first, alarm_kind::kThrottled);
}

TEST_F(Open, AnAlarmIsRaisedWhenItLastsAnHour) {  // 2.5: "warning if > 1 h"
    throttles.heed(flow(), refused({Party::source_ip}, hours(4)), kStart);
    EXPECT_TRUE(throttles.take_changes().raised.empty());
    EXPECT_EQ(throttles.next_change(), kStart + hours(1));
    throttles.tick(kStart + hours(1));
    const RestraintChanges changes = throttles.take_changes();
    ASSERT_EQ(changes.raised.size(), 1u);
    EXPECT_EQ(changes.raised[0].subject, "mail from the address 192.0.2.1 to google");
    EXPECT_EQ(throttles.next_change(), kStart + hours(4));
}

TEST_F(Open, ARestartInTheMiddleOfAPauseKeepsIt) {  // PR-50
    throttles.heed(flow(), refused({}), kStart);
    Throttles again;
    for (const SavedState& state : throttles.take_changes().saved) again.load(state.key, state.value, kStart + minutes(5));
    again.load("ip|192.0.2.1|yahoo", "not ours", kStart);
    again.tick(kStart + minutes(5));
    EXPECT_EQ(again.size(), 3u);
    EXPECT_TRUE(closed(again, ip));
    EXPECT_EQ(again.take_changes().gates.size(), 3u) << "the scheduler hears of them";
    again.tick(kStart + minutes(10));
    EXPECT_EQ(again.wish(ip).concurrency, 1u);
    EXPECT_FALSE(closed(again, ip));
}

TEST_F(Open, AConfiguredRateAlwaysHolds) {  // PR-14, PR-41
    ProviderOptions google;
    google.name = "google";
    google.connections = 3;
    google.rate = Rate{600, minutes(1)};
    throttles.limits({google}, 5);
    EXPECT_EQ(throttles.take_changes().gates, std::vector<std::string>{"provider|google"});
    EXPECT_EQ(throttles.wish("provider|google").rate, google.rate);
    EXPECT_EQ(throttles.wish("provider|google").burst, 10u) << "a second's worth, no burst";
    EXPECT_EQ(throttles.wish("provider|yahoo"), queue::GateSettings{});
    // A recovery ends at the provider's connections, and a throttle is no licence for more than is configured.
    throttles.heed(flow(), refused({Party::provider}), kStart);
    TimePoint now = kStart + minutes(10);
    throttles.tick(now);
    for (int i = 0; i < 100 && throttles.size() != 0; ++i, now += minutes(1)) {
        throttles.heed(flow(), delivered(99), now);
        EXPECT_LE(throttles.wish("provider|google").concurrency, 3u);
        const Rate rate = *throttles.wish("provider|google").rate;
        EXPECT_LE(rate.count * (Duration(hours(1)).count() / rate.per.count()), 36000);
    }
    EXPECT_EQ(throttles.size(), 0u);
    throttles.limits({}, 5);
    EXPECT_EQ(throttles.wish("provider|google"), queue::GateSettings{}) << "a reload took the limit away";
}

TEST_F(Open, AtMostSoManyAreSlowedAtOnce) {
    for (std::size_t i = 0; i < Throttles::kMaxThrottles + 50; ++i)
        throttles.heed(flow("d" + std::to_string(i) + ".example"), refused({Party::dkim_domain}), kStart + Duration(static_cast<int>(i)));
    EXPECT_EQ(throttles.size(), Throttles::kMaxThrottles);
    EXPECT_EQ(throttles.find(gate_key(flow("d0.example"), GateKind::dkim)), nullptr) << "of which least was heard";
}

// Hosts cost nothing to make up: their refusals do not end the pause of a provider, of which nothing is heard meanwhile.
TEST_F(Open, StrangersDoNotPushAProvidersPauseOut) {
    ProviderOptions google;
    google.name = "google";
    throttles.limits({google}, 5);
    throttles.heed(flow(), refused({Party::source_ip}, hours(2)), kStart);
    for (std::size_t i = 0; i < Throttles::kMaxThrottles + 50; ++i)
        throttles.heed(flow("example.com", "mx" + std::to_string(i) + ".stranger.example"), refused({Party::source_ip}), kStart + minutes(1));
    EXPECT_EQ(throttles.size(), Throttles::kMaxThrottles);
    EXPECT_TRUE(closed(throttles, ip));
}

// What was sent to thousands of hosts long ago leaves room to learn how fast mail goes now.
TEST_F(Open, PacesOfLongAgoMakeRoom) {
    for (std::size_t i = 0; i < Throttles::kMaxPaces; ++i)
        throttles.heed(flow("example.com", "mx" + std::to_string(i) + ".stranger.example"), delivered(), kStart);
    throttles.heed(flow(), delivered(600), kStart + minutes(10));
    throttles.heed(flow(), refused({Party::source_ip}), kStart + minutes(10));
    throttles.tick(kStart + minutes(20));
    throttles.heed(flow(), delivered(), kStart + minutes(20));
    ASSERT_NE(throttles.find(ip), nullptr);
    EXPECT_EQ(throttles.find(ip)->rate(), 18000u) << "half of 36,000 an hour";
}

// A receiver with a limit of its own, which nobody told us: found by refusals, and kept afterwards but for few probes.
TEST(ThrottlesAndAReceiver, FindTheReceiversLimit) {
    Throttles throttles;
    constexpr int kLimit = 60;             // recipients a minute
    TimePoint now = kStart;
    double credit = kLimit, tokens = 0;
    int taken = 0, refusals = 0;
    const std::string ip = gate_key(flow(), GateKind::ip);
    for (int second = 0; second < 6 * 3600; ++second, now += seconds(1)) {
        throttles.tick(now);
        credit = std::min<double>(kLimit, credit + kLimit / 60.0);
        const queue::GateSettings wish = throttles.wish(ip);
        if (wish.allowance == std::uint64_t{0}) continue;
        tokens = wish.rate ? std::min<double>(wish.burst, tokens + wish.rate->count / 3600.0) : 100;   // unshaped: 100 a second
        for (; tokens >= 1; tokens -= 1) {
            if (credit < 1) {
                throttles.heed(flow(), refused({Party::source_ip}), now);
                ++refusals;
                break;
            }
            credit -= 1;
            ++taken;
            throttles.heed(flow(), delivered(), now);
        }
    }
    EXPECT_LE(refusals, 60) << "in six hours";
    EXPECT_GE(taken, kLimit * 360 / 3) << "a third of all that the receiver would have taken in that time";
}

TEST(Strictest, IsTheTighterOfEachBound) {
    queue::GateSettings a, b;
    EXPECT_EQ(strictest(a, b), queue::GateSettings{});
    a.concurrency = 3;
    a.rate = Rate{10, minutes(1)};
    a.burst = 5;
    b.concurrency = 2;
    b.rate = Rate{300, hours(1)};
    b.burst = 9;
    b.allowance = 4;
    const queue::GateSettings both = strictest(a, b);
    EXPECT_EQ(both, strictest(b, a));
    EXPECT_EQ(both.concurrency, 2u);
    EXPECT_EQ(both.rate, b.rate);
    EXPECT_EQ(both.burst, 5u);
    EXPECT_EQ(both.allowance, 4u);
    EXPECT_EQ(strictest(a, queue::GateSettings{}), a) << "no bound is no bound";
}

}  // namespace
}  // namespace posthorn::delivery
