// One delivery from its start to its record: the steps, and the slot and the connection that are given back at its end.
#include "delivery/attempt.hpp"

#include "base/log.hpp"
#include "delivery/agent_state.hpp"

namespace posthorn::delivery {

void DeliveryAgent::State::finish(Attempt& attempt, queue::DeliveryFeedback::Reach reach) {
    attempt.finished = true;
    queue::DeliveryFeedback feedback;
    feedback.reach = reach;
    feedback.took = std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - attempt.began);
    feedback.passage = attempt.passage;
    store.unclaim(scheduler.finished(attempt.site, attempt.destination, feedback, wall_now()));
    wake();
}

void DeliveryAgent::State::abandon(Attempt& attempt, Duration wait) {
    using Reach = queue::DeliveryFeedback::Reach;
    finish(attempt, attempt.shortage ? Reach::shortage : Reach::abandoned);
    give_back(attempt.recipients, attempt.domain, wall_now() + wait);
}

// Whatever happens, the slot is given back: a leaked one would slow its site for ever.
net::awaitable<void> DeliveryAgent::State::deliver(queue::StartDelivery start) {
    Attempt attempt(std::move(start), settings, in_doubt);
    std::vector<queue::RecipientId> passes;   // sent by an operator, or as a probe, past what holds the others back
    for (const queue::Recipient& recipient : attempt.recipients)
        if (breaker.is_pass(recipient.id)) passes.push_back(recipient.id);
    try {
        bool goes_on = co_await load(attempt);
        if (goes_on) goes_on = co_await sign(attempt);
        if (goes_on) goes_on = co_await transmit(attempt);
        if (goes_on) co_await conclude(attempt);
    } catch (const std::exception& failure) {
        // Out of memory, or a broken invariant: the recipients stay claimed until the lease ends or the next start.
        log::error("attempt").kv("id", attempt.id.to_string()).kv("error", failure.what());
        if (!attempt.finished) finish(attempt, queue::DeliveryFeedback::Reach::abandoned);
    }
    end_of_passes(passes);
    if (unrecorded-- >= settings->delivery.connections) wake();
}

// RFC 5321 s4.5.4.1 and the suppression of duplicates: what the peer took is on record before the connection carries the next
// message, so that a crash can repeat one message of each connection and no more. The slot is the connection's: it stays taken
// as long as the connection may not be used.
net::awaitable<void> DeliveryAgent::State::conclude(Attempt& attempt) {
    shape(attempt);
    co_await hold(attempt);
    Recording recording = recording_of(attempt.message, std::move(attempt.judged), attempt.settings, attempt.peer_sends_dsn,
                                       std::move(attempt.transcript), std::move(attempt.group));
    const auto took = std::chrono::steady_clock::now() - attempt.began;
    tally.concluded(recording.group, took);
    const TimePoint began = recording.now - std::chrono::duration_cast<Duration>(took);
    for (const Judged& item : recording.judged)
        if (item.recipient.last_attempt == TimePoint()) tally.first_attempt_seconds.observe(began - recording.message->accepted_at);
    using Reach = queue::DeliveryFeedback::Reach;
    Reach reach = reach_of(recording.judged);
    // Where a reload may have put the relay right meanwhile, it says nothing of it.
    if (attempt.site_rests) reach = attempt.settings == settings ? Reach::closed : Reach::abandoned;
    bool recorded = co_await record(recording);
    co_await release(attempt, recorded);
    finish(attempt, reach);
    if (!recorded) recorded = co_await record_in_time(recording);
    if (!recorded) co_return;
    attempt.mark.settled();
    note_due(recording);
}

net::awaitable<void> DeliveryAgent::State::release(Attempt& attempt, bool recorded) {
    if (!attempt.connection) co_return;
    const DeliveryOptions& options = attempt.settings->delivery;
    const bool room = pool.size() < options.connections;   // many sites must not use up the descriptors
    // Settings that a reload has replaced: the connection was made by rules that hold no more.
    if (recorded && attempt.reuse && room && !stopping && attempt.settings == settings) {
        pool.give(attempt.site, std::move(attempt.manner), std::move(attempt.connection),
                  std::chrono::steady_clock::now() + options.idle_connection);
        co_return;
    }
    // Also where the disk failed: no peer is to wait for it with an open connection.
    net::TaskGroup::StopCallback on_abort(tasks, {}, [&attempt] { attempt.connection->abort(); });
    co_await attempt.connection->quit();
}

}  // namespace posthorn::delivery
