// The rules of RFC 5321 s5.1 about MX records, and what to tell the operator where they lead nowhere.
#include "delivery/route.hpp"

#include <algorithm>

#include "auth/crypto.hpp"
#include "base/base64.hpp"
#include "base/text.hpp"
#include "mail/domain.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::EnhancedCode;
using smtp::protocol::Reply;
using smtp::protocol::Stage;

Outcome no_route(Disposition result, Class failure_class, std::uint16_t code, EnhancedCode enhanced, std::string text) {
    return own_outcome(result, failure_class, Scope::site, code, enhanced, std::move(text));
}

// Why a name from an MX record cannot be asked for its addresses, or null. DNS names may hold any octets; they come here
// with all that is odd written \ddd, so that the text is safe to show.
const char* fault_of(const std::string& host) {
    // "192.0.2.1." is a name in DNS, but never one that exists (RFC 5321 s5.1: "MUST be a domain name").
    if (IpAddress::parse(host)) return "is an IP address where a host name belongs";
    return mail::to_ascii(host) ? nullptr : "is not a host name";
}

// Long keys (many hosts) keep their head and get a sum of the whole.
constexpr std::size_t kLongestKey = 400;

std::string site_key_of(const std::vector<RouteHost>& hosts) {
    std::vector<std::string_view> names;
    for (const RouteHost& host : hosts) names.push_back(host.name);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    std::string key;
    for (const std::string_view name : names) {
        if (!key.empty()) key += ',';
        key += name;
    }
    if (key.size() <= kLongestKey) return key;
    // Sites share open connections: nobody may be able to make up a set that passes for another one.
    const std::string sum = hex_encode(auth::sha256_of(key));
    key.resize(kLongestKey);
    return key + ",..." + sum;
}

}  // namespace

std::variant<std::string, Outcome> name_to_ask(std::string_view domain) {
    Result<std::string> ascii = mail::to_ascii(domain);
    if (ascii) return std::move(*ascii);
    return no_route(Disposition::failed, Class::rcpt_perm, 550, {5, 1, 2},
                    "The recipient's domain cannot be looked up: " + ascii.error().what + "; check the spelling of the address");
}

RouteDecision route_of(std::string_view domain, const dns::MxAnswer& answer, std::string_view own_hostname) {
    const std::string name(domain);
    switch (answer.status) {
        case dns::Status::nxdomain:   // SMTP-22: permanent
            return no_route(Disposition::failed, Class::rcpt_perm, 550, {5, 1, 2},
                            "The domain " + name + " does not exist in DNS; check the spelling of the address");
        case dns::Status::no_data:
            return no_route(Disposition::failed, Class::rcpt_perm, 550, {5, 1, 2},
                            "The domain " + name + " has neither MX nor address records, so it takes no mail");
        case dns::Status::temporary: {  // SMTP-22: queue
            Outcome outcome = no_route(Disposition::deferred, Class::dns, 451, {4, 4, 3},
                                       "DNS gave no answer about mail for " + name + ": " + answer.detail);
            outcome.shortage = answer.local_shortage;
            return outcome;
        }
        case dns::Status::ok: break;
    }
    if (answer.null_mx)  // RFC 7505 s4.1
        return no_route(Disposition::failed, Class::rcpt_perm, 556, {5, 1, 10},
                        "The domain " + name + " says in DNS that it takes no mail (null MX)");

    Route route;
    route.ttl = answer.ttl;
    std::uint32_t worst = 0x10000;
    for (const dns::MxHost& host : answer.hosts)
        if (text::iequals(host.name, own_hostname)) worst = std::min<std::uint32_t>(worst, host.preference);
    for (const dns::MxHost& host : answer.hosts) {
        if (host.preference >= worst) continue;
        if (const char* fault = fault_of(host.name)) {
            if (route.left_out.size() < 500) route.left_out += (route.left_out.empty() ? "'" : "; '") + host.name + "' " + fault;
            continue;
        }
        route.hosts.push_back({host.preference, host.name, false, answer.authenticated});
    }
    if (route.hosts.empty() && !route.left_out.empty())
        return no_route(Disposition::failed, Class::permanent, 550, {5, 4, 4},
                        "None of the MX records of " + name + " can be used: " + route.left_out);
    if (route.hosts.empty())  // RFC 5321 s5.1: we are the best MX ourselves, and hold no mailboxes
        return no_route(Disposition::failed, Class::permanent, 554, {5, 4, 6},
                        "The MX of " + name + " is " + std::string(own_hostname) +
                            ", which is this machine: mail for it would loop. Point the MX to where its mailboxes are");
    route.site_key = site_key_of(route.hosts);
    return route;
}

RouteDecision route_of_literal(std::string_view literal) {
    std::string_view inside = literal;
    if (inside.starts_with('[') && inside.ends_with(']')) inside = inside.substr(1, inside.size() - 2);
    if (inside.size() > 5 && text::iequals(inside.substr(0, 5), "IPv6:")) inside.remove_prefix(5);
    const auto address = IpAddress::parse(inside);
    if (!address)
        return no_route(Disposition::failed, Class::rcpt_perm, 550, {5, 1, 2},
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

AddressChoice usable_addresses(const dns::AddressAnswer& answer, const DeliveryOptions& options, const OwnAddresses* own,
                               std::uint16_t port) {
    AddressChoice choice;
    if (own != nullptr) {
        for (const IpAddress& address : answer.all())
            choice.leads_back = choice.leads_back || own->lead_back(address, port);
    }
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

Outcome leads_back(std::string_view domain, const RouteHost& host) {
    Outcome outcome = own_outcome(Disposition::failed, Class::permanent, Scope::host, 554, {5, 4, 6},
                                  "The mail host " + host.name + " of " + std::string(domain) +
                                      " is this machine: mail for it would loop. Point the MX to where its mailboxes are");
    outcome.host = host.name;
    return outcome;
}

}  // namespace posthorn::delivery
