// Relays, rules and providers: the checks that keep mail from going a way nobody meant, and passwords from
// going in the clear.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "config/checks.hpp"
#include "config/schema.hpp"
#include "config/known_providers.hpp"
#include "toml/value.hpp"

namespace posthorn::config {
namespace {

using delivery::ProviderOptions;
using delivery::RelayHost;
using delivery::RelayOptions;
using delivery::RelayTls;
using delivery::RouteOptions;

constexpr std::array<std::string_view, 4> kMechanisms = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN",
                                                         "LOGIN"};

std::string at(const char* kind, std::size_t index) {
    return fmt::format("{}[{}]", kind, index);
}

bool is_plain_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
        return text::is_alnum(c) || c == '.' || c == '-' || c == '_';
    });
}

template <class Owner>
bool named_before(const std::vector<Owner>& owners, std::size_t index) {
    return !owners[index].name.empty() &&
           std::any_of(owners.begin(), owners.begin() + static_cast<std::ptrdiff_t>(index),
                       [&](const Owner& earlier) { return earlier.name == owners[index].name; });
}

// Names beyond ASCII are looked at when they are turned into A-labels, which is not this layer's to do.
bool may_be_domain(std::string_view name) {
    if (!text::is_ascii(name))
        return text::is_utf8(name) && !text::has_control(name) &&
               name.find_first_of(" @*[]") == std::string_view::npos;
    return is_domain_name(name);
}

bool is_loopback(const RelayHost& host) {
    const auto address = IpAddress::parse(host.name);
    return address ? address->is_loopback() : host.name == "localhost";
}

void check_login(const RelayOptions& relay, const std::string& path, const Places& places,
                 Findings& findings) {
    const bool secret = !relay.password.empty() || !relay.password_file.empty();
    if (relay.user.empty() && secret) {
        findings.mistake(
            places.of(path + (relay.password.empty() ? ".password_file" : ".password")),
            fmt::format("the relay {} has a password, but no user; set user as well", quote(relay.name)));
    }
    if (!relay.user.empty() && !secret && !places.given(path + ".password")) {
        findings.mistake(
            places.of(path + ".user"),
            fmt::format(
                "the relay {} has a user, but no password; set password_file to a file that holds it, or "
                "the environment variable {}",
                quote(relay.name), relay_password_variable(relay.name)));
    }
    if (!relay.password.empty() && !relay.password_file.empty()) {
        findings.mistake(places.of(path + ".password_file"),
                         "password and password_file are both set; allowed: one of them");
    }
    for (const std::string& mechanism : relay.mechanisms) {
        if (std::find(kMechanisms.begin(), kMechanisms.end(), mechanism) != kMechanisms.end()) continue;
        findings.mistake(
            places.of(path + ".mechanisms"),
            fmt::format(
                "relay.mechanisms has {}; allowed: SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN and LOGIN{}",
                quote(mechanism),
                mechanism == "CRAM-MD5" ? "; for CRAM-MD5 a server keeps passwords as they are, and it is "
                                          "not spoken here"
                                        : ""));
    }
    const bool secure =
        relay.tls == RelayTls::by_port || relay.tls == RelayTls::verified || relay.tls == RelayTls::implicit;
    if (relay.user.empty() || secure || std::all_of(relay.hosts.begin(), relay.hosts.end(), is_loopback))
        return;
    if (relay.tls == RelayTls::none) {
        findings.mistake(
            places.of(path + ".tls"),
            fmt::format(
                "the relay {} would be sent the password over the network without TLS; allowed with a user: "
                "tls = \"verified\" or \"implicit\"",
                quote(relay.name)));
    } else {
        findings.warning(
            places.of(path + ".tls"),
            fmt::format(
                "the relay {} does not have to prove who it is, so the password is not said to it, and only "
                "SCRAM can log in; better: tls = \"verified\", with delivery.tls_ca_file where its "
                "certificate is of your own authority",
                quote(relay.name)));
    }
}

std::string_view text_of(RelayTls tls) {
    switch (tls) {
        case RelayTls::by_port:
            return "auto";
        case RelayTls::none:
            return "none";
        case RelayTls::opportunistic:
            return "opportunistic";
        case RelayTls::required:
            return "required";
        case RelayTls::verified:
            return "verified";
        case RelayTls::implicit:
            return "implicit";
    }
    return "auto";
}

