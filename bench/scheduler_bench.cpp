// The scheduler alone, in simulated time: what dead and slow sites cost the others, and a start with a long
// queue.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "queue/scheduler.hpp"

namespace posthorn::queue {
namespace {

using namespace std::chrono_literals;

constexpr int kDomains = 5000;
constexpr int kSites = 50;
constexpr int kBad = 5;  // dead ones, and as many slow ones
constexpr int kMessages = 100'000;

enum class Kind { healthy, dead, slow };

// Plays the store, the resolver and the peers; time jumps from event to event.
class World {
public:
    explicit World(const SchedulerOptions& options) : scheduler_(options), waiting_(kDomains) {}

    void fill(bool with_bad) {
        for (int d = 0; d < kDomains; ++d) {
            if (!with_bad && kind_of(d) != Kind::healthy) {
                continue;
            }
            waiting_[static_cast<std::size_t>(d)] = kMessages / kDomains;
            healthy_left_ += kind_of(d) == Kind::healthy ? kMessages / kDomains : 0;
            scheduler_.on_due(d + 1, "d" + std::to_string(d), "example.org", now_);
        }
    }

    // Until the healthy sites have all of theirs. Returns the simulated time it took.
    Duration run() {
        const TimePoint start = now_;
        while (healthy_left_ > 0) {
            actions_ += 1;
            SchedulerAction action = scheduler_.next(now_);
            if (auto* begun = std::get_if<StartDelivery>(&action)) {
                begin(*begun);
            } else if (const auto* claim = std::get_if<ClaimDue>(&action)) {
                answer(*claim);
            } else if (const auto* resolve = std::get_if<ResolveSite>(&action)) {
                const std::string key = "mx" + std::to_string(site_of(index(resolve->destination)));
                SitePlace place;
                place.key = key;
                scheduler_.resolved(resolve->destination, place, now_ + 24h, now_);
            } else if (const auto* back = std::get_if<GiveBack>(&action)) {
                for (const RecipientId id : back->recipients) {
                    waiting_[static_cast<std::size_t>(id % kDomains)] += 1;
                }
            } else {
                const auto when = std::get<WaitUntil>(action).when;
                if (flights_.empty() || (when && *when < flights_.top().ends)) {
                    now_ = when.value();
                } else {
                    land();
                }
            }
        }
        return now_ - start;
    }

    [[nodiscard]] std::int64_t actions() const { return actions_; }
    [[nodiscard]] std::int64_t healthy_messages() const { return healthy_done_; }

private:
    struct Flight {
        TimePoint ends;
        SiteId site;
        DestinationId destination;
        Kind kind;
        std::int64_t messages;
        TimePoint began;
        bool operator<(const Flight& other) const { return ends > other.ends; }
    };
    static int index(DestinationId id) { return static_cast<int>(id - 1); }
    static int site_of(int domain) { return domain % kSites; }
    static Kind kind_of(int domain) {
        const int site = site_of(domain);
        return site < kBad ? Kind::dead : site < 2 * kBad ? Kind::slow : Kind::healthy;
    }

    void answer(const ClaimDue& claim) {
        std::int64_t& waiting = waiting_[static_cast<std::size_t>(index(claim.destination))];
        std::vector<Recipient> rows;
        for (; waiting > 0 && rows.size() < claim.limit; --waiting) {
            Recipient row;
            row.id = (++last_ * kDomains) + index(claim.destination);
            row.message = QueueId(row.id);
            row.destination = claim.destination;
            row.due_at = now_;
            rows.push_back(std::move(row));
        }
        scheduler_.claimed(claim.destination, std::move(rows),
                           waiting > 0 ? std::optional(now_) : std::nullopt, now_);
    }
    void begin(const StartDelivery& start) {
        const Kind kind = kind_of(index(start.destination));
        // A healthy peer takes 200 ms, a dead one half a minute to say nothing, a slow one two minutes.
        const Duration takes = kind == Kind::healthy ? Duration(200ms)
                               : kind == Kind::dead  ? Duration(30s)
                                                     : Duration(2min);
        const auto messages = static_cast<std::int64_t>(start.recipients.size());
        flights_.push({now_ + takes, start.site, start.destination, kind, messages, now_});
    }
    void land() {
        const Flight flight = flights_.top();
        flights_.pop();
        now_ = flight.ends;
        DeliveryFeedback feedback;
        feedback.took = flight.ends - flight.began;
        if (flight.kind == Kind::dead) {
            feedback.reach = DeliveryFeedback::Reach::host_failed;
        }
        for (const RecipientId id : scheduler_.finished(flight.site, flight.destination, feedback, now_)) {
            waiting_[static_cast<std::size_t>(id % kDomains)] += 1;
        }
        if (flight.kind == Kind::healthy) {
            healthy_left_ -= flight.messages;
            healthy_done_ += flight.messages;
        }
    }

