// A plan with its hosts, and relays in trouble, as JSON.
#include "app/route_view.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "admin/queue_json.hpp"
#include "delivery/mta_sts.hpp"
#include "delivery/relays.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

json::object source_json(const delivery::SourceAddresses& source) {
    json::object out;
    out["v4"] = source.v4 ? source.v4->to_string() : "";
    out["v6"] = source.v6 ? source.v6->to_string() : "";
    out["ipv6_used"] = source.allow_v6;
    out["why"] = admin::printable(source.why);
    return out;
}

json::object host_json(const delivery::ExplainedHost& host) {
    json::object out;
    out["preference"] = host.preference;
    out["name"] = admin::printable(host.name);
    out["port"] = host.port;
    json::array addresses;
    for (const delivery::ExplainedAddress& address : host.addresses) {
        json::object one;
        one["address"] = address.address.to_string();
        one["health"] = admin::printable(address.health);
        addresses.push_back(std::move(one));
    }
    out["addresses"] = std::move(addresses);
    out["security"] = host.security;
    out["why"] = admin::printable(host.why);
    out["refuses"] = host.refuses;
    return out;
}

json::object trouble_json(const delivery::RelayTroubles::Trouble& trouble) {
    json::object out;
    out["relay"] = admin::printable(trouble.relay);
    out["fault"] = std::string(delivery::to_string(trouble.fault));
    out["reply"] = admin::printable(trouble.words);
    return out;
}

}  // namespace

json::object route_json(const std::string& domain, const std::string& sender_domain,
                        const delivery::Explained& explained) {
    json::object out;
    out["domain"] = admin::printable(domain);
    out["sender_domain"] = admin::printable(sender_domain);
    if (const auto* outcome = std::get_if<delivery::Outcome>(&explained.decision)) {
        out["outcome"] = std::string(delivery::to_string(outcome->result));
        out["class"] = std::string(delivery::to_string(outcome->failure_class));
        out["reply"] = admin::printable(outcome->reply.joined());
        return out;
    }
    const auto& plan = std::get<delivery::DeliveryPlan>(explained.decision);
    out["way"] = plan.relay ? "relay" : "direct";
    out["relay"] = plan.relay ? plan.relay->name : "";
    out["login"] = plan.relay && plan.relay->wants_login() ? admin::printable(plan.relay->login.user) : "";
    out["fallback"] = plan.fallback && !plan.relay ? plan.fallback->name : "";
    out["provider"] = plan.provider;
    out["dnssec"] = plan.mx_secure;
    out["mta_sts"] = plan.sts ? std::string(delivery::to_string(plan.sts->mode)) : "";
    out["source"] = source_json(plan.source);
    json::array hosts, why, troubles;
    for (const delivery::ExplainedHost& host : explained.hosts) hosts.push_back(host_json(host));
    for (const std::string& sentence : plan.why) why.emplace_back(admin::printable(sentence));
    if (!explained.doubt.empty()) why.emplace_back(admin::printable(explained.doubt));
    for (const auto& trouble : explained.troubles) troubles.push_back(trouble_json(trouble));
    out["hosts"] = std::move(hosts);
    out["why"] = std::move(why);
    out["troubles"] = std::move(troubles);
    return out;
}

std::string troubles_json(const std::vector<delivery::RelayTroubles::Trouble>& troubles) {
    json::array all;
    for (const auto& trouble : troubles) all.push_back(trouble_json(trouble));
    return json::serialize(all);
}

}  // namespace posthorn::app
