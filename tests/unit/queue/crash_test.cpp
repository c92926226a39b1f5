// The law of the queue: what was acknowledged and not settled is there after any power cut, and after a
// disk's bad hours.
#include <sqlite3.h>

#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "crash_vfs.hpp"
#include "queue/sqlite/sqlite_store.hpp"
#include "store_fixture.hpp"
#include "support/temp_dir.hpp"

namespace posthorn::queue::test {
namespace {

using namespace std::chrono_literals;

std::unique_ptr<QueueStore> open_on(const CrashVfs& vfs, const std::string& directory,
                                    sqlite::SqliteTuning tuning = {}, QueueOptions options = {}) {
    options.directory = directory;
    options.min_free_space = 0;
    tuning.vfs = vfs.name();
    tuning.probe_interval = 20ms;
    auto store = sqlite::open_sqlite_store(options, tuning);
    return store ? std::move(*store) : nullptr;
}

// What the callers of a store were told.
struct Ledger {
    std::mutex mutex;
    std::set<std::int64_t> asked;                      // adds begun
    std::map<std::int64_t, RecipientId> acknowledged;  // adds answered with a value
    std::set<std::int64_t> settle_asked;
    std::set<std::int64_t> settled;  // acknowledged
};

// Adds and settles at random from two threads until the power goes or the work is done.
void traffic(QueueStore& store, Ledger& ledger, std::int64_t first_id, std::uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<std::future<void>> answers;
    for (int i = 0; i < 25; ++i) {
        const std::int64_t id = first_id + i;
        auto answered = std::make_shared<std::promise<void>>();
        answers.push_back(answered->get_future());
        {
            const std::lock_guard lock(ledger.mutex);
            ledger.asked.insert(id);
        }
        store.add({make_message(id, std::string(random() % 20'000, 'b')),
                   {make_recipient("a", "example.net", wall_now())}},
                  soon(), [&ledger, id, answered](StoreResult<Added> result) {
                      const std::lock_guard lock(ledger.mutex);
                      if (result) {
                          ledger.acknowledged[id] = result->recipients[0].id;
                      }
                      answered->set_value();
                  });
        if (random() % 3 == 0) {
            answers.back().wait();
        }
        Verdict verdict;
        {
            const std::lock_guard lock(ledger.mutex);
            if (ledger.acknowledged.empty() || random() % 2 == 0) {
                continue;
            }
            auto it = ledger.acknowledged.begin();
            std::advance(it, static_cast<std::ptrdiff_t>(random() % ledger.acknowledged.size()));
            if (!ledger.settle_asked.insert(it->first).second) {
                continue;
            }
            verdict = done_with(it->second, QueueId(it->first));
        }
        auto settled = std::make_shared<std::promise<void>>();
        answers.push_back(settled->get_future());
        store.settle({{verdict}, {}}, [&ledger, verdict, settled](StoreResult<Settled> result) {
            const std::lock_guard lock(ledger.mutex);
            if (result) {
                ledger.settled.insert(verdict.message.value());
            }
            settled->set_value();
        });
    }
    for (auto& answer : answers) {
        ASSERT_EQ(answer.wait_for(60s), std::future_status::ready);
    }
}

void check_law(QueueStore& store, const Ledger& ledger) {
    std::set<std::int64_t> present;
    ListQuery query;
    query.limit = 1000;
    for (const QueueEntry& entry : list(store, query).value()) {
        present.insert(entry.id.value());
        const auto message = test::message(store, entry.id);
        ASSERT_TRUE(message) << message.error().what;
        ASSERT_EQ((*message)->body.bytes->size(), (*message)->body.facts.size);
    }
    for (const auto& [id, recipient] : ledger.acknowledged) {
        if (!ledger.settle_asked.contains(id)) {
            ASSERT_TRUE(present.contains(id)) << "acknowledged and lost: " << id;
        }
        if (ledger.settled.contains(id)) {
            ASSERT_FALSE(present.contains(id)) << "settled and back again: " << id;
        }
    }
    for (const std::int64_t id : present) {
        ASSERT_TRUE(ledger.asked.contains(id)) << "never added: " << id;
    }
}

void check_integrity(const CrashVfs& vfs, const std::string& directory) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open_v2((directory + "/queue.sqlite").c_str(), &db, SQLITE_OPEN_READWRITE,
                              vfs.name().c_str()),
              SQLITE_OK);
    std::string verdict;
    sqlite3_exec(
        db, "PRAGMA integrity_check",
        [](void* to, int, char** columns, char**) {
            *static_cast<std::string*>(to) += columns[0];
            return 0;
        },
        &verdict, nullptr);
    sqlite3_close(db);
    ASSERT_EQ(verdict, "ok");
}

TEST(PowerCut, NothingAcknowledgedIsLostWhereverTheCutComes) {
    int cuts = 0;
    for (std::uint32_t round = 0; round < 220; ++round) {
        SCOPED_TRACE("round " + std::to_string(round));
        const posthorn::test::TempDir directory;
        CrashVfs vfs;
        std::mt19937 random(round);
        Ledger ledger;
        sqlite::SqliteTuning tuning;
        if (round % 2 == 0) {  // cuts inside checkpoints and WAL resets as well
            tuning.checkpoint_every = 100'000;
            tuning.checkpoint_force = 250'000;
            tuning.writer_cache_kib = 64;
        }
        // Every tenth round the cut comes while the database is being made.
        vfs.cut_after(1 + random() % (round % 10 == 0 ? 40 : 500));
        for (std::int64_t life = 0; life < 2; ++life) {
            auto store = open_on(vfs, directory.path(), tuning);
            if (!store) {
                ASSERT_TRUE(vfs.was_cut());
            } else {
                if (life == 1) {
                    check_law(*store, ledger);
                    if (HasFatalFailure()) {
                        return;
                    }
                }
                std::thread other([&] { traffic(*store, ledger, 1000 * (life + 1), round); });
                traffic(*store, ledger, 1000 * (life + 1) + 500, round + 7);
                other.join();
                store->stop();
                store.reset();
            }
            cuts += vfs.was_cut() ? 1 : 0;
            vfs.come_back(random);
            vfs.cut_after(1 + random() % 400);
        }
        vfs.come_back(random);
        const auto store = open_on(vfs, directory.path());
        ASSERT_NE(store, nullptr);
        check_law(*store, ledger);
        store->stop();
        check_integrity(vfs, directory.path());
        if (HasFatalFailure()) {
            return;
        }
    }
    EXPECT_GT(cuts, 200) << "the cuts must come while there is traffic";
}

class BrokenDisk : public testing::TestWithParam<CrashVfs::Fault> {};

TEST_P(BrokenDisk, RefusesMailThenRecoversWithoutARestart) {
    const posthorn::test::TempDir directory;
    CrashVfs vfs;
    auto store = open_on(vfs, directory.path());
    ASSERT_NE(store, nullptr);
    std::mutex mutex;
    std::vector<bool> seen;
    std::promise<void> recovered;
    store->on_health_change([&](const StoreHealth& health) {
        const std::lock_guard lock(mutex);
        seen.push_back(health.healthy);
        if (health.healthy) {
            recovered.set_value();
        }
    });
    const Added before =
        add(*store, {make_message(1), {make_recipient("a", "example.net", wall_now(), true)}}).value();

    vfs.break_after(GetParam());
    const auto refused = add(*store, {make_message(2), {make_recipient("b", "example.net", wall_now())}});
    ASSERT_FALSE(refused);
    const StoreFault fault =
        GetParam() == CrashVfs::Fault::full ? StoreFault::disk_full : StoreFault::io_error;
    EXPECT_EQ(refused.error().fault, fault);
    EXPECT_FALSE(store->health().healthy);
    EXPECT_FALSE(store->health().reason.empty());
    // Settlements fail as well, and leave row and claim as they were.
    EXPECT_EQ(settle(*store, {{done_with(before.recipients[0].id, QueueId(1))}, {}}).error().fault, fault);

    vfs.break_after(CrashVfs::Fault::none);
    ASSERT_EQ(recovered.get_future().wait_for(30s), std::future_status::ready);
    EXPECT_TRUE(store->health().healthy);
    const Added after =
        add(*store, {make_message(3), {make_recipient("c", "example.net", wall_now())}}).value();
    const auto rows =
        claim(*store, after.recipients[0].destination, wall_now(), 10, wall_now() + 1h).value().rows;
    ASSERT_EQ(rows.size(), 1U) << "the claim on message 1 has outlived the trouble";
    EXPECT_EQ(rows[0].message, QueueId(3));
    EXPECT_TRUE(settle(*store, {{done_with(before.recipients[0].id, QueueId(1))}, {}}));
    EXPECT_FALSE(show(*store, QueueId(2)));
    EXPECT_EQ(store->health().messages, 1U);
    const std::lock_guard lock(mutex);
    EXPECT_EQ(seen, (std::vector<bool>{false, true}));
}

INSTANTIATE_TEST_SUITE_P(Faults, BrokenDisk,
                         testing::Values(CrashVfs::Fault::full, CrashVfs::Fault::write_error,
                                         CrashVfs::Fault::sync_error));

TEST(BrokenDiskThenPowerCut, WhatWasAcknowledgedAroundAFailedSyncSurvives) {
    for (std::uint32_t round = 0; round < 40; ++round) {
        SCOPED_TRACE("round " + std::to_string(round));
        const posthorn::test::TempDir directory;
        CrashVfs vfs;
        std::mt19937 random(round);
        Ledger ledger;
        auto store = open_on(vfs, directory.path());
        ASSERT_NE(store, nullptr);
        traffic(*store, ledger, 1000, round);
        vfs.break_after(CrashVfs::Fault::sync_error, 1 + random() % 10);
        traffic(*store, ledger, 2000, round);
        vfs.break_after(CrashVfs::Fault::none);
        for (int i = 0; !store->health().healthy; ++i) {
            ASSERT_LT(i, 3000);
            std::this_thread::sleep_for(10ms);
        }
        traffic(*store, ledger, 3000, round);
        vfs.cut_after(1);
        store->stop();
        store.reset();
        vfs.come_back(random);
        store = open_on(vfs, directory.path());
        ASSERT_NE(store, nullptr);
        check_law(*store, ledger);
        if (HasFatalFailure()) {
            return;
        }
    }
}

TEST(HangingDisk, WhatItDoesNotTakeInTimeIsWithdrawnAndTheRestIsAwaited) {
    const posthorn::test::TempDir directory;
    CrashVfs vfs;
    QueueOptions options;
    options.inbox_limit = 20'000;
    auto store = open_on(vfs, directory.path(), {}, options);
    ASSERT_NE(store, nullptr);
    const auto begin_add = [&](std::int64_t id, SteadyTime deadline, std::size_t size) {
        auto promise = std::make_shared<std::promise<StoreResult<Added>>>();
        auto future = promise->get_future();
        store->add(
            {make_message(id, std::string(size, 'x')), {make_recipient("a", "example.net", wall_now())}},
            deadline, [promise](StoreResult<Added> result) { promise->set_value(std::move(result)); });
        return future;
    };
    vfs.hang_syncs(true);
    const SteadyTime deadline = std::chrono::steady_clock::now() + 100ms;
    auto begun = begin_add(1, deadline, 10);
    vfs.wait_for_hanging_sync();
    auto waiting = begin_add(2, deadline, 10);
    auto patient = begin_add(3, soon(), 15'000);
    auto too_much = begin_add(4, soon(), 15'000);
    EXPECT_EQ(too_much.get().error().fault, StoreFault::busy) << "the inbox is bounded";
    // Answered while the disk still hangs.
    ASSERT_EQ(waiting.wait_for(30s), std::future_status::ready);
    EXPECT_EQ(waiting.get().error().fault, StoreFault::busy);
    EXPECT_EQ(begun.wait_for(0s), std::future_status::timeout) << "once begun, its verdict is awaited";
    EXPECT_GT(store->health().inbox_bytes, 15'000U);
    vfs.hang_syncs(false);
    EXPECT_TRUE(begun.get());
    EXPECT_TRUE(patient.get());
    EXPECT_TRUE(show(*store, QueueId(1)));
    EXPECT_FALSE(show(*store, QueueId(2))) << "refused, so it must not be delivered";
    EXPECT_TRUE(show(*store, QueueId(3)));
}

}  // namespace
}  // namespace posthorn::queue::test
