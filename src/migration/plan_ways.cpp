// Which way mail leaves: relayhost and its kin as relays and routes, their passwords, TLS towards other
// servers.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "migration/planner.hpp"

namespace posthorn::migration {
namespace {

// "[smtp.example.net]:587" of transport(5) and relayhost.
struct NextHop {
    std::string host;
    bool mx = true;  // without brackets: the servers that the MX records of host name
    int port = 25;
};

std::optional<NextHop> next_hop(std::string_view text) {
    NextHop hop;
    text = text::trim(text);
    if (text.starts_with('[')) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) return std::nullopt;
        hop.host = text.substr(1, close - 1);
        hop.mx = false;
        text.remove_prefix(close + 1);
        if (text.starts_with(':')) hop.port = port_number(text.substr(1));
        if (text::istarts_with(hop.host, "ipv6:")) hop.host.erase(0, 5);
    } else {
        const std::size_t colon = text.rfind(':');
        hop.host = text.substr(0, colon);
        if (colon != std::string_view::npos) hop.port = port_number(text.substr(colon + 1));
    }
    if (hop.host.empty() || hop.port == 0) return std::nullopt;
    return hop;
}

// Also by the name of a copy of smtp(8) in master.cf, as recipes for slow receivers make one.
bool is_transport_by_smtp(const MasterCf& master, std::string_view name) {
    if (name.empty() || name == "smtp" || name == "relay") return true;
    const Service* service = master.find(name, "unix");
    return service != nullptr && service->command == "smtp";
}

class Ways {
public:
    explicit Ways(Planner& planner) : planner_(planner), main_(planner.main) {}

    void plan() {
        passwords_ = planner_.tables("smtp_sasl_password_maps");
        policies_ = planner_.tables("smtp_tls_policy_maps");
        transports();
        senders();
        relayhost();
        domain_policies();
        unused_passwords();
        options_of_services();
    }

private:
    // What one copy of smtp(8) does otherwise than main.cf says: here it is a matter of the way, not of a service.
    void options_of_services() {
        for (const Service& service : planner_.master.services) {
            if (service.type != "unix" || service.command != "smtp") continue;
            for (const Assignment& override : service.overrides)
                if (override.name != "syslog_name")
                    planner_.not_carried_at(
                        "master.cf", service.origin,
                        text::safe_for_log(fmt::format("{}: -o {}={}", service.name, override.name, override.value), 120) +
                            ": a service of its own for some mail has no equivalent; [[route]], [[relay]] and "
                            "[[provider]] have settings of their own.");
        }
    }

    // What the table says of the first of these keys that it has.
    const TableEntry* look_up(const std::vector<LookupTable>& tables,
                              std::initializer_list<std::string> keys) {
        for (const std::string& key : keys) {
            for (const LookupTable& table : tables) {
                for (const TableEntry& entry : table.entries) {
                    if (table.kind == LookupTable::Kind::always || text::iequals(entry.key, key))
                        return &entry;
                }
            }
        }
        return nullptr;
    }

    // Our name for the relay, which is made when it is first asked for; empty where it cannot be one.
    std::string relay(const std::string& text, const std::string& origin, const std::string& sender = {}) {
        const auto hop = next_hop(text);
        if (!hop) return {};
        const bool logs_in = main_.yes("smtp_sasl_auth_enable");
        const TableEntry* secret = nullptr;
        if (logs_in) {
            if (!sender.empty() && main_.yes("smtp_sender_dependent_authentication"))
                secret = look_up(passwords_, {sender});
            if (secret == nullptr) secret = look_up(passwords_, {text, hop->host});
        }
        const std::string id = text + (secret != nullptr ? " " + secret->value : "");
        if (const auto known = relays_.find(id); known != relays_.end()) return known->second;
        const std::string name = free_name(hop->host);
        const std::string address = fmt::format(
            "{}:{}", hop->host.find(':') != std::string::npos ? "[" + hop->host + "]" : hop->host, hop->port);
        Draft::Table& table = planner_.draft.add("relay");
        table.set("name", toml_string(name), "").set("host", toml_string(address), origin);
        if (hop->mx) table.set("mx", "true", "no brackets around the name");
        write_tls(table, text, *hop, secret != nullptr, origin);
        if (secret != nullptr)
            write_password(table, name, *secret);
        else if (logs_in && main_.is_set("smtp_sasl_password_maps"))
            planner_.mistake("smtp_sasl_password_maps", main_.origin("smtp_sasl_password_maps"),
                             fmt::format("There is no entry for {}: Postfix does not log in there.", text));
        return relays_[id] = name;
    }

