// Throttles, warm-up plans and bulk marks for `posthorn status` and Prometheus.
#pragma once

#include <string>
#include <vector>

#include "base/metric.hpp"
#include "delivery/shaping_view.hpp"

namespace posthorn::app {

// An object: slowed, warm_up, bulk_marks, each an array of objects.
[[nodiscard]] std::string shaping_json(const delivery::ShapingView& view);

// Labels are bounded: groups are providers' names, "other" for all other receivers; domains at most delivery::kMostMarks.
[[nodiscard]] std::vector<Metric> shaping_metrics(const delivery::ShapingView& view);

}  // namespace posthorn::app
