// The contract in memory.
#include "queue/memory_store.hpp"

#include <algorithm>
#include <deque>
#include <unordered_map>
#include <utility>

#include "base/text.hpp"
#include "queue/body_spool.hpp"

namespace posthorn::queue {

namespace {

enum class Afterwards : std::uint8_t { nothing, hold, suspend, remove };

struct Row {
    Recipient recipient;
    bool claimed = false;
    TimePoint lease_until{};
    Afterwards afterwards = Afterwards::nothing;
    bool removed = false;  // by the operator, while claimed

    [[nodiscard]] bool free(TimePoint now) const { return !removed && (!claimed || lease_until <= now); }
};

std::string domain_of(std::string_view address) {
    const std::size_t at = address.rfind('@');
    return at == std::string_view::npos ? std::string() : text::to_lower(address.substr(at + 1));
}

struct Kept {
    mail::MessagePtr message;
    std::set<RecipientId> rows;
};

}  // namespace

struct MemoryStore::State {
    mutable std::mutex mutex;
    std::map<QueueId, Kept> messages;
    std::map<RecipientId, Row> rows;
    std::map<std::pair<DestinationId, TimePoint>, std::set<RecipientId>> due;  // waiting rows
    using Name = std::pair<std::string, std::string>;  // domain, lane
    std::map<Name, DestinationId> destinations;
    std::map<DestinationId, Name> names;
    std::map<std::string, TimePoint> pickups;
    std::deque<JournalEntry> journal;
    JournalOptions journal_options;
    std::map<std::string, Suppression> suppressed;
    RecipientId last_row = 0;
    std::optional<StoreError> fault;
    bool stopped = false;
    std::uint64_t operations = 0;
    std::function<void(const StoreHealth&)> observer;

    [[nodiscard]] bool unhealthy() const {
        return fault && (fault->fault == StoreFault::io_error || fault->fault == StoreFault::disk_full);
    }

    [[nodiscard]] std::optional<StoreError> refusal() const {
        if (stopped) {
            return StoreError{StoreFault::shutting_down, "the queue is shutting down"};
        }
        return fault;
    }

    StoreHealth health() const {
        StoreHealth health;
        health.healthy = !unhealthy();
        health.reason = health.healthy ? std::string() : fault->what;
        health.messages = messages.size();
        health.recipients = rows.size();
        health.operations = health.batches = operations;
        health.journal_first = journal.empty() ? 0 : journal.front().seq;
        health.journal_last = journal.empty() ? 0 : journal.back().seq;
        return health;
    }

    DestinationId intern(const Name& name) {
        const auto [it, inserted] =
            destinations.try_emplace(name, static_cast<DestinationId>(destinations.size() + 1));
        if (inserted) {
            names.emplace(it->second, name);
        }
        return it->second;
    }

    void index(const Row& row) {
        if (row.recipient.state == RecipientState::waiting && !row.removed) {
            due[{row.recipient.destination, row.recipient.due_at}].insert(row.recipient.id);
        }
    }
    void unindex(const Row& row) {
        const auto it = due.find({row.recipient.destination, row.recipient.due_at});
        if (it != due.end() && it->second.erase(row.recipient.id) != 0 && it->second.empty()) {
            due.erase(it);
        }
    }

    std::optional<StoreError> unacceptable(const NewMessage& what, const std::string& spool) const {
        if (!what.message || !what.message->id || what.recipients.empty() || what.pickup.size() > kLongestPickup) {
            return StoreError{StoreFault::refused, "a message without id or recipients cannot be queued"};
        }
        if (pickups.contains(what.pickup)) {
            return StoreError{StoreFault::known, "what was handed over as " + what.pickup + " has been added before"};
        }
        if (messages.contains(what.message->id)) {
            return StoreError{StoreFault::refused, "message " + what.message->id.to_string() + " exists"};
        }
        const std::string& file = what.message->body.spool_file;
        if (!file.empty() && (file != spool_name(what.message->id) || spool.empty())) {
            return StoreError{StoreFault::refused, "the spool file " + file + " is not this message's"};
        }
        return std::nullopt;
    }

