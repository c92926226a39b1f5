// Reads the routing table, and says which of our trust it takes away.
#include "app/gateways.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/routing_table.hpp"
#include "smtp/server/policy.hpp"

namespace posthorn::app {
namespace {

std::string content_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (file) text << file.rdbuf();
    return text.str();
}

bool has(const std::vector<IpNetwork>& networks, const IpAddress& address) {
    return std::any_of(networks.begin(), networks.end(),
                       [&](const IpNetwork& network) { return network.contains(address); });
}

}  // namespace

void distrust_gateways(config::Config& config, std::vector<std::string>& warnings, const RouteFiles& files) {
    std::vector<IpAddress> gateways = default_gateways_v4(content_of(files.v4));
    for (const IpAddress& gateway : default_gateways_v6(content_of(files.v6))) gateways.push_back(gateway);
    smtp::server::RelayOptions& relay = config.server.relay;
    relay.gateways = smtp::server::untrusted_gateways(gateways, relay);
    for (const IpAddress& gateway : relay.gateways) {
        const std::string address = gateway.to_string();
        if (has(relay.trusted_networks, gateway)) {
            warnings.push_back(
                "submission.trusted_networks has " + address +
                ", which is this machine's default gateway and is not trusted: behind a container's NAT every client of a "
                "published port can have its address. Clients that come through it must log in; where it really is a client "
                "of yours, and no port is published, set submission.trust_default_gateway = true");
        }
        for (const smtp::server::ListenerOptions& listener : config.server.listeners) {
            if (!has(listener.proxy_networks, gateway)) continue;
            warnings.push_back("the listener " + listener.address.to_string() + " has " + address +
                               " in proxy_networks, which is this machine's default gateway and is not believed: everybody "
                               "may come through it. Name the proxy's own address, or set submission.trust_default_gateway "
                               "= true where nothing but the proxy can reach this port");
        }
    }
}

}  // namespace posthorn::app
