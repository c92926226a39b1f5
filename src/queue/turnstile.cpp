// Gates and sets of them by name: interned, shared, and gone with their last use.
#include "queue/turnstile.hpp"

#include <algorithm>
#include <iterator>

namespace posthorn::queue {

GateSet* Gates::enter(std::string_view provider, std::span<const std::string> keys) {
    // Neither hosts nor domains have a line feed.
    name_.clear();
    if (!provider.empty()) {
        name_.append("provider|").append(provider);
    }
    for (const std::string& key : keys) {
        if (name_.empty() || key != std::string_view(name_).substr(0, name_.find('\n'))) {
            name_.append(name_.empty() ? "" : "\n").append(key);
        }
    }
    if (name_.empty()) {
        return nullptr;
    }
    if (const auto it = sets_.find(name_); it != sets_.end()) {
        it->second->members += 1;
        return it->second.get();
    }
    auto set = std::make_unique<GateSet>();
    set->id = ++last_set_;
    set->name = name_;
    set->members = 1;
    for (std::size_t at = 0; at <= set->name.size();) {
        const std::size_t end = std::min(set->name.find('\n', at), set->name.size());
        Turnstile& gate = this->at(std::string_view(set->name).substr(at, end - at));
        if (std::find(set->all.begin(), set->all.end(), &gate) == set->all.end()) {
            set->all.push_back(&gate);
            gate.sets.insert(set.get());
        }
        at = end + 1;
    }
    rebuild(*set);
    GateSet* entered = set.get();
    sets_.emplace(entered->name, std::move(set));
    by_id_.emplace(entered->id, entered);
    return entered;
}

void Gates::leave(GateSet& set) {
    set.members -= 1;
    forget_if_unused(set);
}

GateSet* Gates::find(std::uint32_t set) {
    const auto it = by_id_.find(set);
    return it == by_id_.end() ? nullptr : it->second;
}

void Gates::forget_if_unused(GateSet& set) {
    if (set.members != 0 || set.active != 0) {
        return;
    }
    for (Turnstile* gate : set.all) {
        gate->sets.erase(&set);
        forget_if_unused(*gate);
    }
    by_id_.erase(set.id);
    const auto it = sets_.find(set.name);
    const std::unique_ptr<GateSet> last = std::move(it->second);
    sets_.erase(it);
}

Turnstile* Gates::find(std::string_view key) {
    const auto it = gates_.find(key);
    return it == gates_.end() ? nullptr : it->second.get();
}

Turnstile& Gates::at(std::string_view key) {
    if (Turnstile* known = find(key)) {
        return *known;
    }
    auto gate = std::make_unique<Turnstile>();
    gate->key = key;
    Turnstile& fresh = *gate;
    gates_.emplace(fresh.key, std::move(gate));
    return fresh;
}

void Gates::forget_if_unused(Turnstile& gate) {
    const bool offered_somewhere = gate.at(Step::claim).offered || gate.at(Step::start).offered;
    if (!gate.sets.empty() || !gate.gate.is_idle() || offered_somewhere) {
        return;
    }
    if (gate.wake != TimePoint::max()) {
        timer.erase({gate.wake, &gate});
    }
    const auto it = gates_.find(gate.key);
    const std::unique_ptr<Turnstile> last = std::move(it->second);
    gates_.erase(it);
}

void Gates::rebuild(GateSet& set) {
    set.bounding.clear();
    std::copy_if(set.all.begin(), set.all.end(), std::back_inserter(set.bounding),
                 [](const Turnstile* gate) { return !gate->gate.is_idle(); });
}

}  // namespace posthorn::queue
