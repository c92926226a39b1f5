// Samples by bound.
#include "app/bound_view.hpp"

#include <string>
#include <utility>

namespace posthorn::app {

std::vector<Metric> bound_metrics(const std::vector<BoundUse>& uses) {
    std::vector<Metric::Sample> reached, limits, used;
    const auto label = [](Bound bound) {
        return Metric::Labels{{"bound", std::string(bound_texts()[static_cast<std::size_t>(bound)].name)}};
    };
    for (const BoundText& text : bound_texts()) reached.push_back({label(text.bound), static_cast<double>(times_reached(text.bound))});
    for (const BoundUse& use : uses) {
        limits.push_back({label(use.bound), static_cast<double>(use.limit)});
        used.push_back({label(use.bound), static_cast<double>(use.used)});
    }
    return {
        Metric("posthorn_bound_reached_total", MetricKind::counter, "How often a bound was in the way, by bound: docs/metrics.md says what happens then.",
               std::move(reached)),
        Metric("posthorn_bound_limit", MetricKind::gauge, "How much a bound allows, of those that fill up slowly.", std::move(limits)),
        Metric("posthorn_bound_used", MetricKind::gauge, "How much of it is in use.", std::move(used)),
    };
}

}  // namespace posthorn::app
