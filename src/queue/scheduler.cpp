// What the scheduler learns: mail that came, answers of the store and of DNS, deliveries that ended.
#include "queue/scheduler_state.hpp"

namespace posthorn::queue {

Scheduler::Scheduler(SchedulerOptions options) : state_(std::make_unique<State>(options)) {}

Scheduler::~Scheduler() = default;

bool Scheduler::wants_hot(std::string_view domain, std::string_view lane, std::uint64_t octets, TimePoint now) {
    State& s = *state_;
    if (s.paused || s.hot + octets + kReadyWeight > s.options.hot_memory) {
        return false;
    }
    if (const auto it = s.by_name.find(name_of(domain, lane)); it != s.by_name.end()) {
        Destination& destination = s.destinations.at(it->second);
        if (s.blocked_until(destination, now) > now || destination.claiming != 0 ||
            destination.next_due <= now || destination.ready.size() >= 2 * s.options.claim_batch) {
            return false;
        }
    }
    s.hot += octets + kReadyWeight;
    return true;
}

void Scheduler::on_not_added(std::uint64_t octets) {
    state_->hot -= std::min(state_->hot, octets + kReadyWeight);
}

void Scheduler::on_added(DestinationId id, std::string_view domain, std::string_view lane, std::vector<ReadyRecipient> ready,
                         std::uint64_t reserved, TimePoint now) {
    State& s = *state_;
    if (ready.empty()) {
        on_not_added(reserved);
        return;
    }
    Destination& destination = s.get(id, domain, lane);
    for (ReadyRecipient& recipient : ready) {
        s.add_ready(destination, {std::move(recipient), 0});
    }
    // The last one to leave gives the memory back.
    destination.ready.back().reserved = reserved == 0 ? 0 : reserved + kReadyWeight;
    s.consider(id, destination, now);
}

void Scheduler::on_due(DestinationId id, std::string_view domain, std::string_view lane, TimePoint due) {
    State& s = *state_;
    Destination& destination = s.get(id, domain, lane);
    State::note_due(destination, due);
    // Looked at by next(), which knows the time; a back-off is found there.
    s.set_wake(id, destination, std::min(destination.wake, due));
}

void Scheduler::claimed(DestinationId id, std::vector<Recipient> rows, std::optional<TimePoint> next_due,
                        TimePoint now) {
    State& s = *state_;
    Destination* destination = s.find(id);
    if (destination == nullptr || destination->claiming == 0) {
        return;
    }
    s.end_claim(*destination);
    destination->next_due =
        std::min(next_due.value_or(kNever), std::exchange(destination->noted_due, kNever));
    if (rows.empty() && destination->next_due <= now) {
        destination->next_due = now + kAskAgain;
    }
    for (Recipient& row : rows) {
        s.add_ready(*destination, {{std::move(row), nullptr}, 0});
    }
    if (Site* site = s.site_of(*destination)) {
        s.unpark(*site);  // when fewer came than were asked for
    }
    s.consider(id, *destination, now);
}

void Scheduler::claim_failed(DestinationId id, TimePoint now) {
    State& s = *state_;
    Destination* destination = s.find(id);
    if (destination == nullptr || destination->claiming == 0) {
        return;
    }
    s.end_claim(*destination);
    destination->next_due = now + kAskAgain;
    if (Site* site = s.site_of(*destination)) {
        s.unpark(*site);
    }
    s.consider(id, *destination, now);
}

void Scheduler::resolved(DestinationId id, const SitePlace& place, TimePoint valid_until, TimePoint now) {
    State& s = *state_;
    Destination* destination = s.find(id);
    if (destination == nullptr) {
        return;
    }
    destination->resolving = false;
    destination->failures = 0;
    s.join_site(*destination, place.key, now);
    // At least this one turn, or an answer with TTL 0 would be asked for without end.
    destination->site_valid_until = std::max(valid_until, now + kAskAgain);
    s.consider(id, *destination, now);
}

std::vector<ReadyRecipient> Scheduler::unresolved(DestinationId id, TimePoint now) {
    State& s = *state_;
    Destination* destination = s.find(id);
    if (destination == nullptr) {
        return {};
    }
    destination->resolving = false;
    count_failure(destination->failures);
    destination->backoff_until = now + backoff(s.options, destination->failures);
    std::vector<ReadyRecipient> dropped = s.drop_ready(*destination);
    s.leave_site(*destination, now);
    s.consider(id, *destination, now);
    return dropped;
}

std::vector<RecipientId> Scheduler::finished(SiteId site_id, DestinationId id, DeliveryFeedback feedback,
                                             TimePoint now) {
    State& s = *state_;
    std::vector<RecipientId> dropped;
    s.deliveries -= 1;
    if (const auto it = s.sites.find(site_id); it != s.sites.end()) {
        Site& site = it->second;
        site.members += 1;  // stays until we are done with it
        site.active -= 1;
        const bool from_before = site.grace > 0;
        site.grace -= from_before ? 1 : 0;
        switch (feedback.reach) {
            case DeliveryFeedback::Reach::reached:
                site.failures = site.backoff_until > now ? site.failures : 0;
                // Grows by one for each window's worth of deliveries that went well (the 1/N of Postfix 2.5).
                if (!from_before && site.window < s.options.connections_per_site &&
                    ++site.credit >= site.window) {
                    site.window += 1;
                    site.credit = 0;
                }
                break;
            case DeliveryFeedback::Reach::host_failed:
                s.back_off_site(site_id, site, dropped, now);
                break;
            case DeliveryFeedback::Reach::throttled:
                // Those that were under way when the window shrank have been answered already.
                if (!from_before) {
                    if (site.window <= 1) {
                        s.back_off_site(site_id, site, dropped, now);
                    } else {
                        site.window = std::max<std::uint32_t>(1, site.window / 2);
                        site.credit = 0;
                        site.grace = site.active;
                    }
                }
                break;
            case DeliveryFeedback::Reach::abandoned:
            case DeliveryFeedback::Reach::shortage:
                break;
        }
        s.consider_site(site_id, site, now);
        site.members -= 1;
        s.forget_site_if_idle(site_id, site, now);
    }
    if (Destination* destination = s.find(id)) {
        destination->active -= 1;
        s.consider(id, *destination, now);
    }
    return dropped;
}

void Scheduler::forget_backoff(DestinationId id, TimePoint now) {
    State& s = *state_;
    Destination* destination = s.find(id);
    if (destination == nullptr) {
        return;
    }
    destination->backoff_until = {};
    destination->failures = 0;
    if (Site* site = s.site_of(*destination)) {
        site->backoff_until = {};
        site->failures = 0;
        s.consider_site(destination->site, *site, now);
    }
    s.consider(id, *destination, now);
}

void Scheduler::set_options(const SchedulerOptions& options) {
    State& s = *state_;
    for (auto& [id, site] : s.sites) {
        // A site in good standing follows the new limit at once, one in trouble grows towards it.
        const bool whole = site.window >= s.options.connections_per_site;
        const std::uint32_t limit = std::max<std::uint32_t>(1, options.connections_per_site);
        site.window = whole ? limit : std::min(site.window, limit);
        if (!site.runnable && !site.ring.empty()) {
            site.runnable = true;  // next_start() looks whether it may
            s.runnable.push_back(id);
        }
    }
    s.options = options;
}

void Scheduler::pause(bool paused) {
    state_->paused = paused;
}

std::vector<RecipientId> Scheduler::drain() {
    State& s = *state_;
    std::vector<RecipientId> dropped;
    for (auto& [id, destination] : s.destinations) {
        for (const ReadyRecipient& recipient : s.drop_ready(destination)) {
            dropped.push_back(recipient.recipient.id);
        }
        if (destination.next_due != kNever) {
            s.set_wake(id, destination, std::min(destination.wake, destination.next_due));
        }
    }
    for (auto& [id, site] : s.sites) {
        s.unpark_all(site);
    }
    return dropped;
}

Scheduler::Figures Scheduler::figures() const {
    const State& s = *state_;
    Figures figures;
    figures.destinations = s.destinations.size();
    figures.sites = s.sites.size();
    figures.deliveries = s.deliveries;
    figures.ready = s.ready;
    figures.hot_octets = s.hot;
    for (const auto& [id, destination] : s.destinations) {
        figures.backing_off += destination.failures != 0 ? 1 : 0;
    }
    for (const auto& [id, site] : s.sites) {
        figures.backing_off += site.failures != 0 ? 1 : 0;
    }
    return figures;
}

}  // namespace posthorn::queue
