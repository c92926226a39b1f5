// What the answers of peers say of suspended pairs, and what becomes of the recipients that got them.
#include <algorithm>
#include <array>

#include "delivery/breaker_state.hpp"
#include "base/bound.hpp"
#include "delivery/flow.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::Stage;

constexpr Duration kSoftMemory = std::chrono::hours(24);

// Class auth that waits, or returns at once by the provider's setting but is no less a refusal of the sender. What fails for another
// reason (a From domain that is not ours, PR-49; retry.strict_5xx, PR-52) suspends nobody.
bool is_auth_refusal(const Outcome& outcome) {
    if (outcome.failure_class != Class::auth || outcome.reply.code < 400) return false;
    return outcome.result == Disposition::deferred || (outcome.judgement && outcome.judgement->after_fix == AfterFix::bounce);
}

bool is_rep_refusal(const Outcome& outcome) { return outcome.failure_class == Class::rep && outcome.reply.code >= 400; }

// Refusals at the end of the data for what the message is: they come when the sender has been looked at.
bool is_about_the_message(Class failure_class) {
    constexpr std::array<Class, 7> kClasses = {Class::content, Class::size,      Class::mbr,      Class::rfc,
                                               Class::rcpt_perm, Class::rcpt_full, Class::permanent};
    return std::find(kClasses.begin(), kClasses.end(), failure_class) != kClasses.end();
}

// Whether an answer that is neither a delivery nor a refusal of the sender shows that he is accepted: the dialogue went beyond the
// stage at which he was refused, or the message was judged by what it is. Greylisting, an unknown user before the data, or a lost
// connection show nothing to somebody who was refused at the end of the data.
bool shows_acceptance(Stage refused_at, const Outcome& outcome) {
    if (outcome.reply.code < 400 || outcome.stage > Stage::end_of_data) return false;
    if (outcome.stage > refused_at) return true;
    return outcome.stage == Stage::end_of_data && outcome.result == Disposition::failed && is_about_the_message(outcome.failure_class);
}

bool was_permanent(const queue::Recipient& recipient) { return recipient.last_reply.starts_with('5'); }

}  // namespace

// 2.5: AUTH concerns From's organisational domain, or the machine where it is about its name; REP the machine, or the domain where
// only that is named.
std::string Breaker::State::refused_key(const Flow& flow, const Judged& item) const {
    const Outcome& outcome = item.outcome;
    if (is_auth_refusal(outcome)) {
        if (options.strict_5xx) return {};
        const bool machine = outcome.judgement && outcome.judgement->causes.of_machine();
        const std::string key = gate_key(flow, machine ? GateKind::ip : GateKind::sender);
        return key.empty() ? gate_key(flow, GateKind::ip) : key;
    }
    if (is_rep_refusal(outcome)) {
        const Whose whose = outcome.judgement ? outcome.judgement->whose : Whose();
        if (whose.has(Party::recipient)) return {};   // one domain's own list: no reason to hold everybody's mail
        const bool domain = whose.has(Party::sender_domain) || whose.has(Party::dkim_domain) || whose.has(Party::spf_domain);
        const std::string key = gate_key(flow, domain && !whose.has(Party::source_ip) ? GateKind::sender : GateKind::ip);
        return key.empty() ? gate_key(flow, GateKind::ip) : key;
    }
    return {};
}

bool Breaker::State::is_soft(const Judged& item) const {
    return !options.strict_5xx && item.outcome.result == Disposition::deferred && item.outcome.failure_class == Class::temp &&
           item.outcome.judgement && item.outcome.judgement->causes.has(Cause::dns_temporary);
}

// 2.5, 451 4.7.26: "to AUTH if seen 3 times".
bool Breaker::State::count_soft(const std::string& key, TimePoint now) {
    if (key.empty()) return false;
    if (soft.size() >= kMostSoft && !soft.contains(key))
        std::erase_if(soft, [&](const auto& entry) { return now - entry.second.first >= kSoftMemory; });
    if (soft.size() >= kMostSoft && !soft.contains(key)) {
        note_reached(Bound::soft_refusals);
        return false;
    }
    const auto [at, fresh] = soft.try_emplace(key);
    SoftRefusals& refusals = at->second;
    if (fresh || now - refusals.first >= kSoftMemory) refusals = SoftRefusals{0, now};
    if (++refusals.count < kSoftLimit) return false;
    soft.erase(at);
    return true;
}

