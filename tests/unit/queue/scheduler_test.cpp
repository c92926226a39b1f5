// The scheduler: scripted situations, and five simulated days against a model of the store.
#include "queue/scheduler.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>

namespace posthorn::queue {
namespace {

using namespace std::chrono_literals;

const TimePoint kStart{std::chrono::hours(480'000)};
constexpr DeliveryFeedback kFailed{DeliveryFeedback::Reach::host_failed, Duration{}};

Recipient row(RecipientId id, std::int64_t message, DestinationId destination, TimePoint due = kStart) {
    Recipient recipient;
    recipient.id = id;
    recipient.message = QueueId(message);
    recipient.destination = destination;
    recipient.due_at = due;
    return recipient;
}

ReadyRecipient hot(RecipientId id, std::int64_t message, DestinationId destination) {
    return {row(id, message, destination), std::make_shared<mail::Message>()};
}

class SchedulerTest : public testing::Test {
protected:
    template <class T>
    T expect_next(TimePoint now) {
        SchedulerAction action = scheduler_.next(now);
        if (T* wanted = std::get_if<T>(&action)) {
            return std::move(*wanted);
        }
        ADD_FAILURE() << "another action, index " << action.index();
        return {};
    }
    // A destination with `count` messages of one recipient each, ready on a site that is known to be quick and takes as much
    // as it may.
    void make_ready(DestinationId id, const std::string& domain, const std::string& site, int count,
                    const std::string& lane = "") {
        prove(site);
        std::vector<ReadyRecipient> ready;
        for (int i = 0; i < count; ++i) {
            ready.push_back(hot(id * 1000 + i, id * 1000 + i, id));
        }
        scheduler_.on_added(id, domain, lane, std::move(ready), 0, kStart);
        expect_next<ResolveSite>(kStart);
        scheduler_.resolved(id, {site}, kStart + 24h, kStart);
    }
    // A message of a domain of its own, from its coming to its end.
    void deliver_one(const std::string& site, DeliveryFeedback feedback, TimePoint now) {
        const DestinationId id = --last_own_;
        scheduler_.on_added(id, "own" + std::to_string(id), "", {hot(id, id, id)}, 0, now);
        expect_next<ResolveSite>(now);
        scheduler_.resolved(id, {site}, now + 24h, now);
        const auto start = expect_next<StartDelivery>(now);
        (void)scheduler_.finished(start.site, id, feedback, now);
    }
    void prove(const std::string& site) {
        for (int i = 0; i < 30 && !proven_.contains(site); ++i) {
            deliver_one(site, {}, kStart);
        }
        proven_.insert(site);
    }
    std::vector<StartDelivery> start_all(TimePoint now) {
        std::vector<StartDelivery> started;
        for (;;) {
            SchedulerAction action = scheduler_.next(now);
            if (auto* start = std::get_if<StartDelivery>(&action)) {
                started.push_back(std::move(*start));
            } else {
                return started;
            }
        }
    }
    Scheduler scheduler_{SchedulerOptions{}};
    std::set<std::string> proven_;
    DestinationId last_own_ = 0;
};

TEST_F(SchedulerTest, NothingToDoWaitsForAnEvent) {
    EXPECT_EQ(expect_next<WaitUntil>(kStart).when, std::nullopt);
}

TEST_F(SchedulerTest, DueIsResolvedThenClaimedThenStarted) {
    scheduler_.on_due(1, "a.example", "", kStart + 10s);
    EXPECT_EQ(expect_next<WaitUntil>(kStart).when, kStart + 10s);
    EXPECT_EQ(expect_next<ResolveSite>(kStart + 10s).domain, "a.example");
    EXPECT_EQ(expect_next<WaitUntil>(kStart + 10s).when, std::nullopt) << "nothing is loaded before";
    scheduler_.resolved(1, {"mx.a.example"}, kStart + 2h, kStart + 10s);
    const auto claim = expect_next<ClaimDue>(kStart + 10s);
    EXPECT_EQ(claim.destination, 1);
    EXPECT_EQ(expect_next<WaitUntil>(kStart + 10s).when, std::nullopt) << "one claim at a time";
    scheduler_.claimed(1, {row(1, 1, 1), row(2, 1, 1)}, kStart + 1h, kStart + 10s);
    const auto start = expect_next<StartDelivery>(kStart + 10s);
    EXPECT_EQ(start.recipients.size(), 2U) << "recipients of one message go together";
    EXPECT_EQ(expect_next<WaitUntil>(kStart + 10s).when, kStart + 1h);
    EXPECT_TRUE(scheduler_.finished(start.site, 1, {}, kStart + 11s).empty());
    EXPECT_EQ(scheduler_.figures().destinations, 1U);
}

TEST_F(SchedulerTest, AnEarlierDueTimeReplacesALaterOne) {
    scheduler_.on_due(1, "a.example", "", kStart + 1h);
    EXPECT_EQ(expect_next<WaitUntil>(kStart).when, kStart + 1h);
    scheduler_.on_due(1, "a.example", "", kStart + 1min);
    EXPECT_EQ(expect_next<WaitUntil>(kStart).when, kStart + 1min);
    scheduler_.on_due(1, "a.example", "", kStart + 2h);
    EXPECT_EQ(expect_next<WaitUntil>(kStart).when, kStart + 1min);
}

TEST_F(SchedulerTest, WhatBecomesDueDuringAClaimIsNotForgotten) {
    scheduler_.on_due(1, "a.example", "", kStart);
    expect_next<ResolveSite>(kStart);
    scheduler_.resolved(1, {"mx"}, kStart + 24h, kStart);
    expect_next<ClaimDue>(kStart);
    scheduler_.on_due(1, "a.example", "", kStart + 5min);
    scheduler_.claimed(1, {}, std::nullopt, kStart);
    EXPECT_EQ(expect_next<WaitUntil>(kStart).when, kStart + 5min);
}

TEST_F(SchedulerTest, AClaimThatFoundNothingEndsTheDestination) {
    scheduler_.on_due(1, "a.example", "", kStart);
    expect_next<ResolveSite>(kStart);
    scheduler_.resolved(1, {"mx"}, kStart + 24h, kStart);
    expect_next<ClaimDue>(kStart);
    scheduler_.claimed(1, {}, std::nullopt, kStart);
    EXPECT_EQ(expect_next<WaitUntil>(kStart).when, std::nullopt);
    EXPECT_EQ(scheduler_.figures().destinations, 0U);
}

// No store does that; but should one, the name of the first must not outlive it.
TEST_F(SchedulerTest, TwoDestinationsOfOneName) {
    const std::string name(100, 'a');
    scheduler_.on_due(1, name, "", kStart);
    scheduler_.on_due(2, name, "", kStart + 1h);
    const auto resolve = expect_next<ResolveSite>(kStart);
    ASSERT_EQ(resolve.destination, 1);
    scheduler_.resolved(1, {"mx"}, kStart + 24h, kStart);
    ASSERT_EQ(expect_next<ClaimDue>(kStart).destination, 1);
    scheduler_.claimed(1, {}, std::nullopt, kStart);
    EXPECT_EQ(scheduler_.figures().destinations, 1U);
    EXPECT_TRUE(scheduler_.wants_hot(name, "", 1, kStart));
    EXPECT_FALSE(scheduler_.wants_hot(name, "", 1, kStart + 1h)) << "older mail waits";
}

TEST_F(SchedulerTest, AFailedClaimIsRepeatedAfterAWhile) {
    scheduler_.on_due(1, "a.example", "", kStart);
    expect_next<ResolveSite>(kStart);
    scheduler_.resolved(1, {"mx"}, kStart + 24h, kStart);
    expect_next<ClaimDue>(kStart);
    scheduler_.claim_failed(1, kStart);
    const auto wait = expect_next<WaitUntil>(kStart);
    ASSERT_TRUE(wait.when && *wait.when > kStart);
    expect_next<ClaimDue>(*wait.when);
}

TEST_F(SchedulerTest, PersonalRecipientsGoAlone) {
    std::vector<ReadyRecipient> ready{hot(1, 1, 1), hot(2, 1, 1)};
    ready[0].recipient.personal = ready[1].recipient.personal = true;
    prove("mx");
    scheduler_.on_added(1, "a.example", "", std::move(ready), 0, kStart);
    expect_next<ResolveSite>(kStart);
    scheduler_.resolved(1, {"mx"}, kStart + 1h, kStart);
    EXPECT_EQ(expect_next<StartDelivery>(kStart).recipients.size(), 1U);
    EXPECT_EQ(expect_next<StartDelivery>(kStart).recipients.size(), 1U);
}

TEST_F(SchedulerTest, TransactionsAreBounded) {  // SMTP-33: and no fewer recipients in one than may be
    prove("mx");
    std::vector<ReadyRecipient> ready;
    for (int i = 0; i < 250; ++i) {
        ready.push_back(hot(i + 1, 1, 1));
    }
    scheduler_.on_added(1, "a.example", "", std::move(ready), 0, kStart);
    expect_next<ResolveSite>(kStart);
    scheduler_.resolved(1, {"mx"}, kStart + 1h, kStart);
    const auto started = start_all(kStart);
    ASSERT_EQ(started.size(), 3U);
    EXPECT_EQ(started[0].recipients.size(), 100U);
    EXPECT_EQ(started[2].recipients.size(), 50U);
}

TEST_F(SchedulerTest, DomainsOfOneSiteShareItsWindowByTurns) {
    make_ready(1, "a.example", "mx.shared", 10);
    // The first ones start before the second domain is there.
    auto first = start_all(kStart);
    EXPECT_EQ(first.size(), 5U);
    make_ready(2, "b.example", "mx.shared", 10);
    EXPECT_TRUE(start_all(kStart).empty()) << "the window is full";
    EXPECT_EQ(scheduler_.figures().sites, 1U);
    std::vector<DestinationId> order;
    for (int i = 0; i < 4; ++i) {
        (void)scheduler_.finished(first[0].site, 1, {}, kStart);
        for (const StartDelivery& start : start_all(kStart)) {
            order.push_back(start.destination);
        }
    }
    EXPECT_EQ(order, (std::vector<DestinationId>{1, 2, 1, 2}));
}

TEST_F(SchedulerTest, SitesTakeTurnsWhenSlotsAreShort) {
    SchedulerOptions options;
    options.deliveries = 4;
    scheduler_.set_options(options);
    prove("mx.a");
    prove("mx.b");
    make_ready(1, "a.example", "mx.a", 10);
    make_ready(2, "b.example", "mx.b", 10);
    std::map<DestinationId, int> count;
    for (const StartDelivery& start : start_all(kStart)) {
        ++count[start.destination];
    }
    EXPECT_EQ(count[1], 2);
    EXPECT_EQ(count[2], 2);
}

TEST_F(SchedulerTest, AHostThatFailsBacksTheSiteOffAndGivesItsMailBack) {  // SMTP-31
    make_ready(1, "a.example", "mx.shared", 8);
    make_ready(2, "b.example", "mx.shared", 3);
    const auto started = start_all(kStart);
    ASSERT_EQ(started.size(), 5U);
    // One of five is no proof; when the whole window has failed, the site is dead.
    std::size_t dropped = 0;
    for (const StartDelivery& start : started) {
        EXPECT_EQ(scheduler_.figures().backing_off, 0U);
        dropped += scheduler_.finished(start.site, start.destination, kFailed, kStart).size();
    }
    EXPECT_EQ(dropped, 6U);
    EXPECT_EQ(scheduler_.figures().ready, 0U);
    EXPECT_EQ(scheduler_.figures().backing_off, 1U);
    EXPECT_EQ(expect_next<WaitUntil>(kStart).when, kStart + 60s);
    EXPECT_FALSE(scheduler_.wants_hot("a.example", "", 10, kStart + 59s));
    // Then one delivery tries first, and little is loaded for it.
    const auto claim = expect_next<ClaimDue>(kStart + 60s);
    EXPECT_LE(claim.limit, 2U);
    scheduler_.claimed(claim.destination, {row(1, 1, 1), row(2, 2, 1)}, kStart, kStart + 60s);
    const auto probe = start_all(kStart + 60s);
    ASSERT_EQ(probe.size(), 1U);
    EXPECT_EQ(scheduler_.finished(probe[0].site, probe[0].destination, kFailed, kStart + 61s).size(), 1U);
    EXPECT_EQ(expect_next<WaitUntil>(kStart + 61s).when, kStart + 61s + 120s) << "the back-off grows";
}

// Time goes on between two looks at the clock: a delivery may fail when the site's back-off is over and nobody has seen that yet.
TEST_F(SchedulerTest, AFailureRightAfterTheEndOfABackoffBeginsAnother) {
    make_ready(1, "a.example", "mx", 100);
    const auto started = start_all(kStart);
    ASSERT_EQ(started.size(), 5U);
    (void)scheduler_.finished(started[0].site, 1, {DeliveryFeedback::Reach::closed, {}}, kStart);
    (void)scheduler_.finished(started[1].site, 1, {DeliveryFeedback::Reach::closed, {}}, kStart + 61s);
    EXPECT_EQ(expect_next<WaitUntil>(kStart + 61s).when, kStart + 61s + 2min);
}

TEST_F(SchedulerTest, ForgettingTheBackoffStartsAtOnce) {
    make_ready(1, "a.example", "mx", 9);
    for (const StartDelivery& start : start_all(kStart)) {
        (void)scheduler_.finished(start.site, 1, kFailed, kStart);
    }
    EXPECT_EQ(expect_next<WaitUntil>(kStart).when, kStart + 60s);
    scheduler_.forget_backoff(1, kStart);
    expect_next<ClaimDue>(kStart);
}

// "queue retry", or a reload: the destination had nothing to do while its mail waited, and is told apart from its site.
TEST_F(SchedulerTest, ForgettingTheBackoffOfADestinationWhoseSiteIsNotKnownNow) {
    deliver_one("relay", {DeliveryFeedback::Reach::closed, Duration{}}, kStart);
    scheduler_.on_due(1, "a.example", "", kStart);
    scheduler_.forget_backoff(1, kStart);
    expect_next<ResolveSite>(kStart);
    scheduler_.resolved(1, {"relay"}, kStart + 24h, kStart);
    expect_next<ClaimDue>(kStart);
    EXPECT_EQ(scheduler_.figures().backing_off, 0U);
}

// Issue 4, "5xx from a smarthost about us": the reload that repairs its login ends its back-off, for mail that was never tried, too.
// What a site did by itself is no matter of the configuration.
TEST_F(SchedulerTest, AnotherConfigurationOpensWhatWasClosedToUs) {
    deliver_one("relay", {DeliveryFeedback::Reach::closed, Duration{}}, kStart);
    deliver_one("dead", kFailed, kStart);
    scheduler_.on_due(1, "a.example", "", kStart);
    scheduler_.on_due(2, "b.example", "", kStart);
    scheduler_.on_due(3, "c.example", "", kStart);
    for (int i = 0; i < 3; ++i) {
        const DestinationId id = expect_next<ResolveSite>(kStart).destination;
        if (id == 3) {
            EXPECT_TRUE(scheduler_.unresolved(id, kStart).empty());  // routes named a relay that was not there
        } else {
            scheduler_.resolved(id, {id == 1 ? "relay" : "dead"}, kStart + 24h, kStart);
        }
    }
    EXPECT_EQ(expect_next<WaitUntil>(kStart).when, kStart + 60s);
    scheduler_.configured_anew(kStart);
    std::set<DestinationId> asked;
    std::vector<DestinationId> claimed;
    for (bool more = true; more;) {
        SchedulerAction action = scheduler_.next(kStart);
        if (const auto* resolve = std::get_if<ResolveSite>(&action)) {
            asked.insert(resolve->destination);
            scheduler_.resolved(resolve->destination, {resolve->destination == 2 ? "dead" : "relay"}, kStart + 24h, kStart);
        } else if (const auto* claim = std::get_if<ClaimDue>(&action)) {
            claimed.push_back(claim->destination);
            scheduler_.claimed(claim->destination, {}, std::nullopt, kStart);
        } else {
            more = false;
        }
    }
    std::sort(claimed.begin(), claimed.end());
    EXPECT_EQ(claimed, (std::vector<DestinationId>{1, 3}));
    EXPECT_TRUE(asked.contains(3));
    EXPECT_EQ(expect_next<WaitUntil>(kStart).when, kStart + 60s);
}

// A reload while all connections of a site are busy: when one comes free, the next in line has an old place, and nothing else
// is to be done.
TEST_F(SchedulerTest, WhoseTurnComesWithAnOldPlaceIsResolvedAtOnce) {
    SchedulerOptions options;
    options.connections_per_site = 1;
    scheduler_.set_options(options);
    make_ready(1, "a.example", "mx", 1);
    make_ready(2, "b.example", "mx", 1);
    const auto started = start_all(kStart);
    ASSERT_EQ(started.size(), 1U);
    scheduler_.forget_places();
    (void)scheduler_.finished(started[0].site, started[0].destination, {}, kStart + 1s);
    EXPECT_EQ(expect_next<ResolveSite>(kStart + 1s).destination, 3 - started[0].destination);
}

TEST_F(SchedulerTest, ThrottlingHalvesTheWindowOnceAndSuccessRegrowsIt) {
    SchedulerOptions options;
    options.connections_per_site = 8;
    scheduler_.set_options(options);
    make_ready(1, "a.example", "mx", 90);
    auto started = start_all(kStart);
    ASSERT_EQ(started.size(), 8U);
    const SiteId site = started[0].site;
    for (int i = 0; i < 4; ++i) {
        EXPECT_TRUE(scheduler_.finished(site, 1, {DeliveryFeedback::Reach::throttled, {}}, kStart).empty());
        EXPECT_TRUE(start_all(kStart).empty()) << "the window is 4 now, not 4 times halved";
    }
    for (int i = 0; i < 4; ++i) {
        (void)scheduler_.finished(site, 1, {}, kStart);
    }
    EXPECT_EQ(start_all(kStart).size(), 4U);
    for (int i = 0; i < 4; ++i) {
        (void)scheduler_.finished(site, 1, {}, kStart);
    }
    EXPECT_EQ(start_all(kStart).size(), 5U);
}

TEST_F(SchedulerTest, ThrottlingAtOneConnectionBacksOff) {
    SchedulerOptions options;
    options.connections_per_site = 1;
    scheduler_.set_options(options);
    make_ready(1, "a.example", "mx", 3);
    const auto started = start_all(kStart);
    ASSERT_EQ(started.size(), 1U);
    EXPECT_EQ(scheduler_.finished(started[0].site, 1, {DeliveryFeedback::Reach::throttled, {}}, kStart).size(),
              2U);
    EXPECT_EQ(expect_next<WaitUntil>(kStart).when, kStart + 60s);
}

TEST_F(SchedulerTest, AbandonedSaysNothingOfTheSite) {
    make_ready(1, "a.example", "mx", 6);
    const auto started = start_all(kStart);
    EXPECT_TRUE(
        scheduler_.finished(started[0].site, 1, {DeliveryFeedback::Reach::abandoned, {}}, kStart).empty());
    EXPECT_EQ(start_all(kStart).size(), 1U);
}

TEST_F(SchedulerTest, AnUnresolvedDestinationWaitsAndKeepsTheRestInTheStore) {
    scheduler_.on_due(1, "nowhere.example", "", kStart);
    expect_next<ResolveSite>(kStart);
    EXPECT_TRUE(scheduler_.unresolved(1, kStart).empty()) << "nothing was loaded for it";
    EXPECT_EQ(expect_next<WaitUntil>(kStart).when, kStart + 60s);
    // The second time a few are loaded, to be told why they wait.
    const auto claim = expect_next<ClaimDue>(kStart + 60s);
    EXPECT_LE(claim.limit, 10U);
    scheduler_.claimed(1, {row(1, 1, 1), row(2, 2, 1)}, kStart, kStart + 60s);
    expect_next<ResolveSite>(kStart + 60s);
    if (auto second = scheduler_.next(kStart + 60s); std::holds_alternative<ClaimDue>(second)) {
        scheduler_.claimed(1, {row(3, 3, 1)}, kStart, kStart + 60s);
    }
    EXPECT_GE(scheduler_.unresolved(1, kStart + 60s).size(), 2U);
    EXPECT_EQ(scheduler_.figures().ready, 0U);
    EXPECT_EQ(expect_next<WaitUntil>(kStart + 60s).when, kStart + 180s) << "nothing may start during the back-off";
    // It answers.
    expect_next<ClaimDue>(kStart + 180s);
    scheduler_.claimed(1, {row(1, 1, 1)}, std::nullopt, kStart + 180s);
    expect_next<ResolveSite>(kStart + 180s);
    scheduler_.resolved(1, {"mx"}, kStart + 24h, kStart + 180s);
    expect_next<StartDelivery>(kStart + 180s);
}

TEST_F(SchedulerTest, HotMemoryIsBoundedAndGivenBack) {
    SchedulerOptions options;
    options.hot_memory = 10'000;
    scheduler_.set_options(options);
    EXPECT_TRUE(scheduler_.wants_hot("a.example", "", 5'000, kStart));
    EXPECT_FALSE(scheduler_.wants_hot("b.example", "", 5'000, kStart));
    EXPECT_TRUE(scheduler_.wants_hot("b.example", "", 1'000, kStart));
    scheduler_.on_not_added(1'000);
    scheduler_.on_added(1, "a.example", "", {hot(1, 1, 1), hot(2, 1, 1)}, 5'000, kStart);
    EXPECT_GE(scheduler_.figures().hot_octets, 5'000U);
    expect_next<ResolveSite>(kStart);
    scheduler_.resolved(1, {"mx"}, kStart + 1h, kStart);
    const auto start = expect_next<StartDelivery>(kStart);
    EXPECT_NE(start.recipients[0].hot, nullptr);
    EXPECT_EQ(scheduler_.figures().hot_octets, 0U);
}

TEST_F(SchedulerTest, HalfOfHotMemoryIsForLetters) {
    SchedulerOptions options;
    options.hot_memory = 10'000;
    scheduler_.set_options(options);
    const std::string bulk = kBulkLane + std::string("shop.example");
    EXPECT_FALSE(scheduler_.wants_hot("a.example", bulk, 5'000, kStart));
    EXPECT_TRUE(scheduler_.wants_hot("a.example", bulk, 4'000, kStart));
    EXPECT_FALSE(scheduler_.wants_hot("b.example", bulk, 1'000, kStart));
    EXPECT_TRUE(scheduler_.wants_hot("b.example", "shop.example", 1'000, kStart));
}

// First come, first served, also between sites of different standing.
TEST_F(SchedulerTest, WhoWasInLineFirstStartsFirst) {
    prove("mx.quick");
    for (const bool quick_first : {true, false}) {
        const DestinationId quick = quick_first ? 1 : 4, fresh = quick_first ? 2 : 3;
        const std::string at = quick_first ? "mx.fresh" : "mx.fresh2";
        for (const DestinationId id : {std::min(quick, fresh), std::max(quick, fresh)}) {
            scheduler_.on_added(id, "d" + std::to_string(id), "", {hot(id, id, id)}, 0, kStart);
            expect_next<ResolveSite>(kStart);
            scheduler_.resolved(id, {id == quick ? "mx.quick" : at}, kStart + 24h, kStart);
        }
        EXPECT_EQ(expect_next<StartDelivery>(kStart).destination, std::min(quick, fresh));
        EXPECT_EQ(expect_next<StartDelivery>(kStart).destination, std::max(quick, fresh));
    }
}

TEST_F(SchedulerTest, NewMailDoesNotOvertakeABacklog) {
    scheduler_.on_due(1, "a.example", "", kStart);
    EXPECT_FALSE(scheduler_.wants_hot("a.example", "", 10, kStart));
    EXPECT_TRUE(scheduler_.wants_hot("b.example", "", 10, kStart));
    scheduler_.on_not_added(10);
    EXPECT_EQ(scheduler_.figures().hot_octets, 0U);
}

TEST_F(SchedulerTest, PausedStartsNothing) {
    make_ready(1, "a.example", "mx", 1);
    scheduler_.on_due(2, "b.example", "", kStart);
    scheduler_.pause(true);
    EXPECT_EQ(expect_next<WaitUntil>(kStart).when, std::nullopt);
    EXPECT_FALSE(scheduler_.wants_hot("c.example", "", 10, kStart));
    scheduler_.pause(false);
    expect_next<ResolveSite>(kStart);
    scheduler_.resolved(2, {"mx"}, kStart + 24h, kStart);
    expect_next<ClaimDue>(kStart);
    expect_next<StartDelivery>(kStart);
}

TEST_F(SchedulerTest, DrainGivesEverythingBack) {
    make_ready(1, "a.example", "mx", 7);
    const auto started = start_all(kStart);
    EXPECT_EQ(scheduler_.drain().size(), 2U);
    EXPECT_EQ(scheduler_.figures().ready, 0U);
}

// Two domains of a site have asked for all that it may hold ready; the third waits at the site for its turn.
class ParkedTest : public SchedulerTest {
protected:
    void SetUp() override {
        for (DestinationId id : {1, 2, 3}) make_ready(id, std::string(1, "xabc"[id]) + ".example", "mx", 1);
        ASSERT_EQ(start_all(kStart).size(), 3U);
        for (DestinationId id : {1, 2, 3}) scheduler_.on_due(id, std::string(1, "xabc"[id]) + ".example", "", kStart);
        EXPECT_EQ(expect_next<ClaimDue>(kStart).destination, 1);
        EXPECT_EQ(expect_next<ClaimDue>(kStart).destination, 2);
        expect_next<WaitUntil>(kStart);
    }
};

TEST_F(ParkedTest, HasItsTurnWhenFewerCameThanWereAskedFor) {
    scheduler_.claimed(1, {}, std::nullopt, kStart);
    EXPECT_EQ(expect_next<ClaimDue>(kStart).destination, 3);
}

TEST_F(ParkedTest, HasItsTurnWhenAClaimFailed) {
    scheduler_.claim_failed(1, kStart);
    EXPECT_EQ(expect_next<ClaimDue>(kStart).destination, 3);
}

TEST_F(SchedulerTest, AnOldResolutionIsRenewedBeforeTheNextStart) {
    make_ready(1, "a.example", "mx", 6);
    auto started = start_all(kStart);
    (void)scheduler_.finished(started[0].site, 1, {}, kStart + 25h);
    expect_next<ResolveSite>(kStart + 25h);
    scheduler_.resolved(1, {"mx.new"}, kStart + 50h, kStart + 25h);
    const auto next = expect_next<StartDelivery>(kStart + 25h);
    EXPECT_NE(next.site, started[0].site);
    for (const StartDelivery& start : started) {
        if (&start != &started[0]) {
            (void)scheduler_.finished(start.site, 1, {}, kStart + 25h);
        }
    }
    (void)scheduler_.finished(next.site, 1, {}, kStart + 25h);
    EXPECT_EQ(scheduler_.figures().destinations, 0U);
    EXPECT_EQ(scheduler_.figures().deliveries, 0U);
}

// --- against a model
// ------------------------------------------------------------------------------------------------------

struct ModelRow {
    DestinationId destination = 0;
    std::int64_t message = 0;
    TimePoint due{};
    bool claimed = false;
    int attempts = 0;
};

// What a gate has let through, counted apart from the scheduler.
struct ModelGate {
    GateSettings settings;
    std::vector<std::pair<TimePoint, std::size_t>> starts;  // recipients, since the rate is what it is
};

// Plays the store, the resolver and the peers for the scheduler, with time jumping from event to event.
class Model {
public:
    Model(std::uint32_t seed, SchedulerOptions options, int destinations, int sites)
        : random_(seed), options_(options), scheduler_(options), destinations_(destinations), sites_(sites) {}

    // From now on mail passes gates, which open and close and change as they like until settle_gates().
    void use_gates() { with_gates_ = true; }
    void change_a_gate() {
        const std::vector<std::string> keys = {"provider|provider", "ip|default", "sender|", "sender|alice.example",
                                               "sender|~news.example", "site|site1"};
        GateSettings settings;
        if (chance(40)) {
            settings.concurrency = 1 + static_cast<std::uint32_t>(below(4));
        }
        if (chance(40)) {
            settings.rate = Rate{1 + static_cast<std::uint32_t>(below(30)), std::chrono::seconds(1 + below(600))};
            settings.burst = 1 + static_cast<std::uint32_t>(below(10));
        }
        if (chance(40)) {
            settings.allowance = static_cast<std::uint64_t>(below(15));
            settings.allowance_for_letters = static_cast<std::uint64_t>(below(3));
        }
        set_gate(keys[static_cast<std::size_t>(below(static_cast<int>(keys.size())))], settings);
    }
    // All open; some slowly.
    void settle_gates() {
        for (const auto& [key, gate] : std::map(gates_)) {
            GateSettings settings;
            if (chance(50)) {
                settings.concurrency = 1;
            }
            if (chance(50)) {
                settings.rate = Rate{2, 1min};
            }
            set_gate(key, settings);
        }
        gates_change_ = false;
    }
    // A message that waits passes all gates, this once.
    void hasten() {
        for (auto it = rows_.lower_bound(1 + below(static_cast<int>(last_row_) + 1)); it != rows_.end(); ++it) {
            if (it->second.claimed) {
                continue;
            }
            std::vector<Recipient> urgent;
            const ModelRow chosen = it->second;
            for (auto& [id, model] : rows_) {
                if (model.message == chosen.message && !model.claimed) {
                    model.claimed = true;
                    urgent_.insert(id);
                    urgent.push_back(row(id, model.message, model.destination, model.due));
                }
            }
            scheduler_.urgent(chosen.destination, domain(chosen.destination), lane(chosen.destination), std::move(urgent), now_);
            return;
        }
    }

    void add(DestinationId destination, TimePoint due, int recipients) {
        const std::int64_t message = ++last_message_;
        const std::uint64_t octets = 1000;
        const bool hot_now = due <= now_ && scheduler_.wants_hot(domain(destination), lane(destination), octets, now_);
        if (hot_now && chance(10)) {
            scheduler_.on_not_added(octets);  // the disk was full
            return;
        }
        std::vector<ReadyRecipient> ready;
        for (int i = 0; i < recipients; ++i) {
            const RecipientId id = ++last_row_;
            rows_[id] = {destination, message, due, hot_now, 0};
            added_ += 1;
            index(id);
            if (hot_now) {
                ready.push_back({row(id, message, destination, due), std::make_shared<mail::Message>()});
            }
        }
        if (hot_now) {
            scheduler_.on_added(destination, domain(destination), lane(destination), std::move(ready), octets, now_);
        } else {
            scheduler_.on_due(destination, domain(destination), lane(destination), due);
        }
    }

    // Runs until nothing is left or the time is over. Returns false on a violated law.
    void run(TimePoint until, bool peers_work) {
        for (int steps = 0; steps < 2'000'000; ++steps) {
            const SchedulerAction action = scheduler_.next(now_);
            if (const auto* wait = std::get_if<WaitUntil>(&action)) {
                if (with_gates_ && gates_change_ && chance(5)) {
                    change_a_gate();
                    continue;
                }
                if (with_gates_ && gates_change_ && chance(2)) {
                    hasten();
                    continue;
                }
                // Also before deliveries end: gates open with time.
                const bool first = wait->when && *wait->when < until && *wait->when > now_ && chance(20);
                if (!flights_.empty() && !first) {
                    land(peers_work);
                    continue;
                }
                if (!wait->when || *wait->when >= until) {
                    now_ = until;
                    return;
                }
                ASSERT_GT(*wait->when, now_);
                now_ = *wait->when;
                continue;
            }
            if (const auto* claim = std::get_if<ClaimDue>(&action)) {
                answer_claim(*claim);
            } else if (const auto* resolve = std::get_if<ResolveSite>(&action)) {
                answer_resolve(*resolve, peers_work);
            } else if (const auto* back = std::get_if<GiveBack>(&action)) {
                for (const RecipientId id : back->recipients) {
                    unclaim(id);
                }
            } else {
                begin(std::get<StartDelivery>(action));
            }
            if (testing::Test::HasFatalFailure()) {
                return;
            }
        }
        FAIL() << "the scheduler never comes to rest";
    }

    void check_empty() {
        EXPECT_TRUE(rows_.empty()) << rows_.size() << " rows starved";
        const auto figures = scheduler_.figures();
        EXPECT_EQ(figures.hot_octets, 0U);
        EXPECT_EQ(figures.ready, 0U);
        EXPECT_EQ(figures.deliveries, 0U);
        EXPECT_EQ(figures.destinations, 0U);
        EXPECT_EQ(settled_, added_);
    }

    bool chance(int percent) { return static_cast<int>(random_() % 100) < percent; }
    int below(int limit) { return static_cast<int>(random_() % static_cast<unsigned>(limit)); }
    [[nodiscard]] TimePoint now() const { return now_; }
    Scheduler& scheduler() { return scheduler_; }

private:
    static std::string domain(DestinationId id) { return "d" + std::to_string(id) + ".example"; }
    static std::string lane(DestinationId id) { return std::array{"", "alice.example", "~news.example"}[static_cast<std::size_t>(id % 3)]; }
    // Sites with even numbers are one provider's.
    static bool is_providers(const std::string& key) { return (key.back() - '0') % 2 == 0; }
    static constexpr std::uint32_t kProviderLimit = 4;

    void index(RecipientId id) { due_.insert({rows_.at(id).destination, rows_.at(id).due, id}); }
    void unindex(RecipientId id) { due_.erase({rows_.at(id).destination, rows_.at(id).due, id}); }

    void set_gate(const std::string& key, const GateSettings& settings) {
        ModelGate& gate = gates_[key];
        if (gate.settings.rate != settings.rate || gate.settings.burst != settings.burst) {
            gate.starts.clear();
        }
        gate.settings = settings;
        scheduler_.set_gate(key, settings, now_);
    }
    // Of all deliveries that have passed this gate.
    [[nodiscard]] std::pair<std::size_t, std::size_t> under_way(const std::string& key) const {
        std::pair<std::size_t, std::size_t> sum;
        for (const StartDelivery& flight : flights_) {
            if (passed_.at(flight.recipients[0].recipient.id).contains(key)) {
                sum.first += 1;
                sum.second += flight.recipients.size();
            }
        }
        return sum;
    }
    void check_gates(const StartDelivery& start) {
        const bool bulk = is_bulk(start.lane);
        const auto& keys = passes_.at(start.destination);
        passed_[start.recipients[0].recipient.id] = {keys.begin(), keys.end()};
        for (const std::string& key : passes_.at(start.destination)) {
            ModelGate& gate = gates_[key];
            gate.starts.emplace_back(now_, start.recipients.size());
            if (urgent_.contains(start.recipients[0].recipient.id)) {
                gate.starts.clear();  // it may have taken more than there was: what follows is less, never more
                continue;
            }
            const GateSettings& settings = gate.settings;
            const auto [deliveries, recipients] = under_way(key);
            ASSERT_TRUE(settings.concurrency == 0 || deliveries <= settings.concurrency) << key;
            if (settings.allowance) {
                ASSERT_LE(recipients + (bulk && recipients > 0 ? settings.allowance_for_letters : 0), *settings.allowance) << key;
            }
            if (!settings.rate) {
                continue;
            }
            std::size_t sum = 0;
            for (auto it = gate.starts.rbegin(); it != gate.starts.rend(); ++it) {
                sum += it->second;
                const auto window = now_ - it->first;
                ASSERT_LE(sum, settings.burst + static_cast<std::size_t>(window.count()) * settings.rate->count /
                                                    static_cast<std::size_t>(settings.rate->per.count()) + 1)
                    << key;
            }
        }
    }

    void answer_claim(const ClaimDue& claim) {
        // A few rows are claimed to be told that their domain does not resolve.
        for (const std::string& key : unresolved_.contains(claim.destination) ? std::vector<std::string>() : passes_[claim.destination]) {
            ASSERT_FALSE(gates_[key].settings.allowance == 0) << key << " is closed";
        }
        if (chance(5)) {
            scheduler_.claim_failed(claim.destination, now_);
            return;
        }
        std::vector<Recipient> rows;
        std::optional<TimePoint> next;
        for (auto it = due_.lower_bound({claim.destination, TimePoint::min(), 0});
             it != due_.end() && std::get<0>(*it) == claim.destination; ++it) {
            const RecipientId id = std::get<2>(*it);
            ModelRow& model = rows_.at(id);
            if (model.claimed) {
                continue;
            }
            if (model.due > now_ || rows.size() >= claim.limit) {
                next = model.due;
                break;
            }
            model.claimed = true;
            rows.push_back(row(id, model.message, model.destination, model.due));
        }
        scheduler_.claimed(claim.destination, std::move(rows), next, now_);
    }

    void answer_resolve(const ResolveSite& resolve, bool peers_work) {
        if (!peers_work && chance(20)) {
            unresolved_.insert(resolve.destination);
            for (const ReadyRecipient& ready : scheduler_.unresolved(resolve.destination, now_)) {
                unclaim(ready.recipient.id);
            }
            return;
        }
        const auto key =
            "site" + std::to_string(static_cast<int>(resolve.destination) % sites_ + (chance(3) ? 1 : 0));
        SitePlace place;
        place.key = key;
        place.provider = is_providers(key) ? "provider" : "";
        place.connections = is_providers(key) ? kProviderLimit : 0;
        keys_[resolve.destination] = key;
        unresolved_.erase(resolve.destination);
        std::vector<std::string>& gates = passes_[resolve.destination];
        gates.clear();
        if (with_gates_) {
            gates = {"site|" + key, "ip|default", "sender|" + lane(resolve.destination)};
            if (is_providers(key)) {
                gates.insert(gates.begin(), "provider|provider");
            }
            place.gates = gates;
        }
        scheduler_.resolved(resolve.destination, place, now_ + std::chrono::minutes(below(120)), now_);
    }

    void unclaim(RecipientId id) {
        ASSERT_TRUE(rows_.contains(id));
        ASSERT_TRUE(rows_.at(id).claimed) << "given back twice";
        rows_.at(id).claimed = false;
    }

    void begin(const StartDelivery& start) {
        ASSERT_FALSE(start.recipients.empty());
        ASSERT_LE(start.recipients.size(), options_.recipients_per_transaction);
        for (const ReadyRecipient& ready : start.recipients) {
            const auto it = rows_.find(ready.recipient.id);
            ASSERT_NE(it, rows_.end());
            ASSERT_TRUE(it->second.claimed);
            ASSERT_EQ(it->second.message, start.message.value());
            ASSERT_EQ(it->second.destination, start.destination);
            ASSERT_TRUE(in_flight_.insert(ready.recipient.id).second) << "started twice";
        }
        ASSERT_EQ(start.domain, domain(start.destination));
        ASSERT_EQ(start.lane, lane(start.destination));
        flights_.push_back(start);
        check_gates(start);
        if (urgent_.contains(start.recipients[0].recipient.id)) {
            // Through the windows, too.
            active_[start.site] += 1;
            providers_site_[start.site] = is_providers(keys_.at(start.destination));
            active_of_provider_ += providers_site_[start.site] ? 1 : 0;
            ASSERT_LE(flights_.size(), options_.deliveries);
            return;
        }
        // No window is exceeded: the site's, its provider's, the whole.
        const bool providers = is_providers(keys_.at(start.destination));
        providers_site_[start.site] = providers;
        ASSERT_LE(++active_[start.site], providers ? kProviderLimit : options_.connections_per_site);
        ASSERT_LE(active_[start.site], std::max<std::uint32_t>(1, (options_.deliveries + 1) / 2));
        active_of_provider_ += providers ? 1 : 0;
        ASSERT_TRUE(!providers || active_of_provider_ <= kProviderLimit) << active_of_provider_;
        ASSERT_LE(flights_.size(), options_.deliveries);
        // Memory is bounded by what may be loaded and what may be hot, however much waits.
        const std::size_t bound = std::max<std::size_t>(20 * options_.deliveries, 2 * options_.claim_batch) +
                                  options_.claim_batch + 5 * (options_.hot_memory / 1000);
        ASSERT_LE(scheduler_.figures().ready, bound);
    }

    // One delivery comes to its end, whichever.
    void land(bool peers_work) {
        const std::size_t which = random_() % flights_.size();
        const StartDelivery flight = flights_[which];
        flights_.erase(flights_.begin() + static_cast<std::ptrdiff_t>(which));
        active_[flight.site] -= 1;
        active_of_provider_ -= providers_site_.at(flight.site) ? 1 : 0;
        now_ += std::chrono::milliseconds(below(50));
        DeliveryFeedback feedback;
        feedback.passage = flight.passage;
        feedback.took = chance(15) ? 30s : 100ms;
        const int luck = peers_work ? 100 : below(100);
        feedback.reach = luck < 10   ? DeliveryFeedback::Reach::host_failed
                         : luck < 15 ? DeliveryFeedback::Reach::throttled
                         : luck < 18 ? DeliveryFeedback::Reach::abandoned
                         : luck < 20 ? DeliveryFeedback::Reach::shortage
                         : luck < 21 ? DeliveryFeedback::Reach::closed
                                     : DeliveryFeedback::Reach::reached;
        const bool deferred = luck < 15 || (luck < 60 && feedback.reach == DeliveryFeedback::Reach::reached);
        std::optional<TimePoint> next_due;
        for (const ReadyRecipient& ready : flight.recipients) {
            const RecipientId id = ready.recipient.id;
            in_flight_.erase(id);
            urgent_.erase(id);
            ModelRow& model = rows_.at(id);
            unindex(id);
            if (feedback.reach == DeliveryFeedback::Reach::abandoned || feedback.reach == DeliveryFeedback::Reach::shortage) {
                model.claimed = false;
                next_due = now_;
                index(id);
            } else if (deferred) {
                model.claimed = false;
                model.attempts += 1;
                model.due = now_ + std::chrono::seconds(75) * (1 << std::min(model.attempts, 7));
                next_due = model.due;
                index(id);
            } else {
                rows_.erase(id);
                settled_ += 1;
            }
        }
        for (const RecipientId id : scheduler_.finished(flight.site, flight.destination, feedback, now_)) {
            unclaim(id);
        }
        if (next_due) {
            scheduler_.on_due(flight.destination, flight.domain, flight.lane, *next_due);
        }
    }

    std::mt19937 random_;
    SchedulerOptions options_;
    Scheduler scheduler_;
    int destinations_;
    int sites_;
    TimePoint now_ = kStart;
    std::map<RecipientId, ModelRow> rows_;
    std::set<std::tuple<DestinationId, TimePoint, RecipientId>> due_;
    std::set<RecipientId> in_flight_;
    std::vector<StartDelivery> flights_;
    std::map<SiteId, std::uint32_t> active_;
    std::map<SiteId, bool> providers_site_;
    std::map<DestinationId, std::string> keys_;
    std::map<DestinationId, std::vector<std::string>> passes_;
    std::map<std::string, ModelGate> gates_;
    std::map<RecipientId, std::set<std::string>> passed_;  // by the delivery's first recipient
    std::set<RecipientId> urgent_;
    std::set<DestinationId> unresolved_;
    bool with_gates_ = false;
    bool gates_change_ = true;
    std::uint32_t active_of_provider_ = 0;
    RecipientId last_row_ = 0;
    std::int64_t last_message_ = 0;
    std::uint64_t added_ = 0;
    std::uint64_t settled_ = 0;
};

SchedulerOptions options_of(std::uint32_t seed) {
    SchedulerOptions options;
    options.connections_per_site = 1 + seed % 6;
    options.deliveries = 1 + seed % 23;
    options.claim_batch = 1 + seed % 11;
    options.recipients_per_transaction = 1 + seed % 4;
    options.hot_memory = (seed % 5) * 10'000;
    return options;
}

TEST(SchedulerModel, LawsHoldForAnyTraffic) {
    rc::check([](std::uint32_t seed) {
        const int destinations = 1 + static_cast<int>(seed / 7 % 40);
        Model model(seed, options_of(seed), destinations, 1 + static_cast<int>(seed / 3 % 9));
        for (int round = 0; round < 12; ++round) {
            for (int i = 0; i < 25; ++i) {
                const TimePoint due =
                    model.chance(60) ? model.now() : model.now() + std::chrono::minutes(model.below(90));
                model.add(1 + model.below(destinations), due, 1 + model.below(5));
            }
            model.run(model.now() + std::chrono::minutes(model.below(300)), false);
            RC_ASSERT_FALSE(testing::Test::HasFatalFailure());
        }
        // The Internet recovers: within two days everything has left.
        model.run(model.now() + std::chrono::hours(48), true);
        RC_ASSERT_FALSE(testing::Test::HasFatalFailure());
        model.check_empty();
        RC_ASSERT_FALSE(testing::Test::HasFailure());
    });
}

// Gates that open, close, narrow and widen at random times: no start through one that is shut, no window with more than its rate,
// nothing claimed behind a closed one, and in the end everything has left.
TEST(SchedulerModel, LawsHoldForAnyTrafficThroughGates) {
    rc::check([](std::uint32_t seed) {
        const int destinations = 1 + static_cast<int>(seed / 7 % 40);
        Model model(seed, options_of(seed), destinations, 1 + static_cast<int>(seed / 3 % 9));
        model.use_gates();
        for (int round = 0; round < 12; ++round) {
            for (int i = 0; i < 25; ++i) {
                const TimePoint due =
                    model.chance(60) ? model.now() : model.now() + std::chrono::minutes(model.below(90));
                model.add(1 + model.below(destinations), due, 1 + model.below(5));
            }
            model.change_a_gate();
            if (model.chance(10)) {
                model.scheduler().configured_anew(model.now());
            }
            model.run(model.now() + std::chrono::minutes(model.below(300)), false);
            RC_ASSERT_FALSE(testing::Test::HasFatalFailure());
        }
        model.settle_gates();
        model.run(model.now() + std::chrono::hours(96), true);
        RC_ASSERT_FALSE(testing::Test::HasFatalFailure());
        model.check_empty();
        RC_ASSERT_FALSE(testing::Test::HasFailure());
    });
}

TEST(SchedulerModel, TenThousandDomainsOfOneSiteAllGetTheirTurn) {
    Model model(1, SchedulerOptions{}, 10'000, 1);
    for (int i = 1; i <= 10'000; ++i) {
        model.add(i, kStart, 1);
    }
    model.run(kStart + 24h, true);
    model.check_empty();
}

TEST(SchedulerModel, FiveDaysOfTroubleEndWithAnEmptyQueue) {
    Model model(42, SchedulerOptions{}, 300, 40);
    for (int hour = 0; hour < 120; ++hour) {
        for (int i = 0; i < 40; ++i) {
            model.add(1 + model.below(300), model.now(), 1 + model.below(3));
        }
        model.run(kStart + std::chrono::hours(hour + 1), false);
    }
    model.run(kStart + 240h, true);
    model.check_empty();
}

}  // namespace
}  // namespace posthorn::queue
