// Recording what became of a delivery: one settlement with its DSNs, kept until the disk takes it, and the log's last word.
#include <utility>

#include "base/log.hpp"
#include "delivery/agent_state.hpp"
#include "delivery/judgement_words.hpp"
#include "delivery/journal_entries.hpp"
#include "mail/address.hpp"
#include "net/callback.hpp"

namespace posthorn::delivery {
namespace {

constexpr Duration kSettleAgain = std::chrono::seconds(1);

}  // namespace

Recording DeliveryAgent::State::recording_of(mail::MessagePtr message, std::vector<Judged> judged,
                                             std::shared_ptr<const Settings> current, bool peer_sends_dsn,
                                             std::string transcript, std::string group) {
    Recording recording;
    recording.message = std::move(message);
    recording.settings = std::move(current);
    recording.judged = std::move(judged);
    recording.transcript = std::move(transcript);
    recording.now = wall_now();
    delivery::give_up(recording.judged, recording.message->accepted_at, recording.now);
    // What DNS showed of a refused sender at the last look goes with each further refusal (PR-48).
    for (Judged& item : recording.judged) {
        if (item.outcome.failure_class != Class::auth || !item.outcome.diagnosis.empty()) continue;
        const SuspendedPair* pair = suspension_of(item.recipient);
        if (pair != nullptr && pair->diagnosis) item.outcome.diagnosis = diagnosis_words(*pair);
    }
    const double spread = std::uniform_real_distribution<double>(0.0, 1.0)(random);
    bool again = false;
    recording.settlement.verdicts.reserve(recording.judged.size());
    for (const Judged& item : recording.judged) {
        recording.settlement.verdicts.push_back(
            verdict_of(item, recording.message->accepted_at, recording.settings->retry, recording.now, spread));
        again = again || item.outcome.result == Disposition::deferred;
    }
    recording.settlement.journal = journal_of(*recording.message, recording.judged, recording.settlement.verdicts, group,
                                              recording.transcript, recording.now);
    recording.group = std::move(group);
    note_suppressions(recording);
    add_bounces(recording, peer_sends_dsn);
    if (!again)
        for (const Judged& item : recording.judged) prefixes.erase(prefix_key(*recording.message, item.recipient.address, {}));
    for (queue::NewMessage& bounce : recording.settlement.messages) recording.admissions.push_back(admit(bounce));
    return recording;
}

void DeliveryAgent::State::log_outcomes(Recording& recording) {
    if (std::exchange(recording.told, true)) return;
    const mail::Message& message = *recording.message;
    const std::string id = message.id.to_string();
    for (std::size_t i = 0; i < recording.judged.size(); ++i) {
        const Judged& item = recording.judged[i];
        const Outcome& outcome = item.outcome;
        const bool fine = outcome.result == Disposition::delivered;
        if (outcome.result == Disposition::failed && message.reverse_path.empty())
            log::warning("double-bounce").kv("id", id).kv("about", message.source).kv("to", item.recipient.address)
                .kv("host", outcome.host).kv("reply", outcome.reply.joined())
                .kv("meaning", "a report could not be delivered, and nobody is told of that");
        log::Event event(fine || outcome.failure_class == Class::grey ? log::Level::info : log::Level::warning, to_string(outcome.result));
        event.kv("id", id).kv("from", message.reverse_path).kv("to", item.recipient.address);
        if (!outcome.host.empty()) event.kv("host", outcome.host);
        event.kv("delay_ms", (recording.now - message.accepted_at).count());
        if (!fine) {
            event.kv("class", to_string(outcome.failure_class)).kv("stage", smtp::protocol::to_string(outcome.stage));
            if (outcome.result == Disposition::deferred)
                event.kv("attempts", item.recipient.attempts + 1)
                    .kv("retry_in_s", (recording.settlement.verdicts[i].due_at - recording.now).count() / 1000);
            if (outcome.maybe_delivered) event.kv("note", "may have been delivered");
            if (outcome.judgement && !outcome.judgement->rule.empty()) event.kv("rule", outcome.judgement->rule);
            if (std::optional<Alarm> alarm = alarm_of(outcome); alarm && learnt.alarms != nullptr) learnt.alarms->raise(std::move(*alarm));
        }
        event.kv("reply", outcome.reply.joined());
        tally.settled(recording.group, outcome);
        if (fine) tally.delivered_seconds.observe(recording.now - message.accepted_at);
        switch (outcome.result) {
            case Disposition::delivered: counted.delivered += 1; break;
            case Disposition::deferred: counted.deferred += 1; break;
            case Disposition::failed: counted.failed += 1; break;
        }
    }
}

void DeliveryAgent::State::rename_bounces(Recording& recording) {
    for (std::size_t i = 0; i < recording.settlement.messages.size(); ++i) {
        auto renamed = std::make_shared<mail::Message>(*recording.settlement.messages[i].message);
        renamed->id = ids.next(recording.now);
        recording.settlement.messages[i].message = renamed;
        recording.admissions[i].message = renamed;
        for (Admission::Entry& entry : recording.admissions[i].entries) entry.row.message = renamed->id;
    }
}

net::awaitable<bool> DeliveryAgent::State::record(Recording& recording) {
    queue::Settlement copy = recording.settlement;
    auto start = [this, copy = std::move(copy)](auto done) mutable { store.settle(std::move(copy), std::move(done)); };
    auto settled = co_await net::callback_result<queue::StoreResult<queue::Settled>>(std::move(start));
    log_outcomes(recording);
    if (!settled) {
        recording.error = settled.error();
        co_return false;
    }
    log_bounces(recording);
    for (std::size_t i = 0; i < recording.admissions.size(); ++i)
        on_added(std::move(recording.admissions[i]), settled->messages[i]);
    co_return true;
}

net::awaitable<bool> DeliveryAgent::State::record_in_time(Recording& recording) {
    const std::string id = recording.message->id.to_string();
    for (bool told = false; !stopping; told = true) {
        // Once, not each second: with a broken disk there are as many of these as there are deliveries.
        if (!told)
            log::error("settle").kv("id", id).kv("error", recording.error.what)
                .kv("action", "kept in memory and tried again until it is recorded");
        // The one reason why the store refuses a settlement for its own sake: a DSN's id that exists.
        if (recording.error.fault == queue::StoreFault::refused) rename_bounces(recording);
        boost::asio::steady_timer pause(home, kSettleAgain);
        auto [ec] = co_await pause.async_wait(net::kAwait);
        (void)ec;
        const bool recorded = co_await record(recording);
        if (!recorded) continue;
        log::info("settle").kv("id", id).kv("note", "recorded after all");
        co_return true;
    }
    log::error("settle").kv("id", id).kv("error", recording.error.what)
        .kv("action", "given up: what was delivered may be delivered again after the restart");
    co_return false;
}

void DeliveryAgent::State::note_due(const Recording& recording) {
    bool any = false, by_old_rules = false;
    for (std::size_t i = 0; i < recording.judged.size(); ++i) {
        const Judged& item = recording.judged[i];
        if (item.outcome.result != Disposition::deferred) continue;
        // Of a doubt about more recipients than the queue shows: the start finds them in the store, whose they are.
        if (item.recipient.destination == 0) continue;
        scheduler.on_due(item.recipient.destination, mail::destination_of(item.recipient.address), item.recipient.lane,
                         recording.settlement.verdicts[i].due_at);
        any = true;
        by_old_rules |= item.outcome.failure_class == Class::local && recording.settings != settings;
    }
    if (any) wake();
    // A reload came between, and did not find it in the queue: what waits for a repair of ours is tried at each reload.
    if (by_old_rules && !stopping) chores.spawn(retry(recording.message->id));
}

net::awaitable<bool> DeliveryAgent::State::settle(mail::MessagePtr message, std::vector<Judged> judged,
                                                  std::shared_ptr<const Settings> current) {
    Recording recording = recording_of(std::move(message), std::move(judged), std::move(current), false);
    bool recorded = co_await record(recording);
    if (!recorded) recorded = co_await record_in_time(recording);
    if (recorded) note_due(recording);
    co_return recorded;
}

}  // namespace posthorn::delivery
