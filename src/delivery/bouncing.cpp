// Who is told about a delivery: the DSNs that its recording owes, and the log's word on them.
#include <map>

#include "base/log.hpp"
#include "delivery/agent_state.hpp"
#include "delivery/bounce.hpp"
#include "mail/address.hpp"
#include "queue/retry.hpp"

namespace posthorn::delivery {
namespace {

std::string_view explanation_of(const Outcome& outcome) {
    switch (outcome.failure_class) {
        case Class::auth:
            return "The receiving server says that our mail for this sender's domain is not authenticated. Its DNS records (SPF, "
                   "DKIM, DMARC) or the server's reverse DNS must be repaired by whoever runs them.";
        case Class::local: return "The message was held by our own server; its operator must act.";
        default: return {};
    }
}

}  // namespace

std::string DeliveryAgent::State::bounce_domain(const mail::Message& message, const Settings& current) const {
    const std::string sender = mail::destination_of(message.reverse_path);
    if (!sender.empty() && current.keys->select(sender).can_sign()) return sender;
    if (current.keys->select(current.hostname).can_sign()) return current.hostname;
    const auto signing = current.keys->domains();
    for (const std::string& domain : signing)
        if (current.keys->select(domain).can_sign()) return domain;
    return current.hostname;
}

void DeliveryAgent::State::add_bounces(Recording& recording, bool peer_sends_dsn) {
    const mail::Message& message = *recording.message;
    const Settings& current = *recording.settings;
    std::map<mail::DsnAction, std::vector<Settling>> due;
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
        settling.explanation = explanation_of(item.outcome);
        due[action].push_back(std::move(settling));
    }
    for (const auto& [action, settled] : due) {
        BounceFacts facts;
        facts.hostname = current.hostname;
        facts.from_domain = bounce_domain(message, current);
        facts.now = recording.now;
        facts.lifetime = current.queue.dsn_lifetime;
        facts.id = ids.next(recording.now);
        if (message.body.bytes) facts.original_body = *message.body.bytes;
        recording.settlement.messages.push_back(make_bounce(action, message, settled, facts));
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
