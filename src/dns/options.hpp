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
};

}  // namespace posthorn::dns
