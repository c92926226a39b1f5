// The two notions of time: wall time that is stored and shown, and steady time that deadlines are measured in.
#pragma once

#include <chrono>

namespace posthorn {

// Wall time with the resolution the queue stores: milliseconds since 1970-01-01 UTC.
using TimePoint = std::chrono::sys_time<std::chrono::milliseconds>;
using Duration = std::chrono::milliseconds;

// Only the edge (app, net, drivers) calls this; pure code takes `now` as an argument.
inline TimePoint wall_now() {
    return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
}

using SteadyTime = std::chrono::steady_clock::time_point;

}  // namespace posthorn
