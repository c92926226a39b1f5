// The rules of RFC 5321 s5.1 about MX records, and what to tell the operator where they lead nowhere.
#include "delivery/route.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::EnhancedCode;
using smtp::protocol::Reply;
using smtp::protocol::Stage;

Outcome no_route(Disposition result, Class failure_class, std::uint16_t code, EnhancedCode enhanced, std::string text) {
    return own_outcome(result, failure_class, Scope::site, code, enhanced, std::move(text));
}

}  // namespace

RouteDecision route_of(std::string_view domain, const dns::MxAnswer& answer, std::string_view own_hostname) {
    const std::string name(domain);
    switch (answer.status) {
        case dns::Status::nxdomain:   // SMTP-22: permanent
            return no_route(Disposition::failed, Class::recipient, 550, {5, 1, 2},
                            "The domain " + name + " does not exist in DNS; check the spelling of the address");
        case dns::Status::no_data:
            return no_route(Disposition::failed, Class::recipient, 550, {5, 1, 2},
                            "The domain " + name + " has neither MX nor address records, so it takes no mail");
        case dns::Status::temporary:  // SMTP-22: queue
            return no_route(Disposition::deferred, Class::dns, 451, {4, 4, 3},
                            "DNS gave no answer about mail for " + name + ": " + answer.detail);
        case dns::Status::ok: break;
    }
    if (answer.null_mx)  // RFC 7505 s4.1
        return no_route(Disposition::failed, Class::recipient, 556, {5, 1, 10},
                        "The domain " + name + " says in DNS that it takes no mail (null MX)");

    Route route;
    route.ttl = answer.ttl;
    std::uint32_t worst = 0x10000;
    for (const dns::MxHost& host : answer.hosts)
        if (text::iequals(host.name, own_hostname)) worst = std::min<std::uint32_t>(worst, host.preference);
    for (const dns::MxHost& host : answer.hosts)
        if (host.preference < worst) route.hosts.push_back({host.preference, host.name, false, answer.authenticated});
    if (route.hosts.empty())  // RFC 5321 s5.1: we are the best MX ourselves, and hold no mailboxes
        return no_route(Disposition::failed, Class::permanent, 554, {5, 4, 6},
                        "The MX of " + name + " is " + std::string(own_hostname) +
                            ", which is this machine: mail for it would loop. Point the MX to where its mailboxes are");

    std::vector<std::string_view> names;
    for (const RouteHost& host : route.hosts) names.push_back(host.name);
    std::sort(names.begin(), names.end());
    for (const auto& host : names) {
        if (!route.site_key.empty()) route.site_key += ',';
        route.site_key += host;
    }
    return route;
}

RouteDecision route_of_literal(std::string_view literal) {
    std::string_view inside = literal;
    if (inside.starts_with('[') && inside.ends_with(']')) inside = inside.substr(1, inside.size() - 2);
    if (inside.size() > 5 && text::iequals(inside.substr(0, 5), "IPv6:")) inside.remove_prefix(5);
    const auto address = IpAddress::parse(inside);
    if (!address)
        return no_route(Disposition::failed, Class::recipient, 550, {5, 1, 2},
                        "The address literal " + std::string(literal) + " is not an IP address");
    Route route;
    route.hosts.push_back({0, address->to_string(), true, true});
    route.site_key = address->to_string();
    route.ttl = std::chrono::hours(1);
    return route;
}

std::vector<RouteHost> attempt_order(std::vector<RouteHost> hosts, std::minstd_rand& random) {
    std::shuffle(hosts.begin(), hosts.end(), random);
    std::stable_sort(hosts.begin(), hosts.end(),
                     [](const RouteHost& a, const RouteHost& b) { return a.preference < b.preference; });
    return hosts;
}

AddressChoice usable_addresses(const dns::AddressAnswer& answer, const DeliveryOptions& options) {
    AddressChoice choice;
    const auto take = [&](const std::vector<IpAddress>& addresses) {
        for (const IpAddress& address : addresses) {
            if (address.is_private() && !options.allow_private_addresses) {
                choice.refused = address.to_string() +
                                 " is not an address of the public Internet (delivery.allow_private_addresses is off)";
                continue;
            }
            choice.addresses.push_back(address);
        }
    };
    if (options.family != IpFamily::v6) take(answer.v4);
    if (options.family != IpFamily::v4) take(answer.v6);
    return choice;
}

}  // namespace posthorn::delivery
