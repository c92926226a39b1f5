// Who is told about a delivery: the DSNs that its recording owes, and the log's word on them.
#include <map>
#include <set>

#include "base/log.hpp"
#include "delivery/agent_state.hpp"
#include "delivery/bounce.hpp"
#include "mail/address.hpp"
#include "queue/retry.hpp"

namespace posthorn::delivery {
namespace {

BounceFacts facts_for(std::string to, std::string from_domain, const Settings& current, QueueId id, TimePoint now) {
    BounceFacts facts;
    facts.to = std::move(to);
    facts.hostname = current.hostname;
    facts.from_domain = std::move(from_domain);
    facts.now = now;
    facts.lifetime = current.queue.dsn_lifetime;
    facts.id = id;
    facts.returned_size = current.bounces.returned_size;
    return facts;
}

}  // namespace

std::string DeliveryAgent::State::bounce_domain(const std::string& to, const Settings& current) const {
    const std::string theirs = mail::destination_of(to);
    if (!theirs.empty() && current.keys->select(theirs).can_sign()) return theirs;
    if (current.keys->select(current.hostname).can_sign()) return current.hostname;
    const auto signing = current.keys->domains();
    for (const std::string& domain : signing)
        if (current.keys->select(domain).can_sign()) return domain;
    return current.hostname;
}

void DeliveryAgent::State::add_bounces(Recording& recording, bool peer_sends_dsn) {
    const mail::Message& message = *recording.message;
    const Settings& current = *recording.settings;
    // SMTP-21: of a DSN that fails nobody is told; the log keeps what it said and why it failed.
    if (message.reverse_path.empty()) return;
    const std::string sender_domain = mail::destination_of(message.reverse_path);
    std::map<mail::DsnAction, std::vector<Settling>> due;
    std::set<std::string> diagnosed;
    for (std::size_t i = 0; i < recording.judged.size(); ++i) {
        const Judged& item = recording.judged[i];
        mail::DsnAction action = mail::DsnAction::delayed;
        if (item.outcome.result == Disposition::failed) action = mail::DsnAction::failed;
        if (item.outcome.result == Disposition::delivered) {
            if (peer_sends_dsn) continue;   // DSN-3: it is the peer's to report
            action = mail::DsnAction::relayed;
        }
        if (action == mail::DsnAction::delayed && !queue::delay_notice_due(current.retry, item.recipient.notify, item.recipient.delay_dsn_sent,
                                                                           message.accepted_at, recording.now))
            continue;
        if (!owes_dsn(action, message, item.recipient)) continue;
        if (action == mail::DsnAction::delayed) recording.settlement.verdicts[i].delay_dsn_sent = true;
        Settling settling;
        settling.recipient = &item.recipient;
        settling.outcome = &item.outcome;
        settling.explanation = explanation_of(item.outcome, item.recipient, current.hostname, sender_domain);
        // PR-48. Once in a report, however many recipients it is the same for.
        if (const std::string& diagnosis = item.outcome.diagnosis; !diagnosis.empty() && diagnosed.insert(diagnosis).second)
            settling.explanation += "\n\n" + diagnosis;
        due[action].push_back(std::move(settling));
    }
    if (due.empty()) return;
    const std::string to = bounce_address(message.reverse_path, current.bounces);
    const SteadyTime now = std::chrono::steady_clock::now();
    for (const auto& [action, settled] : due) {
        if (!budget.take(to, current.bounces.per_hour, now)) {
            put_off(action, message, settled, to, now);
            continue;
        }
        BounceFacts facts = facts_for(to, bounce_domain(to, current), current, ids.next(recording.now), recording.now);
        if (message.body.bytes) facts.original_body = *message.body.bytes;
        recording.settlement.messages.push_back(make_bounce(action, message, settled, facts));
    }
}

void DeliveryAgent::State::put_off(mail::DsnAction action, const mail::Message& message, const std::vector<Settling>& settled,
                                   const std::string& to, SteadyTime now) {
    for (const Settling& item : settled) {
        counted.bounces_put_off += 1;
        log::warning("bounce_put_off").kv("id", message.id.to_string()).kv("to", to).kv("recipient", item.recipient->address)
            .kv("meaning", "more reports than delivery.bounces_per_hour: it will be in one summary");
        mail::DigestLine line;
        line.queue_id = message.id.to_string();
        line.recipient = item.recipient->address;
        line.action = action;
        line.diagnostic = item.outcome->reply.code != 0 ? item.outcome->reply.verbatim() : std::string();
        budget.put_off(to, std::move(line), now);
    }
}

// Stored like new mail. What cannot be stored comes again an hour later; at the end of the process it is in the log alone.
void DeliveryAgent::State::send_summaries(std::vector<BounceBudget::Summary> summaries) {
    for (BounceBudget::Summary& summary : summaries) {
        const TimePoint now = wall_now();
        const BounceFacts facts = facts_for(summary.to, bounce_domain(summary.to, *settings), *settings, ids.next(now), now);
        queue::NewMessage added = make_summary(summary, facts);
        Admission admission = admit(added);
        auto done = [this, admission = std::move(admission), summary = std::move(summary), id = facts.id](auto result) mutable {
            boost::asio::post(home, [this, admission = std::move(admission), summary = std::move(summary), id,
                                     result = std::move(result)]() mutable {
                if (result) {
                    counted.bounced += 1;
                    log::info("bounce_summary").kv("dsn", id.to_string()).kv("to", summary.to).kv("recipients", summary.count);
                    on_added(std::move(admission), *result);
                    return;
                }
                for (const Admission::Entry& entry : admission.entries)
                    if (entry.reserved > 0) scheduler.on_not_added(entry.reserved);
                log::error("bounce_summary").kv("to", summary.to).kv("recipients", summary.count).kv("error", result.error().what);
                budget.give_back(std::move(summary), std::chrono::steady_clock::now());
            });
        };
        store.add(std::move(added), std::chrono::steady_clock::now() + settings->queue.store_deadline, std::move(done));
    }
}

void DeliveryAgent::State::log_bounces(const Recording& recording) {
    for (const queue::NewMessage& bounce : recording.settlement.messages) {
        counted.bounced += 1;
        log::info("bounced").kv("id", recording.message->id.to_string()).kv("dsn", bounce.message->id.to_string())
            .kv("to", bounce.recipients.front().recipient.address);
    }
}

}  // namespace posthorn::delivery
