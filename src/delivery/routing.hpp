// Which rule says where mail goes: a relay or the hosts DNS names, what to fall back to, and whose machines these are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "delivery/options.hpp"
#include "dns/records.hpp"

namespace posthorn::delivery {

// What the rules say of mail from one sender domain to one recipient domain.
struct RouteChoice {
    // A rule that could decide names providers: nothing is decided, ask again with the domain's MX hosts.
    bool needs_mx = false;
    std::string relay;                   // a [[relay]]'s name; empty: direct
    std::string fallback;                // a [[relay]]'s name for while the direct way is blocked; empty: none
    Duration fallback_after{};
    std::string why;                     // "[[route]] 2 (recipients *.example.com)", for `route test` and the log

    [[nodiscard]] bool direct() const { return relay.empty(); }
};

// Pure. Domains in any case, as A-labels or U-labels; sender_domain empty for a null sender without a From. Once before DNS,
// with mx null; where that answers needs_mx, once more with the MX hosts (none of them where DNS has no answer: then no rule
// by provider holds).
[[nodiscard]] RouteChoice choose_route(const DeliveryOptions& options, std::string_view sender_domain,
                                       std::string_view recipient_domain, const std::vector<dns::MxHost>* mx);

// The provider whose pattern fits the first of the MX hosts: best preference first. Null: none.
[[nodiscard]] const ProviderOptions* provider_of(const std::vector<ProviderOptions>& providers,
                                                 const std::vector<dns::MxHost>& mx);

// What is wrong with the rules: domains that are no names, even as A-labels. With options.providers complete: providers that
// nobody knows, or that nothing is known by.
[[nodiscard]] std::vector<std::string> routing_problems(const DeliveryOptions& options);

// "*", "example.com" or "*.example.com" (all below it, not itself) against a name; without case, U-labels as A-labels.
[[nodiscard]] bool domain_fits(std::string_view pattern, std::string_view domain);

}  // namespace posthorn::delivery
