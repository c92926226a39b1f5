// Who may send what through us: the decisions at MAIL and RCPT, without I/O.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.hpp"
#include "smtp/protocol/xclient.hpp"
#include "smtp/server/options.hpp"

namespace posthorn::smtp::server {

// Where a client comes from.
struct Client {
    bool unix_socket = false;
    std::optional<IpAddress> address;            // set unless unix_socket
    std::string text;                            // for logs and Received: "192.0.2.1", "2001:db8::1", "unix"
    std::uint32_t uid = 0;                       // of the process at a unix socket
    // It came through a proxy that did not say who it is; the address is the proxy's. Never trusted, never local.
    bool veiled = false;

    // Not counted against the limit per client: whole machines submit through it.
    [[nodiscard]] bool local() const { return !veiled && (unix_socket || (address && address->is_loopback())); }
    // What that limit counts: the address, over IPv6 its /64, for one host there has 2^64 to come from. REQUIRES: address.
    [[nodiscard]] std::array<std::uint8_t, 16> counted_as() const;
    // Whose connection it is when every place is taken: the user's of this machine, else as it is counted.
    [[nodiscard]] std::array<std::uint8_t, 16> owner() const;
};

// How many sessions there may be in all for this client to get one. The last tenth is kept for this machine: a crowd of
// strangers must not keep its own programs from sending.
[[nodiscard]] std::uint32_t places_for(const Client& client, const ServerLimits& limits);

// A refusal, ready to be said. Texts are of static storage.
struct Denial {
    std::uint16_t code = 0;
    std::string_view enhanced;
    std::string_view text;
};

// Is this peer one of those that say who their client is (ListenerOptions::proxy_networks)? Never a gateway: behind it is
// everybody.
[[nodiscard]] bool is_proxy(const IpAddress& peer, const std::vector<IpNetwork>& proxies, const RelayOptions& relay);

// May this client send without AUTH? By the unix socket or a trusted network, never because its address is merely private:
// behind docker's NAT the whole Internet has a private address.
[[nodiscard]] bool trusted(const Client& client, const RelayOptions& relay);

// May this client speak for another by XCLIENT? By its address only, and no gateway's.
[[nodiscard]] bool may_xclient(const Client& client, const RelayOptions& relay);
// Who speaks from now on. Without ADDR it is still the proxy; a client without an address is nobody we know.
[[nodiscard]] Client client_of(const protocol::XclientCommand& command, const Client& proxy);

// Which of this machine's default gateways are never trusted (DO-1, DO-2): those of private networks, unless
// relay.trust_default_gateway says otherwise. What they are is for RelayOptions::gateways.
[[nodiscard]] std::vector<IpAddress> untrusted_gateways(const std::vector<IpAddress>& default_gateways,
                                                        const RelayOptions& relay);

// At MAIL. Nothing: go on.
[[nodiscard]] std::optional<Denial> may_send(const Client& client, const RelayOptions& relay, ListenerAuth auth,
                                             bool authenticated);

// At RCPT, for a client that may send. `domain` is the recipient's destination, empty for <postmaster>.
[[nodiscard]] std::optional<Denial> may_receive(std::string_view domain, bool postmaster_configured);

}  // namespace posthorn::smtp::server
