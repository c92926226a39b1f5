// Where a destination stands: in the timer, in line at its site for a claim or for a start, or in nobody's
// way.
#include "queue/scheduler_state.hpp"

namespace posthorn::queue {

Destination& Scheduler::State::get(DestinationId id, std::string_view domain, std::string_view lane) {
    const auto [it, inserted] = destinations.try_emplace(id);
    Destination& destination = it->second;
    if (inserted) {
        destination.name = name_of(domain, lane);
        // Never under the name of another one: its octets go with it.
        by_name.erase(destination.name);
        by_name.emplace(destination.name, id);
        Lane& known = lanes[std::string(lane)];
        known.id = known.id == 0 ? ++last_lane : known.id;
        known.members += 1;
        destination.lane_id = known.id;
        destination.submitter = std::hash<std::string_view>()(submitter_of(lane));
        destination.bulk = is_bulk(lane);
        sites.at(kUnknownSite).members += 1;
    }
    return destination;
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

void Scheduler::State::consider(DestinationId id, Destination& destination, TimePoint now) {
    const bool site_known = destination.site != kUnknownSite && destination.site_valid_until > now;
    if (!site_known && sites.at(destination.site).backoff_until > now) {
        move_to(destination, kUnknownSite, now);  // the domain may have moved away from the dead site
    }
    Site& site = sites.at(destination.site);
    const bool over_bound = site.standing == Standing::slow && site.ready > site_bound(site);
    if (destination.backoff_until > now || site.backoff_until > now || over_bound) {
        drop_ready(destination, now);  // what cannot start soon is not kept in memory
    }
    if (destination.backoff_until > now) {
        // Also when nothing waits: to be forgotten when the back-off is over.
        const TimePoint due =
            destination.next_due == kNever ? destination.backoff_until : destination.next_due;
        set_wake(id, destination, std::max(destination.backoff_until, due));
        return;
    }
    const bool due = destination.next_due <= now;
    // Nothing is loaded before it is known whose bounds it counts against. Only where DNS did not answer
    // before, a few recipients are, which then learn why they wait; but those behind a closed gate wait for that.
    const bool asks_first = !site_known && (destination.failures == 0 || is_held(destination));
    if (!site_known && !destination.resolving && !destination.in_resolves &&
        (!destination.ready.empty() || destination.urgent || (due && asks_first))) {
        destination.in_resolves = true;
        resolves.push(destination.submitter, {destination.lane_id, 0}, destination.bulk, id);
    }
    if (site_known && !destination.ready.empty() && !destination.in_ring) {
        destination.in_ring = true;
        site.ring.push(destination.submitter, destination.line(), destination.bulk, id);
        consider_starts(destination.site, site, now);
    }
    if (due && !asks_first && destination.claiming == 0 && !destination.in_wants &&
        destination.ready.size() <= enough(destination)) {
        destination.in_wants = true;
        site.wants.push(destination.submitter, destination.line(), destination.bulk, id);
        consider_claims(destination.site, site, now);
    }
    set_wake(id, destination, due ? kNever : destination.next_due);
    const bool idle = destination.ready.empty() && destination.next_due == kNever &&
                      destination.claiming == 0 && !destination.resolving && destination.active == 0 &&
                      !destination.urgent;
    if (idle) {
        forget(id, destination, now);
    }
}

void Scheduler::State::forget(DestinationId id, Destination& destination, TimePoint now) {
    move_to(destination, kUnknownSite, now);
    pass(destination, nullptr);
    sites.at(kUnknownSite).members -= 1;
    set_wake(id, destination, kNever);
    if (const auto it = by_name.find(destination.name); it != by_name.end() && it->second == id) {
        by_name.erase(it);
    }
    if (const auto it = lanes.find(destination.lane()); it != lanes.end() && --it->second.members == 0) {
        lanes.erase(it);
    }
    destinations.erase(id);  // lines that still name it skip it
}

void Scheduler::State::move_to(Destination& destination, SiteId to, TimePoint now) {
    if (destination.site == to) {
        return;
    }
    const std::size_t rows = destination.ready.size() + destination.claiming;
    const std::size_t from_store = destination.loaded + destination.claiming;
    const SiteId from_id = destination.site;
    Site& from = sites.at(from_id);
    Site& site = sites.at(to);
    count_loaded(from, 0, from_store);
    count_loaded(site, from_store, 0);
    from.ready -= rows;
    site.ready += rows;
    from.members -= 1;
    site.members += 1;
    site.forget_at = kNever;
    destination.site = to;
    destination.in_ring = false;
    destination.in_wants = false;
    consider_claims(from_id, from, now);
    forget_if_idle(from_id, from, now);
}

void Scheduler::State::add_ready(Destination& destination, Entry entry) {
    Site& site = sites.at(destination.site);
    if (entry.loaded()) {
        destination.loaded += 1;
        count_loaded(site, 1, 0);
    }
    destination.ready.push_back(std::move(entry));
    ready += 1;
    site.ready += 1;
}

ReadyRecipient Scheduler::State::take_ready(Destination& destination) {
    Site& site = sites.at(destination.site);
    Entry entry = destination.ready.pop_front();
    if (entry.loaded()) {
        destination.loaded -= 1;
        count_loaded(site, 0, 1);
    }
    ready -= 1;
    site.ready -= 1;
    hot -= std::min(hot, entry.reserved);
    return std::move(entry.ready);
}

std::vector<ReadyRecipient> Scheduler::State::take_all(Destination& destination) {
    std::vector<ReadyRecipient> taken;
    taken.reserve(destination.ready.size());
    while (!destination.ready.empty()) {
        taken.push_back(take_ready(destination));
        note_due(destination, taken.back().recipient.due_at);
    }
    return taken;
}

void Scheduler::State::drop_ready(Destination& destination, TimePoint now) {
    if (destination.ready.empty()) {
        return;
    }
    for (const ReadyRecipient& recipient : take_all(destination)) {
        dropped.push_back(recipient.recipient.id);
    }
    consider_claims(destination.site, sites.at(destination.site), now);  // there is room now
}

void Scheduler::State::note_due(Destination& destination, TimePoint due) {
    destination.next_due = std::min(destination.next_due, due);
    if (destination.claiming != 0) {
        destination.noted_due = std::min(destination.noted_due, due);
    }
}

void Scheduler::State::end_resolve(Destination& destination) {
    resolving -= destination.resolving ? 1 : 0;
    destination.resolving = false;
}

void Scheduler::State::begin_claim(Destination& destination, std::size_t limit) {
    Site& site = sites.at(destination.site);
    destination.claiming = static_cast<std::uint32_t>(limit);
    destination.noted_due = kNever;
    site.ready += limit;
    count_loaded(site, limit, 0);
}

void Scheduler::State::end_claim(Destination& destination, TimePoint next_due) {
    Site& site = sites.at(destination.site);
    site.ready -= destination.claiming;
    count_loaded(site, 0, destination.claiming);
    destination.claiming = 0;
    destination.next_due = std::min(next_due, std::exchange(destination.noted_due, kNever));
}

}  // namespace posthorn::queue
