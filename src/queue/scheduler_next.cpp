// What is to be done next: a name to resolve, rows to claim, a delivery to start, or nothing until a time.
#include "queue/scheduler_state.hpp"

namespace posthorn::queue {

std::optional<SchedulerAction> Scheduler::State::next_resolve() {
    while (!resolves.empty()) {
        const DestinationId id = resolves.pop_front();
        Destination* destination = find(id);
        if (destination == nullptr || !destination->in_resolves) {
            continue;
        }
        destination->in_resolves = false;
        if (destination->ready.empty()) {
            continue;  // dropped meanwhile
        }
        destination->resolving = true;
        return ResolveSite{id, destination->domain(), destination->lane()};
    }
    return std::nullopt;
}

std::optional<SchedulerAction> Scheduler::State::next_claim(TimePoint now) {
    while (!claims.empty() && ready + claiming < total_bound()) {
        const DestinationId id = claims.pop_front();
        Destination* destination = find(id);
        if (destination == nullptr || !destination->in_claims) {
            continue;
        }
        destination->in_claims = false;
        if (destination->next_due > now || blocked_until(*destination, now) > now) {
            const SiteId site_id = destination->site;
            consider(id, *destination, now);
            if (const auto it = sites.find(site_id); it != sites.end()) {
                unpark(it->second);  // its turn goes to the next one
            }
            continue;
        }
        Site* site = site_of(*destination);
        // Of a destination that may not resolve, a few are enough to find that out.
        std::size_t limit = site != nullptr ? options.claim_batch : (options.claim_batch + 4) / 5;
        if (site != nullptr) {
            const std::size_t bound = site_bound(*site);
            if (site->ready >= bound && site->ready > 0) {
                destination->in_claims = true;
                site->parked.push_back(id);
                continue;
            }
            limit = std::min(limit, bound - site->ready);
        }
        limit = std::max<std::size_t>(1, limit);
        destination->claiming = static_cast<std::uint32_t>(limit);
        destination->noted_due = kNever;
        claiming += limit;
        if (site != nullptr) {
            site->ready += limit;
        }
        return ClaimDue{id, limit};
    }
    return std::nullopt;
}

std::optional<SchedulerAction> Scheduler::State::next_start(TimePoint now) {
    while (!runnable.empty() && deliveries < options.deliveries) {
        const SiteId site_id = runnable.pop_front();
        const auto it = sites.find(site_id);
        if (it == sites.end() || !it->second.runnable) {
            continue;
        }
        Site& site = it->second;
        site.runnable = false;
        if (site.active >= site.window || site.backoff_until > now) {
            continue;  // finished() or the timer brings it back
        }
        site.members += 1;  // stays while its destinations are looked at
        std::optional<SchedulerAction> action;
        while (!action && !site.ring.empty()) {
            const DestinationId id = site.ring.pop_front();
            Destination* destination = find(id);
            if (destination == nullptr || !destination->in_ring || destination->site != site_id) {
                continue;
            }
            destination->in_ring = false;
            if (destination->ready.empty() || destination->site_valid_until <= now ||
                destination->backoff_until > now) {
                consider(id, *destination, now);
                continue;
            }
            action = start(site_id, site, id, *destination, now);
        }
        site.members -= 1;
        if (action) {
            return action;
        }
        forget_site_if_idle(site_id, site, now);
    }
    return std::nullopt;
}

SchedulerAction Scheduler::State::start(SiteId site_id, Site& site, DestinationId id,
                                        Destination& destination, TimePoint now) {
    StartDelivery action{
        site_id, id, destination.domain(), destination.lane(), destination.ready.front().ready.recipient.message, {}};
    do {
        action.recipients.push_back(take_ready(destination));
    } while (!action.recipients.back().recipient.personal && !destination.ready.empty() &&
             destination.ready.front().ready.recipient.message == action.message &&
             !destination.ready.front().ready.recipient.personal &&
             action.recipients.size() < std::max<std::size_t>(1, options.recipients_per_transaction));
    destination.active += 1;
    site.active += 1;
    deliveries += 1;
    consider(id, destination, now);  // more ready, or more to claim; it is active, so it stays
    unpark(site);
    consider_site(site_id, site, now);
    return action;
}

SchedulerAction Scheduler::next(TimePoint now) {
    State& s = *state_;
    if (s.paused) {
        return WaitUntil{};
    }
    while (!s.timer.empty() && s.timer.begin()->first <= now) {
        const DestinationId id = s.timer.begin()->second;
        Destination& destination = s.destinations.at(id);
        s.set_wake(id, destination, kNever);
        s.consider(id, destination, now);
    }
    while (!s.site_timer.empty() && s.site_timer.begin()->first <= now) {
        const SiteId id = s.site_timer.begin()->second;
        s.erase_site(id, s.sites.at(id));
    }
    // Starts last: what is claimed and resolved meanwhile needs no slot, and keeps the slots busy later.
    if (auto action = s.next_resolve()) {
        return *std::move(action);
    }
    if (auto action = s.next_claim(now)) {
        return *std::move(action);
    }
    if (auto action = s.next_start(now)) {
        return *std::move(action);
    }
    if (s.timer.empty()) {
        return WaitUntil{};
    }
    return WaitUntil{s.timer.begin()->first};
}

}  // namespace posthorn::queue
