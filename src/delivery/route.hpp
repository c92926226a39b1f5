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
#include "delivery/own_address.hpp"
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
    std::uint16_t port = 0;       // 0: delivery.port
    std::string origin;           // the relay's domain whose MX records name this host; empty: none does
};

struct Route {
    std::vector<RouteHost> hosts;             // lowest preference first; equals in the order of DNS
    std::string site_key;                     // the host names sorted and joined: equal for domains that share their MX set
    std::chrono::seconds ttl{0};
    std::string left_out;                     // hosts that DNS names but mail cannot use, and why; for the operator
};

// Why there is no route: an outcome for every recipient of the domain, with a reply in our own words.
using RouteDecision = std::variant<Route, Outcome>;

// What DNS is asked about a recipient's domain: its A-labels, lower case (RFC 6531 s3.2). What is no domain name at all
// fails with 5.1.2.
[[nodiscard]] std::variant<std::string, Outcome> name_to_ask(std::string_view domain);

// Pure. RFC 5321 s5.1, RFC 7505. Hosts that are no host names (an IP address in text, odd characters) are left out. What is
// no answer through our own shortage is an outcome that says so (Outcome::shortage). `own_hostname` among the hosts takes that host and all that are not better away (SMTP-25).
[[nodiscard]] RouteDecision route_of(std::string_view domain, const dns::MxAnswer& answer, std::string_view own_hostname);
// "[192.0.2.1]": no DNS is needed (RFC 5321 s4.1.3).
[[nodiscard]] RouteDecision route_of_literal(std::string_view literal);

// The order of one attempt: by preference, equals at random (RFC 5321 s5.1: MUST be randomized).
[[nodiscard]] std::vector<RouteHost> attempt_order(std::vector<RouteHost> hosts, std::minstd_rand& random);

struct AddressChoice {
    std::vector<IpAddress> addresses;         // in the order to try
    std::string refused;                      // why others were left out, for the operator
    bool leads_back = false;                  // one of the host's addresses is our own front door: see leads_back()
};
// Which of a host's addresses may be used: by family, and never loopback or private ones unless allowed. own: null where
// connections cannot lead back to us (HTTPS).
[[nodiscard]] AddressChoice usable_addresses(const dns::AddressAnswer& answer, const DeliveryOptions& options,
                                             const OwnAddresses* own = nullptr, std::uint16_t port = 0);
// RFC 5321 s5.1 where a host's address is our own: no host of its preference or a worse one may be tried any more, and when
// none was before it, this is what becomes of the mail (5.4.6).
[[nodiscard]] Outcome leads_back(std::string_view domain, const RouteHost& host);

}  // namespace posthorn::delivery
