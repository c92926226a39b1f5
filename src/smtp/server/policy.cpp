// The relay decision.
#include "smtp/server/policy.hpp"

#include <algorithm>

namespace posthorn::smtp::server {

std::array<std::uint8_t, 16> Client::counted_as() const {
    std::array<std::uint8_t, 16> octets = address->octets();
    if (!address->is_v4()) std::fill(octets.begin() + 8, octets.end(), std::uint8_t{0});
    return octets;
}

std::array<std::uint8_t, 16> Client::owner() const {
    if (address) return counted_as();
    std::array<std::uint8_t, 16> octets{};
    octets[0] = 0xff;   // a multicast address is nobody's
    for (std::size_t i = 0; i < 4; ++i) octets[i + 1] = static_cast<std::uint8_t>(uid >> (8 * i));
    return octets;
}

std::uint32_t places_for(const Client& client, const ServerLimits& limits) {
    return client.local() ? limits.max_connections : limits.max_connections - limits.max_connections / 10;
}

namespace {

bool within(const std::vector<IpNetwork>& networks, const IpAddress& address) {
    return std::any_of(networks.begin(), networks.end(),
                       [&](const IpNetwork& network) { return network.contains(address); });
}

bool is_gateway(const IpAddress& address, const RelayOptions& relay) {
    return std::find(relay.gateways.begin(), relay.gateways.end(), address) != relay.gateways.end();
}

}  // namespace

bool is_proxy(const IpAddress& peer, const std::vector<IpNetwork>& proxies, const RelayOptions& relay) {
    return within(proxies, peer) && !is_gateway(peer, relay);
}

bool trusted(const Client& client, const RelayOptions& relay) {
    if (client.veiled) return false;
    if (client.unix_socket) return relay.trust_unix_socket;
    // DO-1: a gateway stands for whoever comes through it.
    return client.address && within(relay.trusted_networks, *client.address) && !is_gateway(*client.address, relay);
}

bool may_xclient(const Client& client, const RelayOptions& relay) {
    return client.address && !client.veiled && is_proxy(*client.address, relay.xclient_networks, relay);
}

Client client_of(const protocol::XclientCommand& command, const Client& proxy) {
    if (!command.has_address) return proxy;
    Client client;
    client.address = command.address ? command.address : proxy.address;
    client.veiled = !command.address;
    client.text = client.address->to_string();
    return client;
}

std::vector<IpAddress> untrusted_gateways(const std::vector<IpAddress>& default_gateways, const RelayOptions& relay) {
    std::vector<IpAddress> gateways;
    if (relay.trust_default_gateway) return gateways;
    for (const IpAddress& gateway : default_gateways) {
        if (gateway.is_private() && !gateway.is_loopback()) gateways.push_back(gateway);
    }
    return gateways;
}

std::optional<Denial> may_send(const Client& client, const RelayOptions& relay, ListenerAuth auth,
                               bool authenticated) {
    if (authenticated) return std::nullopt;
    const bool known = trusted(client, relay);
    if (auth == ListenerAuth::required || (auth == ListenerAuth::optional && !known)) {
        return Denial{530, "5.7.0", "Authentication required"};  // RFC 4954 s6, RFC 6409 s4.3
    }
    if (!known) return Denial{550, "5.7.1", "Relaying denied: this address is not a trusted network"};
    return std::nullopt;
}

std::optional<Denial> may_receive(std::string_view domain, bool postmaster_configured) {
    if (domain.empty()) {  // <postmaster>, RFC 5321 s4.5.1
        if (postmaster_configured) return std::nullopt;
        return Denial{550, "5.1.1", "No postmaster address is configured here"};
    }
    // RFC 6409 s4.2: only fully qualified domains; one label is a typing error or a container's name.
    if (domain.front() != '[' && domain.find('.') == std::string_view::npos) {
        return Denial{554, "5.1.2", "The recipient's domain is not fully qualified"};
    }
    return std::nullopt;
}

}  // namespace posthorn::smtp::server
