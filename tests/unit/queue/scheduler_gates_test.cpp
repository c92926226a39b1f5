// Mail at gates: what is shut holds up nobody else, letters come before bulk mail, and an operator's row
// passes.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "queue/scheduler.hpp"

namespace posthorn::queue {
namespace {

using namespace std::chrono_literals;

const TimePoint kStart{std::chrono::hours(480'000)};

// Rows in plenty at one site; a destination's lane is its sender, whose gate it passes besides "provider|g".
class GatesTest : public testing::Test {
protected:
    void add(DestinationId id, const std::string& lane, int count) {
        waiting_[id] += count;
        scheduler_.on_due(id, "d" + std::to_string(id) + ".example", lane, now_);
    }
    std::vector<StartDelivery> pump() {
        std::vector<StartDelivery> started;
        for (;;) {
            SchedulerAction action = scheduler_.next(now_);
            if (auto* start = std::get_if<StartDelivery>(&action)) {
                loaded_ -= start->recipients.size();
                started.push_back(std::move(*start));
            } else if (const auto* claim = std::get_if<ClaimDue>(&action)) {
                std::vector<Recipient> rows;
                for (int& left = waiting_[claim->destination]; left > 0 && rows.size() < claim->limit;
                     --left) {
                    Recipient row;
                    row.id = ++last_row_;
                    row.message = QueueId(row.id);
                    row.destination = claim->destination;
                    row.due_at = kStart;
                    owner_[row.id] = claim->destination;
                    rows.push_back(row);
                }
                loaded_ += rows.size();
                const auto next = waiting_[claim->destination] > 0 ? std::optional(kStart) : std::nullopt;
                scheduler_.claimed(claim->destination, std::move(rows), next, now_);
            } else if (const auto* resolve = std::get_if<ResolveSite>(&action)) {
                const std::vector<std::string> gates = {"provider|g", "sender|" + resolve->lane};
                SitePlace place;
                place.key = "mx";
                place.gates = gates;
                scheduler_.resolved(resolve->destination, place, now_ + 240h, now_);
            } else if (const auto* back = std::get_if<GiveBack>(&action)) {
                for (const RecipientId id : back->recipients) {
                    waiting_[owner_.at(id)] += 1;
                }
                loaded_ -= back->recipients.size();
            } else {
                wait_ = std::get<WaitUntil>(action).when;
                return started;
            }
        }
    }
    void finish(const StartDelivery& start) {
        DeliveryFeedback feedback;
        feedback.passage = start.passage;
        (void)scheduler_.finished(start.site, start.destination, feedback, now_);
    }
    void close(const std::string& key) {
        GateSettings closed;
        closed.allowance = 0;
        scheduler_.set_gate(key, closed, now_);
    }

    Scheduler scheduler_{SchedulerOptions{}};
    TimePoint now_ = kStart;
    std::optional<TimePoint> wait_;
    std::map<DestinationId, int> waiting_;
    std::map<RecipientId, DestinationId> owner_;
    RecipientId last_row_ = 0;
    std::size_t loaded_ = 0;
};

TEST_F(GatesTest, WhatIsBehindAClosedGateStaysInTheStoreAndHoldsUpNobody) {  // PR-45
    close("sender|held.example");
    add(1, "held.example", 100);
    add(2, "held.example", 100);
    add(3, "free.example", 3);
    for (int left = 3; left > 0;) {
        const auto started = pump();
        ASSERT_FALSE(started.empty());
        for (const StartDelivery& start : started) {
            EXPECT_EQ(start.destination, 3);
            finish(start);
            --left;
        }
    }
    EXPECT_TRUE(pump().empty());
    EXPECT_EQ(loaded_, 0U);
    EXPECT_EQ(wait_, std::nullopt) << "nobody looks whether it has opened";
    EXPECT_EQ(scheduler_.behind("sender|held.example", 10).size(), 2U);
    EXPECT_EQ(scheduler_.behind("sender|held.example", 1).size(), 1U);
    EXPECT_TRUE(scheduler_.behind("sender|free.example", 10).empty());
    EXPECT_FALSE(scheduler_.wants_hot("d1.example", "held.example", 100, now_));
    const auto gates = scheduler_.gates_of("d1.example", "held.example", now_);
    ASSERT_EQ(gates.size(), 1U) << "the others bound nothing";
    EXPECT_EQ(gates[0].key, "sender|held.example");
    EXPECT_FALSE(gates[0].open);
    scheduler_.set_gate("sender|held.example", {}, now_);
    EXPECT_FALSE(pump().empty());
}

TEST_F(GatesTest, ClosingGivesBackWhatIsLoaded) {
    add(1, "held.example", 100);
    const auto started = pump();
    EXPECT_GT(loaded_, 0U);
    close("sender|held.example");
    for (const StartDelivery& start : started) {
        finish(start);
    }
    EXPECT_TRUE(pump().empty());
    EXPECT_EQ(loaded_, 0U);
}

// A newsletter uses the rate up; the next token is a letter's, and one of five is the newsletter's.
TEST_F(GatesTest, LettersComeFirstWhereTheRateIsTheBottleneck) {  // PR-14, PR-21
    GateSettings slow;
    slow.rate = Rate{20, 1h};
    scheduler_.set_gate("provider|g", slow, now_);
    for (DestinationId id = 1; id <= 50; ++id) {
        add(id, "~news.example", 10);
    }
    for (const StartDelivery& start : pump()) {
        finish(start);
    }
    add(100, "alice.example", 100);
    EXPECT_TRUE(pump().empty());
    int letters = 0;
    for (int token = 0; token < 20; ++token) {
        ASSERT_TRUE(wait_);
        EXPECT_EQ(*wait_ - now_, 3min) << "no polling between tokens";
        now_ = *wait_;
        const auto started = pump();
        ASSERT_EQ(started.size(), 1U);
        letters += started[0].destination == 100 ? 1 : 0;
        EXPECT_TRUE(token > 0 || started[0].destination == 100);
        finish(started[0]);
        (void)pump();
        EXPECT_LE(loaded_, 8U) << "what may not start soon is not in memory";
    }
    EXPECT_GE(letters, 14);
    EXPECT_LE(letters, 18);
}

TEST_F(GatesTest, AnUrgentRowPassesOnce) {  // 2.7: one probe, an operator's retry
    close("sender|held.example");
    add(1, "held.example", 10);
    EXPECT_TRUE(pump().empty());
    Recipient row;
    row.id = ++last_row_;
    row.message = QueueId(row.id);
    row.destination = 1;
    loaded_ += 1;
    scheduler_.urgent(1, "d1.example", "held.example", {row}, now_);
    const auto started = pump();
    ASSERT_EQ(started.size(), 1U);
    EXPECT_EQ(started[0].recipients[0].recipient.id, row.id);
    EXPECT_EQ(scheduler_.gates_of(1, now_).at(0).active, 1U);
    finish(started[0]);
    EXPECT_TRUE(pump().empty()) << "the others stay";
    // Also of a destination that nobody knows yet.
    row.id = ++last_row_;
    row.destination = 7;
    loaded_ += 1;
    scheduler_.urgent(7, "d7.example", "held.example", {row}, now_);
    EXPECT_EQ(pump().size(), 1U);
}

TEST_F(GatesTest, ATransactionIsCutToWhatTheGatesLetThrough) {
    GateSettings few;
    few.allowance = 3;
    scheduler_.set_gate("provider|g", few, now_);
    std::vector<ReadyRecipient> ready;
    for (int i = 0; i < 10; ++i) {
        Recipient row;
        row.id = ++last_row_;
        row.message = QueueId(1);
        row.destination = 1;
        owner_[row.id] = 1;
        ready.push_back({row, std::make_shared<mail::Message>()});
    }
    loaded_ += ready.size();
    scheduler_.on_added(1, "d1.example", "a.example", std::move(ready), 0, now_);
    const auto started = pump();
    ASSERT_EQ(started.size(), 1U);
    EXPECT_EQ(started[0].recipients.size(), 3U);
    finish(started[0]);
    EXPECT_EQ(pump().size(), 1U) << "nobody counted what was sent, so three may start again";
}

}  // namespace
}  // namespace posthorn::queue
