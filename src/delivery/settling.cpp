// Recording what became of a delivery: one settlement with its DSNs, kept until the disk takes it, and the log's last word.
#include <algorithm>
#include <map>

#include "base/log.hpp"
#include "delivery/agent_state.hpp"
#include "delivery/bounce.hpp"
#include "mail/address.hpp"
#include "net/callback.hpp"
#include "queue/retry.hpp"

namespace posthorn::delivery {
namespace {

constexpr Duration kSettleAgain = std::chrono::seconds(1);

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

void DeliveryAgent::State::add_bounces(const mail::MessagePtr& message, const std::vector<Judged>& judged, const Settings& current,
                                       bool peer_sends_dsn, queue::Settlement& settlement, TimePoint now) {
    std::map<mail::DsnAction, std::vector<Settling>> due;
    for (std::size_t i = 0; i < judged.size(); ++i) {
        const Judged& item = judged[i];
        mail::DsnAction action = mail::DsnAction::delayed;
        if (item.outcome.result == Disposition::failed) action = mail::DsnAction::failed;
        if (item.outcome.result == Disposition::delivered) {
            if (peer_sends_dsn) continue;   // DSN-3: it is the peer's to report
            action = mail::DsnAction::relayed;
        }
        if (action == mail::DsnAction::delayed &&
            !queue::delay_notice_due(current.retry, item.recipient.notify, item.recipient.delay_dsn_sent, message->accepted_at, now))
            continue;
        if (!owes_dsn(action, *message, item.recipient)) continue;
        if (action == mail::DsnAction::delayed) settlement.verdicts[i].delay_dsn_sent = true;
        Settling settling;
        settling.recipient = &item.recipient;
        settling.outcome = &item.outcome;
        settling.explanation = explanation_of(item.outcome);
        due[action].push_back(std::move(settling));
    }
    for (const auto& [action, settled] : due) {
        BounceFacts facts;
        facts.hostname = current.hostname;
        facts.from_domain = bounce_domain(*message, current);
        facts.now = now;
        facts.lifetime = current.queue.dsn_lifetime;
        facts.id = ids.next(now);
        if (message->body.bytes) facts.original_body = *message->body.bytes;
        settlement.messages.push_back(make_bounce(action, *message, settled, facts));
        counted.bounced += 1;
        log::info("bounced").kv("id", message->id.to_string()).kv("dsn", facts.id.to_string()).kv("to", message->reverse_path)
            .kv("recipients", static_cast<std::uint64_t>(settled.size()));
    }
}

void DeliveryAgent::State::log_outcomes(const mail::Message& message, const std::vector<Judged>& judged,
                                        const std::vector<queue::Verdict>& verdicts, TimePoint now) {
    const std::string id = message.id.to_string();
    for (std::size_t i = 0; i < judged.size(); ++i) {
        const Judged& item = judged[i];
        const Outcome& outcome = item.outcome;
        const bool fine = outcome.result == Disposition::delivered;
        log::Event event(fine || outcome.failure_class == Class::grey ? log::Level::info : log::Level::warning, to_string(outcome.result));
        event.kv("id", id).kv("from", message.reverse_path).kv("to", item.recipient.address);
        if (!outcome.host.empty()) event.kv("host", outcome.host);
        event.kv("delay_ms", (now - message.accepted_at).count());
        if (!fine) {
            event.kv("class", to_string(outcome.failure_class)).kv("stage", smtp::protocol::to_string(outcome.stage));
            if (outcome.result == Disposition::deferred)
                event.kv("attempts", item.recipient.attempts + 1).kv("retry_in_s", (verdicts[i].due_at - now).count() / 1000);
            if (outcome.maybe_delivered) event.kv("note", "may have been delivered");
        }
        event.kv("reply", outcome.reply.joined());
        switch (outcome.result) {
            case Disposition::delivered: counted.delivered += 1; break;
            case Disposition::deferred: counted.deferred += 1; break;
            case Disposition::failed: counted.failed += 1; break;
        }
    }
}

void DeliveryAgent::State::rename_bounces(queue::Settlement& settlement, std::vector<Admission>& admissions, TimePoint now) {
    for (std::size_t i = 0; i < settlement.messages.size(); ++i) {
        auto renamed = std::make_shared<mail::Message>(*settlement.messages[i].message);
        renamed->id = ids.next(now);
        settlement.messages[i].message = renamed;
        admissions[i].message = renamed;
        for (Admission::Entry& entry : admissions[i].entries) entry.row.message = renamed->id;
    }
}

net::awaitable<void> DeliveryAgent::State::settle(mail::MessagePtr message, std::vector<Judged> judged,
                                                  std::shared_ptr<const Settings> current, bool peer_sends_dsn) {
    const TimePoint now = wall_now();
    const double spread = std::uniform_real_distribution<double>(0.0, 1.0)(random);
    queue::Settlement settlement;
    settlement.verdicts.reserve(judged.size());
    bool again = false;
    for (const Judged& item : judged) {
        settlement.verdicts.push_back(verdict_of(item, message->accepted_at, current->retry, now, spread));
        again = again || item.outcome.result == Disposition::deferred;
    }
    add_bounces(message, judged, *current, peer_sends_dsn, settlement, now);
    log_outcomes(*message, judged, settlement.verdicts, now);
    if (!again) prefixes.erase(message->id.to_string());

    std::vector<std::pair<std::string, TimePoint>> due;
    queue::DestinationId destination = 0;
    for (std::size_t i = 0; i < judged.size(); ++i) {
        if (judged[i].outcome.result != Disposition::deferred) continue;
        destination = judged[i].recipient.destination;
        due.emplace_back(mail::destination_of(judged[i].recipient.address), settlement.verdicts[i].due_at);
    }

    std::vector<Admission> admissions;
    for (queue::NewMessage& bounce : settlement.messages) admissions.push_back(admit(bounce));

    for (bool told = false;; told = true) {
        queue::Settlement copy = settlement;
        auto start = [this, copy = std::move(copy)](auto done) mutable { store.settle(std::move(copy), std::move(done)); };
        auto settled = co_await net::callback_result<queue::StoreResult<queue::Settled>>(std::move(start));
        if (settled) {
            for (std::size_t i = 0; i < admissions.size(); ++i) on_added(std::move(admissions[i]), settled->messages[i]);
            if (told) log::info("settle").kv("id", message->id.to_string()).kv("note", "recorded after all");
            break;
        }
        // Once, not each second: with a broken disk there are as many of these as there are deliveries.
        if (!told || stopping)
            log::error("settle").kv("id", message->id.to_string()).kv("error", settled.error().what)
                .kv("action", stopping ? "given up: what was delivered may be delivered again after the restart"
                                       : "kept in memory and tried again until it is recorded");
        if (stopping) co_return;
        if (settled.error().fault == queue::StoreFault::refused) rename_bounces(settlement, admissions, now);
        boost::asio::steady_timer pause(home, kSettleAgain);
        auto [ec] = co_await pause.async_wait(net::kAwait);
        (void)ec;
    }
    for (const auto& [domain, when] : due) scheduler.on_due(destination, domain, when);
    if (!due.empty()) wake();
}

}  // namespace posthorn::delivery
