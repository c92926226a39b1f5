// What is planned for mail to a domain before a connection is made: hosts, relay, security, and the reasons in words.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/endpoint.hpp"
#include "delivery/outcome.hpp"
#include "delivery/quirks.hpp"
#include "delivery/route.hpp"
#include "delivery/source_address.hpp"
#include "mail/message.hpp"

namespace posthorn::delivery {

struct Relay;
struct Settings;
struct StsPolicy;

// What one message asks of the connection that carries it.
struct DeliveryTerms {
    bool require_tls = false;    // only a connection that may carry REQUIRETLS will do (RFC 8689 s4.2.1)
    bool ignore_policy = false;  // its header says "TLS-Required: No": DANE and MTA-STS do not bind (RFC 8689 s4.2.2)

    friend bool operator==(const DeliveryTerms&, const DeliveryTerms&) = default;
};
// REQUIRETLS outweighs the header (RFC 8689 s3).
[[nodiscard]] DeliveryTerms terms_of(const mail::Message& message);

// Made by Dialler::plan(), good for `route.ttl`; kept with what it was made from. A plain value.
struct DeliveryPlan {
    DeliveryPlan() = default;

    std::string domain;                           // of the recipients
    std::string sender_domain;                    // of the reverse-path, which routes and source addresses may depend on
    std::shared_ptr<const Settings> settings;     // those it was made with; never null
    Route route;                                  // hosts in order of preference; of the relay where there is one
    std::shared_ptr<const Relay> relay;           // null: direct
    // For while the direct way is blocked (BlockedSites); null: none. Where it is blocked, this is the relay of the plan.
    std::shared_ptr<const Relay> fallback;
    Duration fallback_after{};                    // without any connection
    std::shared_ptr<const StsPolicy> sts;         // null: the domain has none (never for relays and literals)
    bool mx_secure = false;                       // DNSSEC vouches for the MX set (dns.trust_ad)
    std::string domain_alias;                     // where CNAMEs of the domain led, or empty
    std::string provider;                         // "google", or empty: no provider's rule applies
    std::optional<TlsPolicy> provider_tls;        // its rule
    // By what shaping goes: group_of() the hosts; for a relay "relay:NAME".
    std::string group;
    KnownQuirks quirks;                           // of the group and the hosts
    SourceAddresses source;
    std::string site_key;                         // equal for domains that share hosts, and thus connection limits
    // Connections made under equal manners may carry each other's mail: relay, source, and what TLS had to fulfil. Beside
    // the site it is what open connections are looked up by; use manner_for(), as a message's terms matter too.
    std::string manner;
    std::vector<std::string> why;                 // plain sentences for `posthorn route test` and the log
};

[[nodiscard]] std::string manner_for(const DeliveryPlan& plan, const DeliveryTerms& terms);
// Pure. Of a plan whose source, DNSSEC and policy are known: direct, with the least that is asked of TLS anywhere; by a relay,
// whose own manner (Relay::manner) is given.
[[nodiscard]] std::string direct_manner(const DeliveryPlan& plan, TlsPolicy least);
[[nodiscard]] std::string relay_manner(const DeliveryPlan& plan, std::string_view relay);

// A plan, or what its absence means for every recipient of the domain.
using PlanDecision = std::variant<DeliveryPlan, Outcome>;

// What `posthorn route test` shows of the hosts of a plan, in the order in which they would be tried.
struct ExplainedAddress {
    IpAddress address;
    std::string health;                           // "well", or why it is left out for now
};
struct ExplainedHost {
    std::uint16_t preference = 0;
    std::string name;
    std::uint16_t port = 0;
    std::vector<ExplainedAddress> addresses;      // empty: `why` says what DNS said
    std::string security;                         // "dane", "mta-sts", "opportunistic", "unusable", ...
    std::string why;                              // what is demanded of its TLS, or why it is passed over
    bool refuses = false;                         // unusable for good: were all hosts so, mail would fail at once
};

}  // namespace posthorn::delivery
