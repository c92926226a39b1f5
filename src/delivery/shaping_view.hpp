// What holds mail back for the sake of its amount, at one moment: for `posthorn status` and the metrics.
#pragma once

#include <cstdint>
#include <vector>

#include "delivery/bulk_mark.hpp"
#include "delivery/throttles.hpp"
#include "delivery/warm_up.hpp"

namespace posthorn::delivery {

struct ShapingView {
    ShapingView() = default;

    std::vector<ThrottleView> throttles;     // by key
    std::vector<WarmUpView> warm_ups;        // by key
    std::vector<BulkMarkView> marks;         // most sent first, at most kMostMarks
    std::uint64_t refusals = 0;              // of class throttle, since the start
};
inline constexpr std::size_t kMostMarks = 50;

}  // namespace posthorn::delivery
