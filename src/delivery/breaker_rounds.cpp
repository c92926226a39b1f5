// The rounds of suspended pairs: when DNS is asked about them, what its answer changes, and the probes that show whether mail is taken again.
#include <algorithm>

#include "base/bound.hpp"

#include "delivery/breaker_state.hpp"

namespace posthorn::delivery {
namespace {

// DNS is well again in the eyes of the zone's servers, but no repair that could be proven (the records have other names now): then
// probes go on by their schedule after this many of auth_first.
constexpr int kClearIsRepaired = 4;

// A fact that was not there before: a key of a new selector, another address. It passes where others look.
bool passes_anew(const Diagnosis& before, const Diagnosis& now, const Causes& causes) {
    return std::any_of(now.facts.begin(), now.facts.end(), [&](const Fact& fact) {
        const bool known = std::any_of(before.facts.begin(), before.facts.end(),
                                       [&](const Fact& was) { return was.kind == fact.kind && was.subject == fact.subject; });
        return !known && concerns(causes, fact.kind) && fact.result == FactResult::pass && fact.at_resolver;
    });
}

}  // namespace

// Who has waited longest first: slow zones of some, asked about again and again, must not keep others from their turn.
std::optional<std::string> Breaker::take_diagnosis(TimePoint now) {
    BreakerPair* first = nullptr;
    for (auto& [key, pair] : state_->pairs) {
        if (pair.diagnosing || !pair.shown.next_poll || *pair.shown.next_poll > now) continue;
        if (first == nullptr || *pair.shown.next_poll < *first->shown.next_poll) first = &pair;
    }
    if (first == nullptr) return std::nullopt;
    first->diagnosing = true;
    return first->shown.key;
}

void Breaker::diagnosed(std::string_view key, std::shared_ptr<const Diagnosis> diagnosis, TimePoint now) {
    BreakerPair* pair = state_->find(key);
    if (pair == nullptr) return;
    pair->diagnosing = false;
    SuspendedPair& shown = pair->shown;
    if (!shown.holds()) {
        shown.next_poll.reset();
        return;
    }
    const std::shared_ptr<const Diagnosis> previous = shown.diagnosis;
    if (diagnosis) shown.diagnosis = std::move(diagnosis);
    // The others are diagnosed once, for the operator: DNS does not end them.
    shown.next_poll.reset();
    if (shown.reason == SuspensionReason::auth) shown.next_poll = next_poll(state_->options, shown.since, now);
    if (shown.reason == SuspensionReason::auth && shown.diagnosis) {
        if (explains(*shown.diagnosis, shown.causes)) {
            pair->failing = shown.diagnosis;
            pair->clear_since.reset();
            shown.unexplained = false;
            if (shown.phase == SuspensionPhase::held || shown.phase == SuspensionPhase::trial) {
                // Blind repetition would be the same refusal (PR-45): the probe comes when DNS is repaired.
                shown.next_probe.reset();
                if (shown.phase == SuspensionPhase::trial) state_->enter(*pair, SuspensionPhase::held, now);
            }
        } else if (pair->failing) {
            if (!pair->clear_since) pair->clear_since = now;
            const bool proven = repaired(*pair->failing, *shown.diagnosis, shown.causes) ||
                                passes_anew(*pair->failing, *shown.diagnosis, shown.causes);
            const bool long_ago = now - *pair->clear_since >= state_->options.auth_first * kClearIsRepaired;
            if ((proven || long_ago) && shown.phase == SuspensionPhase::held && !shown.next_probe) {
                shown.next_probe = now + state_->options.auth_settle;
                state_->say("repaired", false, *pair, {{"diagnosis", shown.diagnosis->summary}});
            }
        } else {
            shown.unexplained = true;
            // What fails does not account for the refusal, by what we know of them; but when it is put right, that is worth a try.
            const TimePoint soon = now + state_->options.auth_settle;
            if (previous && shown.phase == SuspensionPhase::held && (!shown.next_probe || *shown.next_probe > soon) &&
                repaired(*previous, *shown.diagnosis, shown.causes)) {
                shown.next_probe = soon;
                state_->say("repaired", false, *pair, {{"diagnosis", shown.diagnosis->summary}});
            }
        }
    }
    if (!pair->told && shown.reason == SuspensionReason::auth) state_->tell(*pair);
    state_->note(*pair, false);
}

std::optional<std::string> Breaker::take_probe(TimePoint now) {
    for (auto& [key, pair] : state_->pairs) {
        SuspendedPair& shown = pair.shown;
        if (shown.phase != SuspensionPhase::held || shown.reason == SuspensionReason::by_operator) continue;
        if (!shown.next_probe || *shown.next_probe > now) continue;
        // Where the machine is refused, the probe of a sender would say nothing.
        const bool machine_first = !shown.sender.empty() &&
                                   std::any_of(state_->pairs.begin(), state_->pairs.end(), [&](const auto& other) {
                                       return !other.second.shown.source.empty() && other.second.shown.group == shown.group && other.second.shown.holds();
                                   });
        if (machine_first) {
            shown.next_probe = now + state_->options.auth_settle;
            continue;
        }
        pair.choosing = true;
        pair.probe = 0;
        state_->enter(pair, SuspensionPhase::probing, now);
        return key;
    }
    return std::nullopt;
}

void Breaker::probe_sent(std::string_view key, queue::RecipientId recipient, TimePoint now) {
    BreakerPair* pair = state_->find(key);
    expect({recipient});
    if (pair == nullptr || pair->shown.phase != SuspensionPhase::probing) return;
    pair->choosing = false;
    pair->probe = recipient;
    pair->shown.next_probe.reset();
    ++pair->shown.probes;
    pair->changed = now;
    state_->say("probe", false, *pair, {{"probes", std::to_string(pair->shown.probes)}});
    state_->note(*pair, false);
}

void Breaker::no_probe(std::string_view key, TimePoint now) {
    BreakerPair* pair = state_->find(key);
    if (pair == nullptr || pair->shown.phase != SuspensionPhase::probing) return;
    pair->choosing = false;
    state_->enter(*pair, SuspensionPhase::trial, now);
    state_->say("probe", false, *pair, {{"note", "no mail waits behind it; the next message is the probe"}});
    state_->note(*pair, false);
}

void Breaker::probe_later(std::string_view key, TimePoint now) {
    BreakerPair* pair = state_->find(key);
    if (pair == nullptr || pair->shown.phase != SuspensionPhase::probing) return;
    pair->choosing = false;
    pair->shown.next_probe = now + state_->options.auth_settle;
    state_->enter(*pair, SuspensionPhase::held, now);
}

void Breaker::expect(const std::vector<queue::RecipientId>& recipients) {
    for (const queue::RecipientId recipient : recipients) {
        if (!state_->passes.insert(recipient).second) continue;
        state_->passes_in_order.push_back(recipient);
        if (state_->passes_in_order.size() <= kMostPasses) continue;
        note_reached(Bound::operator_passes);
        state_->passes.erase(state_->passes_in_order.front());
        state_->passes_in_order.pop_front();
    }
}

void Breaker::passed(queue::RecipientId recipient, TimePoint now) {
    if (state_->passes.erase(recipient) == 0) return;
    std::erase(state_->passes_in_order, recipient);
    for (auto& [key, pair] : state_->pairs) {
        if (pair.probe != recipient || pair.shown.phase != SuspensionPhase::probing) continue;
        pair.probe = 0;
        pair.shown.next_probe = now + state_->options.auth_settle;
        state_->enter(pair, SuspensionPhase::held, now);
        state_->note(pair, false);
    }
}

bool Breaker::is_pass(queue::RecipientId recipient) const { return state_->passes.contains(recipient); }

}  // namespace posthorn::delivery