void Breaker::State::refusal(const std::string& key, const Flow& flow, const Judged& item, bool passed, TimePoint now) {
    BreakerPair* pair = find(key);
    if (pair == nullptr) {
        const bool ours = !flow.dkim_domain.empty() || gate_name(key).kind == GateKind::ip;
        pair = begin(key, ours && !flow.provider.empty() ? kMostPairs : kMostOfStrangers, now);
        if (pair == nullptr) return;
        pair->shown.since = now;
        describe(*pair, flow, item);
        pair->shown.next_poll = now;
        pair->shown.next_probe = now + probe_interval(options, pair->terms, 0);
        say("suspended", true, *pair, {{"reply", pair->shown.reply}, {"host", pair->shown.host}});
        // Class auth is told with its diagnosis, which is asked for at once.
        if (pair->shown.reason == SuspensionReason::rep) tell(*pair);
        note(*pair, true);
        return;
    }
    if (pair->shown.reason == SuspensionReason::by_operator) return;
    const bool ours = item.recipient.id == pair->probe && pair->probe != 0;
    switch (pair->shown.phase) {
        case SuspensionPhase::held: break;   // under way since before, or an operator's own try
        case SuspensionPhase::probing:
            if (ours || (passed && pair->probe == 0)) refused_again(*pair, flow, item, now);
            break;
        case SuspensionPhase::trial: ++pair->shown.probes; [[fallthrough]];
        case SuspensionPhase::releasing: refused_again(*pair, flow, item, now); break;
    }
}

// Anything else that was answered while there is a suspension.
void Breaker::State::answer(BreakerPair& pair, const Judged& item, bool passed, TimePoint now) {
    const bool delivered = item.outcome.result == Disposition::delivered;
    const bool accepted = delivered || shows_acceptance(pair.stage, item.outcome);
    if (pair.shown.phase == SuspensionPhase::releasing) {
        if (delivered) count_taken(pair, now);
        return;
    }
    if (pair.shown.reason == SuspensionReason::by_operator) return;   // it ends when he says so
    if (!passed && pair.shown.phase != SuspensionPhase::trial) return;
    if (accepted) {
        release(pair, delivered ? "a message was taken" : "a message was judged by what it is, and not by its sender", now);
        return;
    }
    const bool probed = pair.shown.phase == SuspensionPhase::probing && item.recipient.id == pair.probe;
    if (probed || pair.shown.phase == SuspensionPhase::trial) {
        if (!probed) ++pair.shown.probes;
        pair.probe = 0;
        pair.shown.next_probe = now + options.auth_settle;
        enter(pair, SuspensionPhase::held, now);
        say("probe", false, pair, {{"note", "its answer says nothing of the sender; another follows"}, {"reply", item.outcome.reply.joined()}});
        note(pair, !probed);
    }
}

void Breaker::heed(const Flow& flow, const std::vector<Judged>& judged, TimePoint now) {
    const std::array<std::string, 2> keys = {gate_key(flow, GateKind::sender), gate_key(flow, GateKind::ip)};
    for (const Judged& item : judged) {
        if ((item.at_once && !item.diverted) || item.outcome.shortage) continue;
        const bool passed = is_pass(item.recipient.id);
        std::string own = state_->refused_key(flow, item);
        if (own.empty() && state_->is_soft(item) && state_->count_soft(keys[0], now)) own = keys[0];
        for (const std::string& key : keys) {
            BreakerPair* pair = key.empty() ? nullptr : state_->find(key);
            if (pair != nullptr && key != own) state_->answer(*pair, item, passed, now);
        }
        if (!own.empty()) state_->refusal(own, flow, item, passed, now);
    }
}

void Breaker::judge_held(const Flow& flow, std::vector<Judged>& judged, TimePoint now) const {
    const State& state = *state_;
    for (Judged& item : judged) {
        if (item.at_once || item.outcome.shortage) continue;
        Outcome& outcome = item.outcome;
        // A soft one that has just become a suspension: held as the others of it.
        if (state.is_soft(item)) {
            const BreakerPair* pair = state.find(gate_key(flow, GateKind::sender));
            if (pair != nullptr && pair->shown.holds() && pair->shown.reason == SuspensionReason::auth) {
                outcome.failure_class = Class::auth;
                item.wait.reset();
            }
        }
        const std::string key = state.refused_key(flow, item);
        const BreakerPair* pair = key.empty() ? nullptr : state.find(key);
        const bool suspended = pair != nullptr && pair->shown.holds();
        const std::optional<TimePoint> since = held_since(item.recipient);
        if (outcome.failure_class == Class::auth && suspended) {
            const AfterFix after = outcome.judgement ? outcome.judgement->after_fix : AfterFix::resend;
            // Microsoft: "must not attempt to retransmit"; one try after the repair is what their refusal asks for.
            const bool again = since && item.recipient.last_class == to_string(Class::auth) && was_permanent(item.recipient);
            if (outcome.reply.permanent() && (after == AfterFix::bounce || (after == AfterFix::resend_once && again)))
                outcome.result = Disposition::failed;
            else
                item.held = true;
        } else if (outcome.failure_class == Class::auth && outcome.judgement && outcome.judgement->after_fix == AfterFix::bounce &&
                   outcome.reply.permanent()) {
            outcome.result = Disposition::failed;
        } else if (outcome.failure_class == Class::rep && suspended) {
            if (outcome.result == Disposition::failed && state.options.rep_hold > Duration(0) &&
                now < since.value_or(now) + state.options.rep_hold)
                outcome.result = Disposition::deferred;   // PR-53
            item.held = outcome.result == Disposition::deferred;
        }
        if (item.held) item.wait.reset();
    }
}

}  // namespace posthorn::delivery
