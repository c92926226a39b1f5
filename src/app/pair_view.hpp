// Suspended pairs as JSON, for GET /v1/suspensions, `status` and `why`.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <vector>

#include "delivery/suspended_pair.hpp"

namespace posthorn::app {

[[nodiscard]] boost::json::object pair_json(const delivery::SuspendedPair& pair);
[[nodiscard]] boost::json::array pairs_json(const std::vector<delivery::SuspendedPair>& pairs);

}  // namespace posthorn::app
