// Intervals, classes and the time of giving up (SMTP-30, RFC 5321 s4.5.4.1).
#include "queue/retry.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "mail/envelope.hpp"

namespace posthorn::queue {
namespace {

using namespace std::chrono_literals;

const TimePoint kAccepted{std::chrono::hours(480'000)};

Deferral deferral(std::string_view failure_class, std::uint32_t attempts, double random = 0.5) {
    return {failure_class, attempts, kAccepted, kAccepted + 120h, kAccepted + 1h, random};
}

Duration wait(const RetryOptions& options, const Deferral& with) {
    return next_attempt(options, with) - with.now;
}

TEST(Retry, TheFirstIntervalIsSixtyToNinetySeconds) {
    const RetryOptions options;
    EXPECT_EQ(wait(options, deferral("temp", 1, 0.0)), 60s);
    EXPECT_EQ(wait(options, deferral("temp", 1, 0.5)), 75s);
    EXPECT_EQ(wait(options, deferral("connection", 1, 1.0)), 90s);
}

TEST(Retry, IntervalsGrowToTheLongest) {
    const RetryOptions options;
    EXPECT_EQ(wait(options, deferral("temp", 2)), 5min);
    EXPECT_EQ(wait(options, deferral("connection", 4)), 20min);
    EXPECT_EQ(wait(options, deferral("dns", 100)), 3h);
    EXPECT_EQ(wait(options, deferral("temp", 4'000'000'000U)), 3h);
    EXPECT_EQ(wait(options, deferral("temp", 0)), 75s);
}

// RFC 6647 s2, providers.md 2.5 GREY: 5 minutes, and never less, as postgrey's default is that.
TEST(Retry, GreylistingIsNotTriedTooEarly) {
    const RetryOptions options;
    EXPECT_EQ(wait(options, deferral("grey", 1, 0.0)), 5min);
    EXPECT_EQ(wait(options, deferral("grey", 1, 1.0)), 6min);
    EXPECT_EQ(wait(options, deferral("grey", 2, 0.0)), 10min);
    EXPECT_EQ(wait(options, deferral("grey", 50, 0.0)), 30min);
}

TEST(Retry, ClassesHaveTheirOwnPace) {
    const RetryOptions options;
    EXPECT_EQ(wait(options, deferral("rcpt-full", 1)), 4h);   // providers.md 2.5 RCPT-FULL
    EXPECT_EQ(wait(options, deferral("rcpt-full", 9)), 4h);
    EXPECT_EQ(wait(options, deferral("throttle", 1)), 5min);
    EXPECT_EQ(wait(options, deferral("auth", 1)), 15min);
    EXPECT_EQ(wait(options, deferral("auth", 2)), 30min);
    EXPECT_EQ(wait(options, deferral("auth", 30)), 12h);
    EXPECT_EQ(wait(options, deferral("local", 1)), 10min);
    EXPECT_EQ(wait(options, deferral("local", 30)), 10min);
}

TEST(Retry, ClassAuthGivesUpEarlierButNeverAfterTheExpiry) {
    const RetryOptions options;
    EXPECT_EQ(gives_up_at(options, "auth", kAccepted, kAccepted + 120h), kAccepted + 72h);
    EXPECT_EQ(gives_up_at(options, "auth", kAccepted, kAccepted + 48h), kAccepted + 48h);
    EXPECT_EQ(gives_up_at(options, "temp", kAccepted, kAccepted + 120h), kAccepted + 120h);
    Deferral late = deferral("auth", 9);
    late.now = kAccepted + 71h;
    EXPECT_EQ(next_attempt(options, late), kAccepted + 72h);
}

TEST(Retry, NeverAfterGivingUpAndAlwaysAhead) {
    rc::check([] {
        RetryOptions options;
        options.first = Duration(*rc::gen::inRange<std::int64_t>(1, 10'000'000));
        options.max = Duration(*rc::gen::inRange<std::int64_t>(1, 100'000'000));
        options.factor = *rc::gen::inRange(0, 50) / 10.0;
        options.jitter = *rc::gen::inRange(0, 20) / 10.0;
        const std::string name = *rc::gen::element<std::string>("temp", "grey", "auth", "local", "dns", "");
        Deferral with{name,
                      *rc::gen::arbitrary<std::uint32_t>(),
                      kAccepted,
                      kAccepted + 120h,
                      kAccepted + Duration(*rc::gen::inRange<std::int64_t>(0, 500'000'000)),
                      *rc::gen::inRange(-10, 20) / 10.0};
        const TimePoint end = gives_up_at(options, name, with.accepted_at, with.expires_at);
        const TimePoint next = next_attempt(options, with);
        RC_ASSERT(next <= end);
        RC_ASSERT(next > with.now || next == end);
    });
}

TEST(Retry, TheDelayNoticeIsSentOnceAndOnlyWhenAskedFor) {  // RFC 3461 s4.1, DSN-6
    const RetryOptions options;
    using mail::Notify;
    EXPECT_TRUE(delay_notice_due(options, Notify::delay | Notify::failure, false, kAccepted, kAccepted + 4h));
    EXPECT_FALSE(delay_notice_due(options, Notify::delay, true, kAccepted, kAccepted + 4h));
    EXPECT_FALSE(delay_notice_due(options, Notify::delay, false, kAccepted, kAccepted + 3h));
    EXPECT_FALSE(delay_notice_due(options, Notify::unset, false, kAccepted, kAccepted + 9h));
    EXPECT_FALSE(delay_notice_due(options, Notify::never, false, kAccepted, kAccepted + 9h));
    RetryOptions off;
    off.delay_notice = 0s;
    EXPECT_FALSE(delay_notice_due(off, Notify::delay, false, kAccepted, kAccepted + 9h));
}

}  // namespace
}  // namespace posthorn::queue
