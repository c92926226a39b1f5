// From which local addresses mail leaves, and whether IPv6 may be used: only from an address whose PTR record is confirmed.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/endpoint.hpp"
#include "delivery/options.hpp"

namespace posthorn::delivery {

// Fixed per sender domain, so that a greylisted message comes again from the address that was greylisted.
struct SourceAddresses {
    std::optional<IpAddress> v4;         // nothing: the kernel chooses
    std::optional<IpAddress> v6;
    // Whether connections over IPv6 may be made. Says nothing of loopback and private addresses, where nobody looks for a PTR.
    bool allow_v6 = true;
    std::string why;                     // one sentence about allow_v6, for the operator

    SourceAddresses() = default;
};

// Which IPv6 addresses of ours have a PTR record that leads back to them (RFC 8601's iprev; Gmail refuses others).
struct Confirmation {
    Confirmation() = default;

    bool confirmed = false;
    std::string why;                     // "2001:db8::1 is mail.example.com, and that name is 2001:db8::1"
};
using Confirmations = std::map<std::string, Confirmation, std::less<>>;  // by source_v6 as configured; "" is the kernel's choice

// Pure. An address that was not looked at yet counts as not confirmed.
[[nodiscard]] SourceAddresses source_for(const DeliveryOptions& options, std::string_view sender_domain,
                                         const Confirmations& confirmations);
// The values of source_v6 in use, the kernel's choice ("") among them unless each has one.
[[nodiscard]] std::set<std::string> v6_sources(const DeliveryOptions& options);

}  // namespace posthorn::delivery
