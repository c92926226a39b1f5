// Warm-up plans: the day's cap, what makes the next one larger, and what a restart keeps.
#include "delivery/warm_up.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace posthorn::delivery {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

const TimePoint kNoon{hours(24 * 365 * 50 + 12)};
const Duration kDay = hours(24);

Flow flow(std::string provider = "google", std::string source = "192.0.2.1") {
    Flow made;
    made.group = made.provider = std::move(provider);
    made.source = std::move(source);
    return made;
}
const std::string kKey = "ip|192.0.2.1|google";

std::vector<Judged> delivered(std::size_t recipients) {
    std::vector<Judged> judged(recipients);
    for (Judged& item : judged) item.outcome.result = Disposition::delivered;
    return judged;
}

WarmUpOptions plan(std::uint32_t start = 50) {
    WarmUpOptions options;
    options.start = start;
    options.growth = 2;
    options.until = 300;
    return options;
}

struct Plans : testing::Test {
    Plans() { warm_up.configure(plan(), {}, kNoon); }
    std::uint64_t left() const { return warm_up.wish(kKey).allowance.value_or(UINT64_MAX); }
    WarmUp warm_up;
};

TEST_F(Plans, TheCapHoldsFromTheFirstMessageOn) {
    EXPECT_EQ(warm_up.wish(kKey), queue::GateSettings{});
    warm_up.meet(flow(), kNoon);
    EXPECT_EQ(left(), 50u);
    EXPECT_EQ(warm_up.take_changes().gates, std::vector<std::string>{kKey});
    warm_up.heed(flow(), delivered(30), kNoon);
    EXPECT_EQ(left(), 20u);
    warm_up.heed(flow(), delivered(20), kNoon);
    EXPECT_EQ(left(), 0u);
    warm_up.heed(flow(), delivered(1), kNoon);
    EXPECT_EQ(left(), 0u) << "an operator's message passes all gates; there is no debt";
    EXPECT_EQ(warm_up.next_change(), kNoon + hours(12)) << "midnight UTC";
}

TEST_F(Plans, ADayThatWasUsedMakesTheNextLarger) {
    warm_up.meet(flow(), kNoon);
    warm_up.heed(flow(), delivered(25), kNoon);
    warm_up.tick(kNoon + hours(12));
    EXPECT_EQ(left(), 100u);
    warm_up.heed(flow(), delivered(49), kNoon + kDay);
    warm_up.tick(kNoon + 2 * kDay);
    EXPECT_EQ(left(), 100u) << "less than half of it: the same again";
    warm_up.tick(kNoon + 9 * kDay);
    EXPECT_EQ(left(), 100u) << "days without mail make no reputation";
}

TEST_F(Plans, ADayOnWhichTheyAskedForLessDoesNotCount) {
    warm_up.meet(flow(), kNoon);
    warm_up.heed(flow(), delivered(50), kNoon);
    std::vector<Judged> slowed(1);
    slowed[0].outcome.failure_class = Class::throttle;
    slowed[0].outcome.judgement = std::make_shared<Judgement>();
    warm_up.heed(flow(), slowed, kNoon);
    warm_up.tick(kNoon + kDay);
    EXPECT_EQ(left(), 50u);
}

TEST_F(Plans, IsOverAtItsEndAndStaysOver) {
    warm_up.meet(flow(), kNoon);
    TimePoint now = kNoon;
    std::vector<std::uint64_t> caps;
    for (int day = 0; day < 4; ++day, now += kDay) {
        warm_up.tick(now);
        caps.push_back(left());
        warm_up.heed(flow(), delivered(std::min<std::uint64_t>(left(), 1000)), now);
    }
    EXPECT_EQ(caps, (std::vector<std::uint64_t>{50, 100, 200, UINT64_MAX}));
    EXPECT_EQ(warm_up.wish(kKey), queue::GateSettings{});
    EXPECT_FALSE(warm_up.next_change());
    std::string kept;
    for (const SavedState& state : warm_up.take_changes().saved) kept = state.value;
    WarmUp again;
    again.configure(plan(), {}, now);
    again.load(kKey, kept, now);
    again.meet(flow(), now);
    EXPECT_EQ(again.wish(kKey), queue::GateSettings{}) << "not from the beginning";
}

