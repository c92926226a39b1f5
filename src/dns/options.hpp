// Settings of the resolver ([dns]).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/endpoint.hpp"

namespace posthorn::dns {

struct DnsOptions {
    std::vector<Endpoint> servers;               // empty: those of /etc/resolv.conf
    Duration timeout = std::chrono::seconds(5);  // of the first try of one server
    std::uint32_t tries = 3;
    std::size_t cache_entries = 10000;
    Duration max_ttl = std::chrono::hours(1);
    Duration negative_ttl = std::chrono::minutes(1);  // upper bound for NXDOMAIN and no data
    // Believe the AD bit (DNSSEC was checked) of these servers. Only for a validating resolver on this
    // machine.
    bool trust_ad = false;
    // The servers of the zones themselves, which a diagnosis asks (authorities.hpp).
    std::uint32_t authority_servers = 4;                    // of one zone, at most; 0: never ask them
    Duration authority_timeout = std::chrono::seconds(3);   // of one try; two are made
    // Addresses of such servers that are not of the public Internet are passed over unless this is set: where the resolver has its own view
    // of private zones.
    bool authority_private = false;
    std::uint16_t authority_port = 53;                      // for tests
};

}  // namespace posthorn::dns
