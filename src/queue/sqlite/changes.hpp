// What a message's life does to the tables: the writer's statements, and the effects that wait for the
// commit.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "queue/sqlite/claims.hpp"
#include "queue/sqlite/database.hpp"
#include "queue/sqlite/inbox.hpp"
#include "queue/sqlite/journal_book.hpp"

namespace posthorn::queue::sqlite {

// Thrown when one operation cannot be carried out for a reason of its own.
struct Refusal {
    StoreError error;
};

// Names to ids, the most recently used ones.
class DestinationCache {
public:
    explicit DestinationCache(std::size_t limit) : limit_(limit) {}
    [[nodiscard]] DestinationId find(std::string_view domain, std::string_view lane);  // 0: not here
    void keep(std::string_view domain, std::string_view lane, DestinationId id);
    void clear();

private:
    using Name = std::pair<std::string_view, std::string_view>;  // domain, lane
    struct Entry {
        std::string domain;
        std::string lane;
        DestinationId id = 0;
        [[nodiscard]] Name name() const { return {domain, lane}; }
    };
    struct NameHash {
        std::size_t operator()(const Name& name) const {
            return std::hash<std::string_view>()(name.first) * 31 + std::hash<std::string_view>()(name.second);
        }
    };
    std::size_t limit_;
    std::list<Entry> recent_;                                                     // the latest first
    std::unordered_map<Name, std::list<Entry>::iterator, NameHash> by_name_;  // views into recent_
};

// Owned by the writer thread; lives as long as its connection. All of apply happens inside the writer's
// transaction.
class Changes {
public:
    Changes(Connection& connection, ClaimTable& claims, std::string spool_directory,
            std::size_t destination_cache, const JournalOptions& journal);

    // Throws SqliteFailure or Refusal; then the transaction must be rolled back and roll_back() called. An operation that is
    // answered with an error although nothing failed (a hand-over that is known) has its `error` set and changed nothing: one
    // that is repeated costs its batch nothing.
    void apply(Operation& operation, TimePoint now);
    // After the last operation of a batch, before its commit: the journal's oldest entries go.
    void end_batch(TimePoint now) { journal_.trim(now); }
    [[nodiscard]] JournalBook::Range journal_kept() const { return journal_.kept(); }

    // What the transaction's end means to claims and files.
    struct Effects {
        std::int64_t messages = 0;  // more or fewer
        std::int64_t recipients = 0;
        std::vector<RecipientId> settled;   // claims of deliveries, released by the commit
        std::vector<RecipientId> reserved;  // rows revised while nobody had them
        std::unordered_set<RecipientId> ours;  // both of them, once a revision asked
        std::vector<RecipientId> added;     // claimed as they were added
        std::vector<std::pair<RecipientId, Afterwards>> marked;  // the mark before
        std::vector<std::string> unneeded_files;                 // relative to the spool directory
    };
    // After the commit. Returns removed rows that came back (see SweepOperation) and files to unlink.
    struct Aftermath {
        std::vector<RecipientId> sweep;
        std::vector<std::string> unneeded_files;
        std::int64_t messages = 0;
        std::int64_t recipients = 0;
    };
    Aftermath committed();
    void rolled_back();

private:
    // False: a hand-over that is known; nothing was changed.
    bool add(const NewMessage& message, Added& result, TimePoint now);
    void settle(const Settlement& settlement, Settled& result, TimePoint now);
    void revise(ReviseOperation& operation);
    void sweep(const std::vector<RecipientId>& recipients);
    void forget(ForgetOperation& operation);
    std::uint64_t suppress(const std::vector<Suppression>& suppressions);
    void unsuppress(UnsuppressOperation& operation);
    void defer(const Verdict& verdict);
    bool is_ours(RecipientId id, TimePoint now);
    DestinationId intern(std::string_view domain, std::string_view lane);
    void remove_message_if_done(QueueId id);

    Connection& connection_;
    ClaimTable& claims_;
    std::string spool_directory_;
    DestinationCache destinations_;
    RecipientId next_recipient_;
    Effects effects_;
    JournalBook journal_;

    Statement insert_message_, insert_body_, insert_recipient_, find_destination_, insert_destination_,
        destination_name_;
    Statement delete_recipient_, delete_message_, delete_body_, update_recipient_;
    Statement recipients_of_, message_exists_, make_due_, set_state_, end_message_, end_recipient_, removed_message_;
    Statement insert_pickup_, delete_pickup_, suppress_, unsuppress_;
};

}  // namespace posthorn::queue::sqlite
