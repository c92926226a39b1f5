// What a connection is opened with, by plan and policy, and what its opening showed.
#pragma once

#include <string>

#include "base/endpoint.hpp"
#include "delivery/agent.hpp"
#include "delivery/plan.hpp"
#include "delivery/tls_outcome.hpp"
#include "delivery/tls_policy.hpp"
#include "smtp/client/connection.hpp"

namespace posthorn::delivery {

// stop_with is left to the caller.
[[nodiscard]] smtp::client::ConnectionOptions connection_options(const DeliveryPlan& plan, const smtp::client::Target& target,
                                                                 const HostSecurity& security);
[[nodiscard]] OpeningFacts facts_of(const smtp::client::Opened& opened);
// By the table of replies alone, without what was demanded of TLS. host: "mx.example.com[192.0.2.1]".
[[nodiscard]] Outcome outcome_of(const smtp::protocol::SessionFailure& failure, const std::string& host, bool ipv6,
                                 const DeliveryPlan& plan);
// Ours, not the peer's: no descriptors, no memory, no local port or address.
[[nodiscard]] bool is_own_shortage(const net::error_code& error);
// IPv6 is not there at all: no route, no address to send from.
[[nodiscard]] bool lacks_v6(const IpAddress& address, const net::error_code& error);
// The line "connected": version and cipher, by what the certificate was verified, and which policy asked for that (TLS-8).
void log_connection(const smtp::client::Connection& connection, const DeliveryPlan& plan, const HostSecurity& security);

}  // namespace posthorn::delivery