    std::string free_name(const std::string& host) {
        std::string name = host;
        std::replace_if(
            name.begin(), name.end(),
            [](char c) { return !text::is_alnum(c) && c != '.' && c != '-' && c != '_'; }, '-');
        std::string made = name;
        for (int i = 2;
             std::any_of(relays_.begin(), relays_.end(), [&](const auto& r) { return r.second == made; });
             ++i)
            made = fmt::format("{}-{}", name, i);
        return made;
    }

    // postconf(5), smtp_tls_security_level and smtp_tls_policy_maps.
    void write_tls(Draft::Table& table, const std::string& text, const NextHop& hop, bool logs_in,
                   const std::string& origin) {
        std::string level = main_.value("smtp_tls_security_level");
        std::string from =
            main_.is_set("smtp_tls_security_level")
                ? main_.origin("smtp_tls_security_level").to_string() + " smtp_tls_security_level"
                : "";
        if (level.empty())
            level = main_.yes("smtp_enforce_tls") ? "encrypt" : main_.yes("smtp_use_tls") ? "may" : "none";
        if (const TableEntry* policy = look_up(policies_, {text, hop.host})) {
            level = policy->value.substr(0, policy->value.find_first_of(" \t"));
            from = policy->origin.to_string() + " smtp_tls_policy_maps";
            used_policies_.push_back(policy->key);
        }
        if (main_.yes("smtp_tls_wrappermode") || hop.port == 465) {
            table.set(
                "tls", "\"implicit\"",
                main_.is_set("smtp_tls_wrappermode") ? planner_.from("smtp_tls_wrappermode") : "port 465");
            return;
        }
        std::string ours = level == "none"                     ? "none"
                           : level == "encrypt"                ? "required"
                           : level == "may" || level == "dane" ? "opportunistic"
                                                               : "verified";
        if (logs_in && ours != "verified") {
            planner_.to_do("relay",
                           fmt::format("See that the certificate of {} shows its name: Postfix would have "
                                       "said the password to anybody who answered there ({} \"{}\"), "
                                       "Posthorn says it only to a server that proves its name.",
                                       hop.host, "TLS level", level));
            ours = "verified";
            from = "a password is said only to who proves its name";
        }
        table.set("tls", toml_string(ours), from.empty() ? origin : from);
        if (level == "fingerprint" || level == "dane-only")
            planner_.not_carried(
                "smtp_tls_policy_maps",
                fmt::format("The level {} for {} became verified: the certificate must show the name.", level,
                            hop.host));
    }

    void write_password(Draft::Table& table, const std::string& name, const TableEntry& secret) {
        const std::size_t colon = secret.value.find(':');
        used_passwords_.push_back(secret.key);
        const std::string user = secret.value.substr(0, colon);
        const std::string file = fmt::format("secrets/{}.password", name);
        table.set("user", toml_string(user), secret.origin.to_string() + " smtp_sasl_password_maps")
            .set("password_file", toml_string(file), "");
        planner_.out.secrets.push_back(
            {absolute_path(parent_directory(planner_.sources.output), file),
             (colon == std::string::npos ? "" : secret.value.substr(colon + 1)) + "\n",
             "the password at " + name, secret.origin});
        for (const char* used : {"smtp_sasl_auth_enable", "smtp_sasl_security_options",
                                 "smtp_sasl_tls_security_options", "smtp_sender_dependent_authentication"})
            planner_.dealt_with.insert(used);
    }

