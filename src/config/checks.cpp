// Who we are, where we listen and whom we trust: the checks that keep an open relay from starting.
#include "config/checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "toml/value.hpp"

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

std::string fault_of_hostname(std::string_view name) {
    if (IpAddress::parse(name).has_value()) return " is an IP address, which receivers refuse in EHLO";
    if (name.find('.') == std::string_view::npos) {
        const bool hex = name.size() == 12 && std::all_of(name.begin(), name.end(), [](char c) { return text::hex_value(c) >= 0; });
        return hex ? " looks like a container's id" : " is a single label, which nobody can look up";
    }
    if (name.ends_with(".localdomain") || name.ends_with(".localhost") || name.ends_with(".local"))
        return " is a name that only this machine knows";
    return is_domain_name(name) ? "" : " is not a domain name";
}

void check_identity(const Config& config, const Places& places, Findings& findings) {
    constexpr std::string_view kAllowed =
        "; allowed: this server's name in DNS, fully qualified, such as \"mail.example.com\"";
    const Place place = places.of("hostname");
    if (config.hostname.empty()) {
        findings.mistake(place, (places.given("hostname") ? "hostname is empty" : "hostname is missing") + std::string(kAllowed));
    } else if (const std::string fault = fault_of_hostname(config.hostname); !fault.empty()) {
        findings.mistake(place, "hostname " + quote(config.hostname) + fault + std::string(kAllowed));
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
    const auto check_path = [&](const char* key, const std::string& path) {
        constexpr std::size_t kLongest = 107;  // sockaddr_un::sun_path with its NUL
        if (path.size() > kLongest) {
            findings.mistake(places.of(key), fmt::format("{} has {} octets; a unix socket's path may have {}", key,
                                                         path.size(), kLongest));
        }
    };
    check_path("admin.socket", config.admin.socket);
    check_path("auth.dovecot_socket", config.auth.credentials.dovecot_socket);
    // One source: a user of both could be locked in one and log in by the other.
    if (!config.auth.credentials.dovecot_socket.empty() && !config.auth.credentials.users_file.empty()) {
        findings.mistake(places.of("auth.dovecot_socket"),
                         "dovecot_socket and users_file are both set; allowed: one of them, since a user locked "
                         "in one could log in by the other");
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
    const bool certificate = config.server.tls.offered();
    if (listener.tls != ListenerTls::none && !certificate) {
        findings.mistake(
            places.of(path + ".tls"),
            fmt::format(
                "the listener {} offers TLS ({}), but there is no certificate; set tls.certificate_file and "
                "tls.key_file (or for tests tls.self_signed), or tls = \"none\" here",
                shown, listener.tls == ListenerTls::implicit ? "implicit" : "starttls"));
    }
    if (listener.address.is_unix() && listener.tls != ListenerTls::none) {
        findings.mistake(places.of(path + ".tls"),
                         "the listener " + shown + " is a unix socket; allowed there: tls = \"none\"");
    }
    // RFC 8314 s3.3, s7.3: a client that speaks TLS at once, and one that waits for a greeting, hang before the other kind.
    const bool implicit = listener.tls == ListenerTls::implicit;
    if (!listener.address.is_unix() && listener.tls != ListenerTls::none &&
        (implicit ? listener.address.port == kSubmissionPort : listener.address.port == kSubmissionsPort)) {
        findings.warning(places.of(path + ".tls"),
                         fmt::format("the listener {} has tls = \"{}\", but programs expect {} on port {}, and hang; set tls = "
                                     "\"{}\"",
                                     shown, implicit ? "implicit" : "starttls",
                                     implicit ? "STARTTLS" : "TLS from the first octet", listener.address.port,
                                     implicit ? "starttls" : "implicit"));
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
    if (config.auth.credentials.users_file.empty() && config.auth.credentials.dovecot_socket.empty()) {
        findings.mistake(places.of(path + ".auth"),
                         "the listener " + shown +
                             " requires AUTH, but there are no users; set auth.users_file and run "
                             "`posthorn user add NAME`, or auth.dovecot_socket");
    }
}

}  // namespace

void check_listeners(const Config& config, const Places& places, Findings& findings) {
    const auto& listeners = config.server.listeners;
    // A server whose own programs are all that sends needs none.
    const auto& sites = config.intake.sites;
    const bool has_socket = !config.server.local.socket.empty() ||
                            std::any_of(sites.begin(), sites.end(), [](const auto& site) { return !site.socket.empty(); });
    if (listeners.empty() && !places.given("listener") && !has_socket) {
        findings.mistake({},
                         "there is no [[listener]] and no local.socket, so no mail could come in; add one, such as [[listener]] "
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
    if (tls.self_signed && (!tls.certificate_file.empty() || !tls.certificates.empty())) {
        findings.mistake(
            places.of("tls.self_signed"),
            "tls.self_signed is true although certificate files are named; name them or have one "
            "made, not both");
    }
    for (std::size_t i = 0; i < tls.certificates.size(); ++i) {
        const auto& pair = tls.certificates[i];
        const bool again =
            pair.certificate_file == tls.certificate_file ||
            std::any_of(
                tls.certificates.begin(), tls.certificates.begin() + static_cast<std::ptrdiff_t>(i),
                [&](const auto& earlier) { return earlier.certificate_file == pair.certificate_file; });
        if (again && !pair.certificate_file.empty()) {
            findings.mistake(places.of("certificate[" + std::to_string(i) + "].certificate_file"),
                             "this certificate_file is named before; write one [[certificate]] for each, and "
                             "none for that of [tls]");
        }
    }
    check_trust(config, places, findings);
}

}  // namespace posthorn::config
