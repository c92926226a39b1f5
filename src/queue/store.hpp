// The contract of the queue's store: what it keeps, what it promises, and what callers must not assume.
#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/histogram.hpp"
#include "base/queue_id.hpp"
#include "base/unique_function.hpp"
#include "mail/message.hpp"
#include "queue/age_table.hpp"
#include "queue/journal.hpp"

namespace posthorn::queue {

using RecipientId = std::int64_t;
// A recipient domain and a lane, interned. Ids are stable for the life of the process; do not keep them over a restart.
using DestinationId = std::int64_t;

// A lane tells mail of different senders and kinds to one domain apart (delivery/lane.hpp makes them). To the queue it is
// opaque text, empty for mail queued before there were lanes, but for two things. Its first character may say that it is bulk
// mail, which other mail of its site may overtake; and whoever submitted it stands behind its space, or is all of it where
// nobody in particular did: lanes of one submitter share his turns.
inline constexpr char kBulkLane = '~';
[[nodiscard]] constexpr bool is_bulk(std::string_view lane) { return !lane.empty() && lane.front() == kBulkLane; }
[[nodiscard]] constexpr std::string_view submitter_of(std::string_view lane) {
    const std::size_t space = lane.find(' ');
    return lane.substr(space == std::string_view::npos ? (is_bulk(lane) ? 1 : 0) : space);
}

enum class StoreFault {
    busy,  // the inbox is at its bound, or the deadline passed before the operation began: 452, nothing was
           // stored
    disk_full,  // ENOSPC or below the configured free space: 452
    io_error,   // the disk failed; the store is unhealthy until a probe succeeds: 452, delivery pauses
    not_found,
    corrupt,  // what was stored cannot be read back: a damaged row, a spool file that is gone or has the
              // wrong size
    refused,  // this one operation cannot be stored as it is (an id that exists, a body that is not where it
              // should be)
    known,    // NewMessage::pickup was added before, by this name: the mail is in the queue already or has left it
    shutting_down,
};

struct StoreError {
    StoreFault fault = StoreFault::io_error;
    std::string what;  // for the operator
};
[[noreturn]] void throw_exception_from_error(const StoreError& error, const boost::source_location&);

template <class T>
using StoreResult = boost::system::result<T, StoreError>;

// Called exactly once, on a thread of the store (or inside the call, when the store refuses at once). Must
// not block: post to your own executor.
template <class T>
using Done = UniqueFunction<void(StoreResult<T>)>;

enum class RecipientState : std::uint8_t {
    waiting = 0,  // has a due time, which is never after the message's expiry
    held = 1,     // waits for an operator; ends by release, delete or expiry
    suspended = 3,  // its submitter may not send for now; ends by resume, delete or expiry. (2 is the sqlite store's own.)
};

// One recipient still to be settled. Delivered and failed recipients have no row.
struct Recipient {
    RecipientId id = 0;
    QueueId message;
    DestinationId destination = 0;
    std::string lane;  // the destination's
    std::string address;
    std::string orcpt;
    std::uint8_t notify = mail::Notify::unset;
    RecipientState state = RecipientState::waiting;
    TimePoint due_at{};
    TimePoint expires_at{};      // the message's
    std::uint32_t attempts = 0;  // that counted
    TimePoint last_attempt{};    // 1970 when there was none
    std::string last_class;      // delivery's word for the last outcome: "temp", "auth", "local", ...; empty
                                 // before the first
    std::string last_reply;      // the peer's words unshortened, or our own; empty before the first attempt
    std::string last_host;       // "mx1.example.com[192.0.2.1]" of the last attempt
    bool delay_dsn_sent = false;
    std::string in_doubt;  // the host that may have the message already: a connection was lost after the final dot; or empty
    bool personal = false;  // the message has per-recipient headers: one recipient per transaction
    bool claimed = false;   // in a QueueEntry: a delivery has it, or will have it at once
};

// The lease of recipients that are claimed as they are added.
inline constexpr Duration kAddedLease = std::chrono::hours(24);

struct NewRecipient {
    mail::EnvelopeRecipient recipient;
    std::string domain;  // of the destination: lower case A-label form, or an address literal "[192.0.2.1]"
    std::string lane;    // of the destination; the delivery agent fills it in (DeliveryAgent::admit)
    TimePoint due_at{};
    bool claim =
        false;  // claimed as it is stored: the caller will deliver it at once and settle or unclaim it
};

// Of NewMessage::pickup, in octets.
inline constexpr std::size_t kLongestPickup = 240;

struct NewMessage {
    mail::MessagePtr message;
    std::vector<NewRecipient> recipients;
    // Not empty: which hand-over this is (mail::handoff_key()). It is stored with the message, in the same transaction, and while it is remembered add()
    // answers `known` to whoever brings it again: nothing is stored then. So mail that was handed over, but whose
    // handing-over was cut off before its end, can be brought again without becoming two (SM-34).
    std::string pickup;
};

// In the order of NewMessage::recipients.
struct Added {
    struct Row {
        RecipientId id = 0;
        DestinationId destination = 0;
    };
    std::vector<Row> recipients;
};

// What becomes of one recipient after an attempt.
struct Verdict {
    enum class Kind : std::uint8_t {
        done,   // delivered, failed or expired: the row goes; with the last row goes the message
        defer,  // stays, with a new due time and the reply that caused it
        hold,   // stays, state held
    };
    RecipientId recipient = 0;
    QueueId message;
    Kind kind = Kind::done;
    // For defer and hold:
    TimePoint due_at{};
    bool count_attempt = true;
    TimePoint attempted_at{};
    std::string failure_class;
    std::string reply;
    std::string host;
    bool delay_dsn_sent = false;  // sticky: true sets the mark, false leaves it as it is
    std::string in_doubt;         // sticky: not empty sets the mark, see Recipient::in_doubt
};

// One transaction: all verdicts, all new messages (DSNs about them) and what the journal says of them, or nothing. Removes the claims of its
// recipients when it is durable, and when it fails leaves both rows and claims as they were: settle again or
// unclaim. A verdict on a row that is gone is no error. A due time after the message's expiry is stored as
// the expiry.
struct Settlement {
    std::vector<Verdict> verdicts;
    std::vector<NewMessage> messages;
    std::vector<JournalEntry> journal;       // not kept where QueueOptions::journal says so
    std::vector<Suppression> suppressions;   // of an address that is suppressed already: nothing happens
};

// Recipients that wait for somebody, and not for their time.
struct IdleCounts {
    std::uint64_t held = 0;       // for an operator
    std::uint64_t suspended = 0;  // for their user's suspension to end
};

// In the order of Settlement::messages.
struct Settled {
    std::vector<Added> messages;
};

// What claim() found, and when this destination is to be looked at again.
struct Claimed {
    std::vector<Recipient> rows;
    // The earliest due time of its rows that are still waiting and unclaimed; not after the `now` of the
    // claim when there was more due than the limit. No value: nothing else waits. May be early (a claim then
    // finds nothing), never late.
    std::optional<TimePoint> next_due;
};

struct DestinationDue {
    DestinationId id = 0;
    std::string domain;
    std::string lane;
    TimePoint next_due{};  // the earliest due time of its waiting, unclaimed rows
};

// One line of `posthorn queue list`.
struct QueueEntry {
    QueueId id;
    TimePoint accepted_at{};
    TimePoint expires_at{};
    std::string reverse_path;
    std::uint64_t size = 0;
    std::string stream;
    std::string source;
    std::string origin;  // mail::Message::origin
    std::vector<Recipient> recipients;  // at most 100; see recipient_count
    std::uint64_t recipient_count = 0;
    bool require_tls = false;  // RFC 8689
};

struct ListQuery {
    QueueId after;             // exclusive; the first page has 0
    std::size_t limit = 100;   // messages, at most 1000
    std::string domain;        // recipient domain, in whatever lane, or empty for all
    std::string reverse_path;  // exact, or empty for all
    std::vector<std::string> sources;  // any of these mail::Message::sources, at most kMostSources; empty for all

