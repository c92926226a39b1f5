// The bounds and what is known of their use, under their names in Prometheus.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bound.hpp"
#include "base/metric.hpp"

namespace posthorn::app {

// How much of a bound is in use now, where that is at hand.
struct BoundUse {
    Bound bound;
    std::uint64_t limit;
    std::uint64_t used;
};

// How often each was reached, 0 too, so that a rise shows; then limit and use of those given.
[[nodiscard]] std::vector<Metric> bound_metrics(const std::vector<BoundUse>& uses);

}  // namespace posthorn::app
