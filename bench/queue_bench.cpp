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

// Argument: how many clients wait for the disk together.
void add_and_settle(benchmark::State& state) {
    const auto group_size = static_cast<std::size_t>(state.range(0));
    QueueOptions options;
    options.directory = make_directory();
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

BENCHMARK(add_and_settle)->Arg(1)->Arg(50)->Arg(500)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace posthorn::queue
