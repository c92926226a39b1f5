// Five days by a clock of our own: the scheduler, the retry schedule and the store in memory, against peers
// that refuse.
#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "queue/memory_store.hpp"
#include "queue/retry.hpp"
#include "queue/scheduler.hpp"
#include "store_fixture.hpp"

namespace posthorn::queue::test {
namespace {

using namespace std::chrono_literals;
using Reach = DeliveryFeedback::Reach;

// What a peer says of one attempt.
struct Answer {
    std::string failure_class;  // empty: delivered
    Reach reach = Reach::reached;
};

class FiveDaysTest : public testing::Test {
protected:
    // One message to one recipient is delivered until it is settled; the times of its attempts.
    template <class Peer>
    std::vector<Duration> attempts_of(Peer peer) {
        auto message = make_message(1, "Hello\r\n", start_);
        const Added added =
            add(store_, {message, {make_recipient("a", "example.net", start_, false, lane_)}}).value();
        scheduler_.on_due(added.recipients[0].destination, "example.net", lane_, start_);
        std::vector<Duration> attempts;
        expired_ = std::nullopt;
        TimePoint now = start_;
        for (int steps = 0; steps < 100'000; ++steps) {
            // The agent looks for expired mail every five seconds; here at each step, which is never later.
            if (now >= message->expires_at) {
                for (const Recipient& row : claim_expired(store_, now, 10).value()) {
                    EXPECT_TRUE(settle(store_, {{done_with(row)}, {}}));
                    expired_ = now - start_;
                }
                return attempts;
            }
            SchedulerAction action = scheduler_.next(now);
            if (const auto* start = std::get_if<StartDelivery>(&action)) {
                EXPECT_EQ(start->lane, lane_);
                attempts.push_back(now - start_);
                now += 1s;
                if (!deliver(*start, peer(attempts), *message, now)) {
                    return attempts;
                }
            } else if (const auto* ask = std::get_if<ClaimDue>(&action)) {
                Claimed claimed = claim(store_, ask->destination, now, ask->limit, now + 24h).value();
                scheduler_.claimed(ask->destination, std::move(claimed.rows), claimed.next_due, now);
            } else if (const auto* resolve = std::get_if<ResolveSite>(&action)) {
                scheduler_.resolved(resolve->destination, {"mx.example.net", {}, 0}, now + 1h, now);
            } else if (auto* back = std::get_if<GiveBack>(&action)) {
                store_.unclaim(std::move(back->recipients));
            } else {
                const auto when = std::get<WaitUntil>(action).when;
                EXPECT_TRUE(when) << "mail waits and nobody looks again";
                if (!when) {
                    return attempts;
                }
                EXPECT_GT(*when, now);
                now = std::min(*when, message->expires_at);
            }
        }
        ADD_FAILURE() << "no end";
        return attempts;
    }

    // False: delivered.
    bool deliver(const StartDelivery& start, const Answer& answer, const mail::Message& message,
                 TimePoint now) {
        Recipient row = start.recipients.at(0).recipient;
        Verdict verdict = done_with(row);
        if (!answer.failure_class.empty()) {
            const bool counts = answer.failure_class != "throttle";
            Deferral deferral{answer.failure_class,
                              row.attempts + (counts ? 1 : 0),
                              message.accepted_at,
                              row.expires_at,
                              now,
                              std::uniform_real_distribution<double>(0, 1)(random_)};
            verdict = defer_to(row.id, row.message, next_attempt(retry_, deferral));
            verdict.failure_class = answer.failure_class;
            verdict.count_attempt = counts;
        }
        EXPECT_TRUE(settle(store_, {{verdict}, {}}));
        store_.unclaim(scheduler_.finished(start.site, start.destination, {answer.reach, 1s}, now));
        if (answer.failure_class.empty()) {
            return false;
        }
        scheduler_.on_due(start.destination, start.domain, start.lane, verdict.due_at);
        return true;
    }

    static std::vector<Duration> intervals_of(const std::vector<Duration>& attempts) {
        std::vector<Duration> intervals;
        for (std::size_t i = 1; i < attempts.size(); ++i) {
            intervals.push_back(attempts[i] - attempts[i - 1] - 1s);  // an attempt takes a second
        }
        return intervals;
    }

