// The operator's surveys of the queue: how old it is, and what waits for whom. On a thread of their own, by parts, with statements made
// for the occasion.
#include <algorithm>
#include <limits>
#include <unordered_map>

#include "base/text.hpp"
#include "queue/sqlite/reader.hpp"
#include "queue/sqlite/recipient_row.hpp"
#include "queue/sqlite/schema.hpp"

namespace posthorn::queue::sqlite {
namespace {

constexpr std::size_t kMostLookedAt = 100'000;
constexpr std::size_t kMostShown = 100;

// In the order of the table, which costs least: the rows of a message lie together.
constexpr const char* kRows = "SELECT id, message_id, destination_id, state FROM recipient WHERE id > ?1 ORDER BY id LIMIT ?2";
// One pass over recipient_idle, which has no others, and not over the table.
constexpr const char* kIdle =
    "SELECT count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 3) FROM recipient INDEXED BY recipient_idle WHERE state <> 0";
constexpr const char* kName = "SELECT name FROM destination WHERE id = ?1";
constexpr const char* kReversePath = "SELECT reverse_path FROM message WHERE id = ?1";
// The first has the waiting rows by recipient_due, the second the others by recipient_idle.
constexpr const char* kWaitingFor =
    "SELECT r.id, r.message_id, r.state, r.last_class, r.address FROM recipient r"
    " WHERE r.destination_id IN (SELECT id FROM destination WHERE name = ?1) AND r.state = 0";
constexpr const char* kIdleFor =
    "SELECT r.id, r.message_id, r.state, r.last_class, r.address FROM recipient r"
    " WHERE r.destination_id IN (SELECT id FROM destination WHERE name = ?1) AND r.state <> 0";
constexpr const char* kSenders = "SELECT id, reverse_path FROM message ORDER BY id LIMIT ?1";
constexpr const char* kOfMessage = "SELECT r.id, r.message_id, r.state, r.last_class, r.address FROM recipient r WHERE r.message_id = ?1";
constexpr const char* kRow = "SELECT " POSTHORN_RECIPIENT_COLUMNS
                             " FROM recipient r CROSS JOIN message m ON m.id = r.message_id WHERE r.id = ?1";

constexpr const char* kTally = "SELECT seq, at, event, grp FROM journal WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2";

std::string domain_of(std::string_view address) {
    const std::size_t at = address.rfind('@');
    return at == std::string_view::npos ? std::string() : text::to_lower(address.substr(at + 1));
}

// Counts rows, and keeps those of the oldest messages.
class Gathering {
public:
    explicit Gathering(std::size_t limit) : limit_(std::min(limit, kMostShown)) {}