// RFC 8314 s3.3: who begins with TLS, and a server that greets first, wait for each other until the time is
// over.
void check_port(const RelayOptions& relay, const std::string& path, const Places& places,
                Findings& findings) {
    const bool implicit = relay.tls == RelayTls::implicit;
    if (relay.tls == RelayTls::by_port) return;  // which goes by the port
    for (const RelayHost& host : relay.hosts) {
        if (host.port != (implicit ? kSubmissionPort : kSubmissionsPort)) continue;
        findings.warning(
            places.of(path + ".tls"),
            fmt::format(
                "the relay {} has tls = \"{}\", but servers expect {} on port {}, and nothing gets through; "
                "set tls = \"{}\"",
                quote(relay.name), text_of(relay.tls), implicit ? "STARTTLS" : "TLS from the first octet",
                host.port, implicit ? "verified" : "implicit"));
        return;
    }
}

void check_relays(const Config& config, const Places& places, Findings& findings) {
    const auto& relays = config.delivery.relays;
    for (std::size_t i = 0; i < relays.size(); ++i) {
        const RelayOptions& relay = relays[i];
        const std::string path = at("relay", i);
        if (places.given(path + ".name") && (!is_plain_name(relay.name) || relay.name == delivery::kDirect)) {
            findings.mistake(places.of(path + ".name"),
                             fmt::format("relay.name is {}; allowed: 1 to 64 letters, digits, '.', '-' and "
                                         "'_', but not \"direct\"",
                                         quote(relay.name)));
        }
        if (named_before(relays, i)) {
            findings.mistake(
                places.of(path + ".name"),
                fmt::format(
                    "the relay {} is given twice; a relay with several hosts has a list of them in host",
                    quote(relay.name)));
        }
        for (const RelayHost& host : relay.hosts) {
            if (host.literal ? relay.mx : !may_be_domain(host.name) && host.name != "localhost") {
                findings.mistake(
                    places.of(path + ".host"),
                    fmt::format("relay.host is {}; allowed{}: a name such as \"smtp.example.net\"",
                                quote(host.name), relay.mx ? " with mx = true" : ""));
            }
        }
        check_login(relay, path, places, findings);
        check_port(relay, path, places, findings);
        const bool used = std::any_of(config.delivery.routes.begin(), config.delivery.routes.end(),
                                      [&](const RouteOptions& route) {
                                          return route.to == relay.name || route.fallback == relay.name;
                                      });
        if (!used && is_plain_name(relay.name) && relay.name != delivery::kDirect) {
            findings.warning(places.of(path), fmt::format("no [[route]] leads to the relay {}, so nothing "
                                                          "goes by it; for all mail add [[route]] with "
                                                          "to = {}",
                                                          quote(relay.name), quote(relay.name)));
        }
    }
}

void check_rule_domains(const std::vector<std::string>& domains, const char* key, bool literals,
                        const std::string& path, const Places& places, Findings& findings) {
    for (const std::string& domain : domains) {
        std::string_view name = domain;
        if (name.starts_with("*.")) name.remove_prefix(2);
        const bool literal = literals && domain.size() > 2 && domain.front() == '[' && domain.back() == ']';
        // "com" names a whole country of mail, and is meant.
        if (domain == "*" || literal || may_be_domain(name) ||
            (name != domain && may_be_domain(std::string(name) + ".x")))
            continue;
        findings.mistake(
            places.of(path + "." + key),
            fmt::format(
                "route.{} has {}; allowed: \"example.com\", \"*.example.com\" for all below it, or \"*\"",
                key, quote(domain)));
    }
}

bool is_for_all(const RouteOptions& route) {
    return route.recipients.empty() && route.senders.empty() && route.providers.empty();
}

// By what is written, not by what "*.example.com" means: enough for a rule that stands twice.
bool holds_wherever(const std::vector<std::string>& wide, const std::vector<std::string>& narrow) {
    const auto has = [&](std::string_view item) {
        return std::find(wide.begin(), wide.end(), item) != wide.end();
    };
    return wide.empty() || has("*") || (!narrow.empty() && std::all_of(narrow.begin(), narrow.end(), has));
}

