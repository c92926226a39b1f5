// A gate's arithmetic: buckets, allowances, what bulk mail leaves to letters.
#include "queue/gate.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <deque>

namespace posthorn::queue {
namespace {

using namespace std::chrono_literals;

const TimePoint kStart{std::chrono::hours(480'000)};

GateSettings rated(std::uint32_t count, Duration per, std::uint32_t burst) {
    GateSettings settings;
    settings.rate = Rate{count, per};
    settings.burst = burst;
    return settings;
}

TEST(Gate, AnIdleOneBoundsNothing) {
    Gate gate;
    EXPECT_TRUE(gate.is_idle());
    EXPECT_GT(gate.room(Claimant::bulk, kStart), 1'000'000U);
    EXPECT_EQ(gate.opens(Claimant::bulk, kStart), std::nullopt);
    GateSettings count_of_zero;
    count_of_zero.rate = Rate{0, 1h};
    gate.set(count_of_zero, kStart);
    EXPECT_GT(gate.room(Claimant::bulk, kStart), 1'000'000U);
}

TEST(Gate, ConcurrencyIsTheSmallerOneOfWhatWasSetAndThePlaces) {  // PR-13: one connection
    Gate gate;
    GateSettings settings;
    settings.concurrency = 3;
    gate.set(settings, kStart);
    gate.begin(1, kStart);
    gate.begin(1, kStart);
    EXPECT_GT(gate.room(Claimant::letter, kStart), 0U);
    gate.set_connections(2);
    EXPECT_EQ(gate.room(Claimant::letter, kStart), 0U);
    EXPECT_EQ(gate.settings().concurrency, 2U);
    gate.drop(1, 1);
    EXPECT_GT(gate.room(Claimant::letter, kStart), 0U);
    gate.set_connections(0);
    EXPECT_EQ(gate.settings().concurrency, 3U);
}

TEST(Gate, ABucketIsFullAtFirstAndFillsWithTime) {
    Gate gate;
    gate.set(rated(20, 1h, 1), kStart);
    EXPECT_EQ(gate.room(Claimant::bulk, kStart), 1U)
        << "a bucket of one keeps nothing back, or bulk mail would never go";
    gate.begin(1, kStart);
    EXPECT_EQ(gate.room(Claimant::letter, kStart), 0U);
    EXPECT_EQ(gate.opens(Claimant::letter, kStart), kStart + 3min);
    EXPECT_EQ(gate.room(Claimant::letter, kStart + 3min - 1ms), 0U);
    EXPECT_EQ(gate.room(Claimant::letter, kStart + 3min), 1U);
    EXPECT_EQ(gate.room(Claimant::letter, kStart + 24h), 1U) << "no more than it holds";
}

TEST(Gate, BulkMailLeavesAQuarterOfTheBucketToLetters) {
    Gate gate;
    gate.set(rated(60, 1h, 8), kStart);
    EXPECT_EQ(gate.room(Claimant::letter, kStart), 8U);
    EXPECT_EQ(gate.room(Claimant::bulk, kStart), 6U);
    gate.begin(6, kStart);
    EXPECT_EQ(gate.room(Claimant::bulk, kStart), 0U);
    EXPECT_EQ(gate.room(Claimant::letter, kStart), 2U);
    EXPECT_EQ(gate.opens(Claimant::bulk, kStart), kStart + 1min);
    EXPECT_EQ(gate.opens(Claimant::letter, kStart), std::nullopt);
    EXPECT_EQ(gate.room(Claimant::bulk_in_turn, kStart), 2U);
    gate.set(rated(60, 1h, 2), kStart);
    EXPECT_EQ(gate.room(Claimant::bulk, kStart), 1U);
}

TEST(Gate, WhatTheBucketHoldsStaysWhenTheRateChanges) {
    Gate gate;
    gate.set(rated(60, 1h, 10), kStart);
    gate.begin(10, kStart);
    // Half a recipient is in it.
    gate.set(rated(10, 1h, 10), kStart + 30s);
    EXPECT_EQ(gate.tokens(kStart + 30s), 0U);
    EXPECT_EQ(gate.opens(Claimant::letter, kStart + 30s), kStart + 30s + 3min);
    gate.set(rated(10, 1h, 10), kStart + 2min);
    EXPECT_EQ(gate.opens(Claimant::letter, kStart + 2min), kStart + 30s + 3min)
        << "the same settings change nothing";
    gate.set(rated(10, 1h, 1), kStart + 10h);
    EXPECT_EQ(gate.tokens(kStart + 10h), 1U) << "a smaller bucket holds less";
}

// An allowance counts what is under way, so whoever counts what was sent may set it at any time without a
// drift.
TEST(Gate, AnAllowanceIsForWhatIsUnderWayAndWhatMayStillStart) {
    Gate gate;
    GateSettings settings;
    settings.allowance = 10;
    settings.allowance_for_letters = 3;
    gate.set(settings, kStart);
    gate.begin(4, kStart);
    EXPECT_EQ(gate.room(Claimant::letter, kStart), 6U);
    EXPECT_EQ(gate.room(Claimant::bulk, kStart), 3U);
    gate.set(settings, kStart);
    EXPECT_EQ(gate.room(Claimant::letter, kStart), 6U);
    // Four are sent: the counter sets it, then the delivery ends.
    settings.allowance = 6;
    gate.set(settings, kStart);
    gate.drop(1, 4);
    EXPECT_EQ(gate.room(Claimant::letter, kStart), 6U);
    settings.allowance = 0;
    gate.set(settings, kStart);
    EXPECT_TRUE(gate.is_closed());
    EXPECT_EQ(gate.room(Claimant::letter, kStart), 0U);
    EXPECT_EQ(gate.worth_loading(Claimant::letter, kStart), 0U);
    EXPECT_EQ(gate.opens(Claimant::letter, kStart), std::nullopt) << "no time opens it";
}

TEST(Gate, OnlyWhatMayStartSoonIsWorthLoading) {
    Gate gate;
    gate.set(rated(20, 1h, 1), kStart);
    EXPECT_EQ(gate.worth_loading(Claimant::bulk, kStart), 1U);
    gate.begin(1, kStart);
    EXPECT_EQ(gate.worth_loading(Claimant::bulk, kStart), 0U);
    gate.set(rated(100, 1s, 1), kStart);
    EXPECT_GE(gate.worth_loading(Claimant::bulk, kStart), 100U) << "reading must not be slower than the rate";
}

// PR-14: a window of any length sees no more than burst + rate x window, however the starts lie.
TEST(Gate, NoWindowSeesMoreThanRateAndBurst) {
    rc::check([](std::vector<std::pair<std::uint16_t, std::uint8_t>> steps) {
        const auto count = *rc::gen::inRange<std::uint32_t>(1, 100);
        const auto burst = *rc::gen::inRange<std::uint32_t>(1, 20);
        const Duration per(*rc::gen::inRange(1, 100'000));
        Gate gate;
        gate.set(rated(count, per, burst), kStart);
        TimePoint now = kStart;
        std::deque<std::pair<TimePoint, std::uint64_t>> starts;
        for (const auto& [passed, wanted] : steps) {
            now += Duration(passed);
            const std::uint64_t room = std::min<std::uint64_t>(
                gate.room((wanted & 1) != 0 ? Claimant::bulk : Claimant::letter, now), wanted);
            if (room == 0) {
                if (const auto opens = gate.opens(Claimant::letter, now)) {
                    RC_ASSERT(*opens > now);
                    RC_ASSERT(gate.room(Claimant::letter, *opens - 1ms) == 0U);
                    RC_ASSERT(gate.room(Claimant::letter, *opens) > 0U);
                }
                continue;
            }
            gate.begin(room, now);
            gate.drop(1, room);
            starts.emplace_back(now, room);
            std::uint64_t sum = 0;
            for (auto it = starts.rbegin(); it != starts.rend(); ++it) {
                sum += it->second;
                const auto window = static_cast<std::uint64_t>((now - it->first).count());
                RC_ASSERT(sum <= burst + (window * count) / static_cast<std::uint64_t>(per.count()) + 1);
            }
        }
    });
}

// The clock on the wall may be set back: the bucket fills from then on.
TEST(Gate, AClockThatIsSetBackDoesNotStopTheBucket) {
    Gate gate;
    gate.set(rated(60, 1h, 1), kStart);
    gate.begin(1, kStart);
    gate.look(kStart - 5h);
    EXPECT_EQ(gate.opens(Claimant::letter, kStart - 5h), kStart - 5h + 1min);
    EXPECT_EQ(gate.room(Claimant::letter, kStart - 5h + 1min), 1U);
}

}  // namespace
}  // namespace posthorn::queue
