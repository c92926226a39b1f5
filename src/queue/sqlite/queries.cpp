// The reader's statements: each is one index range, however long the queue is.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "queue/body_spool.hpp"
#include "queue/sqlite/reader.hpp"
#include "queue/sqlite/recipient_row.hpp"
#include "queue/sqlite/schema.hpp"

namespace posthorn::queue::sqlite {

namespace {

// CROSS JOIN fixes the order: the recipient's index first, then its message by key.
constexpr const char* kDue =
    "SELECT " POSTHORN_RECIPIENT_COLUMNS
    " FROM recipient r CROSS JOIN message m ON m.id = r.message_id"
    " WHERE r.destination_id = ?1 AND r.state = 0 AND r.due_at <= ?2 ORDER BY r.due_at, r.id";
constexpr const char* kFirstDue =
    "SELECT r.id, r.due_at FROM recipient r CROSS JOIN message m ON m.id = r.message_id"
    " WHERE r.destination_id = ?1 AND r.state = 0 ORDER BY r.due_at, r.id";
constexpr const char* kExpired = "SELECT " POSTHORN_RECIPIENT_COLUMNS
                                 " FROM message m CROSS JOIN recipient r ON r.message_id = m.id"
                                 " WHERE m.expires_at <= ?1 AND r.state <> 2 ORDER BY m.expires_at";
constexpr const char* kWaiting = "SELECT " POSTHORN_RECIPIENT_COLUMNS
                                 " FROM recipient r CROSS JOIN message m ON m.id = r.message_id"
                                 " WHERE r.message_id = ?1 AND r.state = 0 ORDER BY r.id";
constexpr const char* kMessage =
    "SELECT accepted_at, expires_at, flags, body_size, longest_line, reverse_path, envid, stream, source, "
    "body_hash,"
    " spool_file, header, origin FROM message WHERE id = ?1";
constexpr const char* kBody = "SELECT data FROM body WHERE message_id = ?1";
constexpr const char* kDestinations = "SELECT id, name, lane FROM destination WHERE id > ?1 ORDER BY id";
// Names the classes of the partial index recipient_class again, so that sqlite may use it.
constexpr const char* kOfClass =
    "SELECT DISTINCT message_id FROM recipient WHERE last_class = ?1 AND last_class IN ('local', 'auth')"
    " AND state = 0 AND message_id > ?2 ORDER BY message_id LIMIT ?3";
constexpr const char* kRecipientsOf = "SELECT " POSTHORN_RECIPIENT_COLUMNS
                                      " FROM recipient r CROSS JOIN message m ON m.id = r.message_id"
                                      " WHERE r.message_id = ?1 AND r.state <> 2 ORDER BY r.id LIMIT 100";
constexpr const char* kRecipientCount = "SELECT count(*) FROM recipient WHERE message_id = ?1 AND state <> 2";
constexpr const char* kSources = "SELECT id, source FROM message WHERE id > ?1 ORDER BY id LIMIT ?2";
constexpr const char* kSuspended =
    "SELECT r.message_id, m.source FROM recipient r CROSS JOIN message m ON m.id = r.message_id"
    " WHERE r.state = 3 AND r.message_id > ?1 GROUP BY r.message_id ORDER BY r.message_id LIMIT ?2";
constexpr const char* kPickups = "SELECT key, added_at FROM pickup WHERE key > ?1 ORDER BY key LIMIT ?2";
// The order of columns that read_entry expects.
#define POSTHORN_JOURNAL                                                                                        \
    "SELECT seq, at, message_id, attempts, delay, due_at, event, class, grp, recipient, sender, source, stream," \
    " host, rule, reply, diagnosis, transcript FROM journal WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq"
constexpr const char* kJournalUp = POSTHORN_JOURNAL;
constexpr const char* kJournalDown = POSTHORN_JOURNAL " DESC";
constexpr const char* kJournalFirst = "SELECT min(seq) FROM journal";
constexpr const char* kJournalLast = "SELECT max(seq) FROM journal";
constexpr const char* kSuppressions =
    "SELECT address, since, class, reply, message_id FROM suppressed WHERE address > ?1 ORDER BY address LIMIT ?2";
#define POSTHORN_ENTRY_COLUMNS                                                                          \
    "m.id, m.accepted_at, m.expires_at, m.reverse_path, length(m.header) + 2 + m.body_size, m.stream, " \
    "m.source, m.flags, m.origin"
// The operator's view walks the messages in order; it has a thread of its own.
constexpr const char* kList = "SELECT " POSTHORN_ENTRY_COLUMNS
                              " FROM message m WHERE m.id > ?1 AND (?2 = '' OR m.reverse_path = ?2) AND "
                              "EXISTS (SELECT 1 FROM recipient r WHERE"
                              " r.message_id = m.id AND r.state <> 2 AND (?3 = '' OR r.destination_id IN "
                              "(SELECT id FROM destination WHERE name = ?3)))"
                              " AND (?5 IS NULL OR m.source IN (?5, ?6, ?7, ?8)) ORDER BY m.id LIMIT ?4";
constexpr const char* kOne = "SELECT " POSTHORN_ENTRY_COLUMNS
                             " FROM message m WHERE m.id = ?1 AND EXISTS (SELECT 1 FROM recipient r WHERE"
                             " r.message_id = m.id AND r.state <> 2)";

JournalEntry read_entry(const Statement& row, bool details) {
    JournalEntry entry;
    entry.seq = static_cast<std::uint64_t>(row.integer(0));
    entry.at = row.time(1);
    entry.message = QueueId(row.integer(2));
    entry.attempts = static_cast<std::uint32_t>(row.integer(3));
    entry.delay = Duration(row.integer(4));
    entry.due_at = row.time(5);
    entry.event = row.text(6);
    entry.failure_class = row.text(7);
    entry.group = row.text(8);
    entry.to = row.text(9);
    entry.from = row.text(10);
    entry.source = row.text(11);
    entry.stream = row.text(12);
    entry.host = row.text(13);
    entry.rule = row.text(14);
    entry.reply = row.text(15);
    if (details) {
        entry.diagnosis = row.text(16);
        entry.transcript = row.text(17);
    }
    return entry;
}

// Marks the time in which commits overtake the reader's snapshot, and gives taken rows back when reading
// fails half way.
class Taking {
public:
    explicit Taking(ClaimTable& claims) : claims_(claims) { claims_.begin_read(); }
    ~Taking() {
        claims_.end_read();
        if (!kept_) {
            claims_.release(taken_);
        }
    }
    Taking(const Taking&) = delete;
    Taking& operator=(const Taking&) = delete;
    bool take(RecipientId id, TimePoint now, TimePoint lease_until) {
        if (!claims_.take(id, now, lease_until)) {
            return false;
        }
        taken_.push_back(id);
        return true;
    }
    void keep() { kept_ = true; }

private:
    ClaimTable& claims_;
    std::vector<RecipientId> taken_;
    bool kept_ = false;
};

}  // namespace

Queries::Queries(const std::string& database, const std::string& spool, const SqliteTuning& tuning,
                 ClaimTable& claims)
    : connection_(database, tuning.vfs, Role::reader, tuning.reader_cache_kib),
      spool_(spool),
      claims_(claims),
      due_(connection_, kDue),
      first_due_(connection_, kFirstDue),
      expired_(connection_, kExpired),
      waiting_(connection_, kWaiting),
      message_(connection_, kMessage),
      body_(connection_, kBody),
      destinations_(connection_, kDestinations),
      of_class_(connection_, kOfClass),
      list_(connection_, kList),
      one_(connection_, kOne),
      recipients_(connection_, kRecipientsOf),
      recipient_count_(connection_, kRecipientCount),
      sources_(connection_, kSources),
      suspended_(connection_, kSuspended),
      pickups_(connection_, kPickups),
      journal_first_(connection_, kJournalFirst),
      journal_last_(connection_, kJournalLast),
      journal_up_(connection_, kJournalUp),
      journal_down_(connection_, kJournalDown),
      suppressions_(connection_, kSuppressions) {}

std::vector<std::string> Queries::hot_statements() {
    return {kDue, kFirstDue, kExpired, kWaiting, kMessage, kBody, kDestinations, kOfClass, kRecipientsOf, kRecipientCount, kOne,
            kSources, kSuspended, kPickups, kJournalUp, kJournalDown, kJournalFirst, kJournalLast, kSuppressions};
}

Claimed Queries::claim(DestinationId destination, TimePoint now, std::size_t limit, TimePoint lease_until) {
    Claimed claimed;
    Taking taking(claims_);
    {
        const StatementScope scope(due_);
        due_.bind(1, destination).bind(2, now);
        while (!claimed.next_due && due_.step()) {
            if (claimed.rows.size() < limit) {
                if (taking.take(due_.integer(0), now, lease_until)) {
                    claimed.rows.push_back(read_recipient(due_));
                    continue;
                }
            }
            // Of rows that stay behind the first free one says when to come back. A row that a commit has
            // just changed may be among them: then the next claim tells the truth.
            if (claims_.free(due_.integer(0), now) && claimed.rows.size() >= limit) {
                claimed.next_due = due_.time(kDueColumn);
            }
        }
    }
    if (!claimed.next_due) {
        claimed.next_due = first_free(destination, now);
    }
    taking.keep();
    return claimed;
}

std::optional<TimePoint> Queries::first_free(DestinationId destination, TimePoint now) {
    const StatementScope scope(first_due_);
    first_due_.bind(1, destination);
    while (first_due_.step()) {
        if (claims_.free(first_due_.integer(0), now)) {
            return first_due_.time(1);
        }
    }
    return std::nullopt;
}

std::vector<Recipient> Queries::claim_message(QueueId message, TimePoint now, TimePoint lease_until) {
    std::vector<Recipient> rows;
    Taking taking(claims_);
    const StatementScope scope(waiting_);
    waiting_.bind(1, message.value());
    while (waiting_.step()) {
        if (taking.take(waiting_.integer(0), now, lease_until)) {
            rows.push_back(read_recipient(waiting_));
        }
    }
    taking.keep();
    return rows;
}

std::vector<Recipient> Queries::claim_expired(TimePoint now, std::size_t limit, TimePoint lease_until) {
    std::vector<Recipient> rows;
    Taking taking(claims_);
    const StatementScope scope(expired_);
    expired_.bind(1, now);
    while (rows.size() < limit && expired_.step()) {
        if (taking.take(expired_.integer(0), now, lease_until)) {
            rows.push_back(read_recipient(expired_));
        }
    }
    taking.keep();
    return rows;
}

StoreResult<mail::MessagePtr> Queries::message(QueueId id) {
    const ReadTransaction snapshot(connection_);
    const StatementScope scope(message_);
    if (!message_.bind(1, id.value()).step()) {
        return StoreError{StoreFault::not_found, "no message " + id.to_string() + " in the queue"};
    }
    auto message = std::make_shared<mail::Message>();
    using Flags = MessageFlags;
    const std::int64_t flags = message_.integer(2);
    message->id = id;
    message->accepted_at = message_.time(0);
    message->expires_at = message_.time(1);
    message->smtputf8 = (flags & Flags::smtputf8) != 0;
    message->require_tls = (flags & Flags::require_tls) != 0;
    message->header_has_8bit = (flags & Flags::header_has_8bit) != 0;
    message->body_type = static_cast<mail::BodyType>((flags >> Flags::body_type_shift) & 3);
    message->ret = static_cast<mail::DsnReturn>((flags >> Flags::return_shift) & 3);
    mail::Body& body = message->body;
    body.facts.has_8bit = (flags & Flags::body_has_8bit) != 0;
    body.facts.has_leading_dot = (flags & Flags::leading_dot) != 0;
    body.facts.ends_with_crlf = (flags & Flags::ends_with_crlf) != 0;
    body.facts.size = static_cast<std::uint64_t>(message_.integer(3));
    body.facts.longest_line = static_cast<std::uint32_t>(message_.integer(4));
    message->reverse_path = message_.text(5);
    message->envid = message_.text(6);
    message->stream = message_.text(7);
    message->source = message_.text(8);
    const std::string_view hash = message_.view(9);
    if (hash.size() != message->relaxed_body_hash.size()) {
        return StoreError{StoreFault::corrupt, "the row of message " + id.to_string() + " is damaged"};
    }
    std::copy(hash.begin(), hash.end(), message->relaxed_body_hash.begin());
    message->header = message_.text(11);
    message->origin = message_.text(12);

    if (!message_.is_null(10)) {
        body.spool_file = message_.text(10);
        // A restored queue may have been made by anybody: no row leads to another file than its own.
        if (body.spool_file != spool_name(id)) {
            return StoreError{StoreFault::corrupt, "the row of message " + id.to_string() + " is damaged: its body is not in a file of its own"};
        }
        const std::string path = spool_ + "/" + body.spool_file;
        struct stat status {};
        if (::stat(path.c_str(), &status) != 0) {
            return StoreError{StoreFault::corrupt, "the body of message " + id.to_string() +
                                                       " is gone: " + path + ": " + std::strerror(errno)};
        }
        if (static_cast<std::uint64_t>(status.st_size) != body.facts.size) {
            return StoreError{StoreFault::corrupt,
                              "the body of message " + id.to_string() + " is damaged: " + path + " has " +
                                  std::to_string(status.st_size) + " octets instead of " +
                                  std::to_string(body.facts.size)};
        }
        return mail::MessagePtr(std::move(message));
    }
    const StatementScope body_scope(body_);
    if (!body_.bind(1, id.value()).step()) {
        return StoreError{StoreFault::corrupt,
                          "the body of message " + id.to_string() + " is gone from the database"};
    }
    body.bytes = std::make_shared<const std::string>(body_.view(0));
    if (body.bytes->size() != body.facts.size) {
        return StoreError{StoreFault::corrupt,
                          "the body of message " + id.to_string() + " has the wrong size"};
    }
    return mail::MessagePtr(std::move(message));
}

std::optional<TimePoint> Queries::next_due(DestinationId destination, TimePoint now) {
    return first_free(destination, now);
}

std::vector<QueueId> Queries::messages_of_class(const std::string& failure_class, QueueId after,
                                                std::size_t limit) {
    std::vector<QueueId> found;
    const StatementScope scope(of_class_);
    of_class_.bind_text(1, failure_class).bind(2, after.value());
    of_class_.bind(3, static_cast<std::int64_t>(limit));
    while (of_class_.step()) {
        found.emplace_back(of_class_.integer(0));
    }
    return found;
}

std::vector<DestinationDue> Queries::destinations(DestinationId after, std::size_t limit, TimePoint now) {
    std::vector<DestinationDue> found;
    const StatementScope scope(destinations_);
    destinations_.bind(1, after);
    while (found.size() < limit && destinations_.step()) {
        if (const auto due = first_free(destinations_.integer(0), now)) {
            found.push_back({destinations_.integer(0), destinations_.text(1), destinations_.text(2), *due});
        }
    }
    return found;
}

QueueEntry Queries::entry(Statement& row) {
    QueueEntry entry;
    entry.id = QueueId(row.integer(0));
    entry.accepted_at = row.time(1);
    entry.expires_at = row.time(2);
    entry.reverse_path = row.text(3);
    entry.size = static_cast<std::uint64_t>(row.integer(4));
    entry.stream = row.text(5);
    entry.source = row.text(6);
    entry.require_tls = (row.integer(7) & MessageFlags::require_tls) != 0;
    entry.origin = row.text(8);
    {
        const StatementScope scope(recipients_);
        recipients_.bind(1, entry.id.value());
        while (recipients_.step()) {
            entry.recipients.push_back(read_recipient(recipients_));
            // A lease that has run out counts as well: nobody else has the row yet.
            entry.recipients.back().claimed = !claims_.free(entry.recipients.back().id, TimePoint{});
        }
    }
    const StatementScope scope(recipient_count_);
    recipient_count_.bind(1, entry.id.value()).step();
    entry.recipient_count = static_cast<std::uint64_t>(recipient_count_.integer(0));
    return entry;
}

std::vector<MessageSource> Queries::sources(const SourceQuery& query) {
    constexpr std::size_t kMost = 10'000;
    std::vector<MessageSource> found;
    Statement& statement = query.suspended_only ? suspended_ : sources_;
    const StatementScope scope(statement);
    statement.bind(1, query.after.value()).bind(2, static_cast<std::int64_t>(std::min(query.limit, kMost)));
    while (statement.step()) {
        found.push_back({QueueId(statement.integer(0)), statement.text(1)});
    }
    return found;
}

std::vector<Pickup> Queries::pickups(const std::string& after, std::size_t limit) {
    std::vector<Pickup> found;
    const StatementScope scope(pickups_);
    pickups_.bind_text(1, after).bind(2, static_cast<std::int64_t>(limit));
    while (pickups_.step()) {
        found.push_back({pickups_.text(0), pickups_.time(1)});
    }
    return found;
}

JournalPage Queries::journal(const JournalQuery& query) {
    const ReadTransaction snapshot(connection_);
    JournalPage page;
    const auto number = [](Statement& statement) {
        const StatementScope scope(statement);
        return statement.step() ? static_cast<std::uint64_t>(statement.integer(0)) : 0;
    };
    page.first = number(journal_first_);
    page.last = number(journal_last_);
    const JournalPage::Range range = page.range(query);
    Statement& statement = query.newest_first ? journal_down_ : journal_up_;
    const StatementScope scope(statement);
    statement.bind(1, static_cast<std::int64_t>(range.low)).bind(2, static_cast<std::int64_t>(range.high));
    const std::size_t limit = std::min(query.limit, JournalQuery::kMost);
    while (page.entries.size() < limit && statement.step()) {
        if (matches(query, QueueId(statement.integer(2)), statement.view(9), statement.view(8))) {
            page.entries.push_back(read_entry(statement, query.details));
        }
    }
    page.note_end(query, range);
    return page;
}

std::vector<Suppression> Queries::suppressions(const std::string& after, std::size_t limit) {
    std::vector<Suppression> found;
    const StatementScope scope(suppressions_);
    suppressions_.bind_text(1, after).bind(2, static_cast<std::int64_t>(limit));
    while (suppressions_.step()) {
        found.push_back({suppressions_.text(0), suppressions_.time(1), suppressions_.text(2), suppressions_.text(3),
                         QueueId(suppressions_.integer(4))});
    }
    return found;
}

std::vector<QueueEntry> Queries::list(const ListQuery& query) {
    constexpr std::size_t kMost = 1000;
    const ReadTransaction snapshot(connection_);
    std::vector<QueueEntry> entries;
    const StatementScope scope(list_);
    list_.bind(1, query.after.value()).bind_text(2, query.reverse_path).bind_text(3, query.domain);
    list_.bind(4, static_cast<std::int64_t>(std::min(query.limit, kMost)));
    for (std::size_t i = 0; i < ListQuery::kMostSources; ++i) {
        const int place = 5 + static_cast<int>(i);
        query.sources.empty() ? list_.bind_null(place)
                              : list_.bind_text(place, query.sources[std::min(i, query.sources.size() - 1)]);
    }
    while (list_.step()) {
        entries.push_back(entry(list_));
    }
    return entries;
}

StoreResult<QueueEntry> Queries::show(QueueId id) {
    const ReadTransaction snapshot(connection_);
    const StatementScope scope(one_);
    if (!one_.bind(1, id.value()).step()) {
        return StoreError{StoreFault::not_found, "no message " + id.to_string() + " in the queue"};
    }
    return entry(one_);
}

}  // namespace posthorn::queue::sqlite
