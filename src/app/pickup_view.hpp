// The spool's figures: under their names in Prometheus, and for `posthorn status`.
#pragma once

#include <string>
#include <vector>

#include "app/pickup.hpp"
#include "base/metric.hpp"

namespace posthorn::app {

[[nodiscard]] std::vector<Metric> pickup_metrics(const PickupFigures& figures);
[[nodiscard]] std::string spool_json(const PickupFigures& figures);

}  // namespace posthorn::app