    Added add(const NewMessage& what, TimePoint now) {
        Added added;
        if (!what.pickup.empty()) {
            pickups.emplace(what.pickup, now);
        }
        Kept& kept = messages[what.message->id];
        kept.message = what.message;
        for (const NewRecipient& from : what.recipients) {
            Row row;
            Recipient& to = row.recipient;
            to.id = ++last_row;
            to.message = what.message->id;
            to.destination = intern({from.domain, from.lane});
            to.lane = from.lane;
            to.address = from.recipient.address;
            to.orcpt = from.recipient.orcpt;
            to.notify = from.recipient.notify;
            to.due_at = std::min(from.due_at, what.message->expires_at);
            to.expires_at = what.message->expires_at;
            to.personal = !what.message->stream.empty();
            row.claimed = from.claim;
            row.lease_until = now + kAddedLease;
            kept.rows.insert(to.id);
            added.recipients.push_back({to.id, to.destination});
            index(row);
            rows.emplace(to.id, std::move(row));
        }
        return added;
    }

    void erase(std::map<RecipientId, Row>::iterator it, const std::string& spool) {
        const QueueId id = it->second.recipient.message;
        unindex(it->second);
        Kept& kept = messages.at(id);
        kept.rows.erase(it->first);
        rows.erase(it);
        if (kept.rows.empty()) {
            if (!kept.message->body.spool_file.empty()) {
                remove_spooled(spool, kept.message->body.spool_file);
            }
            messages.erase(id);
        }
    }

    void apply(const Verdict& verdict, const std::string& spool) {
        const auto it = rows.find(verdict.recipient);
        if (it == rows.end()) {
            return;
        }
        Row& row = it->second;
        if (verdict.kind == Verdict::Kind::done || row.removed) {
            erase(it, spool);
            return;
        }
        unindex(row);
        Recipient& recipient = row.recipient;
        const bool hold = verdict.kind == Verdict::Kind::hold || row.afterwards == Afterwards::hold;
        recipient.state = hold                                         ? RecipientState::held
                          : row.afterwards == Afterwards::suspend ? RecipientState::suspended
                                                                       : RecipientState::waiting;
        recipient.due_at = std::min(verdict.due_at, recipient.expires_at);
        recipient.attempts += verdict.count_attempt ? 1 : 0;
        recipient.last_attempt = verdict.attempted_at;
        recipient.last_class = verdict.failure_class;
        recipient.last_reply = verdict.reply;
        recipient.last_host = verdict.host;
        recipient.delay_dsn_sent = recipient.delay_dsn_sent || verdict.delay_dsn_sent;
        if (!verdict.in_doubt.empty()) {
            recipient.in_doubt = verdict.in_doubt;
        }
        row.claimed = false;
        row.afterwards = Afterwards::nothing;
        index(row);
    }

    void write(JournalEntry entry, TimePoint now) {
        if (journal_options.max_rows == 0) {
            return;
        }
        entry.seq = journal.empty() ? 1 : journal.back().seq + 1;
        journal.push_back(std::move(entry));
        while (journal.size() > 1 &&
               (journal.size() > journal_options.max_rows || journal.front().at < now - journal_options.keep)) {
            journal.pop_front();
        }
    }

    std::uint64_t suppress(const std::vector<Suppression>& fresh) {
        const std::size_t before = suppressed.size();
        for (const Suppression& entry : fresh) {
            suppressed.try_emplace(entry.address, entry);
        }
        return suppressed.size() - before;
    }

