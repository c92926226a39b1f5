// The table of settings, written out three times: as a manual, as an example file, and with the values in
// force.
#include "config/reference.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/environment_tables.hpp"
#include "config/schema.hpp"

namespace posthorn::config {
namespace {

// Lines of at most 100 columns, each with the prefix.
std::string wrap(std::string_view text, std::string_view prefix) {
    constexpr std::size_t kColumns = 100;
    std::string out;
    std::string line;
    while (!text.empty()) {
        const auto space = text.find(' ');
        const std::string_view word = text.substr(0, space);
        text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
        if (!line.empty() && prefix.size() + line.size() + 1 + word.size() > kColumns) {
            out += std::string(prefix) + line + "\n";
            line.clear();
        }
        line += (line.empty() ? "" : " ") + std::string(word);
    }
    return line.empty() ? out : out + std::string(prefix) + line + "\n";
}

template <class Owner>
std::string default_of(const Setting<Owner>& setting, const Owner& owner) {
    return setting.required ? "required" : setting.binding.show(owner);
}

std::string cell(std::string text) {
    for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
        text.insert(at, "\\");
    }
    return text;
}

template <class Owner>
std::string manual_entry(const Setting<Owner>& setting, const Owner& owner, bool environment) {
    std::string out = fmt::format("### `{}`\n\n{}\n", setting.key, wrap(setting.doc, ""));
    out += fmt::format("- allowed: {}\n", cell(setting.binding.allowed));
    out += setting.required ? std::string("- required\n")
                            : fmt::format("- default: `{}`\n", setting.binding.show(owner));
    if (environment) {
        out += fmt::format("- environment: `{}`\n", environment_name(setting.section, setting.key));
    }
    return out + "\n";
}

template <class Owner>
std::string manual_table(const std::vector<Setting<Owner>>& settings) {
    std::string out;
    for (const Setting<Owner>& setting : settings) {
        out += manual_entry(setting, Owner{}, false);
    }
    return out;
}

template <class Owner>
std::string example_keys(const std::vector<Setting<Owner>>& settings, std::string_view indent) {
    std::string out;
    for (const Setting<Owner>& setting : settings) {
        out += wrap(std::string(setting.key) + ": " + std::string(setting.doc) +
                        " Default: " + default_of(setting, Owner{}) + ".",
                    indent);
    }
    return out;
}

constexpr std::string_view kListenerExample = R"(
# Programs on this machine, without a password.
[[listener]]
address = "127.0.0.1:25"
tls = "none"
auth = "none"

# Clients elsewhere log in. Live as soon as [tls] has a certificate: take the '#' away.
#[[listener]]
#address = "*:587"
#tls = "starttls"
#auth = "required"
#
#[[listener]]
#address = "*:465"
#tls = "implicit"
#auth = "required"
#
# A socket for containers and chroots that share a directory with us.
#[[listener]]
#address = "unix:/run/posthorn/submit.sock"
#tls = "none"
#auth = "none"
#socket_mode = "0660"
)";

constexpr std::string_view kCertificateExample = R"(
#[[certificate]]
#certificate_file = "/etc/letsencrypt/live/mail.example.net/fullchain.pem"
#key_file = "/etc/letsencrypt/live/mail.example.net/privkey.pem"
)";

constexpr std::string_view kDomainExample = R"(
# `posthorn dkim genkey --domain example.com --selector m1` makes the key and prints the DNS record.
[[domain]]
name = "example.com"
dkim = [{ selector = "m1", key_file = "keys/example.com/m1.pem" }]
#unsigned_policy = "hold"
)";

constexpr std::string_view kUserExample = R"(
#[[user]]
#name = "shop"
#senders = ["@example.com", "orders@example.org"]
#messages_per_hour = 500
#recipients_per_hour = 500
)";

constexpr std::string_view kSiteDoc =
    "As whom the programs of a web site, a container or a user of this machine send, one [[site]] each. Nothing of it is needed where "
    "all may send as all [[domain]]s. docs/SENDERS.md tells what is made of which sender.";

constexpr std::string_view kSiteExample = R"(
#[[site]]
#name = "shop"
#users = ["www-shop"]
#domains = ["shop.example.com"]
#sender = "orders@shop.example.com"
#
# A container that has this socket among its volumes:
#[[site]]
#name = "blog"
#socket = "/run/posthorn/blog/submission.sock"
#domains = ["example.com"]
#sender = "wordpress@example.com"
)";

