// What delivery remembers on disk: read back after a restart, bounded, expired, and begun anew where it is damaged.
#include "delivery/memory.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "support/temp_dir.hpp"

namespace posthorn::delivery {
namespace {

using namespace std::chrono_literals;

class Memory : public testing::Test {
protected:
    ~Memory() override { pool_.join(); }
    std::string file() const { return directory_.path() + "/delivery.sqlite"; }
    std::unique_ptr<DeliveryMemory> open() { return std::make_unique<DeliveryMemory>(directory_.path(), pool_); }
    static std::string all(DeliveryMemory& memory, std::string_view kind) {
        std::string text;
        for (const Remembered& one : memory.load(kind)) text += one.key + "=" + one.value + " ";
        return text;
    }
    void run(const char* sql) {
        sqlite3* db = nullptr;
        ASSERT_EQ(sqlite3_open(file().c_str(), &db), SQLITE_OK);
        sqlite3_busy_timeout(db, 10'000);   // the memory may be writing
        ASSERT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
        sqlite3_close(db);
    }

    test::TempDir directory_;
    boost::asio::thread_pool pool_{1};
    const TimePoint later_ = wall_now() + 1h;
};

TEST_F(Memory, IsReadBackAfterARestart) {   // STS-4
    auto memory = open();
    memory->put("a", "x", "1", later_);
    memory->put("a", "y", std::string("\0\xff", 2), later_);
    memory->put("b", "x", "3", later_);
    memory->put("a", "x", "2", later_);
    memory->put("a", "z", "4", later_);
    memory->erase("a", "z");
    EXPECT_EQ(all(*memory, "a"), std::string("x=2 y=") + std::string("\0\xff", 2) + " ");   // also before it is on disk
    memory.reset();
    memory = open();
    EXPECT_EQ(all(*memory, "a"), std::string("x=2 y=") + std::string("\0\xff", 2) + " ");
    EXPECT_EQ(all(*memory, "b"), "x=3 ");
    EXPECT_EQ(all(*memory, "c"), "");
}

TEST_F(Memory, WhatIsPutNowIsInTheFileWhateverBecomesOfTheProcess) {
    auto memory = open();
    EXPECT_TRUE(memory->put_now("a", "x", "1", later_));
    auto second = open();   // as a process after kill -9 would find it: nothing of the first was closed
    EXPECT_EQ(all(*second, "a"), "x=1 ");
}

TEST_F(Memory, WhatHasExpiredIsGone) {
    auto memory = open();
    memory->put("a", "old", "1", wall_now() - 1s);
    memory->put("a", "new", "2", later_);
    EXPECT_EQ(all(*memory, "a"), "new=2 ");
    EXPECT_EQ(memory->load("a", later_).size(), 0U);
    memory.reset();
    memory = open();
    memory->put("a", "more", "3", later_);   // the first write of a process sweeps
    (void)memory->load("a");   // what is on its way is written first
    memory.reset();
    sqlite3* db = nullptr;
    sqlite3_open(file().c_str(), &db);
    sqlite3_stmt* rows = nullptr;
    sqlite3_prepare_v2(db, "SELECT count(*) FROM remembered", -1, &rows, nullptr);
    ASSERT_EQ(sqlite3_step(rows), SQLITE_ROW);
    EXPECT_EQ(sqlite3_column_int(rows, 0), 2);
    sqlite3_finalize(rows);
    sqlite3_close(db);
}

TEST_F(Memory, EachKindIsBounded) {
    auto memory = open();
    memory->put("b", "x", "1", later_);
    for (std::size_t i = 0; i < DeliveryMemory::kMaxOfKind + 10; ++i) memory->put("a", std::to_string(i), "", later_ + Duration(i));
    (void)memory->load("a");   // what is on its way is written first
    const std::vector<Remembered> kept = memory->load("a");
    EXPECT_LE(kept.size(), DeliveryMemory::kMaxOfKind);
    EXPECT_GT(kept.size(), DeliveryMemory::kMaxOfKind / 2);
    for (const Remembered& one : kept) EXPECT_NE(one.key, "0");   // what would expire first went
    EXPECT_EQ(all(*memory, "b"), "x=1 ");
    memory->put("b", "huge", std::string(DeliveryMemory::kMaxValue + 1, 'x'), later_);
    EXPECT_EQ(all(*memory, "b"), "x=1 ");
}

TEST_F(Memory, ADamagedFileIsMovedAsideAndBegunAnew) {
    std::ofstream(file()) << std::string(10000, 'x');
    auto memory = open();
    EXPECT_TRUE(std::filesystem::exists(file() + ".damaged"));
    memory->put("a", "x", "1", later_);
    memory.reset();
    memory = open();
    EXPECT_EQ(all(*memory, "a"), "x=1 ");
}

TEST_F(Memory, AFileOfAnotherVersionIsBegunAnew) {
    open()->put("a", "x", "1", later_);
    run("PRAGMA user_version=99");
    auto memory = open();
    EXPECT_TRUE(std::filesystem::exists(file() + ".damaged"));
    EXPECT_EQ(all(*memory, "a"), "");
    memory->put("a", "x", "2", later_);
    EXPECT_EQ(all(*memory, "a"), "x=2 ");
}

TEST_F(Memory, DamageThatShowsLaterIsNoFailureOfAnybody) {
    {
        auto memory = open();
        for (int i = 0; i < 2000; ++i) memory->put("a", std::to_string(i), std::string(2000, 'v'), later_);   // more than its cache
    }
    auto memory = open();
    const auto pages = static_cast<int>(std::filesystem::file_size(file()) / 8192);
    {
        std::fstream disk(file(), std::ios::in | std::ios::out | std::ios::binary);
        for (int page = 1; page < pages; ++page) {
            disk.seekp(page * 8192);
            disk << std::string(4000, '\xee');
        }
    }
    (void)memory->load("a");   // whatever can be read; no throw
    EXPECT_TRUE(std::filesystem::exists(file() + ".damaged"));
    memory->put("a", "x", "1", later_);
    EXPECT_EQ(all(*memory, "a"), "x=1 ");
}

// Of this write, not of another one: nobody may take a mark for written that was lost in the background.
TEST_F(Memory, WhatCannotBePutNowIsSaid) {
    auto memory = open();
    run("CREATE TRIGGER broken BEFORE INSERT ON remembered BEGIN SELECT RAISE(ABORT, 'the disk is gone'); END");
    EXPECT_FALSE(memory->put_now("a", "x", "1", later_));
    run("DROP TRIGGER broken");
    EXPECT_TRUE(memory->put_now("a", "y", "1", later_));
    EXPECT_EQ(all(*memory, "a"), "y=1 ");
    EXPECT_FALSE(memory->put_now("a", "z", std::string(DeliveryMemory::kMaxValue + 1, 'x'), later_));
    memory->stop();
    EXPECT_FALSE(memory->put_now("a", "z", "1", later_));
}

TEST_F(Memory, WithoutADiskNothingIsKeptAndNobodyWaits) {
    DeliveryMemory memory(directory_.path() + "/is-not-there", pool_);
    memory.put("a", "x", "1", later_);
    EXPECT_FALSE(memory.put_now("a", "y", "1", later_));
    EXPECT_EQ(all(memory, "a"), "");
    memory.stop();
    memory.put("a", "x", "1", later_);   // after the end: nothing happens
}

}  // namespace
}  // namespace posthorn::delivery