    std::optional<TimePoint> first_free(DestinationId destination, TimePoint now) const {
        for (auto it = due.lower_bound({destination, TimePoint::min()});
             it != due.end() && it->first.first == destination; ++it) {
            for (const RecipientId id : it->second) {
                if (rows.at(id).free(now)) {
                    return it->first.second;
                }
            }
        }
        return std::nullopt;
    }

    std::optional<QueueEntry> entry(QueueId id, const Kept& kept) const {
        QueueEntry entry;
        entry.id = id;
        entry.accepted_at = kept.message->accepted_at;
        entry.expires_at = kept.message->expires_at;
        entry.reverse_path = kept.message->reverse_path;
        entry.size = kept.message->size();
        entry.stream = kept.message->stream;
        entry.source = kept.message->source;
        entry.origin = kept.message->origin;
        entry.require_tls = kept.message->require_tls;
        for (const RecipientId row : kept.rows) {
            if (rows.at(row).removed) {
                continue;
            }
            entry.recipient_count += 1;
            if (entry.recipients.size() < 100) {
                entry.recipients.push_back(rows.at(row).recipient);
                entry.recipients.back().claimed = rows.at(row).claimed;
            }
        }
        return entry.recipient_count == 0 ? std::nullopt : std::optional(std::move(entry));
    }

