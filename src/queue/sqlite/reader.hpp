// Reading the queue: claims, bodies, due times and the operator's views, on a thread and connection of their
// own.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "queue/sqlite/claims.hpp"
#include "queue/sqlite/database.hpp"
#include "queue/sqlite/sqlite_store.hpp"

namespace posthorn::queue::sqlite {

// The statements. One thread; throws SqliteFailure, StoreErrors are returned.
class Queries {
public:
    Queries(const std::string& database, const std::string& spool, const SqliteTuning& tuning,
            ClaimTable& claims);

    Claimed claim(DestinationId destination, TimePoint now, std::size_t limit, TimePoint lease_until);
    std::vector<Recipient> claim_message(QueueId message, TimePoint now, TimePoint lease_until);
    std::vector<Recipient> claim_expired(TimePoint now, std::size_t limit, TimePoint lease_until);
    StoreResult<mail::MessagePtr> message(QueueId id);
    std::optional<TimePoint> next_due(DestinationId destination, TimePoint now);
    std::vector<DestinationDue> destinations(DestinationId after, std::size_t limit, TimePoint now);
    std::vector<QueueId> messages_of_class(const std::string& failure_class, QueueId after, std::size_t limit);
    std::vector<MessageSource> sources(const SourceQuery& query);
    std::vector<Pickup> pickups(const std::string& after, std::size_t limit);
    JournalPage journal(const JournalQuery& query);
    std::vector<Suppression> suppressions(const std::string& after, std::size_t limit);
    std::vector<QueueEntry> list(const ListQuery& query);
    AgePage ages(const AgeQuery& query);      // survey.cpp
    IdleCounts idle();                        // survey.cpp
    LookedUp look_up(const Lookup& lookup);   // survey.cpp
    TallyPage tally(const TallyQuery& query);  // survey.cpp
    StoreResult<QueueEntry> show(QueueId id);

    // The SQL that must stay off table scans, for the test that asks sqlite for its plans.
    static std::vector<std::string> hot_statements();

private:
    std::optional<TimePoint> first_free(DestinationId destination, TimePoint now);
    QueueEntry entry(Statement& row);

    Connection connection_;
    std::string spool_;
    ClaimTable& claims_;
    Statement due_, first_due_, expired_, waiting_, message_, body_, destinations_, of_class_, list_, one_, recipients_,
        recipient_count_, sources_, suspended_, pickups_, journal_first_, journal_last_, journal_up_, journal_down_, suppressions_;
};

// One thread with its queries, opened again after an I/O error.
class Reader {
public:
    Reader(std::string database, std::string spool, const SqliteTuning& tuning, ClaimTable& claims)
        : database_(std::move(database)), spool_(std::move(spool)), tuning_(tuning), claims_(claims) {}
    ~Reader() { stop(); }

    void start();
    void stop();  // finishes what was asked, joins

    // `ask(Queries&)` runs on the thread and returns what `done` gets: a T or a StoreResult<T>.
    template <class T, class Ask>
    void post(Done<T> done, Ask ask) {
        push([done = std::move(done), ask = std::move(ask)](Queries* queries,
                                                            const StoreError* error) mutable {
            std::optional<StoreResult<T>> result;
            bool broken = false;
            if (error != nullptr) {
                result.emplace(*error);
            } else {
                try {
                    result.emplace(ask(*queries));
                } catch (const SqliteFailure& failure) {
                    result.emplace(failure.as_store_error());
                    broken = true;
                }
            }
            done(*std::move(result));
            return broken;
        });
    }

private:
    // Returns whether the connection is to be opened again.
    using Job = UniqueFunction<bool(Queries*, const StoreError*)>;
    void push(Job job);
    void run();

    std::string database_;
    std::string spool_;
    SqliteTuning tuning_;
    ClaimTable& claims_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Job> jobs_;
    bool stopping_ = false;
    bool waits_ = false;
    std::thread thread_;
};

}  // namespace posthorn::queue::sqlite
