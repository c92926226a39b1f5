// Migration from each earlier schema, cut off by a power cut anywhere, and on a disk that is full; what is kept before it.
#include <filesystem>
#include <memory>
#include <random>

#include "crash_vfs.hpp"
#include "queue/sqlite/database.hpp"
#include "queue/sqlite/database_copy.hpp"
#include "queue/sqlite/schema.hpp"
#include "queue/sqlite/sqlite_store.hpp"
#include "queue/sqlite/upgrade.hpp"
#include "store_fixture.hpp"
#include "support/temp_dir.hpp"

namespace posthorn::queue::test {
namespace {

using sqlite::Connection;
using sqlite::Role;

std::size_t current() { return sqlite::migrations().size(); }

// What a program that knew the first `version` steps leaves: three messages in a queue of its schema.
void make_old_queue(const std::string& directory, const std::string& vfs, std::size_t version) {
    std::filesystem::create_directories(directory + "/spool");
    Connection connection(directory + "/queue.sqlite", vfs, Role::writer, 1024);
    sqlite::migrate(connection, sqlite::migrations().first(1));
    connection.execute(R"(
INSERT INTO destination VALUES (7, 'example.net');
WITH ids(id) AS (VALUES (11), (12), (13)) INSERT INTO message
    SELECT id, 1, 9000000000000, 0, 4, 4, 'a@example.org', '', '', 'user=a', zeroblob(32), NULL, x'46' FROM ids;
INSERT INTO body SELECT id, x'61620d0a' FROM message;
INSERT INTO recipient SELECT id, id, 7, 0, 1, 2, 1, 0, 0, 'b@example.net', '', 'temp', '451 later', 'mx' FROM message;
)");
    sqlite::migrate(connection, sqlite::migrations().first(version));
}

std::unique_ptr<QueueStore> open_on(const std::string& vfs, const std::string& directory, std::string* why = nullptr) {
    QueueOptions options;
    options.directory = directory;
    options.min_free_space = 0;
    sqlite::SqliteTuning tuning;
    tuning.vfs = vfs;
    auto store = sqlite::open_sqlite_store(options, tuning);
    if (!store && why != nullptr) *why = store.error().what;
    return store ? std::move(*store) : nullptr;
}

void expect_all_mail(QueueStore& store) {
    ListQuery query;
    query.limit = 10;
    const auto all = list(store, query).value();
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[0].recipients.at(0).last_reply, "451 later");
    EXPECT_EQ(*message(store, all[2].id).value()->body.bytes, "ab\r\n");
}

TEST(Upgrade, APowerCutAnywhereInTheMigrationCostsNothing) {
    int cuts = 0;
    for (std::size_t version = 1; version < current(); ++version) {
        for (std::uint32_t round = 0; round < 24; ++round) {
            SCOPED_TRACE("from " + std::to_string(version) + ", round " + std::to_string(round));
            const posthorn::test::TempDir directory;
            CrashVfs vfs;
            std::mt19937 random(round);
            make_old_queue(directory.path(), vfs.name(), version);
            vfs.cut_after(1 + round * 2 + random() % 2);
            if (auto store = open_on(vfs.name(), directory.path())) store->stop();
            cuts += vfs.was_cut() ? 1 : 0;
            vfs.come_back(random);
            {
                // Never one in between: the copy that is made before the next try would be of that, and no program's.
                Connection connection(directory.path() + "/queue.sqlite", vfs.name(), Role::checkpointer, 100);
                const std::int64_t left = connection.value("PRAGMA user_version");
                EXPECT_TRUE(left == static_cast<std::int64_t>(version) || left == static_cast<std::int64_t>(current())) << left;
            }
            const auto store = open_on(vfs.name(), directory.path());
            ASSERT_NE(store, nullptr);
            expect_all_mail(*store);
            store->stop();
            if (HasFatalFailure()) return;
        }
    }
    EXPECT_GT(cuts, static_cast<int>(current() - 1) * 20) << "the cuts must come within the migration";
}

TEST(Upgrade, AFullDiskStopsTheStartAndTheNextOneHasAllMail) {
    int refused = 0;
    for (std::size_t version = 1; version < current(); ++version) {
        for (std::uint64_t after = 1; after < 40; after += 3) {
            SCOPED_TRACE("from " + std::to_string(version) + ", after " + std::to_string(after));
            const posthorn::test::TempDir directory;
            CrashVfs vfs;
            make_old_queue(directory.path(), vfs.name(), version);
            vfs.break_after(CrashVfs::Fault::full, after);
            std::string why;
            if (auto store = open_on(vfs.name(), directory.path(), &why)) store->stop();
            else ++refused;
            if (!why.empty()) {
                EXPECT_NE(why.find("full"), std::string::npos) << why;
            }
            vfs.break_after(CrashVfs::Fault::none);
            const auto store = open_on(vfs.name(), directory.path());
            ASSERT_NE(store, nullptr);
            expect_all_mail(*store);
            store->stop();
            if (HasFatalFailure()) return;
        }
    }
    EXPECT_GT(refused, static_cast<int>(current() - 1));
}

TEST(Upgrade, TheQueueAsItWasIsKeptOnceAndOnlyWhereThereIsAMigration) {
    const posthorn::test::TempDir directory;
    const std::string kept = directory.path() + sqlite::kBeforeUpgrade;
    open_on({}, directory.path())->stop();
    EXPECT_FALSE(std::filesystem::exists(kept)) << "a new queue";
    const posthorn::test::TempDir old;
    const std::string copy = old.path() + sqlite::kBeforeUpgrade;
    make_old_queue(old.path(), {}, 3);
    open_on({}, old.path())->stop();
    {
        Connection connection(copy, {}, Role::checkpointer, 100);
        EXPECT_EQ(connection.value("PRAGMA user_version"), 3);
        EXPECT_EQ(connection.value("SELECT count(*) FROM message"), 3);
    }
    const auto made = std::filesystem::last_write_time(copy);
    open_on({}, old.path())->stop();
    EXPECT_EQ(std::filesystem::last_write_time(copy), made) << "a start without a migration";
    std::filesystem::last_write_time(copy, made - std::chrono::hours(15 * 24));
    open_on({}, old.path())->stop();
    EXPECT_FALSE(std::filesystem::exists(copy)) << "after two weeks";
}

TEST(Upgrade, AQueueOfANewerProgramIsKnownAsSuch) {
    const posthorn::test::TempDir directory;
    EXPECT_FALSE(sqlite::is_of_newer_program(directory.path()));
    open_on({}, directory.path())->stop();
    EXPECT_FALSE(sqlite::is_of_newer_program(directory.path()));
    Connection(directory.path() + "/queue.sqlite", {}, Role::writer, 100).execute("PRAGMA user_version=1000");
    EXPECT_TRUE(sqlite::is_of_newer_program(directory.path()));
    EXPECT_EQ(open_on({}, directory.path()), nullptr);
}

TEST(DatabaseCopy, IsOneMomentAndForgetsWhatLeft) {
    const posthorn::test::TempDir directory;
    const std::string database = directory.path() + "/queue.sqlite";
    const auto store = open_on({}, directory.path());
    std::vector<Added> added;
    for (std::int64_t id = 1; id <= 3; ++id)
        added.push_back(add(*store, {make_message(id, "body\r\n"), {make_recipient("a", "example.net", wall_now(), true)}}).value());
    auto copy = sqlite::DatabaseCopy::make(database, directory.path(), 1000);
    ASSERT_TRUE(copy) << copy.error().what;
    EXPECT_EQ(copy->schema(), static_cast<std::int64_t>(current()));
    ASSERT_TRUE(settle(*store, {{done_with(added[1].recipients[0].id, QueueId(2))}, {}}));
    ASSERT_TRUE(add(*store, {make_message(4, "later\r\n"), {make_recipient("b", "example.net", wall_now())}}));
    const auto queue = copy->forget_what_left();
    ASSERT_TRUE(queue);
    EXPECT_EQ(queue->messages, 2U) << "2 was delivered since, 4 came later";
    EXPECT_EQ(queue->recipients, 2U);
    EXPECT_EQ(queue->left_meanwhile, 1U);
    for (const auto& entry : std::filesystem::directory_iterator(directory.path()))
        EXPECT_EQ(entry.path().filename().string().find("posthorn-copy"), std::string::npos) << "it has no name";
    EXPECT_EQ(store->health().messages, 3U) << "the original is as it was";
    store->stop();
    EXPECT_FALSE(sqlite::DatabaseCopy::make(database, directory.path(), static_cast<std::int64_t>(current()) - 1)) << "a newer program's";
}

TEST(RestoredQueue, IsHeldWithWhatASuspendedUserHasInIt) {
    const posthorn::test::TempDir directory;
    auto store = open_on({}, directory.path());
    for (std::int64_t id = 1; id <= 3; ++id)
        ASSERT_TRUE(add(*store, {make_message(id, "body\r\n"), {make_recipient("a", "example.net", wall_now())}}));
    ASSERT_TRUE(revise(*store, QueueId(2), Revision::suspend, wall_now()));
    ASSERT_TRUE(revise(*store, QueueId(3), Revision::hold, wall_now()));
    store->stop();
    store.reset();
    EXPECT_EQ(sqlite::hold_all(directory.path() + "/queue.sqlite").value(), 2U) << "3 was held already";
    store = open_on({}, directory.path());
    ListQuery query;
    query.limit = 10;
    for (const QueueEntry& entry : list(*store, query).value())   // or the end of the suspension would send it
        EXPECT_EQ(entry.recipients.at(0).state, RecipientState::held) << entry.id.to_string();
}

}  // namespace
}  // namespace posthorn::queue::test
