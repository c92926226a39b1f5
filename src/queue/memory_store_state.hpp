// The inside of the store in memory, shared by its source files only: rows, claims, and what revisions do to them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "queue/body_spool.hpp"
#include "queue/memory_store.hpp"

namespace posthorn::queue {

enum class Afterwards : std::uint8_t { nothing, hold, suspend, remove };

struct Row {
    Recipient recipient;
    bool claimed = false;
    TimePoint lease_until{};
    Afterwards afterwards = Afterwards::nothing;
    bool removed = false;  // by the operator, while claimed

    [[nodiscard]] bool free(TimePoint now) const { return !removed && (!claimed || lease_until <= now); }
};

inline std::string domain_of(std::string_view address) {
    const std::size_t at = address.rfind('@');
    return at == std::string_view::npos ? std::string() : text::to_lower(address.substr(at + 1));
}

struct Kept {
    mail::MessagePtr message;
    std::set<RecipientId> rows;
};

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

// Runs the answer inside the call or through the executor.
template <class T>
void answer(const MemoryStore::Executor& executor, Done<T> done, StoreResult<T> result) {
    if (!executor) {
        done(std::move(result));
        return;
    }
    executor([done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
}

}  // namespace posthorn::queue
