// What would happen to mail for a domain, and why: for `posthorn route test`. Nothing is sent, nobody is connected to.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "delivery/dialler.hpp"
#include "delivery/relay_trouble.hpp"
#include "net/asio.hpp"

namespace posthorn::delivery {

struct Explained {
    Explained() = default;

    PlanDecision decision;                           // the plan, or what its absence means
    std::vector<ExplainedHost> hosts;                // of the plan, in the order to try
    std::vector<RelayTroubles::Trouble> troubles;    // of the plan's relay
    std::string doubt;                               // DNSSEC was to be believed, and is not there to believe; or empty
};

// Somebody sits before it: with servers that say nothing, DNS takes as long as all its tries.
inline constexpr Duration kExplainLimit = std::chrono::seconds(10);
// What is said when that has passed.
[[nodiscard]] Outcome not_found_out_in_time();

// By the dialler's DNS and by what it knows of the hosts. REQUIRES: the dialler outlives it.
net::awaitable<Explained> explain(Dialler& dialler, std::string domain, std::string sender_domain,
                                  std::shared_ptr<const Settings> settings);

}  // namespace posthorn::delivery
