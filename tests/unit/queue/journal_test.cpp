// The journal and the suppressed addresses, held against each store; the numbers, the bounds, and what a power cut leaves (PR-40).
#include "queue/journal.hpp"

#include <sqlite3.h>

#include <filesystem>
#include <random>
#include <set>

#include "crash_vfs.hpp"
#include "queue/sqlite/database.hpp"
#include "queue/sqlite/schema.hpp"
#include "queue/sqlite/sqlite_store.hpp"
#include "store_fixture.hpp"
#include "store_makers.hpp"
#include "support/temp_dir.hpp"

namespace posthorn::queue::test {
namespace {

using namespace std::chrono_literals;

template <class Maker>
class JournalContract : public testing::Test {
protected:
    QueueStore& open(const JournalOptions& options = {}) {
        store_.reset();
        store_ = Maker::make(directory_.path(), options);
        return *store_;
    }
    void write(std::vector<JournalEntry> entries) {
        ASSERT_TRUE(settle(*store_, {{}, {}, std::move(entries), {}}));
    }
    static std::vector<std::uint64_t> numbers(const JournalPage& page) {
        std::vector<std::uint64_t> found;
        for (const JournalEntry& entry : page.entries) found.push_back(entry.seq);
        return found;
    }

    posthorn::test::TempDir directory_;
    std::unique_ptr<QueueStore> store_;
    TimePoint now_ = wall_now();
};
using Stores = testing::Types<MemoryMaker, SqliteMaker>;
TYPED_TEST_SUITE(JournalContract, Stores);

using Numbers = std::vector<std::uint64_t>;

TYPED_TEST(JournalContract, AnEntryComesBackAsItWasWritten) {
    QueueStore& store = this->open();
    JournalEntry entry = make_entry(7, "Jörg@example.net", this->now_);
    entry.event = "deferred";
    entry.source = "user=shop";
    entry.stream = "news";
    entry.host = "mx1.example.net[192.0.2.1]";
    entry.failure_class = "auth";
    entry.rule = "google/unauthenticated";
    entry.reply = "550-5.7.26 Your email has been blocked\n550 5.7.26 ...";
    entry.diagnosis = R"({"spf": "fail"})";
    entry.transcript = std::string(JournalEntry::kLongestTranscript, 't');
    entry.attempts = 3;
    entry.delay = 90s;
    entry.due_at = this->now_ + 5min;
    this->write({entry});
    const JournalPage page = journal(store).value();
    ASSERT_EQ(page.entries.size(), 1U);
    const JournalEntry& back = page.entries[0];
    EXPECT_EQ(back.seq, 1U);
    EXPECT_EQ(back.at, entry.at);
    EXPECT_EQ(back.message, QueueId(7));
    EXPECT_EQ(back.event, "deferred");
    EXPECT_EQ(back.from, entry.from);
    EXPECT_EQ(back.to, entry.to);
    EXPECT_EQ(back.source, entry.source);
    EXPECT_EQ(back.stream, entry.stream);
    EXPECT_EQ(back.group, "google");
    EXPECT_EQ(back.host, entry.host);
    EXPECT_EQ(back.failure_class, "auth");
    EXPECT_EQ(back.rule, entry.rule);
    EXPECT_EQ(back.reply, entry.reply);
    EXPECT_EQ(back.diagnosis, entry.diagnosis);
    EXPECT_EQ(back.transcript, entry.transcript);
    EXPECT_EQ(back.attempts, 3U);
    EXPECT_EQ(back.delay, 90s);
    EXPECT_EQ(back.due_at, entry.due_at);
    JournalQuery brief;
    brief.details = false;
    EXPECT_EQ(journal(store, brief).value().entries[0].transcript, "");
    EXPECT_EQ(journal(store, brief).value().entries[0].diagnosis, "");
}

TYPED_TEST(JournalContract, AnEmptyJournalSaysSo) {
    const JournalPage page = journal(this->open()).value();
    EXPECT_TRUE(page.entries.empty());
    EXPECT_EQ(page.first, 0U);
    EXPECT_EQ(page.last, 0U);
    EXPECT_TRUE(page.complete);
}

TYPED_TEST(JournalContract, PagesGoOnWhereTheLastOneEnded) {
    QueueStore& store = this->open();
    for (int i = 1; i <= 5; ++i) this->write({make_entry(i, "a@example.net"), make_entry(i, "b@example.net")});
    JournalQuery query;
    query.limit = 4;
    Numbers seen;
    for (bool complete = false; !complete;) {
        const JournalPage page = journal(store, query).value();
        EXPECT_EQ(page.first, 1U);
        EXPECT_EQ(page.last, 10U);
        for (const auto seq : TestFixture::numbers(page)) seen.push_back(seq);
        ASSERT_GT(page.looked_to, query.after);
        query.after = page.looked_to;
        complete = page.complete;
    }
    EXPECT_EQ(seen, (Numbers{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));

    JournalQuery back;
    back.limit = 7;
    back.newest_first = true;
    JournalPage page = journal(store, back).value();
    EXPECT_EQ(TestFixture::numbers(page), (Numbers{10, 9, 8, 7, 6, 5, 4}));
    EXPECT_FALSE(page.complete);
    back.before = page.looked_to;
    page = journal(store, back).value();
    EXPECT_EQ(TestFixture::numbers(page), (Numbers{3, 2, 1}));
    EXPECT_TRUE(page.complete);
}

TYPED_TEST(JournalContract, ACursorAtTheEndWaitsForWhatComes) {
    QueueStore& store = this->open();
    this->write({make_entry(1, "a@example.net")});
    JournalQuery query;
    query.after = 1;
    JournalPage page = journal(store, query).value();
    EXPECT_TRUE(page.entries.empty());
    EXPECT_TRUE(page.complete);
    EXPECT_EQ(page.looked_to, 1U);
    this->write({make_entry(2, "a@example.net")});
    EXPECT_EQ(TestFixture::numbers(journal(store, query).value()), Numbers{2});
}

TYPED_TEST(JournalContract, EntriesAreFoundByWhatTheyAreAbout) {
    QueueStore& store = this->open();
    JournalEntry other = make_entry(2, "B@Example.net");
    other.group = "yahoo";
    this->write({make_entry(1, "a@example.net"), other, make_entry(1, "c@example.com")});
    const auto found = [&](auto set) {
        JournalQuery query;
        set(query);
        return TestFixture::numbers(journal(store, query).value());
    };
    EXPECT_EQ(found([](JournalQuery& query) { query.message = QueueId(1); }), (Numbers{1, 3}));
    EXPECT_EQ(found([](JournalQuery& query) { query.to = "b@example.NET"; }), Numbers{2});
    EXPECT_EQ(found([](JournalQuery& query) { query.domain = "example.net"; }), (Numbers{1, 2}));
    EXPECT_EQ(found([](JournalQuery& query) { query.group = "google"; }), (Numbers{1, 3}));
    EXPECT_EQ(found([](JournalQuery& query) { query.group = "google", query.domain = "example.com"; }), Numbers{3});
}

TYPED_TEST(JournalContract, AQuestionLooksAtSoManyEntriesAndSaysHowFarItCame) {
    QueueStore& store = this->open();
    std::vector<JournalEntry> entries;
    for (int i = 1; i <= 10; ++i) entries.push_back(make_entry(i, "a@example.net"));
    this->write(std::move(entries));
    JournalQuery query;
    query.message = QueueId(9);
    query.scan = 4;
    JournalPage page = journal(store, query).value();
    EXPECT_TRUE(page.entries.empty());
    EXPECT_EQ(page.looked_to, 4U);
    EXPECT_FALSE(page.complete);
    query.after = 8;
    page = journal(store, query).value();
    EXPECT_EQ(TestFixture::numbers(page), Numbers{9});
    EXPECT_TRUE(page.complete);
    query = {};
    query.message = QueueId(2);
    query.scan = 4;
    query.newest_first = true;
    page = journal(store, query).value();
    EXPECT_TRUE(page.entries.empty());
    EXPECT_EQ(page.looked_to, 7U);
    EXPECT_FALSE(page.complete);
}

TYPED_TEST(JournalContract, TheOldestGoAndTheNumbersGoOn) {
    JournalOptions options;
    options.max_rows = 100;
    QueueStore& store = this->open(options);
    for (int i = 0; i < 40; ++i) {
        std::vector<JournalEntry> entries;
        for (int j = 0; j < 20; ++j) entries.push_back(make_entry(i, "a@example.net", this->now_));
        this->write(std::move(entries));
        const StoreHealth health = store.health();
        EXPECT_LE(health.journal_last - health.journal_first + 1, 100U + 64U) << "a little more than the bound at most";
    }
    const JournalPage page = journal(store).value();
    EXPECT_EQ(page.last, 800U);
    EXPECT_GE(page.first, 800U - 164U);
    EXPECT_EQ(page.entries.front().seq, page.first);
    EXPECT_EQ(store.health().journal_first, page.first);
    EXPECT_EQ(store.health().journal_last, 800U);
}

TYPED_TEST(JournalContract, WhatIsTooOldGoesAndTheNewestStays) {
    JournalOptions options;
    options.keep = 1h;
    QueueStore& store = this->open(options);
    this->write({make_entry(1, "a@example.net", this->now_ - 3h), make_entry(2, "a@example.net", this->now_ - 2h)});
    EXPECT_EQ(journal(store).value().first, 2U) << "the newest stays, however old, for its number";
    std::vector<JournalEntry> entries;
    for (int i = 0; i < 70; ++i) entries.push_back(make_entry(3, "a@example.net", this->now_));
    this->write(std::move(entries));
    this->write({make_entry(4, "a@example.net", this->now_)});
    EXPECT_EQ(journal(store).value().last, 73U);
    if constexpr (std::is_same_v<TypeParam, SqliteMaker>) return;  // looks again within a minute: see below
    EXPECT_EQ(journal(store).value().first, 3U);
}

TYPED_TEST(JournalContract, NothingIsWrittenWhereThereIsNoJournal) {
    JournalOptions options;
    options.max_rows = 0;
    QueueStore& store = this->open(options);
    this->write({make_entry(1, "a@example.net")});
    EXPECT_EQ(journal(store).value().last, 0U);
}

TYPED_TEST(JournalContract, ASettlementThatIsRefusedLeavesNoEntry) {
    QueueStore& store = this->open();
    ASSERT_TRUE(add(store, {make_message(1), {make_recipient("a", "example.net", this->now_)}}));
    this->write({make_entry(1, "a@example.net")});
    NewMessage taken{make_message(1), {make_recipient("b", "example.net", this->now_)}};
    std::vector<NewMessage> messages;
    messages.push_back(taken);
    Settlement settlement{{}, std::move(messages), {make_entry(2, "b@example.net")}, {{"b@example.net", this->now_, "rcpt-perm", "550", {}}}};
    EXPECT_EQ(settle(store, std::move(settlement)).error().fault, StoreFault::refused);
    EXPECT_EQ(journal(store).value().last, 1U);
    EXPECT_TRUE(suppressions(store).value().empty());
    this->write({make_entry(3, "c@example.net")});
    EXPECT_EQ(TestFixture::numbers(journal(store).value()), (Numbers{1, 2})) << "no number is lost by it";
}

TYPED_TEST(JournalContract, AnAddressIsSuppressedOnceAndUntilItIsTakenOut) {
    QueueStore& store = this->open();
    const Suppression first{"a@example.net", this->now_, "rcpt-perm", "550 5.1.1 no such user", QueueId(7)};
    ASSERT_TRUE(settle(store, {{}, {}, {}, {first}}));
    EXPECT_EQ(suppress(store, {{"a@example.net", this->now_ + 1h, "operator", "", {}},
                               {"b@example.net", this->now_, "operator", "asked us to", {}}}).value(), 1U);
    const auto all = suppressions(store).value();
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].address, "a@example.net");
    EXPECT_EQ(all[0].since, this->now_) << "the first reason stays";
    EXPECT_EQ(all[0].failure_class, "rcpt-perm");
    EXPECT_EQ(all[0].reply, "550 5.1.1 no such user");
    EXPECT_EQ(all[0].message, QueueId(7));
    EXPECT_EQ(all[1].reply, "asked us to");
    EXPECT_EQ(suppressions(store, "a@example.net").value().size(), 1U);
    EXPECT_EQ(suppressions(store, "", 1).value().size(), 1U);
    EXPECT_EQ(unsuppress(store, {"a@example.net", "never@example.net"}).value(), 1U);
    EXPECT_EQ(suppressions(store).value().size(), 1U);
}

TYPED_TEST(JournalContract, EveryQuestionHasAnEnd) {
    QueueStore& store = this->open();
    std::vector<JournalEntry> entries;
    for (std::size_t i = 0; i < JournalQuery::kMost + 10; ++i) entries.push_back(make_entry(1, "a@example.net"));
    this->write(std::move(entries));
    JournalQuery query;
    query.limit = 1'000'000;
    const JournalPage page = journal(store, query).value();
    EXPECT_EQ(page.entries.size(), JournalQuery::kMost);
    EXPECT_FALSE(page.complete);
    EXPECT_EQ(page.looked_to, JournalQuery::kMost);
}

// What is sqlite's own.

struct SqliteJournal : testing::Test {
    std::unique_ptr<QueueStore> open(const JournalOptions& options = {}) { return SqliteMaker::make(directory_.path(), options); }
    static void write(QueueStore& store, std::size_t count, TimePoint at = wall_now()) {
        std::vector<JournalEntry> entries;
        for (std::size_t i = 0; i < count; ++i) entries.push_back(make_entry(1, "a@example.net", at));
        ASSERT_TRUE(settle(store, {{}, {}, std::move(entries), {}}));
    }
    posthorn::test::TempDir directory_;
};

TEST_F(SqliteJournal, NumbersGoOnAfterARestartThatFindsEverythingTooOld) {
    JournalOptions options;
    options.keep = 1h;
    auto store = open(options);
    write(*store, 5, wall_now() - 2h);
    store.reset();
    store = open(options);
    EXPECT_EQ(journal(*store).value().first, 5U);
    write(*store, 1);
    EXPECT_EQ(journal(*store).value().last, 6U);
    EXPECT_EQ(store->health().journal_last, 6U);
}

TEST_F(SqliteJournal, ASmallerBoundIsReachedInStepsOfWhichNoneIsLong) {
    auto store = open();
    for (int i = 0; i < 5; ++i) write(*store, 1000);
    store.reset();
    JournalOptions options;
    options.max_rows = 10;
    store = open(options);
    std::uint64_t rows = 5000;
    int batches = 0;
    while (rows > 10 + 64 && batches < 100) {
        write(*store, 1);
        const StoreHealth health = store->health();
        const std::uint64_t now = health.journal_last - health.journal_first + 1;
        ASSERT_LE(rows - now, 2U * 64 + 256) << "what one batch removes is bounded";
        rows = now;
        ++batches;
    }
    EXPECT_GT(batches, 10);
    EXPECT_LE(rows, 10U + 64U);
}

TEST_F(SqliteJournal, ZeroRowsEmptiesWhatIsThereButForTheLast) {
    auto store = open();
    write(*store, 500);
    store.reset();
    JournalOptions options;
    options.max_rows = 0;
    store = open(options);
    for (int i = 0; i < 5; ++i) write(*store, 1);
    EXPECT_EQ(journal(*store).value().last, 500U);
    EXPECT_EQ(journal(*store).value().first, 500U);
}

TEST_F(SqliteJournal, AQueueOfVersion6IsTakenOver) {
    std::filesystem::create_directories(directory_.path() + "/spool");
    const std::string file = directory_.path() + "/queue.sqlite";
    {
        sqlite::Connection old(file, "", sqlite::Role::writer, 100);
        sqlite::migrate(old, sqlite::migrations().first(6));
        EXPECT_EQ(old.value("PRAGMA user_version"), 6);
        old.execute("INSERT INTO message VALUES (5, 1000, 99999999999999, 32, 3, 1, 's@example.org', '', '', 'ip', zeroblob(32), "
                    "NULL, CAST('A: b' AS BLOB), '');"
                    "INSERT INTO body VALUES (5, CAST('x' || char(13, 10) AS BLOB));"
                    "INSERT INTO destination VALUES (3, 'example.net', '');"
                    "INSERT INTO recipient VALUES (9, 5, 3, 0, 2000, 1, 1500, 0, 0, 'a@example.net', '', 'temp', '451 later', 'mx', '');");
    }
    auto store = open();
    const auto rows = claim(*store, 3, wall_now(), 10, wall_now() + 1h).value().rows;
    ASSERT_EQ(rows.size(), 1U);
    ASSERT_TRUE(settle(*store, {{done_with(rows[0])}, {}, {make_entry(5, "a@example.net")}, {}}));
    EXPECT_EQ(journal(*store).value().last, 1U);
    EXPECT_TRUE(suppress(*store, {{"a@example.net", wall_now(), "operator", "", {}}}));
    store.reset();
    sqlite::Connection now(file, "", sqlite::Role::writer, 100);
    EXPECT_EQ(now.value("PRAGMA user_version"), static_cast<std::int64_t>(sqlite::migrations().size()));
    EXPECT_EQ(now.value("SELECT count(*) FROM recipient"), 0);
}

// A settlement and what the journal says of it are one, wherever the power is cut: what is settled has its entry, what is
// still there has none.
TEST(JournalPowerCut, ASettlementAndItsEntriesAreOne) {
    int cuts = 0;
    for (std::uint32_t round = 0; round < 40; ++round) {
        SCOPED_TRACE("round " + std::to_string(round));
        const posthorn::test::TempDir directory;
        CrashVfs vfs;
        std::mt19937 random(round);
        const auto open_on = [&] {
            QueueOptions options;
            options.directory = directory.path();
            options.min_free_space = 0;
            options.journal.max_rows = 1'000'000;
            sqlite::SqliteTuning tuning;
            tuning.vfs = vfs.name();
            tuning.probe_interval = 20ms;
            if (round % 2 == 0) {
                tuning.checkpoint_every = 100'000;
                tuning.checkpoint_force = 250'000;
                tuning.writer_cache_kib = 64;
            }
            auto store = sqlite::open_sqlite_store(options, tuning);
            return store ? std::move(*store) : nullptr;
        };
        auto store = open_on();
        ASSERT_NE(store, nullptr);
        std::vector<Verdict> verdicts;
        constexpr std::int64_t kMessages = 40;
        for (std::int64_t id = 1; id <= kMessages; ++id) {
            const auto added = add(*store, {make_message(id), {make_recipient("a", "example.net", wall_now(), true)}});
            ASSERT_TRUE(added);
            verdicts.push_back(done_with(added->recipients[0].id, QueueId(id)));
        }
        vfs.cut_after(1 + random() % 120);
        std::vector<std::future<void>> answers;
        std::set<std::int64_t> acknowledged;
        std::mutex mutex;
        for (const Verdict& verdict : verdicts) {
            auto answered = std::make_shared<std::promise<void>>();
            answers.push_back(answered->get_future());
            const std::int64_t id = verdict.message.value();
            store->settle({{verdict}, {}, {make_entry(id, "a@example.net")}, {}},
                          [&, id, answered](StoreResult<Settled> result) {
                              const std::lock_guard lock(mutex);
                              if (result) acknowledged.insert(id);
                              answered->set_value();
                          });
            if (random() % 2 == 0) answers.back().wait();
        }
        for (auto& answer : answers) ASSERT_EQ(answer.wait_for(60s), std::future_status::ready);
        store->stop();
        store.reset();
        cuts += vfs.was_cut() ? 1 : 0;
        vfs.come_back(random);
        store = open_on();
        ASSERT_NE(store, nullptr);
        std::set<std::int64_t> present, told;
        ListQuery query;
        query.limit = 1000;
        for (const QueueEntry& entry : list(*store, query).value()) present.insert(entry.id.value());
        JournalQuery whole;
        whole.limit = JournalQuery::kMost;
        std::uint64_t expected = 1;
        for (const JournalEntry& entry : journal(*store, whole).value().entries) {
            EXPECT_EQ(entry.seq, expected++);
            EXPECT_TRUE(told.insert(entry.message.value()).second) << "told twice: " << entry.message.value();
        }
        for (std::int64_t id = 1; id <= kMessages; ++id) {
            ASSERT_NE(present.contains(id), told.contains(id)) << "message " << id;
            ASSERT_TRUE(told.contains(id) || !acknowledged.contains(id)) << "message " << id;
        }
        store->stop();
    }
    EXPECT_GT(cuts, 25) << "the cuts must come while there is traffic";
}

}  // namespace
}  // namespace posthorn::queue::test