TEST_F(Plans, ARestartInTheMiddleOfADayCountsOn) {  // PR-50
    warm_up.meet(flow(), kNoon);
    warm_up.heed(flow(), delivered(30), kNoon);
    std::string kept;
    for (const SavedState& state : warm_up.take_changes().saved) kept = state.value;
    WarmUp again;
    again.configure(plan(), {}, kNoon);
    again.load(kKey, kept, kNoon + hours(1));
    EXPECT_EQ(again.wish(kKey).allowance, 20u);
    for (const char* odd : {"", "{}", "[1]", "{\"begun\":1}"}) again.load("ip|x|google", odd, kNoon);
    EXPECT_EQ(again.view().size(), 1u);
}

TEST_F(Plans, EachAddressAndProviderHasItsOwn) {
    warm_up.meet(flow(), kNoon);
    warm_up.meet(flow("yahoo"), kNoon);
    warm_up.meet(flow("google", "192.0.2.2"), kNoon);
    warm_up.heed(flow(), delivered(50), kNoon);
    EXPECT_EQ(left(), 0u);
    EXPECT_EQ(warm_up.wish("ip|192.0.2.1|yahoo").allowance, 50u);
    EXPECT_EQ(warm_up.wish("ip|192.0.2.2|google").allowance, 50u);
    Flow small = flow("");
    small.group = "mx.example.net";
    warm_up.meet(small, kNoon);
    EXPECT_EQ(warm_up.view().size(), 3u) << "no plan for whom we do not know";
}

TEST_F(Plans, HoldForTheNamedOnesOnly) {
    WarmUpOptions options = plan();
    options.providers = {"microsoft"};
    options.sources = {"192.0.2.2"};
    ProviderOptions outlook;
    outlook.name = "outlook";
    outlook.family = "microsoft";
    warm_up.configure(options, {outlook}, kNoon);
    warm_up.meet(flow(), kNoon);
    warm_up.meet(flow("outlook"), kNoon);
    warm_up.meet(flow("google", "192.0.2.2"), kNoon);
    EXPECT_TRUE(warm_up.view().empty());
    warm_up.meet(flow("outlook", "192.0.2.2"), kNoon);
    EXPECT_EQ(warm_up.view().size(), 1u) << "a family names all of its providers";
    warm_up.configure(WarmUpOptions(), {}, kNoon);
    EXPECT_EQ(warm_up.wish("ip|192.0.2.2|outlook"), queue::GateSettings{}) << "a reload that takes the plan away opens the gate";
}

TEST_F(Plans, TheDaysMailGoesEvenlyAndLettersKeepSomeRoom) {  // PR-14
    warm_up.meet(flow(), kNoon);
    const queue::GateSettings wish = warm_up.wish(kKey);
    EXPECT_EQ(wish.rate, (Rate{50, hours(8)}));
    EXPECT_EQ(wish.burst, 5u);
    EXPECT_EQ(wish.allowance_for_letters, 5u);
}

TEST_F(Plans, WhatWasNeverAskedDoesNotCount) {
    warm_up.meet(flow(), kNoon);
    std::vector<Judged> unreachable(3);
    for (Judged& item : unreachable) item.outcome.failure_class = Class::connection;
    warm_up.heed(flow(), unreachable, kNoon);
    std::vector<Judged> elsewhere = delivered(2);
    for (Judged& item : elsewhere) item.at_once = true;
    warm_up.heed(flow(), elsewhere, kNoon);
    EXPECT_EQ(left(), 50u);
}

TEST_F(Plans, AClockThatIsSetBackBeginsNoDayTwice) {
    warm_up.meet(flow(), kNoon);
    warm_up.heed(flow(), delivered(50), kNoon);
    warm_up.tick(kNoon - 3 * kDay);
    EXPECT_EQ(left(), 0u);
}

}  // namespace
}  // namespace posthorn::delivery
