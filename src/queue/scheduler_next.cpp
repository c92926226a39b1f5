// What is to be done next: rows to give back, a name to resolve, rows to claim, a delivery to start, or
// nothing until a time.
#include "queue/scheduler_state.hpp"

namespace posthorn::queue {

Site* Scheduler::State::take_turn(SiteTurns& turns, std::uint64_t Site::*turn, const Shares& shares,
                                  std::size_t total, SiteId& id) {
    Fifo<SiteTurns::Place>* first = nullptr;
    for (const Standing standing : {Standing::slow, Standing::fresh, Standing::quick}) {
        Fifo<SiteTurns::Place>& line = turns.line(Shares::index(standing));
        while (!line.empty()) {
            const auto it = sites.find(line.front().site);
            if (it != sites.end() && it->second.*turn == line.front().turn) {
                break;
            }
            line.pop_front();
        }
        if (!line.empty() && shares.has_room(standing, total) &&
            (first == nullptr || line.front().turn < first->front().turn)) {
            first = &line;
        }
    }
    if (first == nullptr) {
        return nullptr;
    }
    id = first->pop_front().site;
    Site& site = sites.at(id);
    site.*turn = 0;
    return &site;
}

std::optional<SchedulerAction> Scheduler::State::next_resolve(TimePoint now) {
    while (!resolves.empty() && resolving < kMaxResolving) {
        LaneTurns::Line& line = resolves.next();
        const DestinationId id = line.ids.pop_front();
        Destination* destination = find(id);
        if (destination != nullptr && destination->in_resolves) {
            resolves.took(line);
        }
        resolves.put_back(line);
        if (destination == nullptr || !destination->in_resolves) {
            continue;
        }
        destination->in_resolves = false;
        const bool asks_first =
            destination->next_due <= now && (destination->failures == 0 || is_held(*destination));
        if (destination->resolving || (destination->backoff_until > now && !destination->urgent) ||
            (destination->ready.empty() && !destination->urgent && !asks_first)) {
            consider(id, *destination, now);  // its rows have left meanwhile, or it must wait
            continue;
        }
        destination->resolving = true;
        resolving += 1;
        return ResolveSite{id, destination->domain(), destination->lane()};
    }
    return std::nullopt;
}

Destination* Scheduler::State::first_of(LaneTurns::Line& line, SiteId site, bool Destination::*in_line) {
    for (; !line.ids.empty(); line.ids.pop_front()) {
        Destination* destination = find(line.ids.front());
        if (destination != nullptr && destination->*in_line && destination->site == site && destination->line() == line.key) {
            return destination;
        }
    }
    return nullptr;
}

std::optional<SchedulerAction> Scheduler::State::next_claim(TimePoint now) {
    SiteId id = kUnknownSite;
    for (;;) {
        const bool called = call_next(Step::claim, false, now);
        if (Site* site = take_turn(claims, &Site::claim_turn, loaded, total_bound(), id)) {
            if (auto action = claim_of(id, *site, now)) {
                return action;
            }
        } else if (!called && !call_next(Step::claim, true, now)) {
            return std::nullopt;
        }
    }
}

std::optional<SchedulerAction> Scheduler::State::claim_of(SiteId id, Site& site, TimePoint now) {
    const std::size_t bound = site_bound(site);
    const bool known = id != kUnknownSite;
    if (site.backoff_until > now || (known && site.ready > 0 && site.ready >= bound)) {
        return std::nullopt;  // the back-off's end or a start brings it back
    }
    std::optional<SchedulerAction> action;
    while (!action && !site.wants.empty()) {
        LaneTurns::Line& line = site.wants.next();
        Destination* destination = first_of(line, id, &Destination::in_wants);
        if (destination == nullptr) {
            site.wants.put_back(line);
            continue;
        }
        const DestinationId wanting = line.ids.front();
        const bool may = destination->next_due <= now && destination->backoff_until <= now &&
                         destination->claiming == 0 && (known || !is_held(*destination));
        if (may && known && destination->gates != nullptr) {
            Turnstile* gate = barrier(Step::claim, id, line, wanting, *destination->gates, now);
            // Where its mail goes now is found out before it waits at a gate that it may not pass any more.
            if (gate != nullptr && destination->site_valid_until > now) {
                park(Step::claim, *gate, id, site.wants, line, now);
                continue;
            }
            if (gate != nullptr) {
                line.ids.pop_front();
                site.wants.put_back(line);
                destination->in_wants = false;
                tries += 1;
                consider(wanting, *destination, now);
                continue;
            }
        }
        line.ids.pop_front();
        destination->in_wants = false;
        if (may) {
            site.wants.took(line);
        }
        site.wants.put_back(line);
        if (!may) {
            tries += 1;
            consider(wanting, *destination, now);
            continue;
        }
        std::size_t limit = std::min(kRowsUnresolved, options.claim_batch);
        if (known) {
            const std::size_t room = bound - std::min(bound, site.ready);
            // A batch that is worth the question, unless rows are dear.
            limit = is_tight(site) ? room : std::max(room, options.claim_batch / 2);
            limit = cut(Step::claim, *destination, std::min(limit, options.claim_batch), now);
        }
        limit = std::max<std::size_t>(1, limit);
        begin_claim(*destination, limit);
        action = ClaimDue{wanting, limit};
    }
    consider_claims(id, site, now);
    return action;
}

std::optional<SchedulerAction> Scheduler::State::next_start(TimePoint now) {
    if (rest_until > now) {
        return std::nullopt;
    }
    if (auto action = next_urgent(now)) {
        return action;
    }
    SiteId id = kUnknownSite;
    while (deliveries.used() < options.deliveries) {
        const bool called = call_next(Step::start, false, now);
        if (Site* site = take_turn(starts, &Site::start_turn, deliveries, options.deliveries, id)) {
            if (auto action = start_of(id, *site, now)) {
                return action;
            }
        } else if (!called && !call_next(Step::start, true, now)) {
            return std::nullopt;
        }
    }
    return std::nullopt;
}

std::optional<SchedulerAction> Scheduler::State::start_of(SiteId id, Site& site, TimePoint now) {
    const bool may = site.active < window(site) && site.backoff_until <= now;
    tries += may ? 0 : 1;
    std::optional<SchedulerAction> action;
    while (may && !action && !site.ring.empty()) {
        LaneTurns::Line& line = site.ring.next();
        Destination* destination = first_of(line, id, &Destination::in_ring);
        if (destination == nullptr) {
            site.ring.put_back(line);
            continue;
        }
        const DestinationId next = line.ids.front();
        const bool can = !destination->ready.empty() && destination->site_valid_until > now &&
                         destination->backoff_until <= now;
        Turnstile* gate = can && destination->gates != nullptr
                              ? barrier(Step::start, id, line, next, *destination->gates, now)
                              : nullptr;
        if (gate != nullptr && may_wait(*gate, *destination, now)) {
            park(Step::start, *gate, id, site.ring, line, now);
            tries += 1;
            continue;
        }
        line.ids.pop_front();
        destination->in_ring = false;
        if (can && gate == nullptr) {
            site.ring.took(line);
        }
        site.ring.put_back(line);
        if (can && gate == nullptr) {
            action = start(id, site, next, *destination, now);
            continue;
        }
        tries += 1;
        if (gate != nullptr) {
            drop_ready(*destination, now);  // it waits with the rest in the store
        }
        consider(next, *destination, now);
    }
    return action;
}

SchedulerAction Scheduler::State::start(SiteId site_id, Site& site, DestinationId id,
                                        Destination& destination, TimePoint now) {
    StartDelivery action{site_id,
                         id,
                         destination.domain(),
                         destination.lane(),
                         destination.ready.front().ready.recipient.message,
                         {}};
    const std::size_t most = cut(Step::start, destination, options.recipients_per_transaction, now);
    do {
        action.recipients.push_back(take_ready(destination));
    } while (!action.recipients.back().recipient.personal && !destination.ready.empty() &&
             destination.ready.front().ready.recipient.message == action.message &&
             !destination.ready.front().ready.recipient.personal && action.recipients.size() < most);
    destination.active += 1;
    action.passage = count_begin(destination, action.recipients.size(), now);
    begin_delivery(site_id, site, now);
    consider(id, destination, now);  // more ready, or more to claim; it is active, so it stays
    consider_claims(site_id, site, now);
    consider_starts(site_id, site, now);
    return action;
}

void Scheduler::State::ask_for_start(DestinationId id, Destination& destination, TimePoint now) {
    if (destination.site != kUnknownSite && destination.site_valid_until > now) {
        urgent_line.push_back(id);
    } else if (!destination.resolving && !destination.in_resolves) {
        destination.in_resolves = true;
        resolves.push(destination.submitter, {destination.lane_id, 0}, destination.bulk, id);
    }
}

std::optional<SchedulerAction> Scheduler::State::next_urgent(TimePoint now) {
    while (!urgent_line.empty() && deliveries.used() < options.deliveries) {
        const DestinationId id = urgent_line.pop_front();
        Destination* destination = find(id);
        if (destination == nullptr || !destination->urgent) {
            continue;
        }
        if (destination->site == kUnknownSite || destination->site_valid_until <= now) {
            ask_for_start(id, *destination, now);
            tries += 1;
            continue;
        }
        Fifo<ReadyRecipient>& rows = urgents.at(id);
        StartDelivery action{destination->site,
                             id,
                             destination->domain(),
                             destination->lane(),
                             rows.front().recipient.message,
                             {}};
        do {
            action.recipients.push_back(rows.pop_front());
        } while (!action.recipients.back().recipient.personal && !rows.empty() &&
                 rows.front().recipient.message == action.message && !rows.front().recipient.personal &&
                 action.recipients.size() < std::max<std::size_t>(1, options.recipients_per_transaction));
        if (rows.empty()) {
            urgents.erase(id);
            destination->urgent = false;
        } else {
            urgent_line.push_back(id);
        }
        destination->active += 1;
        action.passage = count_begin(*destination, action.recipients.size(), now);
        begin_delivery(destination->site, sites.at(destination->site), now);
        return action;
    }
    return std::nullopt;
}

std::vector<ReadyRecipient> Scheduler::State::take_urgent(DestinationId id, Destination& destination) {
    std::vector<ReadyRecipient> taken;
    if (!std::exchange(destination.urgent, false)) {
        return taken;
    }
    Fifo<ReadyRecipient>& rows = urgents.at(id);
    while (!rows.empty()) {
        note_due(destination, rows.front().recipient.due_at);
        taken.push_back(rows.pop_front());
    }
    urgents.erase(id);
    return taken;
}

void Scheduler::State::tick(TimePoint now) {
    while (!backoffs.empty() && backoffs.begin()->first <= now) {
        const SiteId id = backoffs.begin()->second;
        end_backoff(id, sites.at(id), now);
    }
    while (!timer.empty() && timer.begin()->first <= now) {
        const DestinationId id = timer.begin()->second;
        Destination& destination = destinations.at(id);
        set_wake(id, destination, kNever);
        consider(id, destination, now);
    }
    while (!gates.timer.empty() && gates.timer.begin()->first <= now) {
        Turnstile& gate = *gates.timer.begin()->second;
        gates.timer.erase(gates.timer.begin());
        gate.wake = kNever;
        offer(gate);
    }
    while (!site_timer.empty() && site_timer.begin()->first <= now) {
        const SiteId id = site_timer.begin()->second;
        look(id, sites.at(id), now);
    }
}

SchedulerAction Scheduler::next(TimePoint now) {
    State& s = *state_;
    if (s.paused) {
        return WaitUntil{};
    }
    s.tick(now);
    if (std::exchange(s.places_forgotten, false)) {
        s.gates.for_each([&](Turnstile& gate) {
            s.release(gate, Step::claim, now);
            s.release(gate, Step::start, now);
        });
    }
    // Starts last: what is claimed and resolved meanwhile needs no slot, and keeps the slots busy later.
    std::uint64_t tries = 0;
    do {
        // Before a claim, which else would not see those rows.
        if (!s.dropped.empty()) {
            return GiveBack{std::exchange(s.dropped, {})};
        }
        tries = s.tries;
        if (auto action = s.next_resolve(now)) {
            return *std::move(action);
        }
        if (auto action = s.next_claim(now)) {
            return *std::move(action);
        }
        if (auto action = s.next_start(now)) {
            return *std::move(action);
        }
        // Whose place was found to be old when its turn came is to be resolved, who gave his rows back is to claim them again, and
        // who could not start leaves the gate to others: nobody would come back for them.
    } while (s.tries != tries);
    if (!s.dropped.empty()) {
        return GiveBack{std::exchange(s.dropped, {})};
    }
    TimePoint when = s.rest_until > now ? s.rest_until : kNever;
    if (!s.timer.empty()) {
        when = std::min(when, s.timer.begin()->first);
    }
    if (!s.backoffs.empty()) {
        when = std::min(when, s.backoffs.begin()->first);
    }
    if (!s.gates.timer.empty()) {
        when = std::min(when, s.gates.timer.begin()->first);
    }
    return when == kNever ? WaitUntil{} : WaitUntil{when};
}

}  // namespace posthorn::queue
