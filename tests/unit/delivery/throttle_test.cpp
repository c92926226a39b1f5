// One slowed gate: PR-13's procedure, pauses that double, demanded rates, recovery, and what a restart keeps.
#include "delivery/throttle.hpp"

#include <gtest/gtest.h>

#include <random>

namespace posthorn::delivery {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using Phase = Throttle::Phase;

const TimePoint kStart{hours(24 * 365 * 50)};

SlowDown asks(std::optional<Duration> pause = std::nullopt, std::optional<Duration> pause_max = std::nullopt) {
    SlowDown what;
    what.pause = pause;
    what.pause_max = pause_max;
    what.rule = "test/rate";
    what.reply = "421 4.7.28 unusual rate";
    return what;
}

bool closed(const Throttle& throttle) { return throttle.wish().allowance == std::uint64_t{0}; }

// "stop >= 10 minutes; then one connection; if that fails wait another 10 min; if it succeeds add connections one by one"
TEST(Throttle, IsGmailsProcedure) {  // PR-13
    Throttle throttle;
    TimePoint now = kStart;
    EXPECT_TRUE(throttle.refuse(asks(minutes(10)), 6000, now));
    EXPECT_TRUE(closed(throttle));
    EXPECT_FALSE(throttle.tick(now + minutes(10) - Duration(1))) << "not a millisecond less than ten minutes";
    EXPECT_TRUE(closed(throttle));

    now += minutes(10);
    EXPECT_TRUE(throttle.tick(now));
    EXPECT_EQ(throttle.phase(), Phase::trial);
    EXPECT_FALSE(closed(throttle));
    EXPECT_EQ(throttle.wish().concurrency, 1u);

    EXPECT_TRUE(throttle.refuse(asks(minutes(10)), 6000, now));
    EXPECT_EQ(throttle.until(), now + minutes(10)) << "another ten, and not twenty: the rule does not double";
    now += minutes(10);
    EXPECT_TRUE(throttle.tick(now));

    EXPECT_TRUE(throttle.succeed(1, 5, now));
    EXPECT_EQ(throttle.phase(), Phase::slow);
    for (std::uint32_t connections = 2; connections <= 5; ++connections) {
        EXPECT_FALSE(throttle.succeed(100, 5, now + kRecoveryStep - Duration(1))) << "no two steps in a minute";
        now += kRecoveryStep;
        EXPECT_TRUE(throttle.succeed(1, 5, now));
        EXPECT_EQ(throttle.wish().concurrency, connections) << "one by one";
        EXPECT_FALSE(closed(throttle));
    }
}

TEST(Throttle, ThePauseCountsFromTheLastOfTheAnswersThatWereUnderWay) {  // PR-13: stop
    Throttle throttle;
    EXPECT_TRUE(throttle.refuse(asks(minutes(10)), 0, kStart));
    EXPECT_FALSE(throttle.refuse(asks(minutes(10)), 0, kStart + seconds(30))) << "the same pause";
    EXPECT_EQ(throttle.until(), kStart + seconds(30) + minutes(10));
    EXPECT_EQ(throttle.pauses(), 1u);
    EXPECT_FALSE(throttle.succeed(10, 5, kStart + minutes(1))) << "what began before the pause opens nothing";
    EXPECT_TRUE(closed(throttle));
}

// Microsoft's 4.7.650: 30 minutes, doubling to four hours, and somebody is told at the third.
TEST(Throttle, PausesDoubleWhereTheRuleSaysSo) {  // providers.md 2.5
    Throttle throttle;
    TimePoint now = kStart;
    for (const Duration pause : {Duration(minutes(30)), Duration(hours(1)), Duration(hours(2)), Duration(hours(4)), Duration(hours(4))}) {
        EXPECT_TRUE(throttle.refuse(asks(minutes(30), hours(4)), 0, now));
        EXPECT_EQ(throttle.until() - now, pause);
        EXPECT_EQ(throttle.alarming(now), throttle.pauses() >= 3) << throttle.pauses();
        now = throttle.until();
        EXPECT_TRUE(throttle.tick(now));
    }
    // A success in between begins the row anew.
    EXPECT_TRUE(throttle.succeed(1, 5, now));
    EXPECT_TRUE(throttle.refuse(asks(minutes(30), hours(4)), 0, now));
    EXPECT_EQ(throttle.until() - now, minutes(30));
}

TEST(Throttle, WithoutAWordAboutTimeItIsAMinuteThenTwiceAsLong) {
    Throttle throttle;
    TimePoint now = kStart;
    std::vector<Duration> pauses;
    for (int i = 0; i < 8; ++i) {
        (void)throttle.refuse(asks(), 0, now);
        pauses.push_back(throttle.until() - now);
        now = throttle.until();
        (void)throttle.tick(now);
    }
    EXPECT_EQ(pauses, (std::vector<Duration>{minutes(1), minutes(2), minutes(4), minutes(8), minutes(16), minutes(30), minutes(30), minutes(30)}));
}

// Yahoo's [TS03]: ten a minute for a time. Mail goes on, at that rate.
TEST(Throttle, ADemandedRateIsKeptForItsTime) {  // providers.md 2.5
    Throttle throttle;
    SlowDown what = asks(minutes(30));
    what.rate = Rate{10, minutes(1)};
    EXPECT_TRUE(throttle.refuse(what, 60000, kStart));
    EXPECT_EQ(throttle.phase(), Phase::slow);
    EXPECT_FALSE(closed(throttle));
    EXPECT_EQ(throttle.wish().rate, (Rate{600, hours(1)}));
    EXPECT_EQ(throttle.wish().concurrency, 1u);
    for (int i = 1; i < 30; ++i) EXPECT_FALSE(throttle.succeed(10, 5, kStart + minutes(i))) << "whatever goes well meanwhile";
    EXPECT_EQ(throttle.wish().rate, (Rate{600, hours(1)}));
    EXPECT_TRUE(throttle.succeed(10, 5, kStart + minutes(31)));
    EXPECT_GT(throttle.wish().rate->count, 600u);
}

TEST(Throttle, HalvesThePaceAndKeepsItEven) {  // PR-14
    Throttle throttle;
    (void)throttle.refuse(asks(minutes(10)), 6000, kStart);
    EXPECT_EQ(throttle.rate(), 3000u);
    EXPECT_LE(throttle.wish().burst, 3000u / 360) << "ten seconds' worth";
    (void)throttle.tick(kStart + minutes(10));
    (void)throttle.refuse(asks(minutes(10)), 6000, kStart + minutes(10));
    EXPECT_EQ(throttle.rate(), 1500u);
    for (int i = 0; i < 20; ++i) {
        (void)throttle.tick(throttle.until());
        (void)throttle.refuse(asks(minutes(10)), 0, throttle.until());
    }
    EXPECT_EQ(throttle.rate(), kSlowest) << "never slower than one a minute";
}

TEST(Throttle, IsOverWhenNothingMoreIsRefused) {
    Throttle throttle;
    (void)throttle.refuse(asks(minutes(10)), 6000, kStart);
    TimePoint now = kStart + minutes(10);
    (void)throttle.tick(now);
    int steps = 0;
    while (throttle.phase() != Phase::over && steps < 100) {
        (void)throttle.succeed(50, 5, now);
        now += kRecoveryStep;
        ++steps;
    }
    EXPECT_EQ(throttle.phase(), Phase::over);
    EXPECT_LE(steps, 20) << "a sixth of the old pace each minute, from the half of it to its double";
    EXPECT_EQ(throttle.wish(), queue::GateSettings{});
    EXPECT_FALSE(throttle.next_change());
}

TEST(Throttle, LapsesAfterADayOfSilence) {
    Throttle throttle;
    (void)throttle.refuse(asks(hours(4)), 0, kStart);
    (void)throttle.tick(kStart + hours(4));
    EXPECT_EQ(throttle.next_change(), kStart + hours(4) + kThrottleLapse);
    EXPECT_TRUE(throttle.tick(kStart + hours(4) + kThrottleLapse));
    EXPECT_EQ(throttle.phase(), Phase::over);
}

TEST(Throttle, SurvivesARestartInEveryPhase) {  // PR-50
    Throttle throttle;
    TimePoint now = kStart;
    SlowDown what = asks(minutes(30), hours(4));
    what.reply = "421 4.7.28 \"odd\" \xff words";
    (void)throttle.refuse(what, 6000, now);
    for (int i = 0; i < 12; ++i) {
        const auto again = Throttle::load(throttle.save());
        ASSERT_TRUE(again) << i;
        EXPECT_EQ(again->save(), throttle.save());
        EXPECT_EQ(again->wish(), throttle.wish());
        EXPECT_EQ(again->next_change(), throttle.next_change());
        now += minutes(10);
        (void)throttle.tick(now);
        (void)throttle.succeed(100, 5, now);
    }
    for (const char* odd : {"", "{}", "[]", "null", "{\"phase\":\"paused\"}", "{\"phase\":3}"}) EXPECT_FALSE(Throttle::load(odd)) << odd;
    EXPECT_LE(throttle.save().size(), 8u * 1024);
}

// Whatever comes in whatever order: never open during a pause, never below one connection, never faster than what the last refusal left,
// and without further refusals it ends.
TEST(Throttle, KeepsItsPromisesWhateverComes) {
    std::minstd_rand random(20261122);
    const auto pick = [&random](std::uint32_t below) { return static_cast<std::uint32_t>(random() % below); };
    for (int round = 0; round < 300; ++round) {
        Throttle throttle;
        TimePoint now = kStart;
        for (int step = 0; step < 200; ++step) {
            now += seconds(pick(400));
            switch (pick(4)) {
                case 0: {
                    SlowDown what = pick(2) == 0 ? asks() : asks(minutes(1 + pick(60)));
                    if (pick(5) == 0) what.rate = Rate{1 + pick(100), minutes(1)};
                    if (pick(5) == 0) what.connections = 1 + pick(3);
                    const std::uint32_t before = throttle.phase() == Phase::over ? UINT32_MAX : throttle.rate();
                    if (throttle.refuse(what, pick(100000), now)) {
                        EXPECT_EQ(throttle.connections(), 1u);
                        EXPECT_GT(throttle.until(), now);
                        if (!what.rate) {
                            EXPECT_LE(throttle.rate(), std::max(before / 2, kSlowest));
                        }
                    }
                    break;
                }
                case 1: (void)throttle.tick(now); break;
                default: (void)throttle.succeed(1 + pick(50), 1 + pick(10), now);
            }
            if (throttle.phase() == Phase::paused && now < throttle.until()) {
                EXPECT_TRUE(closed(throttle));
            }
            if (throttle.phase() != Phase::over) {
                EXPECT_GE(throttle.wish().concurrency, 1u);
                EXPECT_GE(throttle.wish().rate->count, 1u);
                EXPECT_GE(throttle.wish().burst, 1u);
                ASSERT_TRUE(throttle.next_change());
            }
        }
        for (int step = 0; step < 500 && throttle.phase() != Phase::over; ++step) {
            now += kRecoveryStep;
            (void)throttle.tick(now);
            (void)throttle.succeed(20, 5, now);
        }
        EXPECT_EQ(throttle.phase(), Phase::over) << "round " << round;
    }
}

}  // namespace
}  // namespace posthorn::delivery