    static constexpr std::size_t kMostSources = 4;
};

// The operator's question what waits for a recipient, for a domain, or from a domain of senders: exactly one of the three.
struct Lookup {
    std::string address;          // a recipient, whole, in any case of letters (ASCII)
    std::string domain;           // a recipient domain, in whatever lane; with `address` its destination
    std::string sender_domain;    // of the reverse-path, in any case of letters
    std::size_t limit = 5;        // recipients shown, at most 100
    std::size_t scan = 100'000;   // recipients (by sender: messages) looked at
};

struct LookedUp {
    // With only those recipients that were asked for, the oldest messages first, `limit` recipients in all.
    std::vector<QueueEntry> oldest;
    std::uint64_t recipients = 0;                   // that wait, held and suspended ones too
    std::map<std::string, std::uint64_t> by_class;  // of them, by last_class; "" of those not tried yet
    std::uint64_t held = 0, suspended = 0;          // of them, by an operator; by their user's suspension
    bool complete = true;                           // false: there was more than `scan` to look at
};

// What was submitted by whom; for passes over the whole queue.
struct MessageSource {
    QueueId id;
    std::string source;  // mail::Message::source
};

struct SourceQuery {
    QueueId after;                // exclusive; the first page has 0
    std::size_t limit = 1000;     // messages, at most 10,000
    bool suspended_only = false;  // only messages with suspended rows: those are in an index
};

// A hand-over that add() remembers.
struct Pickup {
    std::string key;  // NewMessage::pickup
    TimePoint added_at{};
};

// Suspension is apart from hold, so that resuming a user releases what his suspension stopped and nothing else.
enum class Revision : std::uint8_t {
    retry,  // due now, whatever the back-off; attempts unchanged; held rows too, suspended ones not; claimed
            // ones are being tried already
    flush,  // the same for waiting rows alone: what an operator holds stays held
    hold,   // waiting and suspended -> held; claimed rows become held when they are deferred
    release,  // held -> waiting, due now
    remove,   // all unclaimed recipients go, without a DSN; claimed ones go when they are settled
    suspend,  // waiting -> suspended, keeping their due times; claimed rows become it when they are deferred
    resume,   // suspended -> waiting
    bounce,   // the message expires now, in whatever state: claim_expired() hands its rows out, to be settled as failed;
              // their last_class becomes "bounced". Claimed rows follow when they are deferred, as expired
};

struct Revised {
    std::uint64_t recipients = 0;     // rows changed
    std::vector<DestinationDue> due;  // destinations that have mail waiting again because of it, and when it is due
};

// For stores: whether the revision changes rows of this state at all, and the note that a destination has mail again.
[[nodiscard]] bool concerns(Revision revision, RecipientState state);
void note_due(Revised& revised, DestinationDue noted);

struct StoreHealth {
    bool healthy = true;
    std::string reason;  // why not, for the operator
    // Counted as they come and go, and once in the background at start: until that is done, only what came
    // and went since.
    std::uint64_t messages = 0;
    std::uint64_t recipients = 0;
    std::uint64_t inbox_bytes = 0;
    std::uint64_t batches = 0;     // committed since start
    std::uint64_t operations = 0;  // in them
    std::uint64_t wal_bytes = 0;
    std::uint64_t last_commit_microseconds = 0;
    Histogram commit_seconds{kMachineSeconds};  // from a batch's beginning to the disk's word that it has all of it
    Histogram batch_operations{kAmounts};       // taken together in one batch
    std::uint64_t journal_first = 0;  // the first and last number in the journal; 0: it is empty
    std::uint64_t journal_last = 0;
};

// Keeps messages from acceptance to settlement.
//
// GUARANTEES: when done() of add or settle gets a value, the change survives kill -9 and power loss.
// Operations of one thread take effect in the order of the calls. A recipient is handed out by claim/expired
// to one claimant at a time. A claim is not durable: after a restart all rows are unclaimed (delivery is
// at-least-once; docs/QUEUE.md gives the window). THREADS: every method may be called from any thread.
// Ownership of arguments passes to the store. Nothing above this contract may assume that one process owns
// the queue: claims carry a lease, renewed by nobody, after which another claimant may have the row.
class QueueStore {
public:
    virtual ~QueueStore() = default;

