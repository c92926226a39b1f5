// Where destinations stand, for the operator's questions.
#include "queue/scheduler_state.hpp"

namespace posthorn::queue {

std::optional<DestinationFigures> Scheduler::standing_of(std::string_view domain, std::string_view lane, TimePoint now) const {
    const State& s = *state_;
    const auto it = s.by_name.find(name_of(domain, lane));
    if (it == s.by_name.end()) return std::nullopt;
    const Destination& destination = s.destinations.at(it->second);
    DestinationFigures figures;
    figures.resolving = destination.resolving;
    figures.active = destination.active;
    figures.ready = destination.ready.size();
    if (destination.backoff_until > now) figures.unresolved_until = destination.backoff_until;
    figures.unresolved = destination.failures;
    if (destination.gates != nullptr)
        for (const Turnstile* gate : destination.gates->all) figures.gates.push_back(gate->key);
    if (destination.site == kUnknownSite) return figures;
    const Site& site = s.sites.at(destination.site);
    figures.site = site.key;
    figures.site_active = site.active;
    figures.site_window = s.window(site);
    if (site.backoff_until > now) figures.backoff_until = site.backoff_until;
    figures.backoffs = site.failures;
    figures.closed = site.closed;
    return figures;
}

std::map<std::string, std::string> Scheduler::first_gates() const {
    std::map<std::string, std::string> gates;
    for (const auto& [id, destination] : state_->destinations)
        if (destination.gates != nullptr && !destination.gates->all.empty())
            gates.try_emplace(destination.domain(), destination.gates->all.front()->key);
    return gates;
}

}  // namespace posthorn::queue