constexpr std::string_view kStreamExample = R"(
#[[stream]]
#name = "newsletter"
#users = ["newsletter"]
#from = ["news@example.com"]
#list_ids = ["news.example.com"]
#precedence_bulk = false
#unsubscribe_url = "https://example.com/unsubscribe/{token}"
#unsubscribe_mailto = "unsubscribe+{token}@example.com"
)";

constexpr std::string_view kRelayDoc =
    "Servers that deliver for us (smarthosts), one [[relay]] each; a [[route]] says for which mail. A password is said only "
    "to a server whose certificate shows its name. The environment variable POSTHORN_RELAY_NAME_PASSWORD, with the relay's "
    "name in it (my-isp: MY_ISP), sets a password, and with _FILE at its end names the file that holds it.";

constexpr std::string_view kRouteDoc =
    "Which mail goes where: rules, one [[route]] each, in the order of the file; the first whose criteria all hold decides. "
    "Mail for which none holds goes to the servers that DNS names. A rule without criteria holds for all mail. `posthorn "
    "route test ADDRESS` tells what would happen.";

constexpr std::string_view kProviderDoc =
    "Providers, told by the MX hosts of the recipient's domain, one [[provider]] each. google, outlook, m365 "
    "(both: microsoft), yahoo, apple and others are known already (`posthorn rules list` shows them); a table of one of these "
    "names changes what it gives and keeps the rest.";

constexpr std::string_view kWebhookDoc =
    "Where what becomes of mail is told as it happens, one [[webhook]] each: requests of JSON, signed, in order, each event at least "
    "once. docs/EVENTS.md tells what is in them and how a receiver checks the signature.";

constexpr std::string_view kWebhookExample = R"(
#[[webhook]]
#name = "shop"
#url = "https://shop.example.com/mail-events"
#secret_file = "webhook.secret"
#events = ["failed", "suppressed"]
#senders = ["shop.example.com"]
)";

constexpr std::string_view kRelayExample = R"(
#[[relay]]
#name = "isp"
#host = "smtp.example.net:587"
#user = "me@example.net"
#password_file = "isp.password"
)";

constexpr std::string_view kRouteExample = R"(
# All mail by the relay:
#[[route]]
#to = "isp"
#
# Or only some of it, and the rest directly:
#[[route]]
#recipients = ["example.org", "*.example.org"]
#to = "isp"
#
#[[route]]
#providers = ["microsoft"]
#to = "direct"
#fallback = "isp"
)";

constexpr std::string_view kProviderExample = R"(
#[[provider]]
#name = "google"
#connections = 3
)";

std::string rule(std::string_view title) {
    return "\n# " + std::string(110 - 2, '-') + "\n" + wrap(title, "# ");
}

std::string show_keys(const Config& config, std::string_view section) {
    std::string out;
    for (const Setting<Config>& setting : settings()) {
        if (setting.section == section) {
            out += fmt::format("{} = {}\n", setting.key, setting.binding.show(config));
        }
    }
    return out;
}

template <class Owner>
std::string show_table(const std::vector<Setting<Owner>>& settings, const Owner& owner,
                       std::string_view separator) {
    std::string out;
    for (const Setting<Owner>& setting : settings) {
        out += (out.empty() ? "" : std::string(separator)) +
               fmt::format("{} = {}", setting.key, setting.binding.show(owner));
    }
    return out;
}

}  // namespace

