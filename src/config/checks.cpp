// Who we are, where we listen and whom we trust: the checks that keep an open relay from starting.
#include "config/checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "config/value.hpp"

namespace posthorn::config {

using smtp::server::ListenerAuth;
using smtp::server::ListenerOptions;
using smtp::server::ListenerTls;

bool is_domain_name(std::string_view name) {
    if (name.size() > 253 || name.find('.') == std::string_view::npos || IpAddress::parse(name).has_value()) {
        return false;
    }
    for (const std::string_view label : text::split(name, '.')) {
        if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-' ||
            !std::all_of(label.begin(), label.end(), [](char c) { return text::is_alnum(c) || c == '-'; })) {
            return false;
        }
    }
    return true;
}

void check_identity(const Config& config, const Places& places, Findings& findings) {
    constexpr std::string_view kAllowed =
        "; allowed: this server's name in DNS, fully qualified, such as \"mail.example.com\"";
    const std::string& name = config.hostname;
    const Place place = places.of("hostname");
    std::string wrong;
    if (name.empty()) {
        wrong = places.given("hostname") ? "hostname is empty" : "hostname is missing";
    } else if (IpAddress::parse(name).has_value()) {
        wrong = "hostname " + quote(name) + " is an IP address, which receivers refuse in EHLO";
    } else if (name.find('.') == std::string::npos) {
        const bool hex = name.size() == 12 && std::all_of(name.begin(), name.end(),
                                                          [](char c) { return text::hex_value(c) >= 0; });
        wrong = "hostname " + quote(name) +
                (hex ? " looks like a container's id" : " is a single label, which nobody can look up");
    } else if (name.ends_with(".localdomain") || name.ends_with(".localhost") || name.ends_with(".local")) {
        wrong = "hostname " + quote(name) + " is a name that only this machine knows";
    } else if (!is_domain_name(name)) {
        wrong = "hostname " + quote(name) + " is not a domain name";
    }
    if (!wrong.empty()) {
        findings.mistake(place, wrong + std::string(kAllowed));
    }

    if (!config.postmaster.empty()) {
        const auto at = config.postmaster.rfind('@');
        if (at == std::string::npos || at == 0 || !is_domain_name(config.postmaster.substr(at + 1))) {
            findings.mistake(places.of("postmaster"),
                             "postmaster is " + quote(config.postmaster) +
                                 "; allowed: an address such as \"postmaster@example.com\", or \"\"");
        }
    } else if (config.auth.domains.empty()) {
        findings.warning(
            places.of("postmaster"),
            "there is neither a postmaster nor a [[domain]]; mail for <postmaster> will be refused");
    }
    constexpr std::size_t kLongest = 107;  // sockaddr_un::sun_path with its NUL
    if (config.admin.socket.size() > kLongest) {
        findings.mistake(places.of("admin.socket"),
                         fmt::format("admin.socket has {} octets; a unix socket's path may have {}",
                                     config.admin.socket.size(), kLongest));
    }
}

