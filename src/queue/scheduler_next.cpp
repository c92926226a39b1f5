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
        const DestinationId id = resolves.pop();
        Destination* destination = find(id);
        if (destination == nullptr || !destination->in_resolves) {
            continue;
        }
        destination->in_resolves = false;
        const bool asks_first = destination->failures == 0 && destination->next_due <= now;
        if (destination->resolving || destination->backoff_until > now ||
            (destination->ready.empty() && !asks_first)) {
            consider(id, *destination, now);  // its rows have left meanwhile, or it must wait
            continue;
        }
        destination->resolving = true;
        resolving += 1;
        return ResolveSite{id, destination->domain(), destination->lane()};
    }
    return std::nullopt;
}

std::optional<SchedulerAction> Scheduler::State::next_claim(TimePoint now) {
    SiteId id = kUnknownSite;
    while (Site* site = take_turn(claims, &Site::claim_turn, loaded, total_bound(), id)) {
        if (auto action = claim_of(id, *site, now)) {
            return action;
        }
    }
    return std::nullopt;
}

std::optional<SchedulerAction> Scheduler::State::claim_of(SiteId id, Site& site, TimePoint now) {
    const std::size_t bound = site_bound(site);
    const bool known = id != kUnknownSite;
    if (site.backoff_until > now || (known && site.ready > 0 && site.ready >= bound)) {
        return std::nullopt;  // the back-off's end or a start brings it back
    }
    std::optional<SchedulerAction> action;
    while (!action && !site.wants.empty()) {
        const DestinationId wanting = site.wants.pop();
        Destination* destination = find(wanting);
        if (destination == nullptr || !destination->in_wants || destination->site != id) {
            continue;
        }
        destination->in_wants = false;
        if (destination->next_due > now || destination->backoff_until > now || destination->claiming != 0) {
            consider(wanting, *destination, now);
            continue;
        }
        std::size_t limit = std::min(kRowsUnresolved, options.claim_batch);
        if (known) {
            const std::size_t room = bound - std::min(bound, site.ready);
            // A batch that is worth the question, unless rows are dear.
            limit = is_tight(site) ? room : std::max(room, options.claim_batch / 2);
            limit = std::min(limit, options.claim_batch);
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
    SiteId id = kUnknownSite;
    while (Site* site = take_turn(starts, &Site::start_turn, deliveries, options.deliveries, id)) {
        if (auto action = start_of(id, *site, now)) {
            return action;
        }
    }
    return std::nullopt;
}

std::optional<SchedulerAction> Scheduler::State::start_of(SiteId id, Site& site, TimePoint now) {
    const bool may = site.active < window(site) && site.backoff_until <= now;
    if (may && site.provider != nullptr && site.provider->full()) {
        consider_starts(id, site, now);  // waits for its provider
        return std::nullopt;
    }
    std::optional<SchedulerAction> action;
    while (may && !action && !site.ring.empty()) {
        const DestinationId next = site.ring.pop();
        Destination* destination = find(next);
        if (destination == nullptr || !destination->in_ring || destination->site != id) {
            continue;
        }
        destination->in_ring = false;
        if (destination->ready.empty() || destination->site_valid_until <= now ||
            destination->backoff_until > now) {
            consider(next, *destination, now);
            continue;
        }
        action = start(id, site, next, *destination, now);
    }
    if (site.provider != nullptr) {
        wake_provider(*site.provider, now);  // the next in line, if there is room beside this one
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
    do {
        action.recipients.push_back(take_ready(destination));
    } while (!action.recipients.back().recipient.personal && !destination.ready.empty() &&
             destination.ready.front().ready.recipient.message == action.message &&
             !destination.ready.front().ready.recipient.personal &&
             action.recipients.size() < std::max<std::size_t>(1, options.recipients_per_transaction));
    destination.active += 1;
    begin_delivery(site_id, site, now);
    consider(id, destination, now);  // more ready, or more to claim; it is active, so it stays
    consider_claims(site_id, site, now);
    consider_starts(site_id, site, now);
    return action;
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
    if (!s.dropped.empty()) {
        return GiveBack{std::exchange(s.dropped, {})};
    }
    // Starts last: what is claimed and resolved meanwhile needs no slot, and keeps the slots busy later.
    do {
        if (auto action = s.next_resolve(now)) {
            return *std::move(action);
        }
        if (auto action = s.next_claim(now)) {
            return *std::move(action);
        }
        if (auto action = s.next_start(now)) {
            return *std::move(action);
        }
        // Whose place was found to be old when its turn came is to be resolved: nobody would come back for it.
    } while (!s.resolves.empty() && s.resolving < kMaxResolving);
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
    return when == kNever ? WaitUntil{} : WaitUntil{when};
}

}  // namespace posthorn::queue
