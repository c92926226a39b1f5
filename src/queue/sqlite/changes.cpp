// Adds, settlements and revisions as statements.
#include "queue/sqlite/changes.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "queue/body_spool.hpp"
#include "queue/sqlite/schema.hpp"

namespace posthorn::queue::sqlite {

DestinationId DestinationCache::find(std::string_view domain, std::string_view lane) {
    const auto it = by_name_.find({domain, lane});
    if (it == by_name_.end()) {
        return 0;
    }
    recent_.splice(recent_.begin(), recent_, it->second);
    return it->second->id;
}

void DestinationCache::keep(std::string_view domain, std::string_view lane, DestinationId id) {
    recent_.push_front({std::string(domain), std::string(lane), id});
    by_name_.emplace(recent_.front().name(), recent_.begin());
    if (recent_.size() > limit_) {
        by_name_.erase(recent_.back().name());
        recent_.pop_back();
    }
}

void DestinationCache::clear() {
    by_name_.clear();
    recent_.clear();
}

Changes::Changes(Connection& connection, ClaimTable& claims, std::string spool_directory,
                 std::size_t destination_cache, const JournalOptions& journal)
    : connection_(connection),
      claims_(claims),
      spool_directory_(std::move(spool_directory)),
      destinations_(destination_cache),
      next_recipient_(connection.value("SELECT max(id) FROM recipient") + 1),
      journal_(connection, journal),
      insert_message_(connection,
                      "INSERT INTO message (id, accepted_at, expires_at, flags, body_size, longest_line, "
                      "reverse_path, envid,"
                      " stream, source, body_hash, spool_file, header, origin) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"),
      insert_body_(connection, "INSERT INTO body (message_id, data) VALUES (?,?)"),
      insert_recipient_(connection,
                        "INSERT INTO recipient (id, message_id, destination_id, state, due_at, attempts, "
                        "last_attempt, notify,"
                        " delay_dsn_sent, address, orcpt, last_class, last_reply, last_host)"
                        " VALUES (?1,?2,?3,0,?4,0,0,?5,0,?6,?7,'','','')"),
      find_destination_(connection, "SELECT id FROM destination WHERE name = ? AND lane = ?"),
      insert_destination_(connection, "INSERT INTO destination (name, lane) VALUES (?,?) RETURNING id"),
      destination_name_(connection, "SELECT name, lane FROM destination WHERE id = ?"),
      delete_recipient_(connection, "DELETE FROM recipient WHERE id = ?"),
      delete_message_(
          connection,
          "DELETE FROM message WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM recipient WHERE message_id = ?1)"),
      delete_body_(connection, "DELETE FROM body WHERE message_id = ?"),
      update_recipient_(
          connection,
          "UPDATE recipient SET state = ?2, due_at = min(?3, (SELECT expires_at FROM message WHERE"
          " id = recipient.message_id)), attempts = attempts + ?4, last_attempt = ?5,"
          " delay_dsn_sent = max(delay_dsn_sent, ?6), last_class = ?7, last_reply = ?8, last_host = ?9,"
          " in_doubt = CASE WHEN ?10 = '' THEN in_doubt ELSE ?10 END WHERE id = ?1"),
      recipients_of_(connection,
                     "SELECT id, destination_id, state, due_at FROM recipient WHERE message_id = ? ORDER BY id"),
      message_exists_(connection, "SELECT expires_at FROM message WHERE id = ?"),
      make_due_(connection, "UPDATE recipient SET state = 0, due_at = ?2 WHERE id = ?1"),
      set_state_(connection, "UPDATE recipient SET state = ?2 WHERE id = ?1"),
      end_message_(connection, "UPDATE message SET expires_at = min(expires_at, ?2) WHERE id = ?1"),
      end_recipient_(connection,
                     "UPDATE recipient SET due_at = min(due_at, ?2), last_class = 'bounced' WHERE id = ?1"),
      removed_message_(connection, "SELECT message_id FROM recipient WHERE id = ?1 AND state = 2"),
      insert_pickup_(connection, "INSERT INTO pickup (key, added_at) VALUES (?,?) ON CONFLICT DO NOTHING"),
      delete_pickup_(connection, "DELETE FROM pickup WHERE key = ?"),
      suppress_(connection,
                "INSERT INTO suppressed (address, since, class, reply, message_id) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING"),
      unsuppress_(connection, "DELETE FROM suppressed WHERE address = ?") {}

void Changes::apply(Operation& operation, TimePoint now) {
    if (auto* op = std::get_if<AddOperation>(&operation.what)) {
        operation.error.reset();  // of an attempt that was rolled back
        if (!add(op->message, op->result, now)) {
            operation.error = StoreError{StoreFault::known, "what was handed over as " + op->message.pickup +
                                                                " has been added before"};
        }
    } else if (auto* settlement = std::get_if<SettleOperation>(&operation.what)) {
        settle(settlement->settlement, settlement->result, now);
    } else if (auto* revision = std::get_if<ReviseOperation>(&operation.what)) {
        revise(*revision);
    } else if (auto* forgetting = std::get_if<ForgetOperation>(&operation.what)) {
        forget(*forgetting);
    } else if (auto* suppressing = std::get_if<SuppressOperation>(&operation.what)) {
        suppressing->result = suppress(suppressing->suppressions);
    } else if (auto* unsuppressing = std::get_if<UnsuppressOperation>(&operation.what)) {
        unsuppress(*unsuppressing);
    } else {
        sweep(std::get<SweepOperation>(operation.what).recipients);
    }
}

bool Changes::add(const NewMessage& what, Added& result, TimePoint now) {
    if (!what.message || !what.message->id || what.recipients.empty() || what.pickup.size() > kLongestPickup) {
        throw Refusal{{StoreFault::refused, "a message without id or recipients cannot be queued"}};
    }
    if (!what.pickup.empty()) {
        insert_pickup_.bind_text(1, what.pickup).bind(2, now).run();
        if (connection_.changes() == 0) {
            return false;
        }
    }
    const mail::Message& message = *what.message;
    const mail::Body& body = message.body;
    using Flags = MessageFlags;
    const std::int64_t flags = (message.smtputf8 ? Flags::smtputf8 : 0) |
                               (message.require_tls ? Flags::require_tls : 0) |
                               (message.header_has_8bit ? Flags::header_has_8bit : 0) |
                               (body.facts.has_8bit ? Flags::body_has_8bit : 0) |
                               (body.facts.has_leading_dot ? Flags::leading_dot : 0) |
                               (body.facts.ends_with_crlf ? Flags::ends_with_crlf : 0) |
                               (message.stream.empty() ? 0 : Flags::personal) |
                               (static_cast<std::int64_t>(message.body_type) << Flags::body_type_shift) |
                               (static_cast<std::int64_t>(message.ret) << Flags::return_shift);
    const std::int64_t id = message.id.value();
    insert_message_.bind(1, id).bind(2, message.accepted_at).bind(3, message.expires_at).bind(4, flags);
    insert_message_.bind(5, static_cast<std::int64_t>(body.facts.size));
    insert_message_.bind(6, static_cast<std::int64_t>(body.facts.longest_line));
    insert_message_.bind_text(7, message.reverse_path)
        .bind_text(8, message.envid)
        .bind_text(9, message.stream);
    insert_message_.bind_text(10, message.source);
    insert_message_.bind_blob(11, {reinterpret_cast<const char*>(message.relaxed_body_hash.data()),
                                   message.relaxed_body_hash.size()});
    if (body.spool_file.empty()) {
        insert_message_.bind_null(12);
    } else {
        // The row must never commit before its file: a file that is not there, or not this message's, is
        // refused here.
        struct stat status {};
        if (body.spool_file != spool_name(message.id) ||
            ::stat((spool_directory_ + "/" + body.spool_file).c_str(), &status) != 0 ||
            static_cast<std::uint64_t>(status.st_size) != body.facts.size) {
            throw Refusal{{StoreFault::refused, "the spool file " + body.spool_file + " of message " +
                                                    message.id.to_string() +
                                                    " is missing or has the wrong size"}};
        }
        insert_message_.bind_text(12, body.spool_file);
    }
    insert_message_.bind_blob(13, message.header).bind_text(14, message.origin).run();
    if (body.spool_file.empty()) {
        insert_body_.bind(1, id)
            .bind_blob(2, body.bytes ? std::string_view(*body.bytes) : std::string_view())
            .run();
    }

    result.recipients.clear();
    result.recipients.reserve(what.recipients.size());
    const std::size_t first_claimed = effects_.added.size();
    for (const NewRecipient& recipient : what.recipients) {
        const DestinationId destination = intern(recipient.domain, recipient.lane);
        const RecipientId row = next_recipient_++;
        insert_recipient_.bind(1, row).bind(2, id).bind(3, destination);
        insert_recipient_.bind(4, std::min(recipient.due_at, message.expires_at))
            .bind(5, recipient.recipient.notify);
        insert_recipient_.bind_text(6, recipient.recipient.address)
            .bind_text(7, recipient.recipient.orcpt)
            .run();
        if (recipient.claim) {
            effects_.added.push_back(row);
        }
        result.recipients.push_back({row, destination});
    }
    // Before the commit makes them visible to claim().
    claims_.hold_new(std::span(effects_.added).subspan(first_claimed), now + kAddedLease);
    effects_.messages += 1;
    effects_.recipients += static_cast<std::int64_t>(what.recipients.size());
    return true;
}

void Changes::settle(const Settlement& settlement, Settled& result, TimePoint now) {
    QueueId previous;
    bool deleted = false;
    for (const Verdict& verdict : settlement.verdicts) {
        // A message's verdicts stand together; it is looked at once, after its last one.
        if (deleted && verdict.message != previous) {
            remove_message_if_done(previous);
            deleted = false;
        }
        previous = verdict.message;
        effects_.settled.push_back(verdict.recipient);
        if (!effects_.ours.empty()) {
            effects_.ours.insert(verdict.recipient);
        }
        if (verdict.kind != Verdict::Kind::done &&
            claims_.afterwards(verdict.recipient) != Afterwards::remove) {
            defer(verdict);
            continue;
        }
        delete_recipient_.bind(1, verdict.recipient).run();
        if (connection_.changes() > 0) {
            effects_.recipients -= 1;
            deleted = true;
        }
    }
    if (deleted) {
        remove_message_if_done(previous);
    }
    for (const JournalEntry& entry : settlement.journal) {
        journal_.write(entry);
    }
    suppress(settlement.suppressions);
    result.messages.resize(settlement.messages.size());
    for (std::size_t i = 0; i < settlement.messages.size(); ++i) {
        if (!add(settlement.messages[i], result.messages[i], now)) {
            throw Refusal{{StoreFault::refused, settlement.messages[i].pickup + " has been added before"}};
        }
    }
}

void Changes::defer(const Verdict& verdict) {
    const Afterwards afterwards = claims_.afterwards(verdict.recipient);
    const bool hold = verdict.kind == Verdict::Kind::hold || afterwards == Afterwards::hold;
    const auto state = hold                                ? RecipientState::held
                       : afterwards == Afterwards::suspend ? RecipientState::suspended
                                                           : RecipientState::waiting;
    update_recipient_.bind(1, verdict.recipient)
        .bind(2, static_cast<std::int64_t>(state))
        .bind(3, verdict.due_at);
    update_recipient_.bind(4, verdict.count_attempt ? 1 : 0).bind(5, verdict.attempted_at);
    update_recipient_.bind(6, verdict.delay_dsn_sent ? 1 : 0).bind_text(7, verdict.failure_class);
    update_recipient_.bind_text(8, verdict.reply).bind_text(9, verdict.host).bind_text(10, verdict.in_doubt).run();
}

void Changes::remove_message_if_done(QueueId id) {
    delete_message_.bind(1, id.value()).run();
    if (connection_.changes() == 0) {
        return;
    }
    effects_.messages -= 1;
    delete_body_.bind(1, id.value()).run();
    if (connection_.changes() == 0) {
        effects_.unneeded_files.push_back(spool_name(id));  // no body row: it was a spool file
    }
}

void Changes::revise(ReviseOperation& operation) {
    operation.result = {};
    struct Row {
        RecipientId id;
        DestinationId destination;
        int state;
        TimePoint due_at;
    };
    std::vector<Row> rows;
    TimePoint expires_at{};
    {
        const StatementScope scope(message_exists_);
        if (!message_exists_.bind(1, operation.message.value()).step()) {
            operation.result = {};
            throw Refusal{
                {StoreFault::not_found, "no message " + operation.message.to_string() + " in the queue"}};
        }
        expires_at = message_exists_.time(0);
    }
    {
        const StatementScope scope(recipients_of_);
        recipients_of_.bind(1, operation.message.value());
        while (recipients_of_.step()) {
            rows.push_back({recipients_of_.integer(0), recipients_of_.integer(1),
                            static_cast<int>(recipients_of_.integer(2)), recipients_of_.time(3)});
        }
    }
    const TimePoint at_once = std::min(operation.now, expires_at);
    const auto mark = [this](RecipientId id, Afterwards afterwards) {
        effects_.marked.emplace_back(id, claims_.set_afterwards(id, afterwards));
    };
    const auto set_state = [this](RecipientId id, int state) { set_state_.bind(1, id).bind(2, state).run(); };
    for (const Row& row : rows) {
        if (row.state == kStateRemoved ||
            !concerns(operation.revision, static_cast<RecipientState>(row.state))) {
            continue;
        }
        const bool ours = is_ours(row.id, operation.now);
        switch (operation.revision) {
            case Revision::remove:
                if (ours) {
                    delete_recipient_.bind(1, row.id).run();
                    effects_.recipients -= 1;
                } else {
                    set_state(row.id, kStateRemoved);
                    mark(row.id, Afterwards::remove);
                }
                break;
            case Revision::bounce:
                end_recipient_.bind(1, row.id).bind(2, at_once).run();
                break;
            case Revision::hold:
            case Revision::suspend: {
                const bool holds = operation.revision == Revision::hold;
                const auto state = holds ? RecipientState::held : RecipientState::suspended;
                set_state(row.id, static_cast<int>(state));
                if (!ours) {
                    mark(row.id, holds ? Afterwards::hold : Afterwards::suspend);
                }
                break;
            }
            case Revision::retry:
            case Revision::flush:
            case Revision::release:
            case Revision::resume: {
                if (!ours && row.state == static_cast<int>(RecipientState::waiting)) {
                    continue;  // it is being tried already
                }
                const TimePoint due = operation.revision == Revision::resume ? row.due_at : at_once;
                make_due_.bind(1, row.id).bind(2, due).run();
                if (!ours) {
                    mark(row.id, Afterwards::nothing);
                    break;
                }
                const StatementScope scope(destination_name_);
                destination_name_.bind(1, row.destination).step();
                note_due(operation.result, {row.destination, destination_name_.text(0), destination_name_.text(1), due});
                break;
            }
        }
        operation.result.recipients += 1;
    }
    if (operation.revision == Revision::remove) {
        remove_message_if_done(operation.message);
    }
    if (operation.revision == Revision::bounce) {
        end_message_.bind(1, operation.message.value()).bind(2, operation.now).run();
    }
}

// Nobody has the row: it was free, or this very transaction settled or revised it before.
bool Changes::is_ours(RecipientId id, TimePoint now) {
    auto& ours = effects_.ours;
    if (ours.empty()) {
        ours.insert(effects_.settled.begin(), effects_.settled.end());
    }
    if (ours.contains(id)) {
        return true;
    }
    if (!claims_.reserve(id, now)) {
        return false;
    }
    effects_.reserved.push_back(id);
    ours.insert(id);
    return true;
}

void Changes::sweep(const std::vector<RecipientId>& recipients) {
    for (const RecipientId id : recipients) {
        QueueId message;
        {
            const StatementScope scope(removed_message_);
            if (!removed_message_.bind(1, id).step()) {
                continue;
            }
            message = QueueId(removed_message_.integer(0));
        }
        delete_recipient_.bind(1, id).run();
        effects_.recipients -= 1;
        remove_message_if_done(message);
    }
}

void Changes::forget(ForgetOperation& operation) {
    operation.result = 0;
    for (const std::string& key : operation.keys) {
        delete_pickup_.bind_text(1, key).run();
        operation.result += static_cast<std::uint64_t>(connection_.changes());
    }
}

std::uint64_t Changes::suppress(const std::vector<Suppression>& suppressions) {
    std::uint64_t fresh = 0;
    for (const Suppression& entry : suppressions) {
        suppress_.bind_text(1, entry.address).bind(2, entry.since).bind_text(3, entry.failure_class);
        suppress_.bind_text(4, entry.reply).bind(5, entry.message.value()).run();
        fresh += static_cast<std::uint64_t>(connection_.changes());
    }
    return fresh;
}

void Changes::unsuppress(UnsuppressOperation& operation) {
    operation.result = 0;
    for (const std::string& address : operation.addresses) {
        unsuppress_.bind_text(1, address).run();
        operation.result += static_cast<std::uint64_t>(connection_.changes());
    }
}

DestinationId Changes::intern(std::string_view domain, std::string_view lane) {
    if (const DestinationId known = destinations_.find(domain, lane); known != 0) {
        return known;
    }
    DestinationId id = 0;
    {
        const StatementScope scope(find_destination_);
        if (find_destination_.bind_text(1, domain).bind_text(2, lane).step()) {
            id = find_destination_.integer(0);
        }
    }
    if (id == 0) {
        const StatementScope scope(insert_destination_);
        insert_destination_.bind_text(1, domain).bind_text(2, lane).step();
        id = insert_destination_.integer(0);
    }
    destinations_.keep(domain, lane, id);
    return id;
}

Changes::Aftermath Changes::committed() {
    Effects effects = std::exchange(effects_, {});
    journal_.committed();
    Aftermath aftermath;
    aftermath.sweep = claims_.changed(effects.settled);
    claims_.changed(effects.reserved);
    aftermath.unneeded_files = std::move(effects.unneeded_files);
    aftermath.messages = effects.messages;
    aftermath.recipients = effects.recipients;
    return aftermath;
}

void Changes::rolled_back() {
    const Effects effects = std::exchange(effects_, {});
    journal_.rolled_back();
    for (auto it = effects.marked.rbegin(); it != effects.marked.rend(); ++it) {
        claims_.set_afterwards(it->first, it->second);
    }
    claims_.release(effects.reserved);
    claims_.release(effects.added);
    // Ids of destinations made in this transaction do not exist.
    destinations_.clear();
}

}  // namespace posthorn::queue::sqlite