namespace {

bool is_loopback(const Endpoint& endpoint) {
    const auto address = IpAddress::parse(endpoint.host);
    return address.has_value() && address->is_loopback();
}

// Whether both would want the same socket. Port 0 is another one each time.
bool collide(const Endpoint& a, const Endpoint& b) {
    if (a.is_unix() || b.is_unix()) {
        return a.unix_path == b.unix_path;
    }
    const bool same_family =
        (a.host.find(':') == std::string::npos) == (b.host.find(':') == std::string::npos);
    const auto any = [](const Endpoint& e) { return e.host == "0.0.0.0" || e.host == "::"; };
    return a.port == b.port && a.port != 0 && (a.host == b.host || (same_family && (any(a) || any(b))));
}

void check_listener(const Config& config, const ListenerOptions& listener, const std::string& path,
                    const Places& places, Findings& findings) {
    const std::string shown = listener.address.to_string();
    const bool local = listener.address.is_unix() || is_loopback(listener.address);
    const bool certificate = !config.server.tls.certificate_file.empty();
    if (listener.tls != ListenerTls::none && !certificate) {
        findings.mistake(
            places.of(path + ".tls"),
            fmt::format(
                "the listener {} offers TLS ({}), but there is no certificate; set tls.certificate_file and "
                "tls.key_file, or tls = \"none\" here",
                shown, listener.tls == ListenerTls::implicit ? "implicit" : "starttls"));
    }
    if (listener.address.is_unix() && listener.tls != ListenerTls::none) {
        findings.mistake(places.of(path + ".tls"),
                         "the listener " + shown + " is a unix socket; allowed there: tls = \"none\"");
    }
    if (listener.auth_without_tls && !local) {
        findings.mistake(places.of(path + ".auth_without_tls"),
                         "the listener " + shown +
                             " would take passwords in clear text over a network; allowed: "
                             "auth_without_tls only for 127.0.0.0/8, [::1] and unix sockets");
    }
    if (listener.auth != ListenerAuth::required) {
        return;
    }
    if (listener.tls == ListenerTls::none && !listener.auth_without_tls) {
        findings.mistake(places.of(path + ".auth"),
                         "the listener " + shown +
                             " requires AUTH, but without TLS no password is taken; set tls = "
                             "\"starttls\" or \"implicit\"" +
                             (local ? ", or auth_without_tls = true" : ""));
    }
    if (config.auth.credentials.users_file.empty()) {
        findings.mistake(places.of(path + ".auth"),
                         "the listener " + shown +
                             " requires AUTH, but there are no users; set auth.users_file and run "
                             "`posthorn user add NAME`");
    }
}

struct WholeRange {
    std::string_view network;  // a probe at each end tells whether all of it is covered
    std::string_view first, last;
};
constexpr std::array<WholeRange, 4> kPrivate{
    {{"10.0.0.0/8", "10.0.0.0", "10.255.255.255"},
     {"172.16.0.0/12", "172.16.0.0", "172.31.255.255"},
     {"192.168.0.0/16", "192.168.0.0", "192.168.255.255"},
     {"fd00::/8", "fd00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}}};

bool covers(const IpNetwork& network, std::string_view first, std::string_view last) {
    return network.contains(IpAddress::parse(first).value()) &&
           network.contains(IpAddress::parse(last).value());
}

// peers.md 209, mailcow#1145: behind Docker's userland proxy and NAT the bridge's gateway is every client's
// address.
void check_trust(const Config& config, const Places& places, Findings& findings) {
    const Place place = places.of("submission.trusted_networks");
    const auto& listeners = config.server.listeners;
    const bool reachable =
        std::any_of(listeners.begin(), listeners.end(), [](const ListenerOptions& listener) {
            return !listener.address.is_unix() && !is_loopback(listener.address);
        });
    for (const IpNetwork& network : config.server.relay.trusted_networks) {
        const std::string shown = "submission.trusted_networks has " + quote(network.to_string());
        const std::string text = network.to_string();
        const auto prefix =
            text::parse_unsigned(std::string_view(text).substr(text.rfind('/') + 1)).value_or(0);
        const bool v4 = text.find(':') == std::string::npos;
        const bool loopback = covers(network, "127.0.0.1", "127.0.0.1") && prefix >= 8;
        if (prefix < (v4 ? 8U : 7U)) {
            findings.mistake(
                place,
                shown +
                    ", which would let everybody send through this server (an open relay); allowed: the "
                    "networks of your own clients, or users who log in");
            continue;
        }
        const auto whole = std::find_if(kPrivate.begin(), kPrivate.end(), [&](const WholeRange& range) {
            return covers(network, range.first, range.last);
        });
        if (reachable && whole != kPrivate.end()) {
            findings.mistake(
                place,
                shown +
                    " while a listener is reachable from outside: behind a container's NAT every client "
                    "of a published port has a private address, so this may be an open relay; allowed: "
                    "single addresses or small networks of your own clients, or users who log in");
            continue;
        }
        const auto address = IpAddress::parse(text.substr(0, text.rfind('/')));
        if (reachable && !loopback && prefix != (v4 ? 32U : 128U) && address.has_value() &&
            address->is_private() && !address->is_loopback()) {
            findings.warning(
                place,
                shown +
                    ": if it is a container network, make sure that its gateway is not what clients from "
                    "outside look like; logging in is safer");
        }
    }
}

}  // namespace

void check_listeners(const Config& config, const Places& places, Findings& findings) {
    const auto& listeners = config.server.listeners;
    if (listeners.empty() && !places.given("listener")) {
        findings.mistake({},
                         "there is no [[listener]], so no mail could come in; add one, such as [[listener]] "
                         "with address = "
                         "\"127.0.0.1:25\"");
    }
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        const std::string path = "listener[" + std::to_string(i) + "]";
        if (listeners[i].address == Endpoint{}) {
            continue;  // already a mistake of its own
        }
        check_listener(config, listeners[i], path, places, findings);
        for (std::size_t k = 0; k < i; ++k) {
            if (collide(listeners[i].address, listeners[k].address)) {
                findings.mistake(places.of(path + ".address"), "the listener " +
                                                                   listeners[i].address.to_string() +
                                                                   " wants the same socket as the listener " +
                                                                   listeners[k].address.to_string() +
                                                                   "; keep one of them or change the port");
                break;
            }
        }
    }
    const auto& tls = config.server.tls;
    if (tls.certificate_file.empty() != tls.key_file.empty()) {
        findings.mistake(places.of(tls.key_file.empty() ? "tls.certificate_file" : "tls.key_file"),
                         tls.key_file.empty()
                             ? "tls.certificate_file is set without tls.key_file; set both or neither"
                             : "tls.key_file is set without tls.certificate_file; set both or neither");
    }
    check_trust(config, places, findings);
}

}  // namespace posthorn::config
