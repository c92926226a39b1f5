// The settings of the tables that say where mail goes: [[relay]], [[route]], [[provider]].
#include "base/text.hpp"
#include "config/field.hpp"
#include "config/schema.hpp"

namespace posthorn::config {

namespace {

using delivery::RelayHost;

// "smtp.example.com", "smtp.example.com:587", "192.0.2.1:25", "[2001:db8::1]:25", "2001:db8::1".
std::optional<RelayHost> read_host(std::string_view text) {
    RelayHost host;
    std::string_view name = text, port;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        name = text.substr(1, end - 1);
        port = text.substr(end + 1);
        if (!port.empty() && port.front() != ':') return std::nullopt;
    } else if (const auto colon = text.find(':');
               colon != std::string_view::npos && colon == text.rfind(':')) {
        name = text.substr(0, colon);
        port = text.substr(colon);
    }
    if (!port.empty()) {
        const auto number = text::parse_unsigned(port.substr(1), 65535);
        if (!number || *number == 0) return std::nullopt;
        host.port = static_cast<std::uint16_t>(*number);
    }
    if (const auto address = IpAddress::parse(name)) {
        host.name = address->to_string();
        host.literal = true;
        return host;
    }
    if (text.starts_with('[') || name.empty() || name.find(':') != std::string_view::npos ||
        text::has_control(name) || name.find_first_of(" @/") != std::string_view::npos)
        return std::nullopt;
    host.name = text::to_lower(name);
    return host;
}

std::string show_host(const RelayHost& host) {
    if (host.port == 0) return host.name;
    return (host.name.find(':') == std::string::npos ? host.name : "[" + host.name + "]") + ":" +
           std::to_string(host.port);
}

Binding<delivery::RelayOptions> hosts() {
    using delivery::RelayOptions;
    return {Shape::list,
            "\"smtp.example.net\", \"smtp.example.net:587\", \"192.0.2.1\", \"[2001:db8::1]:25\", or a list "
            "of such",
            [](RelayOptions& relay, const Value& value, const std::string&) -> Accepted {
                std::vector<RelayHost> given;
                const auto take = [&](const Value& item) -> Accepted {
                    const auto* text = item.as<std::string>();
                    const auto host = text != nullptr ? read_host(*text) : std::nullopt;
                    if (!host) return binding::refuse(item);
                    given.push_back(*host);
                    return std::nullopt;
                };
                if (const auto* list = value.as<List>()) {
                    if (list->empty()) return binding::refuse(value, "is an empty list");
                    for (const Value& item : *list)
                        if (auto refused = take(item)) return refused;
                } else if (auto refused = take(value)) {
                    return refused;
                }
                relay.hosts = std::move(given);
                return std::nullopt;
            },
            [](const RelayOptions& relay) {
                std::vector<std::string> shown;
                for (const RelayHost& host : relay.hosts) shown.push_back(show_host(host));
                return shown.size() == 1 ? quote(shown.front()) : binding::show_list(shown);
            }};
}

constexpr const char* kDomains =
    "a list of domains \"example.com\", \"*.example.com\" for all below one, or \"*\"";

// "600/1h"; "" for none.
template <class Owner, class At>
Binding<Owner> rate(At at) {
    return {Shape::text, "a number of recipients per time, such as \"10/1m\" or \"600/1h\", or \"\" for none",
            [at](Owner& owner, const Value& value, const std::string&) -> Accepted {
                const auto* given = value.as<std::string>();
                const auto read = given == nullptr || given->empty() ? std::nullopt : parse_rate(*given);
                if (given == nullptr || (!given->empty() && !read)) return binding::refuse(value);
                at(owner) = read;
                return std::nullopt;
            },
            [at](const Owner& owner) {
                return quote(at(owner) ? format_rate(*at(owner)) : std::string());
            }};
}

}  // namespace

const std::vector<Setting<delivery::RelayOptions>>& relay_settings() {
    using namespace binding;
    using delivery::RelayTls;
    using R = delivery::RelayOptions;
    static const std::vector<Setting<R>> all = {
        {"relay",
         "name",
         text<R>(FIELD(name), "a name of letters, digits, '.', '-' and '_'"),
         "What [[route]] calls it.",
         {},
         true},
        {"relay",
         "host",
         hosts(),
         "Where it is, with the port or without: then it is 587 where there is a user, 465 where tls is "
         "implicit, else 25. A "
         "list of several is tried in order.",
         {},
         true},
        {"relay", "mx", boolean<R>(FIELD(mx)),
         "Whether host is a domain whose MX records name the machines."},
        {"relay", "tls",
         choice<R>(FIELD(tls),
                   std::vector<std::pair<std::string, RelayTls>>{{"auto", RelayTls::by_port},
                                                                 {"none", RelayTls::none},
                                                                 {"opportunistic", RelayTls::opportunistic},
                                                                 {"required", RelayTls::required},
                                                                 {"verified", RelayTls::verified},
                                                                 {"implicit", RelayTls::implicit}}),
         "verified: STARTTLS, and the certificate must show the host's name. implicit: the same, with TLS "
         "from the first octet. "
         "required: STARTTLS with any certificate. auto: implicit for port 465; verified for port 587 and "
         "wherever there is a "
         "user; else opportunistic."},
        {"relay", "user", text<R>(FIELD(user)), "As whom we log in there. Empty: without a login."},
        {"relay", "password", secret<R>(FIELD(password)),
         "The password. Better in password_file, or in the environment."},
        {"relay", "password_file", path<R>(FIELD(password_file), true),
         "A file whose first line is the password; only Posthorn should be able to read it."},
        {"relay", "mechanisms",
         texts<R>(FIELD(mechanisms), "a list of SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN and LOGIN"),
         "How we may log in. Empty: by the strongest of these that the relay offers."},
    };
    return all;
}

