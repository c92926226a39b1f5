// Nobody's mail keeps another's waiting: slow and dead sites, providers, newsletters, senders with a thousand
// domains.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "queue/scheduler.hpp"

namespace posthorn::queue {
namespace {

using namespace std::chrono_literals;
using Reach = DeliveryFeedback::Reach;

const TimePoint kStart{std::chrono::hours(480'000)};
constexpr DeliveryFeedback kFailed{Reach::host_failed, Duration{}};

// Rows in plenty, without a store: each destination has as much due as it is told.
class FairnessTest : public testing::Test {
protected:
    void use(SchedulerOptions options) {
        options_ = options;
        scheduler_.set_options(options);
    }
    void limit_provider(const std::string& site, std::string provider, std::uint32_t connections) {
        places_[site] = {std::move(provider), connections};
    }
    // `count` messages of one recipient are due to the domain at the site.
    DestinationId add(const std::string& domain, const std::string& lane, const std::string& site,
                      std::size_t count) {
        const auto [it, inserted] =
            ids_.try_emplace({domain, lane}, static_cast<DestinationId>(ids_.size() + 1));
        waiting_[it->second].count += count;
        waiting_[it->second].site = site;
        scheduler_.on_due(it->second, domain, lane, now_);
        return it->second;
    }
    // Does what is to be done now; the deliveries that start are under way.
    std::vector<StartDelivery> pump() {
        std::vector<StartDelivery> started;
        for (;;) {
            SchedulerAction action = scheduler_.next(now_);
            if (auto* start = std::get_if<StartDelivery>(&action)) {
                loaded_ -= start->recipients.size();
                active_[site_of(start->destination)] += 1;
                started.push_back(std::move(*start));
            } else if (const auto* claim = std::get_if<ClaimDue>(&action)) {
                answer(*claim);
            } else if (const auto* resolve = std::get_if<ResolveSite>(&action)) {
                SitePlace place;
                place.key = site_of(resolve->destination);
                const auto known = places_.find(std::string(place.key));
                if (known != places_.end()) {
                    place.provider = known->second.first;
                    place.connections = known->second.second;
                }
                scheduler_.resolved(resolve->destination, place, now_ + 24h, now_);
            } else if (const auto* back = std::get_if<GiveBack>(&action)) {
                give_back(back->recipients);
            } else {
                wait_ = std::get<WaitUntil>(action).when;
                most_loaded_ = std::max(most_loaded_, loaded_);
                return started;
            }
        }
    }
    void finish(const StartDelivery& start, DeliveryFeedback feedback = {}) {
        active_[site_of(start.destination)] -= 1;
        feedback.passage = start.passage;
        give_back(scheduler_.finished(start.site, start.destination, feedback, now_));
    }
    // Quick deliveries until the site takes as much as it may.
    void prove(const std::string& site, int times = 30) {
        const DestinationId id = add("proof-of-" + site, "", site, static_cast<std::size_t>(times));
        for (int left = times; left > 0;) {
            for (const StartDelivery& start : pump()) {
                EXPECT_EQ(start.destination, id);
                finish(start);
                --left;
            }
        }
    }
    const std::string& site_of(DestinationId id) { return waiting_.at(id).site; }
    std::size_t active() {
        std::size_t sum = 0;
        for (const auto& [site, count] : active_) {
            sum += count;
        }
        return sum;
    }

    SchedulerOptions options_;
    Scheduler scheduler_{options_};
    TimePoint now_ = kStart;
    std::optional<TimePoint> wait_;
    std::map<std::string, std::size_t> active_;
    std::size_t loaded_ = 0, most_loaded_ = 0;

private:
    struct Waiting {
        std::size_t count = 0;
        std::string site;
    };
    void answer(const ClaimDue& claim) {
        Waiting& waiting = waiting_.at(claim.destination);
        std::vector<Recipient> rows;
        while (waiting.count > 0 && rows.size() < claim.limit) {
            Recipient row;
            row.id = ++last_row_;
            row.message = QueueId(row.id);
            row.destination = claim.destination;
            row.due_at = kStart;
            rows.push_back(row);
            owners_[row.id] = claim.destination;
            waiting.count -= 1;
        }
        loaded_ += rows.size();
        const auto next = waiting.count > 0 ? std::optional(kStart) : std::nullopt;
        scheduler_.claimed(claim.destination, std::move(rows), next, now_);
    }
    void give_back(const std::vector<RecipientId>& rows) {
        for (const RecipientId id : rows) {
            waiting_.at(owners_.at(id)).count += 1;
        }
        loaded_ -= rows.size();
    }

    std::map<std::pair<std::string, std::string>, DestinationId> ids_;
    std::map<DestinationId, Waiting> waiting_;
    std::map<RecipientId, DestinationId> owners_;
    std::map<std::string, std::pair<std::string, std::uint32_t>> places_;
    RecipientId last_row_ = 0;
};

TEST_F(FairnessTest, ALetterOvertakesANewsletter) {
    prove("mx");
    add("example.net", "~news.example", "mx", 100'000);
    auto under_way = pump();
    ASSERT_EQ(under_way.size(), 5U);
    for (int i = 0; i < 20; ++i) {
        finish(under_way[0]);
        under_way[0] = pump().at(0);
    }
    const DestinationId letter = add("example.net", "alice.example", "mx", 1);
    EXPECT_TRUE(pump().empty()) << "the window is full";
    finish(under_way[0]);
    const auto next = pump();
    ASSERT_EQ(next.size(), 1U);
    EXPECT_EQ(next[0].destination, letter) << "the next connection that is free";
    EXPECT_EQ(next[0].lane, "alice.example");
}

TEST_F(FairnessTest, ANewsletterGetsOnWhileLettersKeepComing) {
    prove("mx");
    const DestinationId news = add("example.net", "~news.example", "mx", 1000);
    add("example.net", "alice.example", "mx", 1000);
    auto under_way = pump();
    int bulk = 0;
    for (int i = 0; i < 500; ++i) {
        bulk += under_way[0].destination == news ? 1 : 0;
        finish(under_way[0]);
        under_way.erase(under_way.begin());
        for (StartDelivery& start : pump()) {
            under_way.push_back(std::move(start));
        }
    }
    EXPECT_GE(bulk, 90) << "one of five";
    EXPECT_LE(bulk, 110);
}

TEST_F(FairnessTest, ASenderWithAThousandDomainsHasOneTurnOfTwo) {
    prove("mx");
    for (int i = 0; i < 1000; ++i) {
        add("d" + std::to_string(i) + ".example", "greedy.example", "mx", 3);
    }
    auto under_way = pump();
    const DestinationId modest = add("one.example", "modest.example", "mx", 50);
    int turns = 0;
    for (int i = 0; i < 100; ++i) {
        finish(under_way.front());
        under_way.erase(under_way.begin());
        for (StartDelivery& start : pump()) {
            turns += start.destination == modest ? 1 : 0;
            under_way.push_back(std::move(start));
        }
    }
    EXPECT_GE(turns, 48);
}

// Issue 4, "messages of one sender or stream can't starve another's": whoever submits under a hundred domains has no more turns
// than the one who has a single domain; mail of nobody in particular is its domain's.
TEST_F(FairnessTest, ASubmitterWithAHundredSenderDomainsHasOneTurnOfThree) {
    prove("mx");
    for (int i = 0; i < 100; ++i) {
        add("d" + std::to_string(i) + ".example", "s" + std::to_string(i) + ".example user=greedy", "mx", 3);
    }
    auto under_way = pump();
    const DestinationId modest = add("one.example", "modest.example user=modest", "mx", 100);
    const DestinationId nobodys = add("one.example", "gateway.example", "mx", 100);
    std::map<DestinationId, int> turns;
    std::set<DestinationId> others;
    for (int i = 0; i < 150; ++i) {
        finish(under_way.front());
        under_way.erase(under_way.begin());
        for (StartDelivery& start : pump()) {
            turns[start.destination] += 1;
            if (start.destination != modest && start.destination != nobodys) {
                others.insert(start.destination);
            }
            under_way.push_back(std::move(start));
        }
    }
    EXPECT_GE(turns[modest], 36);
    EXPECT_GE(turns[nobodys], 36);
    EXPECT_GE(others.size(), 20U) << "of his turns each of his lanes has its own";
}

TEST(SubmitterOfALane, IsWhatStandsBehindTheSpaceOrAllOfIt) {
    EXPECT_EQ(submitter_of("a.example user=alice"), submitter_of("b.example user=alice"));
    EXPECT_EQ(submitter_of("~a.example stream=news"), submitter_of("b.example stream=news"));
    EXPECT_EQ(submitter_of("~a.example"), submitter_of("a.example"));
    EXPECT_NE(submitter_of("a.example"), submitter_of("b.example"));
    EXPECT_NE(submitter_of("user=alice"), submitter_of("a.example user=alice"));
    EXPECT_EQ(submitter_of(""), "");
}

TEST_F(FairnessTest, ProvidersLimitHoldsOverTheirSites) {
    for (const char* site : {"mx.a", "mx.b", "mx.c"}) {
        limit_provider(site, "giant", 7);
        prove(site, 100);
    }
    for (int i = 0; i < 30; ++i) {
        add("d" + std::to_string(i) + ".example", "", std::string("mx.") + "abc"[i % 3], 20);
    }
    auto under_way = pump();
    std::map<std::string, int> turns;
    for (int i = 0; i < 300; ++i) {
        ASSERT_EQ(active(), 7U);
        turns[site_of(under_way.front().destination)] += 1;
        finish(under_way.front());
        under_way.erase(under_way.begin());
        for (StartDelivery& start : pump()) {
            under_way.push_back(std::move(start));
        }
    }
    for (const auto& [site, count] : turns) {
        EXPECT_GE(count, 80) << site << ": by turns";
    }
    // Another site is not concerned.
    add("small.example", "", "mx.small", 1);
    EXPECT_EQ(pump().size(), 1U);
}

// A reload that raises the limit of a provider: all that there is room for now begin, not the next one only.
TEST_F(FairnessTest, AHigherLimitOfAProviderIsUsedAtOnce) {
    for (int i = 0; i < 6; ++i) {
        const std::string site = "mx.g" + std::to_string(i);
        limit_provider(site, "giant", 1);
        add("d" + std::to_string(i) + ".example", "", site, 1);
    }
    EXPECT_EQ(pump().size(), 1U);
    limit_provider("mx.g6", "giant", 10);
    add("d6.example", "", "mx.g6", 1);
    EXPECT_EQ(pump().size(), 6U);
}

// The rule about shares: 60 sites that hang can have a quarter of the connections when that is known of them,
// three quarters before; a quick site always finds its own.
TEST_F(FairnessTest, SitesThatHangLeaveRoomForTheQuick) {
    prove("mx.quick");
    for (int i = 0; i < 300; ++i) {
        add("slow" + std::to_string(i) + ".example", "", "mx.slow" + std::to_string(i), 1000);
    }
    const auto hanging = pump();
    EXPECT_EQ(hanging.size(), 150U) << "fresh ones: one each, three quarters at most";
    add("quick.example", "", "mx.quick", 1000);
    EXPECT_EQ(pump().size(), 5U);
    // They end badly: slow now, not more than a quarter is ever begun again.
    now_ += 5min;
    for (const StartDelivery& start : hanging) {
        finish(start, {Reach::reached, 5min});
    }
    for (int round = 0; round < 3; ++round) {
        std::vector<StartDelivery> again = pump();
        std::size_t known_slow = 0;
        std::set<std::string> fresh;
        for (const StartDelivery& start : hanging) {
            known_slow += active_[site_of(start.destination)];
        }
        EXPECT_LE(known_slow, 50U);
        EXPECT_LE(active(), 150U + 5U);
        now_ += 5min;
        for (const StartDelivery& start : again) {
            finish(start, {Reach::reached,
                           site_of(start.destination) == "mx.quick" ? Duration(1s) : Duration(5min)});
        }
    }
}

TEST_F(FairnessTest, SlowSitesShrinkToOneConnectionWhileOthersWait) {
    SchedulerOptions options;
    options.deliveries = 20;
    use(options);
    const auto sites = {"mx.slow", "mx.b", "mx.c", "mx.d", "mx.e"};
    for (const char* site : sites) {
        prove(site);
    }
    for (const char* site : sites) {
        add(std::string("d-") + site, "", site, 1000);
    }
    auto under_way = pump();
    EXPECT_EQ(active_["mx.slow"], 4U) << "by turns";
    for (int round = 0; round < 6; ++round) {
        now_ += 1min;
        std::vector<StartDelivery> next;
        for (const StartDelivery& start : under_way) {
            const bool slow = site_of(start.destination) == "mx.slow";
            finish(start, {Reach::reached, slow ? Duration(1min) : Duration(1s)});
        }
        under_way = pump();
    }
    EXPECT_EQ(active_["mx.slow"], 1U);
    EXPECT_EQ(active(), 20U) << "the others have the rest";
}

TEST_F(FairnessTest, ASiteWhoseDeliveriesAllHangCountsAsSlowBeforeTheyEnd) {
    SchedulerOptions options;
    options.deliveries = 16;
    options.connections_per_site = 8;
    use(options);
    prove("mx.big", 100);
    prove("mx.quick", 100);
    add("big.example", "", "mx.big", 1000);
    EXPECT_EQ(pump().size(), 8U) << "never more than half";
    now_ += 11s;
    const std::size_t kept = loaded_;
    (void)pump();
    EXPECT_LT(loaded_, kept) << "rows it cannot use soon are given back";
    add("quick.example", "", "mx.quick", 1000);
    EXPECT_EQ(pump().size(), 8U);
}

TEST_F(FairnessTest, ADeadSiteIsProbedByOneAndItsRecoveryFreesAllItsDomainsAtOnce) {
    prove("mx");
    for (int i = 0; i < 500; ++i) {
        add("d" + std::to_string(i) + ".example", "lane" + std::to_string(i % 7), "mx", 1);
    }
    for (const StartDelivery& start : pump()) {
        finish(start, kFailed);
    }
    // (their recipients are put off by the store's verdict, which is not in this test)
    Duration wait = 60s;
    for (int round = 0; round < 8; ++round) {
        EXPECT_TRUE(pump().empty());
        EXPECT_LE(loaded_, 0U);
        ASSERT_TRUE(wait_);
        EXPECT_EQ(*wait_ - now_, wait);
        now_ = *wait_;
        const auto probe = pump();
        ASSERT_EQ(probe.size(), 1U) << "exactly one";
        now_ += 30s;
        EXPECT_TRUE(pump().empty()) << "while the probe is under way";
        finish(probe[0], kFailed);
        wait = std::min<Duration>(wait * 2, 30min);
    }
    EXPECT_TRUE(pump().empty());
    now_ = *wait_;
    auto under_way = pump();
    ASSERT_EQ(under_way.size(), 1U);
    // It answers: all others may go, without another wait.
    std::size_t delivered = 0;
    const TimePoint recovered = now_;
    while (!under_way.empty()) {
        finish(under_way.back());
        under_way.pop_back();
        ++delivered;
        for (StartDelivery& start : pump()) {
            under_way.push_back(std::move(start));
        }
    }
    EXPECT_EQ(now_, recovered);
    EXPECT_EQ(delivered, 500U - 5U - 8U);
    EXPECT_EQ(scheduler_.figures().backing_off, 0U);
}

TEST_F(FairnessTest, AnAnswerDuringTheBackoffEndsIt) {
    prove("mx");
    add("a.example", "", "mx", 100);
    const auto started = pump();
    add("b.example", "", "mx", 1);
    for (std::size_t i = 0; i + 1 < started.size(); ++i) {
        finish(started[i], kFailed);
    }
    for (int i = 0; i < 3 && scheduler_.figures().backing_off == 0; ++i) {
        for (const StartDelivery& start : pump()) {
            finish(start, kFailed);
        }
    }
    EXPECT_EQ(scheduler_.figures().backing_off, 1U);
    EXPECT_TRUE(pump().empty());
    finish(started.back());
    EXPECT_EQ(scheduler_.figures().backing_off, 0U);
    EXPECT_FALSE(pump().empty());
}

TEST_F(FairnessTest, AClosedDoorBacksOffAtOnce) {
    prove("relay");
    add("a.example", "", "relay", 100);
    const auto started = pump();
    ASSERT_EQ(started.size(), 5U);
    finish(started[0], {Reach::closed, {}});
    EXPECT_TRUE(pump().empty());
    for (std::size_t i = 1; i < started.size(); ++i) {
        finish(started[i]);  // logged in before
    }
    EXPECT_TRUE(pump().empty()) << "those say nothing of the door";
    EXPECT_EQ(*wait_ - now_, Duration(60s));
}

// Our own descriptors or ports are used up: a pause of a second for all, and no site is to blame.
TEST_F(FairnessTest, AShortageOfOursStopsStartsForASecondAndBlamesNoSite) {
    prove("mx");
    add("a.example", "", "mx", 100);
    const auto started = pump();
    finish(started[0], {Reach::shortage, {}});
    EXPECT_TRUE(pump().empty());
    EXPECT_EQ(wait_, now_ + 1s);
    EXPECT_EQ(scheduler_.figures().backing_off, 0U);
    now_ += 1s;
    EXPECT_EQ(pump().size(), 1U) << "its window is as it was";
}

// 1,000 slow sites with 1,000 recipients each: what is loaded is bounded, and a quick site's mail is claimed
// all the same.
TEST_F(FairnessTest, RowsOfSlowSitesDoNotFillTheMemory) {
    prove("mx.quick");
    for (int i = 0; i < 1000; ++i) {
        add("slow" + std::to_string(i) + ".example", "", "mx.slow" + std::to_string(i), 1000);
    }
    std::vector<StartDelivery> under_way;
    for (int minute = 0; minute < 10; ++minute) {
        for (StartDelivery& start : pump()) {
            under_way.push_back(std::move(start));
        }
        now_ += 1min;
        for (const StartDelivery& start : under_way) {
            finish(start, {Reach::reached,
                           site_of(start.destination) == "mx.quick" ? Duration(1s) : Duration(1min)});
        }
        under_way.clear();
        EXPECT_LE(loaded_, 20U * 200U + 50U);
        add("quick.example", "", "mx.quick", 1);
        bool found = false;
        for (StartDelivery& start : pump()) {
            found = found || site_of(start.destination) == "mx.quick";
            under_way.push_back(std::move(start));
        }
        EXPECT_TRUE(found) << "minute " << minute;
    }
    EXPECT_LE(most_loaded_, 20U * 200U + 50U);
}

TEST_F(FairnessTest, NewRoutesAreAskedForBeforeTheNextStart) {
    prove("mx.old");
    const DestinationId id = add("a.example", "", "mx.old", 10);
    auto started = pump();
    scheduler_.forget_places();
    add("a.example", "", "relay", 0);
    finish(started[0]);
    const auto next = pump();
    ASSERT_FALSE(next.empty());
    EXPECT_EQ(next[0].destination, id);
    EXPECT_NE(next[0].site, started[0].site);
}

}  // namespace
}  // namespace posthorn::queue
