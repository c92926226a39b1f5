// Variables to tables: what each preset listens on, where keys and sites live.
#include "config/environment_tables.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>

#include "base/text.hpp"
#include "config/environment.hpp"
#include "config/schema.hpp"

namespace posthorn::config {
namespace {

namespace fs = std::filesystem;
using smtp::server::ListenerAuth;
using smtp::server::ListenerOptions;
using smtp::server::ListenerTls;

constexpr std::string_view kDomains = "POSTHORN_DOMAINS";
constexpr std::string_view kListeners = "POSTHORN_LISTENERS";
constexpr std::string_view kSites = "POSTHORN_SITES";
constexpr std::string_view kRelayHost = "POSTHORN_RELAYHOST";
constexpr std::string_view kRelayUser = "POSTHORN_RELAYHOST_USER";
constexpr std::string_view kRelayPassword = "POSTHORN_RELAYHOST_PASSWORD";
constexpr std::string_view kFile = "_FILE";
constexpr const char* kRelayName = "relayhost";

// DO-2: a listener that trusts its network and is never published, and two that always ask for a login. Ports
// over 1024, for a user without any capability.
struct Preset {
    std::string_view name;
    std::uint16_t port;
    ListenerTls tls;
    ListenerAuth auth;
};
constexpr std::array<Preset, 3> kPresets{
    {{"internal", 2525, ListenerTls::none, ListenerAuth::none},
     {"submission", 2587, ListenerTls::starttls, ListenerAuth::required},
     {"submissions", 2465, ListenerTls::implicit, ListenerAuth::required}}};

// Blanks, line ends and commas all part; nothing between them is nothing.
std::vector<std::string> words_of(std::string_view text, std::string_view separators) {
    std::vector<std::string> words;
    while (!text.empty()) {
        const auto end = std::min(text.find_first_of(separators), text.size());
        if (end > 0) words.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return words;
}
constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::string_view kBlanksAndCommas = " \t\r\n,";

// A variable as it was given, itself or by a file.
struct Said {
    std::string text;
    Place place;
};

class Tables {
public:
    Tables(const Environment& environment, Config& config, Places& places, Findings& findings)
        : environment_(environment), config_(config), places_(places), findings_(findings) {}

    void add(bool alone) {
        add_domains(alone);
        add_listeners(alone);
        add_sites();
        add_relay();
    }

private:
    // Nothing: not said, or empty. A file that cannot be read is a mistake, and the only one of its variable.
    std::optional<Said> said(std::string_view name) {
        const std::string file = std::string(name) + std::string(kFile);
        for (const auto& [variable, text] : environment_) {
            if (variable == name && !text::trim(text).empty()) return Said{text, {{}, variable}};
            if (variable != file || text.empty()) continue;
            auto content = read_value_file(text);
            if (content && !content->empty()) return Said{std::move(*content), {{}, variable}};
            if (content) continue;
            findings_.mistake(
                {{}, variable},
                content.error().what + "; allowed: a file that holds the value of " + std::string(name));
            return Said{{}, {{}, variable}};
        }
        return std::nullopt;
    }

    void add_domains(bool required) {
        const auto names = said(kDomains);
        if (!names) {
            if (required && config_.auth.domains.empty())
                findings_.mistake({{}, std::string(kDomains)},
                                  "not set; allowed: the domains that send, such as \"example.com "
                                  "example.org\": their mail is signed, and no "
                                  "other leaves");
            return;
        }
        for (const std::string& given : words_of(names->text, kBlanksAndCommas)) {
            const std::string name = text::to_lower(given);
            auto& domains = config_.auth.domains;
            if (std::any_of(domains.begin(), domains.end(),
                            [&](const auto& one) { return text::to_lower(one.name) == name; }))
                continue;
            const std::string path = "domain[" + std::to_string(domains.size()) + "]";
            places_.set(path, names->place);
            places_.set(path + ".name", names->place);
            auth::DomainOptions& domain = domains.emplace_back();
            domain.name = name;
            domain.key_directory = (fs::path(config_.state_directory) / "keys" / name).string();
        }
    }

    void add_listeners(bool alone) {
        const auto names = said(kListeners);
        if (!names && !alone) return;
        std::vector<ListenerOptions> chosen;
        const std::vector<std::string> words =
            names ? words_of(names->text, kBlanksAndCommas) : std::vector<std::string>{"internal"};
        for (const std::string& name : words) {
            if (name == "none" && words.size() == 1) continue;  // sockets only
            const auto preset = std::find_if(kPresets.begin(), kPresets.end(),
                                             [&](const Preset& one) { return one.name == name; });
            if (preset == kPresets.end()) {
                findings_.mistake(
                    names->place,
                    "has " + quote(name) +
                        "; allowed: \"internal\" (port 2525, for submission.trusted_networks), "
                        "\"submission\" (2587, "
                        "STARTTLS and a login), \"submissions\" (2465, TLS and a login), or \"none\" alone");
                return;
            }
            ListenerOptions listener;
            listener.name = name;
            listener.address = Endpoint::parse("*:" + std::to_string(preset->port)).value();
            listener.tls = preset->tls;
            listener.auth = preset->auth;
            chosen.push_back(std::move(listener));
        }
        for (std::size_t i = 0; names && i < chosen.size(); ++i) {
            const std::string path = "listener[" + std::to_string(i) + "]";
            for (const char* key : {"", ".address", ".tls", ".auth"}) places_.set(path + key, names->place);
        }
        for (std::size_t i = 0; !names && i < chosen.size(); ++i)
            places_.set("listener[" + std::to_string(i) + "].tls", {});
        config_.server.listeners = std::move(chosen);
        places_.set("listener", names ? names->place : Place{});
    }

    // Each has a directory of its own beside the common socket: who can reach it is who it was mounted for
    // (DO-9).
    void add_sites() {
        const auto sites = said(kSites);
        if (!sites) return;
        const std::string door = places_.given("local.socket") && !config_.server.local.socket.empty()
                                     ? config_.server.local.socket
                                     : config_.admin.socket;
        const fs::path directory = door.empty() ? fs::path("/run/posthorn") : fs::path(door).parent_path();
        for (const std::string& given : words_of(sites->text, kBlanks)) {
            const auto equals = given.find('=');
            const std::string path = "site[" + std::to_string(config_.intake.sites.size()) + "]";
            intake::SiteOptions site;
            site.name = given.substr(0, equals);
            if (equals != std::string::npos)
                site.domains = words_of(std::string_view(given).substr(equals + 1), ",");
            if (site.name.empty() || site.name.starts_with('.') || site.name.find('/') != std::string::npos ||
                site.domains.empty()) {
                findings_.mistake(sites->place,
                                  "has " + quote(given) +
                                      "; allowed: sites with their domains, such as \"shop=shop.example.com "
                                      "blog=example.org,example.net\"");
                return;
            }
            // What lies beside the sites' directories: another's mail must not be in a place of one site's.
            const fs::path own = directory / site.name;
            if (own == fs::path(door) || own == fs::path(config_.admin.socket) ||
                own == fs::path(config_.intake.pickup.directory)) {
                findings_.mistake(sites->place, "has " + quote(given) + ", whose directory would be " +
                                                    own.string() +
                                                    ", which is not a site's; allowed: another name");
                return;
            }
            site.socket = (own / "submission.sock").string();
            site.spool = (own / "spool").string();
            for (const char* key : {"", ".name", ".domains", ".socket", ".spool"})
                places_.set(path + key, sites->place);
            config_.intake.sites.push_back(std::move(site));
        }
    }

    void add_relay() {
        const auto host = said(kRelayHost);
        if (!host) return;
        const std::string path = "relay[" + std::to_string(config_.delivery.relays.size()) + "]";
        delivery::RelayOptions relay;
        relay.name = kRelayName;
        const auto& rows = relay_settings();
        const auto row =
            std::find_if(rows.begin(), rows.end(), [](const auto& one) { return one.key == "host"; });
        Value value;
        List hosts;
        for (std::string& word : words_of(host->text, kBlanksAndCommas)) {
            Value item;
            item.data = std::move(word);
            hosts.push_back(std::move(item));
        }
        value.data = std::move(hosts);
        if (row->binding.set(relay, value, {})) {
            findings_.mistake(host->place, "is " + quote(host->text) + "; allowed: " + row->binding.allowed);
            return;
        }
        if (const auto user = said(kRelayUser)) relay.user = std::string(text::trim(user->text));
        if (const auto password = said(kRelayPassword)) relay.password = password->text;
        for (const char* key : {"", ".name", ".host", ".user", ".password"})
            places_.set(path + key, host->place);
        config_.delivery.relays.push_back(std::move(relay));
        const std::string route = "route[" + std::to_string(config_.delivery.routes.size()) + "]";
        places_.set(route, host->place);
        delivery::RouteOptions& all = config_.delivery.routes.emplace_back();
        all.recipients = {"*"};
        all.to = kRelayName;
    }

    const Environment& environment_;
    Config& config_;
    Places& places_;
    Findings& findings_;
};

}  // namespace

const std::vector<TableVariable>& table_variables() {
    static const std::vector<TableVariable> all = {
        {kDomains, "example.com example.org",
         "A [[domain]] for each, with key_directory = \"keys/NAME\" in state_directory, where the first "
         "start makes a key. A domain that the file "
         "has stays as it is there."},
        {kListeners, "internal submission",
         "In place of the file's [[listener]] tables. internal: port 2525 without TLS, for "
         "submission.trusted_networks; never publish it. "
         "submission: port 2587, STARTTLS, always a login. submissions: port 2465, TLS, always a login. "
         "none. Without a file and this "
         "variable: internal."},
        {kSites, "shop=shop.example.com blog=example.org,example.net",
         "A [[site]] for each, with its domains, and with a directory NAME beside local.socket that has its "
         "own submission.sock and spool."},
        {kRelayHost, "smtp.example.net:587",
         "A [[relay]] named relayhost, and a last [[route]] that sends it all mail that no other route of "
         "the file takes."},
        {kRelayUser, "example", "As whom we log in there."},
        {kRelayPassword, "(better POSTHORN_RELAYHOST_PASSWORD_FILE)", "The password, which is never shown."},
    };
    return all;
}

bool is_table_variable(std::string_view variable) {
    const auto& all = table_variables();
    const auto named = [&](std::string_view name) {
        return std::any_of(all.begin(), all.end(),
                           [&](const TableVariable& one) { return one.name == name; });
    };
    return named(variable) ||
           (variable.ends_with(kFile) && named(variable.substr(0, variable.size() - kFile.size())));
}

bool stands_for_a_file(const Environment& environment) {
    return std::any_of(environment.begin(), environment.end(), [](const auto& one) {
        const std::string& name = one.first;
        return name == "POSTHORN_HOSTNAME" || name == "POSTHORN_HOSTNAME_FILE" || name == kDomains ||
               name == std::string(kDomains) + std::string(kFile);
    });
}

bool is_sendmail_variable(std::string_view variable) {
    constexpr std::array<std::string_view, 6> kAll{"POSTHORN_SOCKET",  "POSTHORN_HOST",
                                                   "POSTHORN_SPOOL",   "POSTHORN_ADMIN",
                                                   "POSTHORN_ALIASES", "POSTHORN_SIZE_LIMIT"};
    return std::find(kAll.begin(), kAll.end(), variable) != kAll.end();
}

void add_tables(const Environment& environment, bool alone, Config& config, Places& places,
                Findings& findings) {
    Tables(environment, config, places, findings).add(alone);
}

}  // namespace posthorn::config
