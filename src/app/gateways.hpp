// Which addresses are never trusted as clients here: the default gateways of private networks, out of the routing table.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"

namespace posthorn::app {

// The kernel's tables, as this process's network namespace has them.
struct RouteFiles {
    std::string v4 = "/proc/net/route";
    std::string v6 = "/proc/net/ipv6_route";  // not there without IPv6
};

// Sets config.server.relay.gateways. Adds a warning for each gateway that would be trusted or believed otherwise: why it is
// not, and what to do. Read at start and at reload.
void distrust_gateways(config::Config& config, std::vector<std::string>& warnings, const RouteFiles& files = {});

}  // namespace posthorn::app