    // Changes: durable before done() is called with a value.
    //
    // deadline: an operation that has not begun by then is withdrawn and answered `busy`; once begun, its verdict is awaited.
    virtual void add(NewMessage message, SteadyTime deadline, Done<Added> done) = 0;
    virtual void settle(Settlement settlement, Done<Settled> done) = 0;
    virtual void revise(QueueId message, Revision revision, TimePoint now, Done<Revised> done) = 0;
    // Forgets hand-overs (NewMessage::pickup): for when nobody can bring them again, because the removal of their spool files
    // is on disk. Answers how many it knew.
    virtual void forget_pickups(std::vector<std::string> keys, Done<std::uint64_t> done) = 0;

    // Answers how many were not suppressed before; those that were keep their entry.
    virtual void suppress(std::vector<Suppression> suppressions, Done<std::uint64_t> done) = 0;
    // Answers how many were suppressed.
    virtual void unsuppress(std::vector<std::string> addresses, Done<std::uint64_t> done) = 0;

    // Claims.
    //
    // Up to `limit` waiting, unclaimed rows of the destination with due_at <= now, earliest first. Work is
    // proportional to limit plus the destination's claimed rows, never to the queue's length.
    virtual void claim(DestinationId destination, TimePoint now, std::size_t limit, TimePoint lease_until,
                       Done<Claimed> done) = 0;
    // Claims all waiting, unclaimed rows of one message, due or not, in the order they were added.
    virtual void claim_message(QueueId message, TimePoint now, TimePoint lease_until,
                               Done<std::vector<Recipient>> done) = 0;
    // Claims rows of any state whose message has expired: they are to be settled as expired, whatever else
    // was planned.
    virtual void claim_expired(TimePoint now, std::size_t limit, TimePoint lease_until,
                               Done<std::vector<Recipient>> done) = 0;
    // Gives rows back untouched. Cheap, needs no transaction.
    virtual void unclaim(std::vector<RecipientId> recipients) = 0;