    // The row: id, message_id, state, last_class, address.
    void add(const Statement& row, LookedUp& out) {
        const auto state = static_cast<RecipientState>(row.integer(2));
        ++out.recipients;
        ++out.by_class[row.text(3)];
        if (state == RecipientState::held) ++out.held;
        if (state == RecipientState::suspended) ++out.suspended;
        const std::pair one(row.integer(1), row.integer(0));
        if (kept_.size() >= limit_ && (kept_.empty() || one >= kept_.back())) return;
        kept_.insert(std::lower_bound(kept_.begin(), kept_.end(), one), one);
        if (kept_.size() > limit_) kept_.pop_back();
    }
    [[nodiscard]] const std::vector<std::pair<std::int64_t, RecipientId>>& oldest() const { return kept_; }

private:
    std::size_t limit_;
    std::vector<std::pair<std::int64_t, RecipientId>> kept_;  // message and recipient, in that order
};

constexpr int kRemoved = 2;  // RecipientState has no name for it

}  // namespace

AgePage Queries::ages(const AgeQuery& query) {
    AgePage page;
    const ReadTransaction snapshot(connection_);
    Statement rows(connection_, kRows), name(connection_, kName), sender(connection_, kReversePath);
    const std::size_t limit = std::clamp<std::size_t>(query.limit, 1, kMostLookedAt);
    rows.bind(1, query.after).bind(2, static_cast<std::int64_t>(limit));
    std::unordered_map<std::string, AgeRow> found;
    std::unordered_map<std::int64_t, std::string> names;  // of destinations
    std::int64_t message = 0;
    std::string from;  // that message's
    std::size_t looked = 0;
    while (rows.step()) {
        ++looked;
        page.looked_to = rows.integer(0);
        if (rows.integer(3) == kRemoved) continue;
        std::string key;
        if (query.by_sender) {
            if (rows.integer(1) != message) {
                message = rows.integer(1);
                const StatementScope scope(sender);
                from = sender.bind(1, message).step() ? domain_of(sender.view(0)) : std::string();
            }
            key = from;
        } else {
            const auto [known, fresh] = names.try_emplace(rows.integer(2));
            if (fresh) {
                const StatementScope scope(name);
                if (name.bind(1, rows.integer(2)).step()) known->second = name.text(0);
            }
            key = known->second;
        }
        AgeRow& row = found[key];
        row.name = key;
        ++row.counts[age_column(QueueId(rows.integer(1)).time(), query.now)];
    }
    page.complete = looked < limit;
    page.rows.reserve(found.size());
    for (auto& [key, row] : found) page.rows.push_back(std::move(row));
    return page;
}

IdleCounts Queries::idle() {
    IdleCounts counts;
    Statement row(connection_, kIdle);
    if (row.step()) {
        counts.held = static_cast<std::uint64_t>(row.integer(0));
        counts.suspended = static_cast<std::uint64_t>(row.integer(1));
    }
    return counts;
}

LookedUp Queries::look_up(const Lookup& lookup) {
    LookedUp out;
    const ReadTransaction snapshot(connection_);
    Gathering gathering(lookup.limit);
    const std::size_t scan = std::min(lookup.scan, kMostLookedAt);
    std::size_t looked = 0;
    if (lookup.sender_domain.empty()) {
        for (const char* sql : {kWaitingFor, kIdleFor}) {
            Statement rows(connection_, sql);
            rows.bind_text(1, lookup.domain);
            while (out.complete && rows.step()) {
                out.complete = looked++ < scan;
                const bool wanted = rows.integer(2) != kRemoved && (lookup.address.empty() || text::iequals(rows.view(4), lookup.address));
                if (out.complete && wanted) gathering.add(rows, out);
            }
        }
    } else {
        const std::string wanted = text::to_lower(lookup.sender_domain);
        Statement senders(connection_, kSenders), rows(connection_, kOfMessage);
        senders.bind(1, static_cast<std::int64_t>(scan) + 1);
        while (out.complete && senders.step()) {
            out.complete = looked++ < scan;
            if (!out.complete || domain_of(senders.view(1)) != wanted) continue;
            const StatementScope scope(rows);
            rows.bind(1, senders.integer(0));
            while (rows.step())
                if (rows.integer(2) != kRemoved) gathering.add(rows, out);
        }
    }
    Statement row(connection_, kRow);
    for (const auto& [message, id] : gathering.oldest()) {
        if (out.oldest.empty() || out.oldest.back().id.value() != message) {
            const StatementScope scope(one_);
            if (!one_.bind(1, message).step()) continue;
            out.oldest.push_back(entry(one_));
            out.oldest.back().recipients.clear();
        }
        const StatementScope scope(row);
        if (!row.bind(1, id).step()) continue;
        out.oldest.back().recipients.push_back(read_recipient(row));
        out.oldest.back().recipients.back().claimed = !claims_.free(id, TimePoint{});
    }
    return out;
}

TallyPage Queries::tally(const TallyQuery& query) {
    TallyPage page;
    const ReadTransaction snapshot(connection_);
    Statement entries(connection_, kTally);
    const std::size_t scan = std::clamp<std::size_t>(query.scan, 1, kMostLookedAt);
    const auto before = std::min<std::uint64_t>(query.before, std::numeric_limits<std::int64_t>::max());
    entries.bind(1, static_cast<std::int64_t>(before)).bind(2, static_cast<std::int64_t>(scan));
    std::unordered_map<std::string, TallyRow> found;
    std::size_t looked = 0;
    bool older = false;  // entries are in the order of their times, but for those of a batch
    while (!older && entries.step()) {
        ++looked;
        page.looked_to = static_cast<std::uint64_t>(entries.integer(0));
        const TimePoint at = entries.time(1);
        older = at < query.since - std::chrono::minutes(1);
        if (at >= query.since) note(found[entries.text(3)], entries.view(2), at >= query.recent);
    }
    page.complete = older || looked < scan;
    page.rows.reserve(found.size());
    for (auto& [group, row] : found) {
        row.group = group;
        page.rows.push_back(std::move(row));
    }
    return page;
}

}  // namespace posthorn::queue::sqlite
