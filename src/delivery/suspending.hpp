// What operators order of suspended pairs, and what they are told: the agent's part of it (docs/SUSPENSIONS.md).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "delivery/outcome.hpp"
#include "delivery/suspended_pair.hpp"
#include "queue/store.hpp"

namespace posthorn::delivery {

struct PairOrder {
    bool suspend = true;                   // false: resume
    std::string sender;                    // a domain, its subdomains count as it; an address of ours; or "ip": this machine
    std::string provider;                  // a provider's name, a mail host, or a recipient domain
    std::optional<Duration> duration;      // nothing: until it is resumed
    std::string reason;                    // for people

    PairOrder() = default;
};

struct PairOutcome {
    // Those that are suspended now, or go on: "example.com at google"; with resume, what was slowed down, too: "mail signed by
    // example.com to google".
    std::vector<std::string> pairs;
    PairOutcome() = default;
};

// A recipient that is given up while its pair is suspended: what is known of the suspension goes into its DSN. Mail that was never
// tried gets the reply that keeps it waiting. Pure.
void tell_of_suspension(const SuspendedPair& pair, queue::Recipient& recipient);
[[nodiscard]] std::string diagnosis_words(const SuspendedPair& pair);

}  // namespace posthorn::delivery
