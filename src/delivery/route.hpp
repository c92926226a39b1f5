// Where mail for a domain goes: what DNS said, turned into hosts to try in order, or into the reason why there are none.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "delivery/options.hpp"
#include "delivery/outcome.hpp"
#include "dns/records.hpp"

namespace posthorn::delivery {

// A host to connect to. A literal's address is known; a name's is looked up when its turn comes.
struct RouteHost {
    std::uint16_t preference = 0;
    std::string name;             // "mx1.example.com", or the literal's address in text
    bool literal = false;
    // Nobody on the way can have made it up: DNSSEC vouches for the MX records (dns.trust_ad), or it is the recipient's own
    // literal. MTA-STS and configured routes set it, too.
    bool certain = false;
};

struct Route {
    std::vector<RouteHost> hosts;             // lowest preference first; equals in the order of DNS
    std::string site_key;                     // the host names sorted and joined: equal for domains that share their MX set
    std::chrono::seconds ttl{0};
};

// Why there is no route: an outcome for every recipient of the domain, with a reply in our own words.
using RouteDecision = std::variant<Route, Outcome>;

// Pure. RFC 5321 s5.1, RFC 7505. `own_hostname` among the hosts takes that host and all that are not better away (SMTP-25).
[[nodiscard]] RouteDecision route_of(std::string_view domain, const dns::MxAnswer& answer, std::string_view own_hostname);
// "[192.0.2.1]": no DNS is needed (RFC 5321 s4.1.3).
[[nodiscard]] RouteDecision route_of_literal(std::string_view literal);

// The order of one attempt: by preference, equals at random (RFC 5321 s5.1: MUST be randomized).
[[nodiscard]] std::vector<RouteHost> attempt_order(std::vector<RouteHost> hosts, std::minstd_rand& random);

struct AddressChoice {
    std::vector<IpAddress> addresses;         // in the order to try
    std::string refused;                      // why others were left out, for the operator
};
// Which of a host's addresses may be used: by family, and never loopback or private ones unless allowed.
[[nodiscard]] AddressChoice usable_addresses(const dns::AddressAnswer& answer, const DeliveryOptions& options);

}  // namespace posthorn::delivery
