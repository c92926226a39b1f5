// Which rule says where mail goes: a relay or the hosts DNS names, what to fall back to, and whose machines these are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "delivery/options.hpp"
#include "delivery/route.hpp"
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

// The provider that all the hosts belong to; null: there is none. Limits, counts and suspensions go by it, and so they concern nobody
// but him: whoever names one of a provider's hosts in his MX set, and a host of his own that answers, speaks for himself only.
// Names below "invalid" (RFC 6761 s6.4: they are not there), which some publish as marks, belong to nobody.
[[nodiscard]] const ProviderOptions* owner_of(const std::vector<ProviderOptions>& providers, const std::vector<RouteHost>& hosts);
// Whose rules the words of a host (its name, or "name[address]") are read by: the provider it belongs to, whoever else is in the MX
// set; "" where it is nobody's. Never asked about relays.
[[nodiscard]] std::string speaker_of(const std::vector<ProviderOptions>& providers, std::string_view host);
// By what shaping knows the receivers (DeliveryPlan::group), the same for all domains that share their MX set in whatever order: the
// owner's name; else, where all hosts are of one organisational domain, the alphabetically first of them; else the whole set
// (Route::site_key), as one name out of it could be another's.
[[nodiscard]] std::string group_of(const ProviderOptions* owner, const Route& route);

// What is wrong with the rules: domains that are no names, even as A-labels. With options.providers complete: providers that
// nobody knows, or that nothing is known by.
[[nodiscard]] std::vector<std::string> routing_problems(const DeliveryOptions& options);

// "*", "example.com" or "*.example.com" (all below it, not itself) against a name; without case, U-labels as A-labels.
[[nodiscard]] bool domain_fits(std::string_view pattern, std::string_view domain);

}  // namespace posthorn::delivery
