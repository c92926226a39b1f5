// Where a destination stands: in the timer, in the claim queue, parked at its site, or in its site's ring.
#include "queue/scheduler_state.hpp"

namespace posthorn::queue {

Destination& Scheduler::State::get(DestinationId id, std::string_view domain, std::string_view lane) {
    const auto [it, inserted] = destinations.try_emplace(id);
    if (inserted) {
        it->second.name = name_of(domain, lane);
        by_name.insert_or_assign(it->second.name, id);
    }
    return it->second;
}

void Scheduler::State::set_wake(DestinationId id, Destination& destination, TimePoint when) {
    if (destination.wake == when) {
        return;
    }
    if (destination.wake != kNever) {
        timer.erase({destination.wake, id});
    }
    destination.wake = when;
    if (when != kNever) {
        timer.emplace(when, id);
    }
}

std::size_t Scheduler::State::site_bound(const Site& site) const {
    const std::size_t generous = 2 * options.claim_batch;
    const bool crowded = (ready + claiming) * 2 > total_bound();
    return crowded ? std::min<std::size_t>(generous, 2 * std::max<std::uint32_t>(1, site.window)) : generous;
}

void Scheduler::State::consider(DestinationId id, Destination& destination, TimePoint now) {
    const TimePoint blocked = blocked_until(destination, now);
    const bool due = destination.next_due <= now;
    if (blocked > now) {
        // Also when nothing waits: to be forgotten when the back-off is over.
        set_wake(
            id, destination,
            destination.next_due == kNever || destination.next_due < blocked || !destination.ready.empty()
                ? blocked
                : destination.next_due);
        return;
    }
    if (!destination.ready.empty()) {
        if (site_known(destination, now)) {
            enter_ring(id, destination, now);
        } else if (!destination.resolving && !destination.in_resolves) {
            destination.in_resolves = true;
            resolves.push_back(id);
        }
    }
    if (due && destination.claiming == 0 && !destination.in_claims &&
        destination.ready.size() <= options.claim_batch / 2) {
        destination.in_claims = true;
        Site* site = site_of(destination);
        if (site != nullptr && site->ready >= site_bound(*site)) {
            site->parked.push_back(id);
        } else {
            claims.push_back(id);
        }
    }
    set_wake(id, destination, due ? kNever : destination.next_due);
    const bool idle = destination.ready.empty() && destination.next_due == kNever &&
                      destination.claiming == 0 && !destination.resolving && destination.active == 0;
    if (idle) {
        forget(id, destination, now);
    }
}

void Scheduler::State::enter_ring(DestinationId id, Destination& destination, TimePoint now) {
    if (destination.in_ring) {
        return;
    }
    destination.in_ring = true;
    Site& site = *site_of(destination);
    site.ring.push_back(id);
    consider_site(destination.site, site, now);
}

void Scheduler::State::consider_site(SiteId id, Site& site, TimePoint now) {
    if (!site.runnable && !site.ring.empty() && site.active < site.window && site.backoff_until <= now) {
        site.runnable = true;
        runnable.push_back(id);
    }
}

void Scheduler::State::unpark(Site& site) {
    while (!site.parked.empty() && site.ready < site_bound(site)) {
        const DestinationId id = site.parked.pop_front();
        if (const Destination* destination = find(id); destination != nullptr && destination->in_claims) {
            claims.push_back(id);
            break;  // each start makes room for one claim
        }
    }
}

void Scheduler::State::forget(DestinationId id, Destination& destination, TimePoint now) {
    leave_site(destination, now);
    set_wake(id, destination, kNever);
    if (const auto it = by_name.find(destination.name); it != by_name.end() && it->second == id) {
        by_name.erase(it);
    }
    destinations.erase(id);  // queues that still name it skip it
}

void Scheduler::State::leave_site(Destination& destination, TimePoint now) {
    if (destination.site == 0) {
        return;
    }
    const SiteId id = destination.site;
    Site& site = sites.at(id);
    site.ready -= destination.ready.size() + destination.claiming;
    site.members -= 1;
    destination.site = 0;
    destination.in_ring = false;  // its place in the ring is skipped
    if (site.members == 0) {
        unpark_all(site);  // nobody is left to do it later
    } else {
        unpark(site);
    }
    forget_site_if_idle(id, site, now);
}

void Scheduler::State::unpark_all(Site& site) {
    while (!site.parked.empty()) {
        const DestinationId id = site.parked.pop_front();
        if (const Destination* destination = find(id); destination != nullptr && destination->in_claims) {
            claims.push_back(id);
        }
    }
}

void Scheduler::State::forget_site_if_idle(SiteId id, Site& site, TimePoint now) {
    if (site.members != 0 || site.active != 0) {
        return;
    }
    const bool sound =
        site.failures == 0 && site.window >= options.connections_per_site && site.backoff_until <= now;
    if (site.forget_at == kNever) {
        site.forget_at = std::max(site.backoff_until, now) + (sound ? kSiteMemory : kTroubleMemory);
        site_timer.emplace(site.forget_at, id);
    }
}

void Scheduler::State::erase_site(SiteId id, Site& site) {
    if (site.forget_at != kNever) {
        site_timer.erase({site.forget_at, id});
    }
    by_key.erase(site.key);
    sites.erase(id);
}

void Scheduler::State::join_site(Destination& destination, std::string_view key, TimePoint now) {
    const auto known = by_key.find(key);
    if (known != by_key.end() && known->second == destination.site) {
        return;
    }
    leave_site(destination, now);
    SiteId id = 0;
    if (const auto it = by_key.find(key); it != by_key.end()) {
        id = it->second;
    } else {
        id = ++last_site;
        Site& site = sites[id];
        site.key = key;
        site.window = std::max<std::uint32_t>(1, options.connections_per_site);
        by_key.emplace(site.key, id);
    }
    Site& site = sites.at(id);
    if (site.forget_at != kNever) {
        site_timer.erase({site.forget_at, id});
        site.forget_at = kNever;
    }
    site.members += 1;
    site.ready += destination.ready.size() + destination.claiming;
    destination.site = id;
}

void Scheduler::State::add_ready(Destination& destination, Entry entry) {
    destination.ready.push_back(std::move(entry));
    ready += 1;
    if (Site* site = site_of(destination)) {
        site->ready += 1;
    }
}

ReadyRecipient Scheduler::State::take_ready(Destination& destination) {
    Entry entry = destination.ready.pop_front();
    ready -= 1;
    hot -= std::min(hot, entry.reserved);
    if (Site* site = site_of(destination)) {
        site->ready -= 1;
    }
    return std::move(entry.ready);
}

std::vector<ReadyRecipient> Scheduler::State::drop_ready(Destination& destination) {
    std::vector<ReadyRecipient> dropped;
    dropped.reserve(destination.ready.size());
    while (!destination.ready.empty()) {
        dropped.push_back(take_ready(destination));
        note_due(destination, dropped.back().recipient.due_at);
    }
    return dropped;
}

void Scheduler::State::note_due(Destination& destination, TimePoint due) {
    destination.next_due = std::min(destination.next_due, due);
    if (destination.claiming != 0) {
        destination.noted_due = std::min(destination.noted_due, due);
    }
}

void Scheduler::State::end_claim(Destination& destination) {
    claiming -= destination.claiming;
    if (Site* site = site_of(destination)) {
        site->ready -= destination.claiming;
    }
    destination.claiming = 0;
}

void Scheduler::State::back_off_site(SiteId id, Site& site, std::vector<RecipientId>& dropped,
                                     TimePoint now) {
    if (site.backoff_until > now) {
        return;  // several deliveries met the same trouble: it counts once
    }
    count_failure(site.failures);
    site.backoff_until = now + backoff(options, site.failures);
    site.window = 1;  // then one tries first
    site.credit = 0;
    while (!site.ring.empty()) {
        const DestinationId member = site.ring.pop_front();
        Destination* destination = find(member);
        if (destination == nullptr || !destination->in_ring || destination->site != id) {
            continue;
        }
        destination->in_ring = false;
        for (const ReadyRecipient& recipient : drop_ready(*destination)) {
            dropped.push_back(recipient.recipient.id);
        }
        consider(member, *destination, now);
    }
    unpark_all(site);  // they meet the back-off in the claim queue and wait in the timer
}

}  // namespace posthorn::queue