    const TimePoint start_ =
        TimePoint(std::chrono::floor<std::chrono::seconds>(wall_now().time_since_epoch()));
    const std::string lane_ = "example.org user=alice";
    MemoryStore store_{"/nonexistent"};
    Scheduler scheduler_{SchedulerOptions{}};
    RetryOptions retry_;
    std::minstd_rand random_{7};
    std::optional<Duration> expired_;
};

// SMTP-30, docs/DELIVERY.md "What a reply means": 75 s, 5 min, 10 min, ... up to 3 h, each +-20 %, until five days are
// over.
TEST_F(FiveDaysTest, AttemptsAreInTheDocumentedBoundsUntilTheExpiry) {
    const auto attempts = attempts_of([](const auto&) { return Answer{"temp"}; });
    ASSERT_GE(attempts.size(), 40U);
    EXPECT_LE(attempts.size(), 60U);
    EXPECT_EQ(attempts[0], 0s);
    const auto intervals = intervals_of(attempts);
    EXPECT_GE(intervals[0], 60s);
    EXPECT_LE(intervals[0], 90s);
    for (std::size_t i = 1; i < intervals.size(); ++i) {
        const Duration nominal = std::min<Duration>(Duration(150s) * (1 << std::min<std::size_t>(i, 12)), 3h);
        EXPECT_GE(intervals[i], nominal * 8 / 10) << i;
        EXPECT_LE(intervals[i], nominal * 12 / 10) << i;
    }
    EXPECT_EQ(expired_, kLifetime) << "five days to the second, not at the next attempt";
    EXPECT_LT(attempts.back(), Duration(kLifetime));
}

// Greylisting of five minutes, as postgrey's: the first retry is let in.
TEST_F(FiveDaysTest, GreylistingIsOverWithTheSecondAttempt) {
    const auto attempts =
        attempts_of([](const auto& so_far) { return Answer{so_far.back() < 300s ? "grey" : ""}; });
    ASSERT_EQ(attempts.size(), 2U);
    EXPECT_GE(attempts[1], 5min);
    EXPECT_LE(attempts[1], 6min + 2s);
    EXPECT_EQ(expired_, std::nullopt);
}

// A greylist that never opens is asked at least every 36 minutes, and given up at the expiry.
TEST_F(FiveDaysTest, GreylistingNeverWaitsForHours) {
    const auto attempts = attempts_of([](const auto&) { return Answer{"grey"}; });
    for (const Duration interval : intervals_of(attempts)) {
        EXPECT_LE(interval, 36min);
    }
    EXPECT_EQ(expired_, kLifetime);
}

// SMTP-31. A dead host: the recipient's schedule and the site's back-off of at most 30 minutes together never make it
// wait for longer than both. When the host is back on the fourth day, the next attempt delivers.
TEST_F(FiveDaysTest, ADeadHostIsTriedOnScheduleAndDeliveredToWhenItIsBack) {
    const auto attempts = attempts_of([](const auto& so_far) {
        return so_far.back() < 96h ? Answer{"connection", Reach::host_failed} : Answer{};
    });
    for (const Duration interval : intervals_of(attempts)) {
        EXPECT_LE(interval, 216min + 30min);
    }
    EXPECT_LE(attempts.back(), 96h + 216min + 30min);
    EXPECT_EQ(expired_, std::nullopt);
}

// Being asked for less is no attempt at the message: the interval stays where it was.
TEST_F(FiveDaysTest, ThrottlingDoesNotLengthenTheIntervals) {
    const auto attempts = attempts_of([](const auto& so_far) {
        return so_far.size() < 30 ? Answer{"throttle", Reach::throttled} : Answer{};
    });
    ASSERT_EQ(attempts.size(), 30U);
    for (const Duration interval : intervals_of(attempts)) {
        EXPECT_GE(interval, 4min);
        EXPECT_LE(interval, 30min) << "the site's back-off at most";
    }
}

}  // namespace
}  // namespace posthorn::queue::test
