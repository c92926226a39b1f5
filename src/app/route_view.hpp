// What would happen to mail for a domain as JSON: for GET /v1/route, and for `posthorn route test` without a daemon.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "delivery/agent.hpp"
#include "delivery/explanation.hpp"

namespace posthorn::app {

// {"domain", "way", "relay", "fallback", "site", "provider", "dnssec", "mta_sts", "source": {...}, "hosts": [...], "why": [...]},
// or without a way {"domain", "outcome": "failed" or "deferred", "reply", "why": []}.
[[nodiscard]] boost::json::object route_json(const std::string& domain, const std::string& sender_domain,
                                             const delivery::Explained& explained);

// Relays that will not work for us: an array with relay, fault, since and reply.
[[nodiscard]] std::string troubles_json(const std::vector<delivery::RelayTroubles::Trouble>& troubles);

}  // namespace posthorn::app
