// The queue's cost for each message: added, settled and deleted, one at a time and in groups; wall clock and
// CPU.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "queue/sqlite/database.hpp"
#include "queue/sqlite/sqlite_store.hpp"

namespace posthorn::queue {
namespace {

constexpr std::size_t kBody = 4096;

std::string make_directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "posthorn-bench-XXXXXX").string();
    return ::mkdtemp(pattern.data()) == nullptr ? std::string() : pattern;
}

double cpu_seconds() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Waits until a group of operations is answered.
class Group {
public:
    explicit Group(std::size_t size) : left_(size) {}
    void one_done() {
        const std::lock_guard lock(mutex_);
        if (--left_ == 0) {
            done_.notify_one();
        }
    }
    void wait() {
        std::unique_lock lock(mutex_);
        done_.wait(lock, [this] { return left_ == 0; });
    }

private:
    std::mutex mutex_;
    std::condition_variable done_;
    std::size_t left_;
};

// As delivery writes it (delivery/journal_entries.cpp).
JournalEntry delivered_entry(QueueId message, TimePoint now) {
    JournalEntry entry;
    entry.at = now;
    entry.message = message;
    entry.event = "delivered";
    entry.from = "sender@example.org";
    entry.to = "someone@example.net";
    entry.source = "user=someone";
    entry.group = "google";
    entry.host = "gmail-smtp-in.l.google.com[192.0.2.1]";
    entry.reply = "250 2.0.0 OK  1763804334 d2e1a72fcca58-7c3f0b6d1a5si1234567b3a.123 - gsmtp";
    entry.attempts = 1;
    return entry;
}

// Arguments: how many clients wait for the disk together; whether the journal is kept, with an entry for each settlement.
void add_and_settle(benchmark::State& state) {
    const auto group_size = static_cast<std::size_t>(state.range(0));
    QueueOptions options;
    options.directory = make_directory();
    const bool journal = state.range(1) != 0;
    if (!journal) {
        options.journal.max_rows = 0;
    }
    auto opened = sqlite::open_sqlite_store(options);
    if (!opened) {
        state.SkipWithError(opened.error().what.c_str());
        return;
    }
    QueueStore& store = **opened;
    const auto body = std::make_shared<const std::string>(kBody, 'x');
    const TimePoint now = wall_now();
    std::int64_t id = now.time_since_epoch().count() << 20;
    std::atomic<std::size_t> failed{0};
    std::size_t messages = 0;
    const double cpu_before = cpu_seconds();
    for (auto _ : state) {
        std::vector<std::pair<RecipientId, QueueId>> rows(group_size);
        Group adds(group_size);
        for (std::size_t i = 0; i < group_size; ++i) {
            auto message = std::make_shared<mail::Message>();
            message->id = QueueId(++id);
            message->accepted_at = now;
            message->expires_at = now + options.lifetime;
            message->reverse_path = "sender@example.org";
            message->header = std::string(600, 'h');
            message->body.bytes = body;
            message->body.facts.size = kBody;
            rows[i].second = message->id;
            NewRecipient recipient;
            recipient.recipient.address = "someone@example.net";
            recipient.domain = "example.net";
            recipient.due_at = now;
            recipient.claim = true;
            store.add({std::move(message), {std::move(recipient)}}, SteadyTime::max(),
                      [&, i](StoreResult<Added> added) {
                          if (added) {
                              rows[i].first = added->recipients[0].id;
                          } else {
                              failed += 1;
                          }
                          adds.one_done();
                      });
        }
        adds.wait();
        Group settles(group_size);
        for (const auto& [recipient, message] : rows) {
            Settlement settlement;
            Verdict verdict;
            verdict.recipient = recipient;
            verdict.message = message;
            settlement.verdicts.push_back(std::move(verdict));
            if (journal) {
                settlement.journal.push_back(delivered_entry(message, now));
            }
            store.settle(std::move(settlement), [&](StoreResult<Settled> settled) {
                failed += settled ? 0 : 1;
                settles.one_done();
            });
        }
        settles.wait();
        messages += group_size;
    }
    if (failed != 0) {
        state.SkipWithError("operations failed");
    }
    const StoreHealth health = store.health();
    state.counters["messages/s"] =
        benchmark::Counter(static_cast<double>(messages), benchmark::Counter::kIsRate);
    state.counters["cpu_us/message"] = (cpu_seconds() - cpu_before) * 1e6 / static_cast<double>(messages);
    state.counters["operations/commit"] =
        static_cast<double>(health.operations) / static_cast<double>(health.batches);
    opened->reset();
    std::filesystem::remove_all(options.directory);
}

// The store is opened on a queue of that many waiting recipients of 5,000 domains: until a page of
// destinations is known and the first claim is answered. Includes nothing of the scheduler's
// (scheduler_bench).
void start_with_waiting(benchmark::State& state) {
    QueueOptions options;
    options.directory = make_directory();
    const TimePoint now = wall_now();
    (void)sqlite::open_sqlite_store(options);
    {
        sqlite::Connection connection(options.directory + "/queue.sqlite", "", sqlite::Role::writer, 100'000);
        const std::string series =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ";
        const std::string rows = series + std::to_string(state.range(0)) + ") ";
        const std::string due = std::to_string(now.time_since_epoch().count() - 1000);
        const std::string expires = std::to_string((now + options.lifetime).time_since_epoch().count());
        connection.execute("PRAGMA synchronous=OFF; BEGIN");
        connection.execute((rows + "INSERT INTO message SELECT i, 0, " + expires +
                            " + i, 32, 2, 1, 's@example.org', '', '', "
                            "'user=u', zeroblob(32), NULL, CAST(printf('%.600c', 'h') AS BLOB) FROM n")
                               .c_str());
        connection.execute(
            (rows + "INSERT INTO body SELECT i, CAST(printf('%.1000c', 'x') AS BLOB) FROM n").c_str());
        connection.execute(
            (series + "5000) INSERT INTO destination SELECT i, 'd' || i || '.example', 'example.org user=u' "
                      "FROM n")
                .c_str());
        connection.execute((rows + "INSERT INTO recipient SELECT i, i, 1 + i % 5000, 0, " + due +
                            ", 0, 0, 0, 0, 'someone@d.example', '', '', '', '', '' FROM n")
                               .c_str());
        connection.execute("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
    }
    for (auto _ : state) {
        auto opened = sqlite::open_sqlite_store(options);
        QueueStore& store = **opened;
        Group page(1);
        store.destinations(0, 1000, now, [&](StoreResult<std::vector<DestinationDue>> found) {
            if (!found || found->size() != 1000) state.SkipWithError("no destinations");
            page.one_done();
        });
        page.wait();
        Group claim(1);
        store.claim(1, now, 50, now + kAddedLease, [&](StoreResult<Claimed> claimed) {
            if (!claimed || claimed->rows.size() != 50) state.SkipWithError("no claim");
            claim.one_done();
        });
        claim.wait();
        state.PauseTiming();
        opened->reset();
        state.ResumeTiming();
    }
    std::filesystem::remove_all(options.directory);
}
BENCHMARK(start_with_waiting)->Arg(1'000'000)->UseRealTime()->Unit(benchmark::kMillisecond);

BENCHMARK(add_and_settle)->ArgsProduct({{1, 50, 500}, {0, 1}})->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace posthorn::queue