    StoreResult<Revised> revise(QueueId id, Revision revision, TimePoint now, const std::string& spool) {
        const auto message = messages.find(id);
        if (message == messages.end()) {
            return StoreError{StoreFault::not_found, "no message " + id.to_string() + " in the queue"};
        }
        Revised revised;
        const std::set<RecipientId> ids = message->second.rows;
        for (const RecipientId row_id : ids) {
            const auto it = rows.find(row_id);
            Row& row = it->second;
            const RecipientState state = row.recipient.state;
            const bool free = row.free(now);
            const bool being_tried = state == RecipientState::waiting && !free;
            const bool hastens = revision == Revision::retry || revision == Revision::flush;
            if (row.removed || !concerns(revision, state) || (hastens && being_tried)) {
                continue;
            }
            revised.recipients += 1;
            if (revision == Revision::remove && free) {
                erase(it, spool);
                continue;
            }
            unindex(row);
            if (revision == Revision::remove) {
                row.removed = true;
            } else if (revision == Revision::bounce) {
                row.recipient.expires_at = std::min(now, row.recipient.expires_at);
                row.recipient.due_at = std::min(row.recipient.due_at, row.recipient.expires_at);
                row.recipient.last_class = "bounced";
            } else if (revision == Revision::hold) {
                row.recipient.state = RecipientState::held;
                row.afterwards = free ? Afterwards::nothing : Afterwards::hold;
            } else if (revision == Revision::suspend) {
                row.recipient.state = RecipientState::suspended;
                row.afterwards = free ? Afterwards::nothing : Afterwards::suspend;
            } else {
                row.recipient.state = RecipientState::waiting;
                if (revision != Revision::resume) {
                    row.recipient.due_at = std::min(now, row.recipient.expires_at);
                }
                row.afterwards = Afterwards::nothing;
                if (free) {
                    const DestinationId destination = row.recipient.destination;
                    const Name& name = names.at(destination);
                    note_due(revised, {destination, name.first, name.second, row.recipient.due_at});
                }
            }
            index(row);
        }
        return revised;
    }
};

namespace {

// Runs the answer inside the call or through the executor.
template <class T>
void answer(const MemoryStore::Executor& executor, Done<T> done, StoreResult<T> result) {
    if (!executor) {
        done(std::move(result));
        return;
    }
    executor([done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
}

}  // namespace

MemoryStore::MemoryStore(std::string spool_directory, Executor executor, const JournalOptions& journal)
    : spool_directory_(std::move(spool_directory)),
      executor_(std::move(executor)),
      state_(std::make_unique<State>()) {
    state_->journal_options = journal;
}

MemoryStore::~MemoryStore() = default;

void MemoryStore::add(NewMessage message, SteadyTime deadline, Done<Added> done) {
    auto result = [&]() -> StoreResult<Added> {
        const std::lock_guard lock(state_->mutex);
        if (auto refusal = state_->refusal()) {
            return *std::move(refusal);
        }
        if (deadline <= std::chrono::steady_clock::now()) {
            return StoreError{StoreFault::busy, "the deadline has passed"};
        }
        if (auto error = state_->unacceptable(message, spool_directory_)) {
            return *std::move(error);
        }
        state_->operations += 1;
        return state_->add(message, wall_now());
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::settle(Settlement settlement, Done<Settled> done) {
    auto result = [&]() -> StoreResult<Settled> {
        const std::lock_guard lock(state_->mutex);
        if (auto refusal = state_->refusal()) {
            return *std::move(refusal);
        }
        for (const NewMessage& message : settlement.messages) {
            if (auto error = state_->unacceptable(message, spool_directory_)) {
                return *std::move(error);
            }
        }
        Settled settled;
        for (const Verdict& verdict : settlement.verdicts) {
            state_->apply(verdict, spool_directory_);
        }
        for (JournalEntry& entry : settlement.journal) {
            state_->write(std::move(entry), wall_now());
        }
        state_->suppress(settlement.suppressions);
        for (const NewMessage& message : settlement.messages) {
            settled.messages.push_back(state_->add(message, wall_now()));
        }
        state_->operations += 1;
        return settled;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::revise(QueueId message, Revision revision, TimePoint now, Done<Revised> done) {
    auto result = [&]() -> StoreResult<Revised> {
        const std::lock_guard lock(state_->mutex);
        if (auto refusal = state_->refusal()) {
            return *std::move(refusal);
        }
        state_->operations += 1;
        return state_->revise(message, revision, now, spool_directory_);
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::forget_pickups(std::vector<std::string> keys, Done<std::uint64_t> done) {
    auto result = [&]() -> StoreResult<std::uint64_t> {
        const std::lock_guard lock(state_->mutex);
        if (auto refusal = state_->refusal()) {
            return *std::move(refusal);
        }
        std::uint64_t forgotten = 0;
        for (const std::string& key : keys) {
            forgotten += state_->pickups.erase(key);
        }
        state_->operations += 1;
        return forgotten;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::pickups(std::string after, std::size_t limit, Done<std::vector<Pickup>> done) {
    auto result = [&]() -> StoreResult<std::vector<Pickup>> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        std::vector<Pickup> found;
        for (auto it = state_->pickups.upper_bound(after); it != state_->pickups.end() && found.size() < limit; ++it) {
            found.push_back({it->first, it->second});
        }
        return found;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::suppress(std::vector<Suppression> suppressions, Done<std::uint64_t> done) {
    auto result = [&]() -> StoreResult<std::uint64_t> {
        const std::lock_guard lock(state_->mutex);
        if (auto refusal = state_->refusal()) {
            return *std::move(refusal);
        }
        state_->operations += 1;
        return state_->suppress(suppressions);
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::unsuppress(std::vector<std::string> addresses, Done<std::uint64_t> done) {
    auto result = [&]() -> StoreResult<std::uint64_t> {
        const std::lock_guard lock(state_->mutex);
        if (auto refusal = state_->refusal()) {
            return *std::move(refusal);
        }
        std::uint64_t found = 0;
        for (const std::string& address : addresses) {
            found += state_->suppressed.erase(address);
        }
        state_->operations += 1;
        return found;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::journal(JournalQuery query, Done<JournalPage> done) {
    auto result = [&]() -> StoreResult<JournalPage> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        JournalPage page;
        page.first = state_->journal.empty() ? 0 : state_->journal.front().seq;
        page.last = state_->journal.empty() ? 0 : state_->journal.back().seq;
        const JournalPage::Range range = page.range(query);
        const std::size_t limit = std::min(query.limit, JournalQuery::kMost);
        for (std::uint64_t i = range.low; i <= range.high && page.entries.size() < limit; ++i) {
            const std::uint64_t seq = query.newest_first ? range.high - (i - range.low) : i;
            JournalEntry entry = state_->journal[seq - page.first];
            if (!matches(query, entry.message, entry.to, entry.group)) {
                continue;
            }
            if (!query.details) {
                entry.diagnosis.clear();
                entry.transcript.clear();
            }
            page.entries.push_back(std::move(entry));
        }
        page.note_end(query, range);
        return page;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::suppressions(std::string after, std::size_t limit, Done<std::vector<Suppression>> done) {
    auto result = [&]() -> StoreResult<std::vector<Suppression>> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        std::vector<Suppression> found;
        for (auto it = state_->suppressed.upper_bound(after); it != state_->suppressed.end() && found.size() < limit; ++it) {
            found.push_back(it->second);
        }
        return found;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::claim(DestinationId destination, TimePoint now, std::size_t limit, TimePoint lease_until,
                        Done<Claimed> done) {
    auto result = [&]() -> StoreResult<Claimed> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        Claimed claimed;
        for (auto it = state_->due.lower_bound({destination, TimePoint::min()});
             it != state_->due.end() && it->first.first == destination && it->first.second <= now; ++it) {
            for (const RecipientId id : it->second) {
                Row& row = state_->rows.at(id);
                if (claimed.rows.size() < limit && row.free(now)) {
                    row.claimed = true;
                    row.lease_until = lease_until;
                    claimed.rows.push_back(row.recipient);
                }
            }
        }
        claimed.next_due = state_->first_free(destination, now);
        return claimed;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::claim_message(QueueId message, TimePoint now, TimePoint lease_until,
                                Done<std::vector<Recipient>> done) {
    auto result = [&]() -> StoreResult<std::vector<Recipient>> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        std::vector<Recipient> claimed;
        const auto kept = state_->messages.find(message);
        if (kept == state_->messages.end()) {
            return claimed;
        }
        for (const RecipientId id : kept->second.rows) {
            Row& row = state_->rows.at(id);
            if (row.recipient.state == RecipientState::waiting && row.free(now)) {
                row.claimed = true;
                row.lease_until = lease_until;
                claimed.push_back(row.recipient);
            }
        }
        return claimed;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::claim_expired(TimePoint now, std::size_t limit, TimePoint lease_until,
                                Done<std::vector<Recipient>> done) {
    auto result = [&]() -> StoreResult<std::vector<Recipient>> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        std::vector<Recipient> rows;
        for (auto& [id, row] : state_->rows) {
            if (rows.size() < limit && row.recipient.expires_at <= now && row.free(now)) {
                row.claimed = true;
                row.lease_until = lease_until;
                rows.push_back(row.recipient);
            }
        }
        return rows;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::unclaim(std::vector<RecipientId> recipients) {
    const std::lock_guard lock(state_->mutex);
    for (const RecipientId id : recipients) {
        const auto it = state_->rows.find(id);
        if (it == state_->rows.end()) {
            continue;
        }
        if (it->second.removed) {
            state_->erase(it, spool_directory_);
        } else {
            it->second.claimed = false;
            it->second.afterwards = Afterwards::nothing;
        }
    }
}

void MemoryStore::message(QueueId id, Done<mail::MessagePtr> done) {
    auto result = [&]() -> StoreResult<mail::MessagePtr> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        const auto it = state_->messages.find(id);
        if (it == state_->messages.end()) {
            return StoreError{StoreFault::not_found, "no message " + id.to_string() + " in the queue"};
        }
        return it->second.message;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::next_due(DestinationId destination, TimePoint now, Done<std::optional<TimePoint>> done) {
    auto result = [&]() -> StoreResult<std::optional<TimePoint>> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        return state_->first_free(destination, now);
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::messages_of_class(std::string failure_class, QueueId after, std::size_t limit,
                                    Done<std::vector<QueueId>> done) {
    auto result = [&]() -> StoreResult<std::vector<QueueId>> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        std::set<QueueId> found;
        for (const auto& [id, row] : state_->rows) {
            const Recipient& recipient = row.recipient;
            if (!row.removed && recipient.state == RecipientState::waiting &&
                recipient.last_class == failure_class && recipient.message > after) {
                found.insert(recipient.message);
            }
        }
        std::vector<QueueId> page(found.begin(), found.end());
        if (page.size() > limit) {
            page.resize(limit);
        }
        return page;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::destinations(DestinationId after, std::size_t limit, TimePoint now,
                               Done<std::vector<DestinationDue>> done) {
    auto result = [&]() -> StoreResult<std::vector<DestinationDue>> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        std::vector<DestinationDue> found;
        for (auto it = state_->names.upper_bound(after); it != state_->names.end() && found.size() < limit;
             ++it) {
            if (const auto due = state_->first_free(it->first, now)) {
                found.push_back({it->first, it->second.first, it->second.second, *due});
            }
        }
        return found;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::sources(SourceQuery query, Done<std::vector<MessageSource>> done) {
    auto result = [&]() -> StoreResult<std::vector<MessageSource>> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        constexpr std::size_t kMost = 10'000;
        std::vector<MessageSource> found;
        for (auto it = state_->messages.upper_bound(query.after);
             it != state_->messages.end() && found.size() < std::min(query.limit, kMost); ++it) {
            const Kept& kept = it->second;
            const bool suspended = std::any_of(kept.rows.begin(), kept.rows.end(), [&](RecipientId id) {
                const Row& row = state_->rows.at(id);
                return !row.removed && row.recipient.state == RecipientState::suspended;
            });
            if (suspended || !query.suspended_only) {
                found.push_back({it->first, kept.message->source});
            }
        }
        return found;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::ages(AgeQuery query, Done<AgePage> done) {
    auto result = [&]() -> StoreResult<AgePage> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        AgePage page;
        std::map<std::string, AgeRow> found;
        std::size_t looked = 0;
        auto it = state_->rows.upper_bound(query.after);
        for (; it != state_->rows.end() && looked < query.limit; ++it, ++looked) {
            const Recipient& recipient = it->second.recipient;
            page.looked_to = it->first;
            if (it->second.removed) {
                continue;
            }
            const std::string name = query.by_sender ? domain_of(state_->messages.at(recipient.message).message->reverse_path)
                                                     : state_->names.at(recipient.destination).first;
            found[name].name = name;
            ++found[name].counts[age_column(recipient.message.time(), query.now)];
        }
        page.complete = it == state_->rows.end();
        for (auto& [name, row] : found) page.rows.push_back(std::move(row));
        return page;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::tally(TallyQuery query, Done<TallyPage> done) {
    auto result = [&]() -> StoreResult<TallyPage> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        TallyPage page;
        std::map<std::string, TallyRow> found;
        std::size_t looked = 0;
        for (auto it = state_->journal.rbegin(); it != state_->journal.rend(); ++it) {
            if (it->seq >= query.before) {
                continue;
            }
            if (looked++ == query.scan) {
                page.complete = false;
                break;
            }
            page.looked_to = it->seq;
            if (it->at >= query.since) {
                note(found[it->group], it->event, it->at >= query.recent);
            }
        }
        for (auto& [group, row] : found) {
            row.group = group;
            page.rows.push_back(std::move(row));
        }
        return page;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::look_up(Lookup lookup, Done<LookedUp> done) {
    auto result = [&]() -> StoreResult<LookedUp> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        LookedUp out;
        const auto wanted = [&](const mail::Message& message, const Recipient& recipient) {
            if (!lookup.sender_domain.empty()) {
                return domain_of(message.reverse_path) == text::to_lower(lookup.sender_domain);
            }
            return state_->names.at(recipient.destination).first == lookup.domain &&
                   (lookup.address.empty() || text::iequals(recipient.address, lookup.address));
        };
        std::size_t shown = 0;
        for (const auto& [id, kept] : state_->messages) {
            for (const RecipientId number : kept.rows) {
                const Row& row = state_->rows.at(number);
                if (row.removed || !wanted(*kept.message, row.recipient)) {
                    continue;
                }
                if (out.recipients == lookup.scan) {
                    out.complete = false;
                    return out;
                }
                ++out.recipients;
                ++out.by_class[row.recipient.last_class];
                out.held += row.recipient.state == RecipientState::held ? 1 : 0;
                out.suspended += row.recipient.state == RecipientState::suspended ? 1 : 0;
                if (shown++ >= lookup.limit) {
                    continue;
                }
                if (out.oldest.empty() || out.oldest.back().id != id) {
                    out.oldest.push_back(*state_->entry(id, kept));
                    out.oldest.back().recipients.clear();
                }
                out.oldest.back().recipients.push_back(row.recipient);
                out.oldest.back().recipients.back().claimed = row.claimed;
            }
        }
        return out;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::list(ListQuery query, Done<std::vector<QueueEntry>> done) {
    auto result = [&]() -> StoreResult<std::vector<QueueEntry>> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        constexpr std::size_t kMost = 1000;
        std::vector<QueueEntry> entries;
        for (auto it = state_->messages.upper_bound(query.after);
             it != state_->messages.end() && entries.size() < std::min(query.limit, kMost); ++it) {
            const Kept& kept = it->second;
            const bool in_domain =
                query.domain.empty() || std::any_of(kept.rows.begin(), kept.rows.end(), [&](RecipientId id) {
                    return state_->names.at(state_->rows.at(id).recipient.destination).first == query.domain;
                });
            const bool of_source =
                query.sources.empty() || std::find(query.sources.begin(), query.sources.end(),
                                                   kept.message->source) != query.sources.end();
            if (!in_domain || !of_source ||
                (!query.reverse_path.empty() && kept.message->reverse_path != query.reverse_path)) {
                continue;
            }
            if (auto entry = state_->entry(it->first, kept)) {
                entries.push_back(*std::move(entry));
            }
        }
        return entries;
    }();
    answer(executor_, std::move(done), std::move(result));
}

void MemoryStore::show(QueueId id, Done<QueueEntry> done) {
    auto result = [&]() -> StoreResult<QueueEntry> {
        const std::lock_guard lock(state_->mutex);
        if (state_->stopped) {
            return *state_->refusal();
        }
        const auto it = state_->messages.find(id);
        auto entry = it == state_->messages.end() ? std::nullopt : state_->entry(id, it->second);
        if (!entry) {
            return StoreError{StoreFault::not_found, "no message " + id.to_string() + " in the queue"};
        }
        return *std::move(entry);
    }();
    answer(executor_, std::move(done), std::move(result));
}

StoreHealth MemoryStore::health() const {
    const std::lock_guard lock(state_->mutex);
    return state_->health();
}

void MemoryStore::on_health_change(std::function<void(const StoreHealth&)> observer) {
    const std::lock_guard lock(state_->mutex);
    state_->observer = std::move(observer);
}

void MemoryStore::stop() {
    const std::lock_guard lock(state_->mutex);
    state_->stopped = true;
}

void MemoryStore::fail_with(std::optional<StoreError> error) {
    StoreHealth health;
    std::function<void(const StoreHealth&)> observer;
    {
        const std::lock_guard lock(state_->mutex);
        const bool before = state_->unhealthy();
        state_->fault = std::move(error);
        if (before != state_->unhealthy()) {
            observer = state_->observer;
        }
        health = state_->health();
    }
    if (observer) {
        observer(health);
    }
}

}  // namespace posthorn::queue
