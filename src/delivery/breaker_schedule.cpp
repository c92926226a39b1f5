// The intervals.
#include "delivery/breaker_schedule.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace posthorn::delivery {
namespace {

// 2.7: 15m, 30m, 1h, 2h, 4h, 8h for 4xx, and for 5xx only 1h, 4h, 12h, in units of auth_first.
constexpr std::array<int, 6> kAuthTemporary = {1, 2, 4, 8, 16, 32};
constexpr std::array<int, 3> kAuthPermanent = {4, 16, 48};
// 2.5 and 2.8: 1 h, 2 h, 4 h; 2 h, 4 h, 8 h, 24 h; in units of rep_first.
constexpr std::array<int, 3> kRepTemporary = {1, 2, 4};
constexpr std::array<int, 4> kRepPermanent = {2, 4, 8, 24};
constexpr std::array<int, 1> kRepInVain = {24};
// 2.7: in fifteenths of auth_poll.
constexpr std::array<int, 4> kEarlyPolls = {1, 2, 5, 10};

Duration step(Duration unit, std::span<const int> steps, std::uint32_t index) {
    return unit * steps[std::min<std::size_t>(index, steps.size() - 1)];
}

}  // namespace

Duration probe_interval(const queue::RetryOptions& options, const RefusalTerms& terms, std::uint32_t probes) {
    if (!terms.reputation) {
        const auto interval = terms.permanent ? step(options.auth_first, kAuthPermanent, probes) : step(options.auth_first, kAuthTemporary, probes);
        return std::min(interval, options.auth_max);
    }
    if (terms.until_resumed) return step(options.rep_first, kRepInVain, probes);
    if (terms.pause) {
        const Duration longest = std::max(*terms.pause, terms.pause_max.value_or(step(options.rep_first, kRepPermanent, 3)));
        return std::min(longest, *terms.pause * (1 << std::min<std::uint32_t>(probes, 6)));
    }
    return terms.permanent ? step(options.rep_first, kRepPermanent, probes) : step(options.rep_first, kRepTemporary, probes);
}

TimePoint next_poll(const queue::RetryOptions& options, TimePoint since, TimePoint now) {
    for (const int fifteenths : kEarlyPolls)
        if (const TimePoint at = since + std::max(Duration(1), options.auth_poll * fifteenths / 15); at > now) return at;
    const Duration poll = std::max(Duration(15), options.auth_poll);
    if (now < since) return since + poll;   // the clock was set back
    return since + poll * ((now - since) / poll + 1);
}

}  // namespace posthorn::delivery
