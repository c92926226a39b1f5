// What the scheduler learns: mail that came, answers of the store and of DNS, deliveries that ended.
#include "queue/scheduler_state.hpp"

#include "base/bound.hpp"

namespace posthorn::queue {

Scheduler::Scheduler(SchedulerOptions options) : state_(std::make_unique<State>(options)) {}

Scheduler::~Scheduler() = default;

bool Scheduler::wants_hot(std::string_view domain, std::string_view lane, std::uint64_t octets,
                          TimePoint now) {
    State& s = *state_;
    // Half of it is kept for letters.
    const std::uint64_t memory = is_bulk(lane) ? s.options.hot_memory / 2 : s.options.hot_memory;
    if (s.paused) return false;
    if (s.hot + octets + kReadyWeight > memory) {
        note_reached(Bound::delivery_hot_memory);
        return false;
    }
    if (const auto it = s.by_name.find(name_of(domain, lane)); it != s.by_name.end()) {
        const Destination& destination = s.destinations.at(it->second);
        const Site& site = s.sites.at(destination.site);
        if (destination.backoff_until > now || site.backoff_until > now || destination.claiming != 0 ||
            destination.next_due <= now || destination.ready.size() >= 2 * s.options.claim_batch ||
            (destination.site != kUnknownSite && site.ready >= s.site_bound(site)) ||
            !s.may_load(destination, now)) {
            return false;
        }
    }
    s.hot += octets + kReadyWeight;
    return true;
}

void Scheduler::on_not_added(std::uint64_t octets) {
    state_->hot -= std::min(state_->hot, octets + kReadyWeight);
}

void Scheduler::on_added(DestinationId id, std::string_view domain, std::string_view lane,
                         std::vector<ReadyRecipient> ready, std::uint64_t reserved, TimePoint now) {
    State& s = *state_;
    if (ready.empty()) {
        on_not_added(reserved);
        return;
    }
    Destination& destination = s.get(id, domain, lane);
    // The last one to leave gives the memory back.
    const std::uint64_t memory = reserved == 0 ? 0 : reserved + kReadyWeight;
    for (std::size_t i = 0; i < ready.size(); ++i) {
        s.add_ready(destination, {std::move(ready[i]), i + 1 == ready.size() ? memory : 0});
    }
    s.consider(id, destination, now);
}

void Scheduler::on_due(DestinationId id, std::string_view domain, std::string_view lane, TimePoint due) {
    State& s = *state_;
    Destination& destination = s.get(id, domain, lane);
    State::note_due(destination, due);
    // Looked at by next(), which knows the time; a back-off is found there.
    if (!destination.in_wants) {
        s.set_wake(id, destination, std::min(destination.wake, due));
    }
}

void Scheduler::claimed(DestinationId id, std::vector<Recipient> rows, std::optional<TimePoint> next_due,
                        TimePoint now) {
    State& s = *state_;
    Destination* destination = s.find(id);
    if (destination == nullptr || destination->claiming == 0) {
        return;
    }
    s.end_claim(*destination, next_due.value_or(kNever));
    if (rows.empty() && destination->next_due <= now) {
        destination->next_due = now + kAskAgain;
    }
    for (Recipient& row : rows) {
        s.add_ready(*destination, {{std::move(row), nullptr}, 0});
    }
    const SiteId site = destination->site;
    s.consider(id, *destination, now);
    s.consider_claims(site, s.sites.at(site), now);  // when fewer came than were asked for
}

void Scheduler::claim_failed(DestinationId id, TimePoint now) {
    State& s = *state_;
    Destination* destination = s.find(id);
    if (destination == nullptr || destination->claiming == 0) {
        return;
    }
    s.end_claim(*destination, now + kAskAgain);
    const SiteId site = destination->site;
    s.consider(id, *destination, now);
    s.consider_claims(site, s.sites.at(site), now);
}

void Scheduler::resolved(DestinationId id, const SitePlace& place, TimePoint valid_until, TimePoint now) {
    State& s = *state_;
    Destination* destination = s.find(id);
    if (destination == nullptr) {
        return;
    }
    s.end_resolve(*destination);
    destination->failures = 0;
    destination->backoff_until = {};
    // At least this one turn, or an answer with TTL 0 would be asked for without end.
    destination->site_valid_until = std::max(valid_until, now + kAskAgain);
    const SiteId site = s.site_at(place);
    const bool moved = destination->site != site;
    s.move_to(*destination, site, now);
    Site& joined = s.sites.at(site);
    joined.limit = place.connections;
    if (!place.provider.empty()) {
        s.set_bounds("provider|" + std::string(place.provider), nullptr, &place.connections, now);
    }
    s.pass(*destination, s.gates.enter(place.provider, place.gates));
    s.consider_starts(site, joined, now);
    if (std::exchange(destination->pardons, false)) {
        s.pardon(site, joined, now);
    }
    if (moved && joined.ready - destination->ready.size() >= s.site_bound(joined)) {
        // Read before it was known whose bound they count against, which others have filled: they wait for
        // their turn.
        s.drop_ready(*destination, now);
    }
    if (destination->urgent) {
        s.urgent_line.push_back(id);
    }
    s.consider(id, *destination, now);
}

std::vector<ReadyRecipient> Scheduler::unresolved(DestinationId id, TimePoint now) {
    State& s = *state_;
    Destination* destination = s.find(id);
    if (destination == nullptr) {
        return {};
    }
    s.end_resolve(*destination);
    count_failure(destination->failures);
    destination->backoff_until = now + backoff(s.options, destination->failures);
    std::vector<ReadyRecipient> taken = s.take_all(*destination);
    for (ReadyRecipient& urgent : s.take_urgent(id, *destination)) {
        taken.push_back(std::move(urgent));
    }
    s.move_to(*destination, kUnknownSite, now);
    destination->in_wants = false;
    s.consider(id, *destination, now);
    return taken;
}

void Scheduler::resolve_failed(DestinationId id, TimePoint now) {
    State& s = *state_;
    Destination* destination = s.find(id);
    if (destination == nullptr) {
        return;
    }
    s.end_resolve(*destination);
    destination->backoff_until = now + kShortageRest;
    s.consider(id, *destination, now);
}

std::vector<RecipientId> Scheduler::finished(SiteId site_id, DestinationId id, DeliveryFeedback feedback,
                                             TimePoint now) {
    State& s = *state_;
    Site& site = s.sites.at(site_id);  // it stays while a delivery of it is under way
    s.end_delivery(site, now);
    s.count_end(feedback.passage);
    s.learn(site_id, site, feedback, now);
    s.consider_starts(site_id, site, now);
    s.consider_claims(site_id, site, now);
    if (Destination* destination = s.find(id)) {
        destination->active -= 1;
        s.consider(id, *destination, now);
    }
    s.forget_if_idle(site_id, site, now);
    return std::exchange(s.dropped, {});
}

void Scheduler::forget_backoff(DestinationId id, TimePoint now) {
    State& s = *state_;
    Destination* destination = s.find(id);
    if (destination == nullptr) {
        return;
    }
    destination->backoff_until = {};
    destination->failures = 0;
    // Where its site is not known now (it had no mail for a while, routes have changed), it is soon.
    destination->pardons = destination->site_valid_until <= now;
    s.pardon(destination->site, s.sites.at(destination->site), now);
    s.consider(id, *destination, now);
}

void Scheduler::forget_places() {
    for (auto& [id, destination] : state_->destinations) {
        destination.site_valid_until = {};
    }
    state_->places_forgotten = true;
}

void Scheduler::configured_anew(TimePoint now) {
    State& s = *state_;
    forget_places();
    for (auto& [id, site] : s.sites) {
        if (site.closed) {
            s.pardon(id, site, now);
        }
    }
    std::vector<DestinationId> without_place;
    for (const auto& [id, destination] : s.destinations) {
        if (destination.backoff_until > now) {
            without_place.push_back(id);
        }
    }
    for (const DestinationId id : without_place) {
        Destination& destination = s.destinations.at(id);
        destination.backoff_until = {};
        destination.failures = 0;
        s.consider(id, destination, now);
    }
}

void Scheduler::set_gate(std::string_view key, const GateSettings& settings, TimePoint now) {
    state_->set_bounds(key, &settings, nullptr, now);
}

void Scheduler::urgent(DestinationId id, std::string_view domain, std::string_view lane, std::vector<Recipient> rows,
                       TimePoint now) {
    State& s = *state_;
    if (rows.empty()) {
        return;
    }
    Destination& destination = s.get(id, domain, lane);
    Fifo<ReadyRecipient>& waiting = s.urgents[id];
    for (Recipient& row : rows) {
        waiting.push_back({std::move(row), nullptr});
    }
    if (std::exchange(destination.urgent, true)) {
        return;
    }
    s.ask_for_start(id, destination, now);
}

std::vector<DestinationId> Scheduler::behind(std::string_view key, std::size_t limit) const {
    std::vector<DestinationId> found;
    const Turnstile* gate = std::as_const(state_->gates).find(key);
    if (gate == nullptr || !gate->gate.is_closed() || gate->sets.empty()) {
        return found;
    }
    for (const auto& [id, destination] : state_->destinations) {
        const bool waits = destination.in_wants || destination.in_ring;
        if (waits && destination.gates != nullptr && gate->sets.contains(destination.gates)) {
            found.push_back(id);
            if (found.size() >= limit) {
                break;
            }
        }
    }
    return found;
}

std::vector<GateFigures> Scheduler::gates_of(DestinationId id, TimePoint now) const {
    const Destination* destination = state_->find(id);
    return destination == nullptr ? std::vector<GateFigures>{} : State::figures_of(*destination, now);
}

std::vector<GateFigures> Scheduler::gates_of(std::string_view domain, std::string_view lane, TimePoint now) const {
    const auto it = state_->by_name.find(name_of(domain, lane));
    return it == state_->by_name.end() ? std::vector<GateFigures>{} : gates_of(it->second, now);
}

void Scheduler::set_options(const SchedulerOptions& options) {
    State& s = *state_;
    s.options = options;
    for (auto& [id, site] : s.sites) {
        site.window.limit(s.ceiling(site));
        if (id != kUnknownSite && site.start_turn == 0 && !site.ring.empty()) {
            site.start_turn = s.starts.push(site.standing, id);  // next() looks whether it may
        }
    }
}

void Scheduler::pause(bool paused) {
    state_->paused = paused;
}

std::vector<RecipientId> Scheduler::drain() {
    State& s = *state_;
    for (auto& [id, destination] : s.destinations) {
        for (const ReadyRecipient& recipient : s.take_all(destination)) {
            s.dropped.push_back(recipient.recipient.id);
        }
        for (const ReadyRecipient& recipient : s.take_urgent(id, destination)) {
            s.dropped.push_back(recipient.recipient.id);
        }
        if (destination.next_due != kNever && !destination.in_wants) {
            s.set_wake(id, destination, std::min(destination.wake, destination.next_due));
        }
    }
    return std::exchange(s.dropped, {});
}

Scheduler::Figures Scheduler::figures() const {
    const State& s = *state_;
    Figures figures;
    figures.destinations = s.destinations.size();
    figures.sites = s.sites.size() - 1;
    figures.deliveries = s.deliveries.used();
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