    void add_route(std::string_view criterion, const std::string& value, const std::string& to,
                   const std::string& origin) {
        Draft::Table& table = planner_.draft.add("route");
        if (!criterion.empty()) table.set(criterion, toml_list(std::vector<std::string>{value}), origin);
        table.set("to", toml_string(to), criterion.empty() ? origin : "");
    }

    // transport(5): an exact domain comes before ".domain", the longest of these before shorter ones, "*"
    // last.
    void transports() {
        struct Rule {
            std::string pattern;
            std::string to;
            std::string origin;
        };
        std::vector<Rule> rules;
        for (const LookupTable& table : planner_.tables("transport_maps")) {
            if (table.kind == LookupTable::Kind::pattern)
                planner_.not_carried("transport_maps",
                                     table.spec + " has regular expressions; routes are by domain.");
            if (table.kind != LookupTable::Kind::exact) continue;
            for (const TableEntry& entry : table.entries) {
                const std::string pattern = entry.key == "*"             ? "*"
                                            : entry.key.starts_with('.') ? "*" + entry.key
                                                                         : entry.key;
                const std::string shown = text::safe_for_log(entry.key + " " + entry.value, 120);
                const std::size_t colon = entry.value.find(':');
                const std::string transport = entry.value.substr(0, colon);
                const std::string hop = colon == std::string::npos ? "" : entry.value.substr(colon + 1);
                const bool is_domain =
                    pattern.find('@') == std::string::npos &&
                    is_acceptable(
                        fmt::format("[[route]]\nrecipients = [{}]\nto = \"direct\"\n", toml_string(pattern)));
                const std::string origin = entry.origin.to_string() + " transport_maps";
                if (!is_domain || !is_transport_by_smtp(planner_.master, transport)) {
                    planner_.not_carried_at(
                        "transport_maps", entry.origin,
                        shown + (is_domain ? ": the transport " + transport +
                                                 " is no SMTP; Posthorn delivers by SMTP only."
                                           : ": routes are by domain, not by address."));
                    continue;
                }
                // ":" is the way that there would be without the table; "smtp:" the recipient's own MX hosts.
                const bool as_usual = transport.empty() && hop.empty();
                const std::string to = !hop.empty() ? relay(hop, origin) : as_usual ? usual_way() : "direct";
                if (to.empty())
                    planner_.not_carried_at("transport_maps", entry.origin,
                                            shown + ": the next host is not understood.");
                else
                    rules.push_back({text::to_lower(pattern), to, origin});
            }
        }
        const auto rank = [](const Rule& rule) {
            return rule.pattern == "*"             ? 1'000'000
                   : rule.pattern.starts_with('*') ? 100'000 - static_cast<int>(rule.pattern.size())
                                                   : 0;
        };
        std::stable_sort(rules.begin(), rules.end(),
                         [&](const Rule& a, const Rule& b) { return rank(a) < rank(b); });
        for (const Rule& rule : rules) add_route("recipients", rule.pattern, rule.to, rule.origin);
        if (!rules.empty()) planner_.carried("transport_maps", "[[route]] recipients");
    }

    void senders() {
        for (const LookupTable& table : planner_.tables("sender_dependent_relayhost_maps")) {
            if (table.kind != LookupTable::Kind::exact) continue;
            for (const TableEntry& entry : table.entries) {
                const std::string origin = entry.origin.to_string() + " sender_dependent_relayhost_maps";
                const std::string domain =
                    text::to_lower(entry.key.starts_with('@') ? entry.key.substr(1) : entry.key);
                if (!entry.key.starts_with('@') || domain.find('.') == std::string::npos) {
                    planner_.not_carried_at("sender_dependent_relayhost_maps", entry.origin,
                                            text::safe_for_log(entry.key, 80) +
                                                ": routes are by the sender's domain, not by his address.");
                    continue;
                }
                const std::string to =
                    text::iequals(entry.value, "DUNNO") ? "" : relay(entry.value, origin, entry.key);
                if (to.empty())
                    planner_.not_carried_at("sender_dependent_relayhost_maps", entry.origin,
                                            text::safe_for_log(entry.value, 80) + " is no relay.");
                else
                    add_route("senders", domain, to, origin);
            }
            planner_.carried("sender_dependent_relayhost_maps", "[[route]] senders");
        }
    }

