// The journal: what became of each recipient in each attempt, kept for a while after the mail has left the queue.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/queue_id.hpp"

namespace posthorn::queue {

// Entries are numbered 1, 2, 3, ... as they are committed; the numbers have no gaps and are never used again, so that a number
// is a place to go on from (a webhook's cursor).
struct JournalEntry {
    std::uint64_t seq = 0;  // the store gives it; without meaning in a Settlement
    TimePoint at{};
    QueueId message;
    std::string event;   // "delivered", "deferred", "failed", "suppressed"
    std::string from;    // the reverse-path
    std::string to;      // as it was handed in
    std::string source;  // mail::Message::source: who submitted it
    std::string stream;
    std::string group;          // the provider, or the first host of its MX set; empty before there was a plan
    std::string host;           // "mx1.example.com[192.0.2.1]"
    std::string failure_class;  // "none" where it was delivered
    std::string rule;           // which rule told the class: "google/unauthenticated"
    std::string reply;          // the peer's words unshortened, or our own
    std::string diagnosis;      // JSON, or empty
    std::string transcript;     // of the session, where it was not delivered; at most kLongestTranscript
    std::uint32_t attempts = 0;  // that counted, this one included
    Duration delay{};            // since the message was accepted
    TimePoint due_at{};          // of what was deferred: when it is tried again

    static constexpr std::size_t kLongestTranscript = 8 * 1024;
};

// Which entries. All conditions that are given must hold. There is no index but the number: what is asked for by anything else is
// looked for among `scan` entries, and the answer says where to go on.
struct JournalQuery {
    std::uint64_t after = 0;                                            // exclusive
    std::uint64_t before = std::numeric_limits<std::int64_t>::max();    // exclusive
    std::size_t limit = 100;      // entries, at most kMost
    std::size_t scan = 100'000;   // entries looked at
    QueueId message;              // 0: any
    std::string to;               // whole, in any case of letters (ASCII); empty: any
    std::string domain;           // of the recipient, as mail::destination_of() names it
    std::string group;
    bool newest_first = false;
    bool details = true;          // false: without transcript and diagnosis

    static constexpr std::size_t kMost = 1000;
};

// Whether an entry of this message, recipient and group is asked for; `after`, `before` and the bounds apart.
[[nodiscard]] bool matches(const JournalQuery& query, QueueId message, std::string_view to, std::string_view group);

struct JournalPage {
    std::vector<JournalEntry> entries;
    // What the journal holds: the first and last number; 0 and 0 when it never held any.
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    // Where to go on: the next query's `after` (or `before`, newest first). `complete`: there is nothing further.
    std::uint64_t looked_to = 0;
    bool complete = true;

    // Of a store: the numbers to look at, from low to high, and when `entries` is filled, where to go on.
    struct Range {
        std::uint64_t low = 1, high = 0;  // both inclusive; empty: low > high
    };
    [[nodiscard]] Range range(const JournalQuery& query) const;
    void note_end(const JournalQuery& query, Range looked);
};

// How deliveries ended of late, by group, without reading the entries themselves. A part of the journal at a time, newest first.
struct TallyQuery {
    TimePoint recent{};         // two windows: from here on, and
    TimePoint since{};          // from here on; nothing older is looked at
    std::uint64_t before = std::numeric_limits<std::int64_t>::max();   // exclusive
    std::size_t scan = 50'000;  // entries looked at
};

struct TallyCounts {
    std::uint64_t delivered = 0, deferred = 0, failed = 0;   // suppressed recipients are in none: nobody was asked
};

struct TallyRow {
    std::string group;          // empty: there was no plan
    TallyCounts recent, all;    // `all` has `recent` in it

    void add(const TallyRow& other);   // its counts
};

void note(TallyRow& row, std::string_view event, bool is_recent);

struct TallyPage {
    std::vector<TallyRow> rows;      // each group once, in no order
    std::uint64_t looked_to = 0;     // the next query's `before`
    bool complete = true;            // nothing of the time is left
};

// A recipient that no mail goes to any more (docs/SUPPRESSION.md).
struct Suppression {
    std::string address;        // the key, compared as it is: whoever writes it has brought it into its form
    TimePoint since{};
    std::string failure_class;  // "rcpt-perm", or "operator"
    std::string reply;          // that was the reason, or the operator's words
    QueueId message;            // whose refusal it was; 0: none
};

}  // namespace posthorn::queue
