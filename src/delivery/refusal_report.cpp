// The DSN about mail that was refused after it had been taken over: its sender's program was told that all is well.
#include "delivery/agent_state.hpp"
#include "delivery/bounce.hpp"
#include "mail/address.hpp"

namespace posthorn::delivery {

std::optional<queue::NewMessage> DeliveryAgent::report_refusal(const mail::Message& refused,
                                                               const std::vector<mail::EnvelopeRecipient>& recipients,
                                                               const smtp::protocol::Reply& reply) {
    const Settings& current = *state_->settings;
    std::vector<queue::Recipient> rows;
    for (const mail::EnvelopeRecipient& recipient : recipients) {
        queue::Recipient row;
        row.address = recipient.address;
        row.orcpt = recipient.orcpt;
        row.notify = recipient.notify;
        if (owes_dsn(mail::DsnAction::failed, refused, row)) rows.push_back(std::move(row));
    }
    if (rows.empty()) return std::nullopt;
    const std::string to = bounce_address(refused.reverse_path, current.bounces);
    if (!state_->budget.take(to, current.bounces.per_hour, std::chrono::steady_clock::now())) return std::nullopt;
    Outcome outcome;
    outcome.result = Disposition::failed;
    outcome.failure_class = Class::content;
    outcome.scope = Scope::message;
    outcome.reply = reply;
    std::vector<Settling> settled;
    for (const queue::Recipient& row : rows) {
        Settling item;
        item.recipient = &row;
        item.outcome = &outcome;
        item.explanation = "The mail server of " + current.hostname + " refused the message when it came to it. Nothing of it was sent to this recipient.";
        settled.push_back(std::move(item));
    }
    BounceFacts facts;
    facts.to = to;
    facts.hostname = current.hostname;
    facts.from_domain = state_->bounce_domain(to, current);
    facts.now = refused.accepted_at;
    facts.lifetime = current.queue.dsn_lifetime;
    facts.id = state_->ids.next(refused.accepted_at);
    facts.returned_size = current.bounces.returned_size;
    return make_bounce(mail::DsnAction::failed, refused, settled, facts);
}

}  // namespace posthorn::delivery