std::string reference_markdown() {
    std::string out =
        "# Configuration\n\n"
        "<!-- Made by `posthorn config-reference` from src/config/schema.cpp; change it there. -->\n\n" +
        wrap(
            "Posthorn reads one TOML file, /etc/posthorn/posthorn.toml unless `--config` or "
            "`POSTHORN_CONFIG` names another. "
            "`posthorn check-config` tells all its mistakes at once, each as `file:line:column: what is "
            "wrong; what is allowed`; "
            "unknown keys and keys given twice are mistakes. `posthorn check-config --show` prints the "
            "values in force; it "
            "names files with keys and passwords and never shows what is in them.",
            "") +
        "\n" +
        wrap(
            "Each key below that names an environment variable can be set by it, and by a file named in the "
            "same variable with "
            "`_FILE` at its end (for container secrets); the environment wins over the file. Lists are "
            "written with commas "
            "there. Relative paths are relative to the directory of the configuration file.",
            "") +
        "\n" +
        wrap(
            "Durations are a whole number and `ms`, `s`, `m`, `h` or `d`; sizes a whole number and `KiB`, "
            "`MiB` or `GiB`, or "
            "plain octets.",
            "") +
        "\n";
    out += wrap("Without /etc/posthorn/posthorn.toml the environment is enough: POSTHORN_HOSTNAME and POSTHORN_DOMAINS (docs/DOCKER.md). These variables stand "
                "for tables; each may come by a file, too:",
                "") +
           "\n";
    for (const TableVariable& variable : table_variables())
        out += fmt::format("`{}`", variable.name) + fmt::format(", such as `{}`\n\n", variable.example) + wrap(variable.doc, "") + "\n";
    const Config config = defaults();
    for (const Section& section : sections()) {
        out += section.name.empty() ? "## Top of the file\n\n" : fmt::format("## `[{}]`\n\n", section.name);
        out += wrap(section.doc, "") + "\n";
        for (const Setting<Config>& setting : settings()) {
            if (setting.section == section.name) {
                out += manual_entry(setting, config, true);
            }
        }
        if (section.name.empty()) {
            out += "## `[[listener]]`\n\nWhere mail is handed in; one table each, at least one.\n\n" +
                   manual_table(listener_settings());
            out += "## `[[certificate]]`\n\nCertificates beside the one of `[tls]`, one table each.\n\n" +
                   manual_table(certificate_settings());
            out +=
                "## `[[domain]]`\n\nDomains whose mail is signed, one table each. `dkim` is a list of keys, "
                "each "
                "`{ selector = \"...\", key_file = \"...\" }`.\n\n" +
                manual_table(domain_settings()) + manual_table(dkim_key_settings());
            out += "## `[[user]]`\n\n" +
                   wrap(
                       "What one user may do, where it differs from what [auth] says for all; one table each. "
                       "Passwords are not here but in auth.users_file or with Dovecot. `posthorn user suspend NAME` stops "
                       "a user whose password was stolen; docs/ACCOUNTS.md tells what to do then.",
                       "") +
                   "\n" + manual_table(user_settings());
            out += "## `[[site]]`\n\n" + wrap(std::string(kSiteDoc), "") + "\n" + manual_table(site_settings());
            out += "## `[[stream]]`\n\n" +
                   wrap(
                       "List mail, which gets List-Unsubscribe headers (RFC 8058), one table each. Any of "
                       "the criteria picks a "
                       "message; mail without a sender and automatic replies never belong to a stream. A "
                       "message that already "
                       "has List-Unsubscribe keeps its own.",
                       "") +
                   "\n" + manual_table(stream_settings());
            out += "## `[[relay]]`\n\n" + wrap(std::string(kRelayDoc), "") + "\n" + manual_table(relay_settings());
            out += "## `[[route]]`\n\n" + wrap(std::string(kRouteDoc), "") + "\n" + manual_table(route_settings());
            out += "## `[[provider]]`\n\n" + wrap(std::string(kProviderDoc), "") + "\n" + manual_table(provider_settings());
            out += "## `[[webhook]]`\n\n" + wrap(std::string(kWebhookDoc), "") + "\n" + manual_table(webhook_settings());
        }
    }
    while (out.ends_with("\n\n")) {
        out.pop_back();
    }
    return out;
}

