// Whom we trust by address: the checks that keep an open relay from starting (DO-1, DO-2).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "config/checks.hpp"
#include "toml/value.hpp"

namespace posthorn::config {
namespace {

using smtp::server::ListenerAuth;
using smtp::server::ListenerOptions;

struct WholeRange {
    std::string_view first, last;
};
constexpr std::array<WholeRange, 5> kPrivate{{{"10.0.0.0", "10.255.255.255"},
                                              {"172.16.0.0", "172.31.255.255"},
                                              {"192.168.0.0", "192.168.255.255"},
                                              {"100.64.0.0", "100.127.255.255"},  // carriers' NAT, RFC 6598
                                              {"fd00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}}};

// A network in numbers.
struct Size {
    bool v4 = true;
    unsigned prefix = 0;
    std::string base;

    explicit Size(const IpNetwork& network) {
        const std::string text = network.to_string();
        base = text.substr(0, text.rfind('/'));
        v4 = text.find(':') == std::string::npos;
        prefix = static_cast<unsigned>(text::parse_unsigned(std::string_view(text).substr(base.size() + 1)).value_or(0));
    }
    [[nodiscard]] bool wider_than(unsigned of_v4, unsigned of_v6) const { return prefix < (v4 ? of_v4 : of_v6); }
};

// NAT64 (RFC 6052): every IPv4 client behind such a gateway.
constexpr WholeRange kNat64{"64:ff9b::", "64:ff9b::ffff:ffff"};

bool covers(const IpNetwork& network, const WholeRange& range) {
    return network.contains(IpAddress::parse(range.first).value()) && network.contains(IpAddress::parse(range.last).value());
}

// Whether a client from elsewhere can come to it, and may send there without logging in when it is trusted.
bool trusts_from_outside(const ListenerOptions& listener) {
    if (listener.auth == ListenerAuth::required || listener.address.is_unix()) return false;
    const auto address = IpAddress::parse(listener.address.host);
    const bool loopback = address.has_value() && address->is_loopback();
    return !loopback || !listener.proxy_networks.empty();
}

// Why so wide a network must not be trusted; empty: it may.
std::string_view too_wide(const IpNetwork& network, bool reachable) {
    const Size size(network);
    if (size.wider_than(8, 7) || covers(network, kNat64)) {
        return ", which would let everybody send through this server (an open relay); allowed: the networks of your own "
               "clients, or users who log in";
    }
    const auto loopback = IpAddress::parse(size.base);
    if (!reachable || (loopback.has_value() && loopback->is_loopback())) return {};
    // peers.md 209, mailcow#1145: behind Docker's userland proxy and NAT the bridge's gateway is every client's address.
    if (std::any_of(kPrivate.begin(), kPrivate.end(), [&](const WholeRange& range) { return covers(network, range); })) {
        return " while a listener is reachable from outside: behind a container's NAT every client of a published port "
               "has a private address, so this may be an open relay; allowed: single addresses or small networks of your "
               "own clients, or users who log in";
    }
    if (size.wider_than(16, 32)) {
        return " while a listener is reachable from outside: more addresses than anybody's own clients have; allowed: "
               "networks no wider than /16, over IPv6 /32, or users who log in";
    }
    return {};
}

void check_proxies(const ListenerOptions& listener, const std::string& path, const Places& places, Findings& findings) {
    const Place place = places.of(path + ".proxy_networks");
    const std::string shown = "the listener " + listener.address.to_string();
    if (listener.proxy_networks.empty()) return;
    if (listener.address.is_unix()) {
        findings.mistake(place, shown + " is a unix socket, whose clients have no address to know a proxy by; allowed: "
                                        "proxy_networks for listeners with an address");
        return;
    }
    for (const IpNetwork& network : listener.proxy_networks) {
        if (!Size(network).wider_than(16, 48)) continue;
        findings.mistake(place, shown + " takes " + quote(network.to_string()) +
                                    " for proxies, so that everybody there can pass for any client; allowed: the "
                                    "addresses of your proxies, in networks no wider than /16, over IPv6 /48");
        return;
    }
}

}  // namespace

void check_trust(const Config& config, const Places& places, Findings& findings) {
    const auto& listeners = config.server.listeners;
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        check_proxies(listeners[i], "listener[" + std::to_string(i) + "]", places, findings);
    }
    for (const IpNetwork& network : config.server.relay.xclient_networks) {
        if (!Size(network).wider_than(24, 64)) continue;
        findings.mistake(places.of("submission.xclient_networks"),
                         "submission.xclient_networks has " + quote(network.to_string()) +
                             ", so that everybody there can send as any user without a password; allowed: the addresses "
                             "of your proxies, in networks no wider than /24, over IPv6 /64");
        break;
    }
    const bool reachable = std::any_of(listeners.begin(), listeners.end(), trusts_from_outside);
    const Place place = places.of("submission.trusted_networks");
    for (const IpNetwork& network : config.server.relay.trusted_networks) {
        const std::string shown = "submission.trusted_networks has " + quote(network.to_string());
        if (const std::string_view why = too_wide(network, reachable); !why.empty()) {
            if (config.server.relay.accept_open_relay_risk) {
                findings.warning(place, shown + std::string(why) + " (submission.accept_open_relay_risk is true)");
            } else {
                findings.mistake(place, shown + std::string(why));
            }
            continue;
        }
        const Size size(network);
        const auto base = IpAddress::parse(size.base);
        const bool single = size.prefix == (size.v4 ? 32U : 128U);
        if (reachable && !single && base.has_value() && base->is_private() && !base->is_loopback()) {
            findings.warning(place, shown +
                                        ": if it is a container network, make sure that its gateway is not what clients "
                                        "from outside look like; logging in is safer");
        }
    }
    const auto& guard = config.server.guard;
    if (guard.ban_max < guard.ban_first) {
        findings.mistake(places.of(places.given("submission.guard.ban_max") ? "submission.guard.ban_max"
                                                                            : "submission.guard.ban_first"),
                         "submission.guard.ban_max is shorter than submission.guard.ban_first; allowed: the same or longer");
    }
    if (guard.delay_max < guard.delay_first) {
        findings.mistake(places.of(places.given("submission.guard.delay_max") ? "submission.guard.delay_max"
                                                                              : "submission.guard.delay_first"),
                         "submission.guard.delay_max is shorter than submission.guard.delay_first; allowed: the same or "
                         "longer");
    }
}

}  // namespace posthorn::config