bool takes_all_of(const RouteOptions& earlier, const RouteOptions& later) {
    return holds_wherever(earlier.recipients, later.recipients) &&
           holds_wherever(earlier.senders, later.senders) &&
           holds_wherever(earlier.providers, later.providers);
}

void check_rules(const Config& config, const Places& places, Findings& findings) {
    const auto& routes = config.delivery.routes;
    const auto is_relay = [&](const std::string& name) {
        const auto& relays = config.delivery.relays;
        return std::any_of(relays.begin(), relays.end(),
                           [&](const RelayOptions& relay) { return relay.name == name; });
    };
    for (std::size_t i = 0; i < routes.size(); ++i) {
        const RouteOptions& route = routes[i];
        const std::string path = at("route", i);
        check_rule_domains(route.recipients, "recipients", true, path, places, findings);
        check_rule_domains(route.senders, "senders", false, path, places, findings);
        for (const std::string& provider : route.providers) {
            if (may_be_provider(config, provider)) continue;
            findings.mistake(places.of(path + ".providers"), "route.providers has " + unknown_provider(config, provider));
        }
        if (places.given(path + ".to") && route.to != delivery::kDirect && !is_relay(route.to)) {
            findings.mistake(
                places.of(path + ".to"),
                fmt::format(
                    "route.to is {}, but there is no such [[relay]]; allowed: \"direct\", or a relay's name",
                    quote(route.to)));
        }
        if (!route.fallback.empty() && !is_relay(route.fallback)) {
            findings.mistake(
                places.of(path + ".fallback"),
                fmt::format("route.fallback is {}, but there is no such [[relay]]", quote(route.fallback)));
        }
        if (!route.fallback.empty() && route.to != delivery::kDirect) {
            findings.mistake(places.of(path + ".fallback"),
                             "route.fallback is for the direct way; allowed: with to = \"direct\" only. A "
                             "relay with several hosts "
                             "tries them in order");
        }
        for (std::size_t earlier = 0; earlier < i; ++earlier) {
            if (!takes_all_of(routes[earlier], route)) continue;
            findings.warning(
                places.of(path),
                fmt::format("this [[route]] is never reached, since [[route]] {} before it holds for all {}",
                            earlier + 1, is_for_all(routes[earlier]) ? "mail" : "that it holds for"));
            break;
        }
    }
}

void check_providers(const Config& config, const Places& places, Findings& findings) {
    const auto& providers = config.delivery.providers;
    for (std::size_t i = 0; i < providers.size(); ++i) {
        const ProviderOptions& provider = providers[i];
        const std::string path = at("provider", i);
        if (places.given(path + ".name") && !is_plain_name(provider.name)) {
            findings.mistake(
                places.of(path + ".name"),
                fmt::format("provider.name is {}; allowed: 1 to 64 letters, digits, '.', '-' and '_'",
                            quote(provider.name)));
        }
        if (named_before(providers, i)) {
            findings.mistake(places.of(path + ".name"),
                             fmt::format("the provider {} is given twice; put all into one [[provider]]",
                                         quote(provider.name)));
        }
        if (provider.mx.empty() && !may_be_known(config, provider.name)) {
            findings.mistake(
                places.of(path),
                fmt::format("the provider {} has no mx to know it by; set mx = [\"*.example.net\"]",
                            quote(provider.name)));
        }
        for (const std::string& host : provider.mx) {
            std::string_view name = host;
            if (name.starts_with("*.")) name.remove_prefix(2);
            if (is_domain_name(name)) continue;
            findings.mistake(
                places.of(path + ".mx"),
                fmt::format(
                    "provider.mx has {}; allowed: \"mx.example.net\", or \"*.example.net\" for all below it",
                    quote(host)));
        }
    }
}

}  // namespace

void check_routes(const Config& config, const Places& places, Findings& findings) {
    check_relays(config, places, findings);
    check_rules(config, places, findings);
    check_providers(config, places, findings);
}

}  // namespace posthorn::config
