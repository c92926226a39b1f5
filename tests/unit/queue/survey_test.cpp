// The operator's surveys, held against each store: ages of waiting mail, and what waits for whom.
#include <map>

#include "store_fixture.hpp"
#include "store_makers.hpp"
#include "support/temp_dir.hpp"

namespace posthorn::queue::test {
namespace {

using namespace std::chrono_literals;

TEST(AgeTable, ColumnsEndBeforeTheirMinute) {
    const TimePoint now = std::chrono::sys_days(std::chrono::year(2026) / 11 / 22);
    EXPECT_EQ(age_column(now, now), 0U);
    EXPECT_EQ(age_column(now + 1h, now), 0U);  // a clock that was set back
    EXPECT_EQ(age_column(now - 5min + 1ms, now), 0U);
    EXPECT_EQ(age_column(now - 5min, now), 1U);
    EXPECT_EQ(age_column(now - 79min, now), 4U);
    EXPECT_EQ(age_column(now - 80min, now), 5U);
    EXPECT_EQ(age_column(now - 1280min, now), kAgeColumns - 1);
    EXPECT_EQ(age_column(now - 24h * 30, now), kAgeColumns - 1);
}

TEST(AgeTable, SumsPagesAndOrdersByNumber) {
    AgeTable table;
    AgeRow row;
    row.name = "few.test";
    row.counts[0] = 1;
    table.add(row);
    row.name = "many.test";
    row.counts[1] = 5;
    table.add(row);
    table.add(row);
    ASSERT_EQ(table.fullest(10).size(), 2U);
    EXPECT_EQ(table.fullest(10)[0].name, "many.test");
    EXPECT_EQ(table.fullest(10)[0].total(), 12U);
    EXPECT_EQ(table.fullest(1).size(), 1U);
    EXPECT_EQ(table.total().counts[0], 3U);
    EXPECT_EQ(table.total().counts[1], 10U);
}

TEST(AgeTable, NamesAreBounded) {
    AgeTable table;
    AgeRow row;
    row.counts[0] = 1;
    for (std::size_t i = 0; i < AgeTable::kMostRows + 50; ++i) {
        row.name = "d" + std::to_string(i) + ".test";
        table.add(row);
    }
    EXPECT_LE(table.size(), AgeTable::kMostRows + 1);
    EXPECT_EQ(table.fullest(1)[0].name, AgeTable::kOthers);
    EXPECT_EQ(table.total().total(), AgeTable::kMostRows + 50);
}

template <class Maker>
class Survey : public testing::Test {
protected:
    void SetUp() override { ASSERT_NE(store_ = Maker::make(directory_.path()), nullptr); }

    // A message of this age; its id tells its time.
    QueueId add_aged(Duration age, const std::string& from, const std::vector<std::pair<std::string, std::string>>& to) {
        auto message = make_message((now_ - age).time_since_epoch().count() << 20 | ++count_, "Hello\r\n", now_ - age);
        message->reverse_path = from;
        NewMessage added{message, {}};
        for (const auto& [local, domain] : to) added.recipients.push_back(make_recipient(local, domain, now_, false, "lane" + local));
        EXPECT_TRUE(add(*store_, std::move(added)));
        return message->id;
    }
    std::map<std::string, AgeRow> ages(bool by_sender, std::size_t limit) {
        AgeQuery query{now_, 0, limit, by_sender};
        AgeTable table;
        for (int parts = 0; parts < 100; ++parts) {
            const auto page = await<AgePage>([&](Done<AgePage> done) { store_->ages(query, std::move(done)); });
            EXPECT_TRUE(page);
            if (!page) break;
            for (const AgeRow& row : page->rows) table.add(row);
            if (page->complete) break;
            query.after = page->looked_to;
        }
        std::map<std::string, AgeRow> out;
        for (const AgeRow& row : table.fullest(100)) out[row.name] = row;
        return out;
    }
    LookedUp look_up(Lookup lookup) {
        auto found = await<LookedUp>([&](Done<LookedUp> done) { store_->look_up(std::move(lookup), std::move(done)); });
        EXPECT_TRUE(found);
        return found ? *std::move(found) : LookedUp{};
    }
    void defer(QueueId id, const std::string& failure_class) {
        const auto entry = await<QueueEntry>([&](Done<QueueEntry> done) { store_->show(id, std::move(done)); });
        Settlement settlement;
        for (const Recipient& recipient : entry->recipients) {
            Verdict verdict;
            verdict.recipient = recipient.id;
            verdict.message = id;
            verdict.kind = Verdict::Kind::defer;
            verdict.due_at = now_ + 5min;
            verdict.failure_class = failure_class;
            verdict.reply = "451 later";
            settlement.verdicts.push_back(verdict);
        }
        EXPECT_TRUE(settle(*store_, std::move(settlement)));
    }

