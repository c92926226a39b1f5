// Counting by provider, with a bound on their names.
#include "delivery/delivery_tally.hpp"

#include "delivery/flow.hpp"

namespace posthorn::delivery {

std::string_view DeliveryTally::label(std::string_view group) {
    if (group.empty()) return "none";
    return is_of_stranger(std::string(group)) ? std::string_view("other") : group;
}

DeliveryTally::Provider& DeliveryTally::provider(std::string_view group) {
    std::string_view name = label(group);
    auto found = providers_.find(name);
    if (found == providers_.end() && providers_.size() >= kMostProviders) found = providers_.find(name = "other");
    if (found == providers_.end()) found = providers_.emplace(std::string(name), Provider()).first;
    return found->second;
}

void DeliveryTally::settled(std::string_view group, const Outcome& outcome) {
    ++provider(group).outcomes[static_cast<std::size_t>(outcome.result)][static_cast<std::size_t>(outcome.failure_class)];
}

void DeliveryTally::opened(std::string_view version, std::chrono::nanoseconds took) {
    opened_seconds_.observe(took);
    const std::string_view name = version.empty() ? std::string_view("none") : version;
    auto found = connections_.find(name);
    if (found == connections_.end()) found = connections_.emplace(std::string(name), 0).first;
    ++found->second;
}

}  // namespace posthorn::delivery
