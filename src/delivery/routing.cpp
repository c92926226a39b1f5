// The rules in their order.
#include "delivery/routing.hpp"

#include <algorithm>

#include "base/join.hpp"
#include "base/text.hpp"
#include "mail/domain.hpp"
#include "mail/organisational_domain.hpp"

namespace posthorn::delivery {
namespace {

// Lower case A-labels where the name has such a form; address literals and what is no name stay as they are,
// in lower case.
std::string comparable(std::string_view name) {
    if (!text::is_ascii(name))
        if (auto ascii = mail::to_ascii(name)) return std::move(*ascii);
    return text::to_lower(name);
}

bool any_fits(const std::vector<std::string>& patterns, std::string_view domain) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const std::string& pattern) { return domain_fits(pattern, domain); });
}

bool is_among(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

std::string describe(const RouteOptions& rule, std::size_t index) {
    std::string criteria;
    const auto add = [&](const char* what, const std::vector<std::string>& items) {
        if (!items.empty())
            criteria += (criteria.empty() ? "" : "; ") + std::string(what) + " " + text::joined(items);
    };
    add("recipients", rule.recipients);
    add("senders", rule.senders);
    add("providers", rule.providers);
    return "[[route]] " + std::to_string(index + 1) + " (" +
           (criteria.empty() ? std::string("all mail") : criteria) + ")";
}

}  // namespace

bool domain_fits(std::string_view pattern, std::string_view domain) {
    if (pattern == "*") return true;
    if (domain.empty()) return false;
    if (pattern.starts_with("*.")) {
        const std::string parent = comparable(pattern.substr(2));
        const std::string name = comparable(domain);
        return name != parent && mail::is_subdomain_of(name, parent);
    }
    return comparable(pattern) == comparable(domain);
}

const ProviderOptions* provider_of(const std::vector<ProviderOptions>& providers,
                                   const std::vector<dns::MxHost>& mx) {
    const auto best = std::min_element(mx.begin(), mx.end(), [](const dns::MxHost& a, const dns::MxHost& b) {
        return a.preference < b.preference;
    });
    if (best == mx.end()) return nullptr;
    const auto found = std::find_if(providers.begin(), providers.end(), [&](const ProviderOptions& provider) {
        return any_fits(provider.mx, best->name);
    });
    return found == providers.end() ? nullptr : &*found;
}

const ProviderOptions* owner_of(const std::vector<ProviderOptions>& providers,
                                const std::vector<RouteHost>& hosts) {
    const ProviderOptions* owner = nullptr;
    for (const RouteHost& host : hosts) {
        if (domain_fits("*.invalid", host.name)) continue;
        const ProviderOptions* theirs = provider_of(providers, {{host.preference, host.name}});
        if (theirs == nullptr || (owner != nullptr && theirs != owner)) return nullptr;
        owner = theirs;
    }
    return owner;
}

std::string speaker_of(const std::vector<ProviderOptions>& providers, std::string_view host) {
    const ProviderOptions* provider =
        provider_of(providers, {{0, std::string(host.substr(0, host.find('[')))}});
    return provider == nullptr ? std::string() : provider->name;
}

std::string group_of(const ProviderOptions* owner, const Route& route) {
    if (owner != nullptr) return owner->name;
    if (route.hosts.empty()) return {};
    const auto first =
        std::min_element(route.hosts.begin(), route.hosts.end(),
                         [](const RouteHost& a, const RouteHost& b) { return a.name < b.name; });
    const std::string domain = mail::organisational_domain(first->name);
    const bool of_one = std::all_of(route.hosts.begin(), route.hosts.end(), [&](const RouteHost& host) {
        return mail::organisational_domain(host.name) == domain;
    });
    return of_one ? first->name : route.site_key;
}

RouteChoice choose_route(const DeliveryOptions& options, std::string_view sender_domain,
                         std::string_view recipient_domain, const std::vector<dns::MxHost>* mx) {
    RouteChoice choice;
    const ProviderOptions* provider = mx == nullptr ? nullptr : provider_of(options.providers, *mx);
    for (std::size_t i = 0; i < options.routes.size(); ++i) {
        const RouteOptions& rule = options.routes[i];
        if (!rule.recipients.empty() && !any_fits(rule.recipients, recipient_domain)) continue;
        if (!rule.senders.empty() && !any_fits(rule.senders, sender_domain)) continue;
        if (!rule.providers.empty()) {
            // A literal has no MX hosts, and so no provider.
            if (mx == nullptr && !mail::is_address_literal(recipient_domain)) {
                choice.needs_mx = true;
                return choice;
            }
            if (provider == nullptr) continue;
            const bool theirs = is_among(rule.providers, provider->name) ||
                                (!provider->family.empty() && is_among(rule.providers, provider->family));
            if (!theirs) continue;
        }
        if (rule.to != kDirect)
            choice.relay = rule.to;
        else
            choice.fallback = rule.fallback;
        choice.fallback_after = rule.fallback_after;
        choice.why = describe(rule, i);
        return choice;
    }
    choice.why = options.routes.empty() ? "there is no [[route]]" : "no [[route]] holds";
    return choice;
}

std::vector<std::string> routing_problems(const DeliveryOptions& options) {
    std::vector<std::string> problems;
    for (const ProviderOptions& provider : options.providers)
        if (provider.mx.empty())
            problems.push_back("[[provider]] " + provider.name + " has no mx to know it by, and neither has any file of rules");
    const auto known = [&](const std::string& name) {
        return std::any_of(options.providers.begin(), options.providers.end(),
                           [&](const ProviderOptions& provider) { return provider.name == name || provider.family == name; });
    };
    for (const std::string& name : options.warm_up.providers)
        if (!known(name)) problems.push_back("warmup.providers has " + name + ", which is no provider's name");
    for (std::size_t i = 0; i < options.routes.size(); ++i) {
        for (const std::string& name : options.routes[i].providers)
            if (!known(name))
                problems.push_back("[[route]] " + std::to_string(i + 1) + " has the provider " + name + ", which nobody knows");
        for (const auto* patterns : {&options.routes[i].recipients, &options.routes[i].senders}) {
            for (const std::string& pattern : *patterns) {
                const std::string_view name =
                    std::string_view(pattern).substr(pattern.starts_with("*.") ? 2 : 0);
                if (name == "*") continue;
                if (mail::is_address_literal(name)) {
                    const auto literal = mail::parse_address_literal(name);
                    if (literal && *literal == name) continue;
                    problems.push_back(
                        "[[route]] " + std::to_string(i + 1) + " has " + pattern + ", which " +
                        (literal ? "is written " + *literal : std::string("is no address literal")));
                } else if (const auto ascii = mail::to_ascii(name); !ascii) {
                    problems.push_back("[[route]] " + std::to_string(i + 1) + " has " + pattern +
                                       ", which is no domain name: " + ascii.error().what);
                }
            }
        }
    }
    return problems;
}

}  // namespace posthorn::delivery