    posthorn::test::TempDir directory_;
    std::unique_ptr<QueueStore> store_;
    std::int64_t count_ = 0;
    const TimePoint now_ = wall_now();
};

using Makers = testing::Types<MemoryMaker, SqliteMaker>;
TYPED_TEST_SUITE(Survey, Makers);

TYPED_TEST(Survey, AgesByDomainAndBySenderPartByPart) {
    this->add_aged(1min, "a@one.example", {{"x", "dest.test"}, {"y", "dest.test"}, {"z", "other.test"}});
    this->add_aged(30min, "B@ONE.example", {{"x", "dest.test"}});
    const QueueId held = this->add_aged(48h, "", {{"x", "other.test"}});
    EXPECT_TRUE(revise(*this->store_, held, Revision::hold, this->now_));
    const QueueId gone = this->add_aged(2min, "a@one.example", {{"x", "gone.test"}});
    EXPECT_TRUE(revise(*this->store_, gone, Revision::remove, this->now_));
    for (const std::size_t limit : {1U, 2U, 1000U}) {
        const auto domains = this->ages(false, limit);
        ASSERT_EQ(domains.size(), 2U) << limit;
        EXPECT_EQ(domains.at("dest.test").counts[0], 2U);
        EXPECT_EQ(domains.at("dest.test").counts[3], 1U);
        EXPECT_EQ(domains.at("other.test").counts[0], 1U);
        EXPECT_EQ(domains.at("other.test").counts[kAgeColumns - 1], 1U);
        const auto senders = this->ages(true, limit);
        ASSERT_EQ(senders.size(), 2U) << limit;
        EXPECT_EQ(senders.at("one.example").total(), 4U);
        EXPECT_EQ(senders.at("").total(), 1U);
    }
}

TYPED_TEST(Survey, IdleRecipientsAreCountedByWhomTheyWaitFor) {
    const auto idle = [this] {
        const auto counts = await<IdleCounts>([&](Done<IdleCounts> done) { this->store_->idle(std::move(done)); });
        EXPECT_TRUE(counts);
        return counts ? std::pair(counts->held, counts->suspended) : std::pair<std::uint64_t, std::uint64_t>();
    };
    EXPECT_EQ(idle(), std::pair(std::uint64_t{0}, std::uint64_t{0}));
    this->add_aged(1min, "a@one.example", {{"x", "dest.test"}});
    const QueueId held = this->add_aged(1min, "a@one.example", {{"x", "dest.test"}, {"y", "dest.test"}});
    const QueueId suspended = this->add_aged(1min, "a@one.example", {{"x", "dest.test"}, {"y", "dest.test"}, {"z", "other.test"}});
    EXPECT_TRUE(revise(*this->store_, held, Revision::hold, this->now_));
    EXPECT_TRUE(revise(*this->store_, suspended, Revision::suspend, this->now_));
    EXPECT_EQ(idle(), std::pair(std::uint64_t{2}, std::uint64_t{3}));
    EXPECT_TRUE(revise(*this->store_, suspended, Revision::resume, this->now_));
    EXPECT_TRUE(revise(*this->store_, held, Revision::remove, this->now_));
    EXPECT_EQ(idle(), std::pair(std::uint64_t{0}, std::uint64_t{0}));
}

TYPED_TEST(Survey, LookingUpADomainShowsTheOldestAndCountsAll) {
    const QueueId young = this->add_aged(1min, "a@one.example", {{"x", "dest.test"}, {"z", "other.test"}});
    const QueueId old = this->add_aged(3h, "a@one.example", {{"x", "dest.test"}, {"y", "dest.test"}});
    this->defer(old, "grey");
    EXPECT_TRUE(revise(*this->store_, young, Revision::hold, this->now_));
    LookedUp found = this->look_up({"", "dest.test", "", 2});
    EXPECT_EQ(found.recipients, 3U);
    EXPECT_EQ(found.held, 1U);
    EXPECT_EQ(found.by_class.at("grey"), 2U);
    EXPECT_EQ(found.by_class.at(""), 1U);
    EXPECT_TRUE(found.complete);
    ASSERT_EQ(found.oldest.size(), 1U);
    EXPECT_EQ(found.oldest[0].id, old);
    ASSERT_EQ(found.oldest[0].recipients.size(), 2U);
    EXPECT_EQ(found.oldest[0].recipients[0].last_reply, "451 later");
    EXPECT_EQ(found.oldest[0].reverse_path, "a@one.example");

    found = this->look_up({"", "dest.test", "", 5});
    ASSERT_EQ(found.oldest.size(), 2U);
    EXPECT_EQ(found.oldest[1].id, young);
    EXPECT_EQ(found.oldest[1].recipients.size(), 1U);  // z is somebody else's

    found = this->look_up({"X@DEST.test", "dest.test", "", 5});
    EXPECT_EQ(found.recipients, 2U);
    found = this->look_up({"", "", "One.Example", 1});
    EXPECT_EQ(found.recipients, 4U);
    ASSERT_EQ(found.oldest.size(), 1U);
    EXPECT_EQ(found.oldest[0].id, old);
    EXPECT_EQ(this->look_up({"", "nowhere.test", "", 5}).recipients, 0U);
    EXPECT_EQ(this->look_up({"", "", "nowhere.test", 5}).recipients, 0U);
}

TYPED_TEST(Survey, TheTallyCountsTwoWindowsByGroup) {
    Settlement settlement;
    const auto entry = [&](Duration age, const char* group, const char* event) {
        JournalEntry one;
        one.at = this->now_ - age;
        one.group = group;
        one.event = event;
        settlement.journal.push_back(one);
    };
    entry(30h, "google", "delivered");
    entry(20h, "google", "failed");
    entry(3h, "mx.dest.test", "delivered");
    entry(30min, "google", "delivered");
    entry(20min, "google", "deferred");
    entry(10min, "google", "suppressed");
    EXPECT_TRUE(settle(*this->store_, std::move(settlement)));
    for (const std::size_t scan : {1U, 4U, 1000U}) {
        TallyQuery query;
        query.recent = this->now_ - 1h;
        query.since = this->now_ - 24h;
        query.scan = scan;
        std::map<std::string, TallyRow> sums;
        for (int parts = 0; parts < 20; ++parts) {
            const auto page = await<TallyPage>([&](Done<TallyPage> done) { this->store_->tally(query, std::move(done)); });
            ASSERT_TRUE(page);
            for (const TallyRow& row : page->rows) {
                TallyRow& sum = sums[row.group];
                for (const auto count : {&TallyCounts::delivered, &TallyCounts::deferred, &TallyCounts::failed}) {
                    sum.recent.*count += row.recent.*count;
                    sum.all.*count += row.all.*count;
                }
            }
            if (page->complete) break;
            query.before = page->looked_to;
        }
        ASSERT_EQ(sums.size(), 2U) << scan;
        EXPECT_EQ(sums["google"].recent.delivered, 1U);
        EXPECT_EQ(sums["google"].recent.deferred, 1U);
        EXPECT_EQ(sums["google"].all.delivered, 1U);
        EXPECT_EQ(sums["google"].all.failed, 1U);
        EXPECT_EQ(sums["mx.dest.test"].all.delivered, 1U);
        EXPECT_EQ(sums["mx.dest.test"].recent.delivered, 0U);
    }
}

TYPED_TEST(Survey, LookingUpSaysWhereItStopped) {
    for (int i = 0; i < 20; ++i) this->add_aged(1min, "a@one.example", {{"x", "dest.test"}});
    const LookedUp found = this->look_up({"", "dest.test", "", 3, 10});
    EXPECT_FALSE(found.complete);
    EXPECT_EQ(found.recipients, 10U);
    EXPECT_EQ(found.oldest.size(), 3U);
    EXPECT_FALSE(this->look_up({"", "", "one.example", 3, 10}).complete);
    EXPECT_TRUE(this->look_up({"", "", "one.example", 3, 20}).complete);
}

}  // namespace
}  // namespace posthorn::queue::test