    Scheduler scheduler_;
    std::vector<std::int64_t> waiting_;
    std::priority_queue<Flight> flights_;
    TimePoint now_{std::chrono::hours(480'000)};
    std::int64_t last_ = 0, healthy_left_ = 0, healthy_done_ = 0, actions_ = 0;
};

// Argument 0: connections_per_site. 100,000 messages to 5,000 domains on 50 sites, of which 5 are dead and 5
// slow. "percent" is the rate of the healthy sites' mail beside that of a run without the mail to the others.
void bad_sites(benchmark::State& state) {
    SchedulerOptions options;
    options.connections_per_site = static_cast<std::uint32_t>(state.range(0));
    double with = 0;
    double without = 0;
    std::int64_t actions = 0;
    for (auto _ : state) {
        World mixed(options);
        mixed.fill(true);
        const Duration took = mixed.run();
        with = static_cast<double>(mixed.healthy_messages()) / (static_cast<double>(took.count()) / 1000);
        actions += mixed.actions();
        state.PauseTiming();
        World alone(options);
        alone.fill(false);
        const Duration rest = alone.run();
        without = static_cast<double>(alone.healthy_messages()) / (static_cast<double>(rest.count()) / 1000);
        state.ResumeTiming();
    }
    state.counters["healthy/s"] = with;
    state.counters["alone/s"] = without;
    state.counters["percent"] = 100 * with / without;
    state.counters["actions/s"] =
        benchmark::Counter(static_cast<double>(actions), benchmark::Counter::kIsRate);
}
BENCHMARK(bad_sites)->Arg(5)->Arg(20)->Unit(benchmark::kMillisecond);

// A start with that many destinations due at once, as after a long stop: time to the first claim that the
// store could answer, and the memory of all of them, resolved and waiting.
void start_with(benchmark::State& state) {
    const auto count = state.range(0);
    double octets = 0;
    for (auto _ : state) {
        state.PauseTiming();
        const auto before = ::mallinfo2().uordblks;
        auto scheduler = std::make_unique<Scheduler>(SchedulerOptions{});
        const TimePoint now{std::chrono::hours(480'000)};
        state.ResumeTiming();
        for (std::int64_t i = 1; i <= count; ++i) {
            scheduler->on_due(i, "domain" + std::to_string(i) + ".example", "example.org user=alice", now);
        }
        for (bool claimed = false; !claimed;) {
            SchedulerAction action = scheduler->next(now);
            if (const auto* resolve = std::get_if<ResolveSite>(&action)) {
                const std::string key = "mx" + std::to_string(resolve->destination % 1000);
                SitePlace place;
                place.key = key;
                scheduler->resolved(resolve->destination, place, now + 1h, now);
            } else {
                claimed = std::holds_alternative<ClaimDue>(action);
            }
        }
        state.PauseTiming();
        octets = static_cast<double>(::mallinfo2().uordblks - before) / static_cast<double>(count);
        scheduler.reset();
        state.ResumeTiming();
    }
    state.counters["octets/destination"] = octets;
}
BENCHMARK(start_with)->Arg(5'000)->Arg(100'000)->Unit(benchmark::kMillisecond);

// 100,000 destinations with a message each, of a thousand senders at a thousand sites, until all are delivered. Argument: 0 without
// gates, 1 with six idle gates each, 2 with a rate and a concurrency that never shut. "ns/action" side by side in one run.
void all_through_gates(benchmark::State& state) {
    constexpr std::int64_t kCount = 100'000;
    std::int64_t actions = 0;
    for (auto _ : state) {
        Scheduler scheduler(SchedulerOptions{});
        const TimePoint now{std::chrono::hours(480'000)};
        if (state.range(0) == 2) {
            GateSettings wide;
            wide.concurrency = 1000;
            wide.rate = Rate{4'000'000, std::chrono::seconds(1)};
            wide.burst = 4'000'000;
            scheduler.set_gate("ip|default|g", wide, now);
            scheduler.set_gate("provider|g", wide, now);
        }
        for (std::int64_t i = 1; i <= kCount; ++i) {
            const std::string sender = "s" + std::to_string(i % 1000) + ".example";
            scheduler.on_due(i, "domain" + std::to_string(i) + ".example", sender, now);
        }
        for (std::int64_t left = kCount; left > 0; ++actions) {
            SchedulerAction action = scheduler.next(now);
            if (const auto* resolve = std::get_if<ResolveSite>(&action)) {
                const std::string key = "mx" + std::to_string(resolve->destination % 1000);
                const std::vector<std::string> gates = {"provider|g", "site|" + key, "ip|default|g", "dkim|" + resolve->lane + "|g",
                                                        "spf|" + resolve->lane + "|g", "sender|" + resolve->lane + "|g"};
                SitePlace place;
                place.key = key;
                if (state.range(0) != 0) {
                    place.gates = gates;
                }
                scheduler.resolved(resolve->destination, place, now + 24h, now);
            } else if (const auto* claim = std::get_if<ClaimDue>(&action)) {
                Recipient row;
                row.id = claim->destination;
                row.message = QueueId(row.id);
                row.destination = claim->destination;
                row.due_at = now;
                scheduler.claimed(claim->destination, {row}, std::nullopt, now);
            } else if (const auto* start = std::get_if<StartDelivery>(&action)) {
                DeliveryFeedback feedback;
                feedback.passage = start->passage;
                (void)scheduler.finished(start->site, start->destination, feedback, now);
                --left;
            } else {
                state.SkipWithError("it waits");
                return;
            }
        }
    }
    state.counters["actions/s"] = benchmark::Counter(static_cast<double>(actions), benchmark::Counter::kIsRate);
}
BENCHMARK(all_through_gates)->Arg(0)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace posthorn::queue
