// Says when something that happens again and again is worth a line in the log: the first time, then once an
// interval.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.hpp"

namespace posthorn {

// One for each kind of event, beside what counts it. Pure: time is an argument.
class Seldom {
public:
    explicit Seldom(Duration interval) : interval_(interval) {}

    // It happened. A number: say so now, and that it happened so many times (this one included) since the
    // last line.
    [[nodiscard]] std::optional<std::uint64_t> happened(SteadyTime now) {
        ++unsaid_;
        if (said_ && now - *said_ < interval_) return std::nullopt;
        said_ = now;
        const std::uint64_t times = unsaid_;
        unsaid_ = 0;
        return times;
    }

private:
    Duration interval_;
    std::optional<SteadyTime> said_;
    std::uint64_t unsaid_ = 0;
};

}  // namespace posthorn
