// A QueueStore without a disk: for tests, and the plain statement of what the contract means.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "queue/options.hpp"
#include "queue/store.hpp"

namespace posthorn::queue {

// Keeps every promise of the contract but durability. Answers inside the call, or through `executor`, which
// must run what it is given exactly once, in order. Any thread. Faults can be set to be returned by what
// follows, to test callers.
class MemoryStore : public QueueStore {
public:
    using Executor = std::function<void(UniqueFunction<void()>)>;

    explicit MemoryStore(std::string spool_directory = {}, Executor executor = {}, const JournalOptions& journal = {});
    ~MemoryStore() override;

    void add(NewMessage message, SteadyTime deadline, Done<Added> done) override;
    void settle(Settlement settlement, Done<Settled> done) override;
    void revise(QueueId message, Revision revision, TimePoint now, Done<Revised> done) override;
    void forget_pickups(std::vector<std::string> keys, Done<std::uint64_t> done) override;
    void suppress(std::vector<Suppression> suppressions, Done<std::uint64_t> done) override;
    void unsuppress(std::vector<std::string> addresses, Done<std::uint64_t> done) override;
    void claim(DestinationId destination, TimePoint now, std::size_t limit, TimePoint lease_until,
               Done<Claimed> done) override;
    void claim_message(QueueId message, TimePoint now, TimePoint lease_until,
                       Done<std::vector<Recipient>> done) override;
    void claim_expired(TimePoint now, std::size_t limit, TimePoint lease_until,
                       Done<std::vector<Recipient>> done) override;
    void unclaim(std::vector<RecipientId> recipients) override;
    void message(QueueId id, Done<mail::MessagePtr> done) override;
    void next_due(DestinationId destination, TimePoint now, Done<std::optional<TimePoint>> done) override;
    void destinations(DestinationId after, std::size_t limit, TimePoint now,
                      Done<std::vector<DestinationDue>> done) override;
    void messages_of_class(std::string failure_class, QueueId after, std::size_t limit,
                           Done<std::vector<QueueId>> done) override;
    void sources(SourceQuery query, Done<std::vector<MessageSource>> done) override;
    void pickups(std::string after, std::size_t limit, Done<std::vector<Pickup>> done) override;
    void ages(AgeQuery query, Done<AgePage> done) override;
    void idle(Done<IdleCounts> done) override;
    void look_up(Lookup lookup, Done<LookedUp> done) override;
    void tally(TallyQuery query, Done<TallyPage> done) override;
    void journal(JournalQuery query, Done<JournalPage> done) override;
    void suppressions(std::string after, std::size_t limit, Done<std::vector<Suppression>> done) override;
    void list(ListQuery query, Done<std::vector<QueueEntry>> done) override;
    void show(QueueId id, Done<QueueEntry> done) override;
    [[nodiscard]] StoreHealth health() const override;
    void on_health_change(std::function<void(const StoreHealth&)> observer) override;
    [[nodiscard]] const std::string& spool_directory() const override { return spool_directory_; }
    void stop() override;

    // From now on every change is refused with this error (unhealthy when it is io_error or disk_full); no
    // value: works again.
    void fail_with(std::optional<StoreError> error);

private:
    struct State;
    std::string spool_directory_;
    Executor executor_;
    std::unique_ptr<State> state_;
};

}  // namespace posthorn::queue