    // Of mail that no table speaks of. Empty: relayhost is no host, which relayhost() tells.
    std::string usual_way() {
        const std::vector<std::string> hosts = split_list(main_.value("relayhost"));
        return hosts.empty() ? "direct" : relay(hosts.front(), planner_.from("relayhost"));
    }

    void relayhost() {
        const std::string hosts = main_.value("relayhost");
        planner_.dealt_with.insert("relayhost");
        if (text::trim(hosts).empty()) return;
        const std::vector<std::string> all = split_list(hosts);
        const std::string to = relay(all.front(), planner_.from("relayhost"));
        if (to.empty()) {
            planner_.mistake("relayhost", main_.origin("relayhost"),
                             text::safe_for_log(hosts, 100) + " is no host.");
            return;
        }
        if (all.size() > 1)
            planner_.not_carried(
                "relayhost",
                "Of several hosts the first was taken; give [[relay]] host a list to try them in order.");
        add_route("", "", to, planner_.from("relayhost"));
        planner_.carried("relayhost", "[[relay]] and [[route]]");
    }

    // "example.com encrypt": a relay that is the domain's own MX, with that demand of TLS.
    void domain_policies() {
        if (!main_.value("relayhost").empty()) return;  // then they were about relays
        for (const LookupTable& table : policies_) {
            if (table.kind != LookupTable::Kind::exact) continue;
            for (const TableEntry& entry : table.entries) {
                if (std::find(used_policies_.begin(), used_policies_.end(), entry.key) !=
                    used_policies_.end())
                    continue;
                const std::string level = entry.value.substr(0, entry.value.find_first_of(" \t"));
                const std::string shown = text::safe_for_log(entry.key + " " + entry.value, 120);
                const std::string ours = level == "encrypt"                       ? "required"
                                         : level == "verify" || level == "secure" ? "verified"
                                         : level == "none"                        ? "none"
                                                                                  : "";
                const std::string origin = entry.origin.to_string() + " smtp_tls_policy_maps";
                const std::string domain = text::to_lower(entry.key);
                if (level == "may" || level == "dane") {
                    planner_.out.not_needed.push_back({"smtp_tls_policy_maps",
                                                       shown + ": Posthorn does this wherever it is offered.",
                                                       entry.origin});
                } else if (ours.empty() || domain.find('[') != std::string::npos || domain.starts_with('.') ||
                           domain.find('.') == std::string::npos) {
                    planner_.not_carried_at(
                        "smtp_tls_policy_maps", entry.origin,
                        shown +
                            ": there is no such demand by domain; DANE and MTA-STS are kept to in any case.");
                } else {
                    const std::string name = free_name("mx-of-" + domain);
                    relays_["mx " + domain] = name;
                    planner_.draft.add("relay")
                        .set("name", toml_string(name), "the domain's own servers, with this demand of TLS")
                        .set("host", toml_string(domain + ":25"), origin)
                        .set("mx", "true", "")
                        .set("tls", toml_string(ours), "");
                    add_route("recipients", domain, name, origin);
                }
            }
            planner_.carried("smtp_tls_policy_maps", "[[relay]] tls");
        }
    }

    void unused_passwords() {
        for (const LookupTable& table : passwords_) {
            for (const TableEntry& entry : table.entries) {
                if (std::find(used_passwords_.begin(), used_passwords_.end(), entry.key) ==
                    used_passwords_.end())
                    planner_.mistake(
                        "smtp_sasl_password_maps", entry.origin,
                        fmt::format("The password for {} is used by no relay that is named here.",
                                    text::safe_for_log(entry.key, 80)));
            }
        }
    }

    Planner& planner_;
    const Parameters& main_;
    std::vector<LookupTable> passwords_, policies_;
    std::map<std::string, std::string> relays_;  // by next hop and login: our name
    std::vector<std::string> used_passwords_, used_policies_;
};

}  // namespace

void plan_ways(Planner& planner) {
    Ways(planner).plan();
}

}  // namespace posthorn::migration
