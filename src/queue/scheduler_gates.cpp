// Who passes a gate, who waits at it, and who is called when it has room.
#include "queue/scheduler_state.hpp"

namespace posthorn::queue {
namespace {

// Rows of a destination that may wait in memory for a gate beside what it lets through soon.
constexpr std::uint64_t kRowsAtGate = 4;

Claimant claimant(bool bulk, const Turnstile& gate, Step step) {
    return !bulk                               ? Claimant::letter
           : gate.at(step).lines.bulk_is_due() ? Claimant::bulk_in_turn
                                               : Claimant::bulk;
}

}  // namespace

void Scheduler::State::pass(Destination& destination, GateSet* set) {
    if (destination.gates == set) {
        if (set != nullptr) {
            set->members -= 1;  // it was one already
        }
        return;
    }
    if (destination.gates != nullptr) {
        gates.leave(*destination.gates);
    }
    destination.gates = set;
    destination.in_ring = false;  // its places in line are those of other mail
    destination.in_wants = false;
}

bool Scheduler::State::has_room(Step step, const Turnstile& gate, bool bulk, TimePoint now) const {
    const Claimant who = claimant(bulk, gate, step);
    if (step == Step::start) {
        return gate.gate.room(who, now) > 0;
    }
    // More is not loaded while loaded mail of the kind waits here.
    return !gate.gate.bounds_recipients() ||
           (!gate.at(Step::start).lines.has(bulk) && gate.gate.worth_loading(who, now) > 0);
}

bool Scheduler::State::has_turn(Step step, const ParkedLine& of) const {
    const auto it = sites.find(of.site);
    if (it == sites.end()) {
        return false;
    }
    const Site& site = it->second;
    const LaneTurns::Line* line = (step == Step::start ? site.ring : site.wants).find(of.key);
    if (line == nullptr || line->parked) {
        return false;
    }
    return step == Step::start
               ? site.start_turn != 0 && deliveries.has_room(site.standing, options.deliveries)
               : site.claim_turn != 0 && loaded.has_room(site.standing, total_bound());
}

bool Scheduler::State::is_claiming(const Turnstile& gate) const {
    const auto it = destinations.find(gate.claimant);
    if (it == destinations.end()) {
        return false;
    }
    const Destination& destination = it->second;
    return destination.claiming != 0 ||
           (destination.in_ring && has_turn(Step::start, {destination.site, destination.line()}));
}

bool Scheduler::State::is_outstanding(Step step, const Turnstile& gate) const {
    const ParkedLine& called = gate.at(step).called;
    return (called.site != kUnknownSite && has_turn(step, called)) ||
           (step == Step::claim && is_claiming(gate));
}

Turnstile* Scheduler::State::barrier(Step step, SiteId site, const LaneTurns::Line& line, DestinationId id,
                                     const GateSet& set, TimePoint now) {
    if (set.bounding.empty()) {
        return nullptr;
    }
    const ParkedLine self{site, line.key};
    bool called = false;
    for (Turnstile* gate : set.bounding) {
        Turnstile::Waiting& waiting = gate->at(step);
        if (waiting.called == self) {
            called = true;
            waiting.overtaken = false;
        }
    }
    Turnstile* bar = nullptr;
    for (Turnstile* gate : set.bounding) {
        const Turnstile::Waiting& waiting = gate->at(step);
        if (!has_room(step, *gate, line.bulk, now)) {
            bar = gate;
            break;
        }
        if (waiting.called == self) {
            continue;
        }
        const auto& lines = waiting.lines;
        const bool others_first = line.bulk ? !lines.empty()
                                            : lines.has(false) || (lines.has(true) && lines.bulk_is_due() &&
                                                                   has_room(step, *gate, true, now));
        // Who was called elsewhere overtakes those that wait here once, and then one of them comes first: so
        // neither gate starves the other, and two that call by turns never stand in each other's way.
        const bool behind = others_first && (!called || waiting.overtaken);
        // Rows are claimed for one line at a time, or each token would be claimed for by all.
        const bool one_at_a_time = step == Step::claim && gate->claimant != id &&
                                   gate->gate.bounds_recipients() &&
                                   (called ? is_claiming(*gate) : is_outstanding(step, *gate));
        if (behind || one_at_a_time) {
            bar = gate;
            break;
        }
    }
    for (Turnstile* gate : set.bounding) {
        Turnstile::Waiting& waiting = gate->at(step);
        const bool was_called = waiting.called == self;
        if (was_called) {
            waiting.called = {};
        }
        if (bar != nullptr) {
            continue;
        }
        waiting.overtaken = waiting.overtaken || (!was_called && !waiting.lines.empty());
        waiting.lines.took(line.bulk);
        if (step == Step::claim) {
            gate->claimant = id;
        }
    }
    return bar;
}

void Scheduler::State::park(Step step, Turnstile& gate, SiteId site, LaneTurns& turns, LaneTurns::Line& line,
                            TimePoint now) {
    turns.park(line);
    gate.at(step).lines.push(line.submitter, line.bulk, {site, line.key});
    offer(gate);
    arm(gate, now);
}

std::size_t Scheduler::State::enough(const Destination& destination) const {
    if (destination.gates != nullptr) {
        const auto& bounding = destination.gates->bounding;
        if (std::any_of(bounding.begin(), bounding.end(),
                        [](const Turnstile* gate) { return gate->gate.bounds_recipients(); })) {
            return 0;
        }
    }
    return options.claim_batch / 2;
}

bool Scheduler::State::is_held(const Destination& destination) {
    if (destination.gates == nullptr) {
        return false;
    }
    const auto& bounding = destination.gates->bounding;
    return std::any_of(bounding.begin(), bounding.end(),
                       [](const Turnstile* gate) { return gate->gate.is_closed(); });
}

bool Scheduler::State::may_wait(const Turnstile& gate, const Destination& destination, TimePoint now) const {
    if (!gate.gate.bounds_recipients()) {
        return true;
    }
    const Claimant who = claimant(destination.bulk, gate, Step::start);
    const std::uint64_t worth = gate.gate.worth_loading(who, now);
    return !gate.gate.is_used_up(who) &&
           destination.ready.size() <= worth + std::min(kRowsAtGate, UINT64_MAX - worth);
}

bool Scheduler::State::may_load(const Destination& destination, TimePoint now) const {
    if (destination.gates == nullptr) {
        return true;
    }
    const auto& bounding = destination.gates->bounding;
    return std::all_of(bounding.begin(), bounding.end(), [&](const Turnstile* gate) {
        const bool in_store = gate->at(Step::claim).lines.has(destination.bulk);
        return has_room(Step::claim, *gate, destination.bulk, now) && !in_store;
    });
}

std::size_t Scheduler::State::cut(Step step, const Destination& destination, std::size_t limit,
                                  TimePoint now) {
    if (destination.gates != nullptr) {
        for (const Turnstile* gate : destination.gates->bounding) {
            const Claimant who = claimant(destination.bulk, *gate, step);
            const std::uint64_t room =
                step == Step::start ? gate->gate.room(who, now) : gate->gate.worth_loading(who, now);
            limit = static_cast<std::size_t>(std::min<std::uint64_t>(limit, room));
        }
    }
    return std::max<std::size_t>(1, limit);
}

bool Scheduler::State::back_in_turn(Step step, const ParkedLine& parked, TimePoint now) {
    const auto it = sites.find(parked.site);
    if (it == sites.end()) {
        return false;
    }
    Site& site = it->second;
    const bool has_mail = (step == Step::start ? site.ring : site.wants).unpark(parked.key);
    if (has_mail && step == Step::start) {
        consider_starts(parked.site, site, now);
    } else if (has_mail) {
        consider_claims(parked.site, site, now);
    }
    return has_mail;
}

bool Scheduler::State::call_next(Step step, bool all, TimePoint now) {
    Fifo<Turnstile*>& offered = gates.offered[static_cast<std::size_t>(step)];
    for (std::size_t left = all ? offered.size() : std::min<std::size_t>(1, offered.size()); left > 0;
         --left) {
        Turnstile& gate = *offered.pop_front();
        Turnstile::Waiting& waiting = gate.at(step);
        waiting.offered = false;
        const bool letters = waiting.lines.has(false) && has_room(step, gate, false, now);
        const bool bulk = waiting.lines.has(true) && has_room(step, gate, true, now);
        if (!letters && !bulk) {
            arm(gate, now);
            gates.forget_if_unused(gate);
            continue;
        }
        waiting.offered = true;
        offered.push_back(&gate);
        if (is_outstanding(step, gate)) {
            continue;
        }
        const ParkedLine next = waiting.lines.pop(letters, bulk);
        offer(gate);  // loaded mail that waited here kept others from loading
        tries += 1;   // and their claims come before starts
        if (!back_in_turn(step, next, now)) {
            ++left;  // it is gone; the next one
            continue;
        }
        waiting.called = next;
        return true;
    }
    return false;
}

void Scheduler::State::offer(Turnstile& gate) {
    for (const Step step : {Step::claim, Step::start}) {
        Turnstile::Waiting& waiting = gate.at(step);
        if (!waiting.offered && !waiting.lines.empty()) {
            waiting.offered = true;
            gates.offered[static_cast<std::size_t>(step)].push_back(&gate);
        }
    }
}

void Scheduler::State::release(Turnstile& gate, Step step, TimePoint now) {
    Turnstile::Waiting& waiting = gate.at(step);
    waiting.called = {};
    while (!waiting.lines.empty()) {
        (void)back_in_turn(step, waiting.lines.pop(), now);
    }
}

void Scheduler::State::arm(Turnstile& gate, TimePoint now) {
    gate.gate.look(now);
    TimePoint when = kNever;
    for (const Step step : {Step::claim, Step::start}) {
        const auto& lines = gate.at(step).lines;
        for (const bool bulk : {false, true}) {
            if (!lines.has(bulk)) {
                continue;
            }
            if (const auto opens = gate.gate.opens(claimant(bulk, gate, step), now)) {
                when = std::min(when, *opens);
            }
        }
    }
    if (gate.wake == when) {
        return;
    }
    if (gate.wake != kNever) {
        gates.timer.erase({gate.wake, &gate});
    }
    gate.wake = when;
    if (when != kNever) {
        gates.timer.emplace(when, &gate);
    }
}

void Scheduler::State::set_bounds(std::string_view key, const GateSettings* settings,
                                  const std::uint32_t* connections, TimePoint now) {
    const bool nothing =
        (settings == nullptr || *settings == GateSettings{}) && (connections == nullptr || *connections == 0);
    Turnstile* known = gates.find(key);
    if (known == nullptr && nothing) {
        return;
    }
    Turnstile& gate = known == nullptr ? gates.at(key) : *known;
    const bool was_idle = gate.gate.is_idle();
    const bool changed = (settings != nullptr && gate.gate.set(*settings, now)) |
                         (connections != nullptr && gate.gate.set_connections(*connections));
    if (!changed) {
        return;
    }
    const bool idle = gate.gate.is_idle();
    if (was_idle != idle) {
        gate.gate.drop(gate.gate.active(), gate.gate.recipients());
        for (GateSet* set : gate.sets) {
            Gates::rebuild(*set);
            if (!idle) {
                gate.gate.take(set->active, set->recipients);
            }
        }
    }
    if (idle) {
        release(gate, Step::claim, now);
        gate.claimant = 0;
    }
    if (idle || gate.gate.is_closed()) {
        release(gate, Step::start, now);  // also to give back what is loaded and may not start
    }
    offer(gate);
    arm(gate, now);
    gates.forget_if_unused(gate);
}

Passage Scheduler::State::count_begin(Destination& destination, std::size_t recipients, TimePoint now) {
    GateSet* set = destination.gates;
    if (set == nullptr) {
        return {};
    }
    set->active += 1;
    set->recipients += recipients;
    for (Turnstile* gate : set->bounding) {
        gate->gate.begin(recipients, now);
    }
    return {set->id, static_cast<std::uint32_t>(recipients)};
}

void Scheduler::State::count_end(const Passage& passage) {
    GateSet* set = gates.find(passage.gates);
    if (set == nullptr) {
        return;
    }
    set->active -= 1;
    set->recipients -= passage.recipients;
    for (Turnstile* gate : set->bounding) {
        gate->gate.drop(1, passage.recipients);
        offer(*gate);
    }
    gates.forget_if_unused(*set);
}

std::vector<GateFigures> Scheduler::State::figures_of(const Destination& destination, TimePoint now) {
    std::vector<GateFigures> all;
    if (destination.gates == nullptr) {
        return all;
    }
    for (const Turnstile* gate : destination.gates->bounding) {
        GateFigures figures;
        figures.key = gate->key;
        figures.settings = gate->gate.settings();
        figures.tokens = gate->gate.tokens(now);
        figures.active = gate->gate.active();
        figures.recipients = gate->gate.recipients();
        const Claimant who = claimant(destination.bulk, *gate, Step::start);
        figures.open = gate->gate.room(who, now) > 0;
        figures.opens = gate->gate.opens(who, now);
        all.push_back(std::move(figures));
    }
    return all;
}

}  // namespace posthorn::queue