    // Reads.
    virtual void message(QueueId id, Done<mail::MessagePtr> done) = 0;
    // The earliest due time of the destination's waiting, unclaimed rows; nothing when there are none.
    virtual void next_due(DestinationId destination, TimePoint now, Done<std::optional<TimePoint>> done) = 0;
    // Destinations that have waiting rows, `after` exclusive by id, at most `limit`; for the start. One index
    // seek each.
    virtual void destinations(DestinationId after, std::size_t limit, TimePoint now,
                              Done<std::vector<DestinationDue>> done) = 0;
    // Messages with waiting rows whose last outcome was of this class, by id, `after` exclusive. Kept in an index for the
    // classes that a repair of ours can end: "local" and "auth"; of others it may know nothing.
    virtual void messages_of_class(std::string failure_class, QueueId after, std::size_t limit,
                                   Done<std::vector<QueueId>> done) = 0;
    // Messages by id with who submitted them. Bounded by the limit in what it looks at; never in the way of claims.
    virtual void sources(SourceQuery query, Done<std::vector<MessageSource>> done) = 0;
    // The hand-overs that are remembered, by key, `after` exclusive, at most `limit`; never in the way of claims.
    virtual void pickups(std::string after, std::size_t limit, Done<std::vector<Pickup>> done) = 0;
    // Entries of the journal; never in the way of claims.
    virtual void journal(JournalQuery query, Done<JournalPage> done) = 0;
    // Sums of the journal; never in the way of claims.
    virtual void tally(TallyQuery query, Done<TallyPage> done) = 0;
    // By address, `after` exclusive, at most `limit`; never in the way of claims.
    virtual void suppressions(std::string after, std::size_t limit, Done<std::vector<Suppression>> done) = 0;
    // How old waiting mail is, a part of the queue at a time; never in the way of claims.
    virtual void ages(AgeQuery query, Done<AgePage> done) = 0;
    // Counts in an index of these recipients alone; never in the way of claims.
    virtual void idle(Done<IdleCounts> done) = 0;
    // Looks at no more than Lookup::scan; never in the way of claims.
    virtual void look_up(Lookup lookup, Done<LookedUp> done) = 0;
    virtual void list(ListQuery query, Done<std::vector<QueueEntry>> done) = 0;
    virtual void show(QueueId id, Done<QueueEntry> done) = 0;

    [[nodiscard]] virtual StoreHealth health() const = 0;
    // Called on a store thread whenever `healthy` changes. Set before the first operation.
    virtual void on_health_change(std::function<void(const StoreHealth&)> observer) = 0;

    // Where large bodies of messages not yet added are written: open a BodySpool there
    // (queue/body_spool.hpp).
    [[nodiscard]] virtual const std::string& spool_directory() const = 0;

    // Refuses what comes from now on (shutting_down), finishes what was begun, joins the threads. Blocks.
    virtual void stop() = 0;
};

}  // namespace posthorn::queue