std::string example_toml() {
    std::string out =
        "# Posthorn's configuration: every key, with its default. A line that begins with '#' and a key is "
        "the default; take\n"
        "# the '#' away to change it. `posthorn check-config` tells all mistakes at once.\n"
        "# Durations: \"30s\", \"5m\", \"3h\", \"5d\". Sizes: \"256KiB\", \"35MiB\". Relative paths begin at "
        "this file's directory.\n"
        "# Each key can also be set by an environment variable: delivery.port by POSTHORN_DELIVERY_PORT.\n"
        "# Made by `posthorn config-reference --example` from src/config/schema.cpp.\n";
    const Config config = defaults();
    std::string tables;
    for (const Section& section : sections()) {
        const bool top = section.name.empty();
        std::string& to = out;
        if (!top) {
            to += rule(section.doc) + fmt::format("[{}]\n", section.name);
        }
        for (const Setting<Config>& setting : settings()) {
            if (setting.section != section.name) {
                continue;
            }
            to += "\n" + wrap(setting.doc, "# ");
            to += wrap("Allowed: " + setting.binding.allowed + ".", "# ");
            to += setting.example.empty()
                      ? fmt::format("#{} = {}\n", setting.key, setting.binding.show(config))
                      : fmt::format("{} = {}\n", setting.key, setting.example);
        }
        if (top) {
            to += rule("Where mail is handed in, one [[listener]] each.") +
                  example_keys(listener_settings(), "#   ") + std::string(kListenerExample);
            to += rule("Certificates beside the one of [tls], one [[certificate]] each.") +
                  example_keys(certificate_settings(), "#   ") + std::string(kCertificateExample);
            to += rule("Domains whose mail is signed, one [[domain]] each.") +
                  example_keys(domain_settings(), "#   ") +
                  wrap("dkim: the keys, each with selector and key_file; one signature for each.", "#   ") +
                  std::string(kDomainExample);
            to += rule("What a user may do, where it differs from [auth]; one [[user]] each.") +
                  example_keys(user_settings(), "#   ") + std::string(kUserExample);
            to += rule(kSiteDoc) + example_keys(site_settings(), "#   ") + std::string(kSiteExample);
            to +=
                rule(
                    "List mail, which gets List-Unsubscribe headers; one [[stream]] each. Any of users, "
                    "from, list_ids and "
                    "precedence_bulk picks it, or the field X-Posthorn-Stream. Needs unsubscribe.key_file.") +
                example_keys(stream_settings(), "#   ") + std::string(kStreamExample);
            to += rule(kRelayDoc) + example_keys(relay_settings(), "#   ") + std::string(kRelayExample);
            to += rule(kRouteDoc) + example_keys(route_settings(), "#   ") + std::string(kRouteExample);
            to += rule(kProviderDoc) + example_keys(provider_settings(), "#   ") + std::string(kProviderExample);
            to += rule(kWebhookDoc) + example_keys(webhook_settings(), "#   ") + std::string(kWebhookExample);
        }
    }
    return out;
}

std::string show(const Config& config) {
    std::string out = show_keys(config, "");
    for (const smtp::server::ListenerOptions& listener : config.server.listeners) {
        out += "\n[[listener]]\n" + show_table(listener_settings(), listener, "\n") + "\n";
    }
    for (const smtp::server::CertificateOptions& certificate : config.server.tls.certificates) {
        out += "\n[[certificate]]\n" + show_table(certificate_settings(), certificate, "\n") + "\n";
    }
    for (const auth::DomainOptions& domain : config.auth.domains) {
        out += "\n[[domain]]\n" + show_table(domain_settings(), domain, "\n") + "\ndkim = [";
        for (std::size_t i = 0; i < domain.keys.size(); ++i) {
            out += (i == 0 ? "{ " : ", { ") + show_table(dkim_key_settings(), domain.keys[i], ", ") + " }";
        }
        out += "]\n";
    }
    for (const auth::AccountOptions& user : config.auth.accounts) {
        out += "\n[[user]]\n" + show_table(user_settings(), user, "\n") + "\n";
    }
    for (const intake::SiteOptions& site : config.intake.sites) {
        out += "\n[[site]]\n" + show_table(site_settings(), site, "\n") + "\n";
    }
    for (const auth::StreamOptions& stream : config.auth.streams) {
        out += "\n[[stream]]\n" + show_table(stream_settings(), stream, "\n") + "\n";
    }
    for (const delivery::RelayOptions& relay : config.delivery.relays) {
        out += "\n[[relay]]\n" + show_table(relay_settings(), relay, "\n") + "\n";
    }
    for (const delivery::RouteOptions& route : config.delivery.routes) {
        out += "\n[[route]]\n" + show_table(route_settings(), route, "\n") + "\n";
    }
    for (const delivery::ProviderOptions& provider : config.delivery.providers) {
        out += "\n[[provider]]\n" + show_table(provider_settings(), provider, "\n") + "\n";
    }
    for (const events::WebhookOptions& webhook : config.events.webhooks) {
        out += "\n[[webhook]]\n" + show_table(webhook_settings(), webhook, "\n") + "\n";
    }
    for (const Section& section : sections()) {
        if (!section.name.empty()) {
            out += fmt::format("\n[{}]\n", section.name) + show_keys(config, section.name);
        }
    }
    return out;
}

}  // namespace posthorn::config
