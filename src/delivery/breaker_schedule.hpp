// When a suspended pair is looked at and probed (providers.md 2.7 and 2.8).
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.hpp"
#include "queue/options.hpp"

namespace posthorn::delivery {

// Of the refusal that began the suspension.
struct RefusalTerms {
    bool reputation = false;             // class rep, else auth
    bool permanent = false;              // 5xx
    bool until_resumed = false;          // "Retrying will NOT succeed"
    std::optional<Duration> pause;       // class rep: what the rule says in place of the first interval
    std::optional<Duration> pause_max;
};

// From the refusal, or the last probe, to the next probe; `probes` were sent so far.
[[nodiscard]] Duration probe_interval(const queue::RetryOptions& options, const RefusalTerms& terms, std::uint32_t probes);

// The first poll after `now`: at `since` + 1, 2, 5, 10, 15 minutes, then every 15, where auth_poll is 15 minutes.
[[nodiscard]] TimePoint next_poll(const queue::RetryOptions& options, TimePoint since, TimePoint now);

}  // namespace posthorn::delivery