const std::vector<Setting<delivery::RouteOptions>>& route_settings() {
    using namespace binding;
    using R = delivery::RouteOptions;
    static const std::vector<Setting<R>> all = {
        {"route", "recipients", texts<R>(FIELD(recipients), kDomains),
         "Mail to recipients of these domains."},
        {"route", "senders", texts<R>(FIELD(senders), kDomains),
         "Mail whose envelope sender is of these domains; for reports, which have no sender, the domain of "
         "their From counts."},
        {"route", "providers",
         texts<R>(FIELD(providers), "a list of names of providers, such as [\"google\"]"),
         "Mail to domains whose best MX host is of these providers."},
        {"route",
         "to",
         text<R>(FIELD(to), "the name of a [[relay]], or \"direct\""),
         "Where it goes: by a relay, or directly to the servers that DNS names.",
         {},
         true},
        {"route", "fallback", text<R>(FIELD(fallback), "the name of a [[relay]], or \"\""),
         "The relay that takes the mail while the receiving servers refuse us for what we are (our address, "
         "its reputation, our "
         "authentication), or cannot be reached. Only with to = \"direct\". The direct way is tried again "
         "each hour."},
        {"route", "fallback_after",
         duration<R>(FIELD(fallback_after), std::chrono::seconds(0), std::chrono::hours(48)),
         "How long the receiving servers are out of reach before the fallback takes over. A refusal of us "
         "does not wait."},
    };
    return all;
}

const std::vector<Setting<delivery::ProviderOptions>>& provider_settings() {
    using namespace binding;
    using delivery::AfterFix;
    using delivery::TlsPolicy;
    using P = delivery::ProviderOptions;
    static const std::vector<Setting<P>> all = {
        {"provider",
         "name",
         text<P>(FIELD(name), "a name of letters, digits, '.', '-' and '_'"),
         "What [[route]] and the log call it.",
         {},
         true},
        {"provider", "mx", texts<P>(FIELD(mx), "a list of hosts \"mx.example.net\" or \"*.example.net\""),
         "How it is known: the MX hosts of its domains have such names, all of them. Empty for a provider that is "
         "known already: "
         "as it is known."},
        {"provider", "connections", integer<P>(FIELD(connections), 0, 1000),
         "Connections at once to all of its servers together; 0: delivery.connections_per_site to each set of them."},
        {"provider", "messages_per_connection", integer<P>(FIELD(messages_per_connection), 0, 100000),
         "Messages sent over one connection; 0: as delivery.messages_per_connection."},
        {"provider", "tls",
         choice<P>(FIELD(tls),
                   std::vector<std::pair<std::string, std::optional<TlsPolicy>>>{
                       {"", std::nullopt},
                       {"opportunistic", TlsPolicy::opportunistic},
                       {"required", TlsPolicy::required},
                       {"none", TlsPolicy::none}}),
         "As delivery.tls, for this provider. Empty: as for all."},
        {"provider", "rate", rate<P>(FIELD(rate)),
         "How many recipients it gets in how long, over all connections and evenly. Empty: as it is known, or no limit."},
        {"provider", "daily_mark", integer<P>(FIELD(daily_mark), 0, 100'000'000),
         "Recipients in 24 hours from which it counts a sender's domain as a bulk sender for ever, as Google does from 5000; 0: as it is known."},
        {"provider", "daily_warning", integer<P>(FIELD(daily_warning), 0, 100'000'000),
         "Recipients in 24 hours at which an alarm tells that daily_mark is near; 0: as it is known, else daily_mark itself."},
        {"provider", "after_fix",
         choice<P>(FIELD(after_fix),
                   std::vector<std::pair<std::string, std::optional<AfterFix>>>{
                       {"", std::nullopt},
                       {"resend", AfterFix::resend},
                       {"resend-once", AfterFix::resend_once},
                       {"bounce", AfterFix::bounce}}),
         "What becomes of a message that it refused with a 5xx for want of authentication, once that is repaired: sent again, "
         "sent again once, or returned at the refusal. Empty: as it is known, else \"resend\"."},
    };
    return all;
}

std::string relay_password_variable(std::string_view relay) {
    std::string name = "POSTHORN_RELAY_";
    for (const char c : relay) name += text::is_alnum(c) ? text::to_upper(c) : '_';
    return name + "_PASSWORD";
}

}  // namespace posthorn::config
