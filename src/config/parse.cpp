// From text and environment to a Config: walks the values by the table of settings and collects all mistakes.
#include <algorithm>
#include <filesystem>

#include "config/checks.hpp"
#include "config/derived.hpp"
#include "config/environment.hpp"
#include "config/environment_tables.hpp"
#include "config/findings.hpp"
#include "config/schema.hpp"
#include "toml/reader.hpp"

extern char** environ;  // environ(7); no header of the standard declares it

namespace posthorn::config {
namespace {

std::string explain(std::string_view name, const Refusal& refusal, const Value& value,
                    const std::string& allowed) {
    std::string words(name);
    if (refusal.complete) {
        return words + refusal.what;
    }
    if (!refusal.what.empty()) {
        words += " " + refusal.what;
    } else if (const auto* list = value.as<List>()) {
        const Value* culprit = nullptr;
        for (const Value& item : *list) {
            if (item.at.line == refusal.at.line && item.at.column == refusal.at.column) {
                culprit = &item;
            }
        }
        words += culprit != nullptr ? " has " + describe(*culprit) : " is a list";
    } else {
        words += " is " + describe(value);
    }
    return words + "; allowed: " + allowed;
}

// Reads one file of the text, given its tables.
class Reader {
public:
    Reader(Config& config, Places& places, Findings& findings, std::string directory)
        : config_(config), places_(places), findings_(findings), directory_(std::move(directory)) {}

    void read(const Table& root) { walk(root, ""); }
    void read_environment(const Environment& environment);

private:
    void walk(const Table& table, const std::string& section);
    void unknown(const Entry& entry, const std::string& section);
    void read_domains(const Entry& entry);
    void override_with(const Setting<Config>& setting, const std::string& variable, const std::string& text);
    bool read_relay_password(const std::string& variable, const std::string& text);

    // The tables of [[name]], or a mistake when it is something else.
    const List* tables_of(const Entry& entry, const std::string& name) {
        places_.set(name, {entry.at, {}});
        const auto* list = entry.value.as<List>();
        const bool good = list != nullptr && std::all_of(list->begin(), list->end(), [](const Value& item) {
                              return item.as<Table>() != nullptr;
                          });
        if (!good) {
            findings_.mistake({entry.at, {}}, entry.value.as<Table>() != nullptr
                                                  ? "[" + name + "] stands in single brackets; write [[" +
                                                        name + "]], once for each, since there may be several"
                                                  : name + " is " + describe(entry.value) +
                                                        "; allowed: tables headed [[" + name + "]]");
            return nullptr;
        }
        return list;
    }

    // The keys of one table of [[...]]. `nested`: a key that the caller reads itself.
    template <class Owner>
    void read_table(const std::vector<Setting<Owner>>& settings, const Table& table, Position at,
                    const std::string& kind, const std::string& path, Owner& owner,
                    std::string_view nested = {}) {
        places_.set(path, {at, {}});
        for (const Entry& entry : table) {
            if (entry.key == nested) {
                continue;
            }
            const auto setting = std::find_if(settings.begin(), settings.end(),
                                              [&](const Setting<Owner>& s) { return s.key == entry.key; });
            if (setting == settings.end()) {
                std::vector<std::string> names;
                for (const Setting<Owner>& s : settings) {
                    names.emplace_back(s.key);
                }
                if (!nested.empty()) {
                    names.emplace_back(nested);
                }
                say_unknown(entry, kind, names,
                            kind == "domain.dkim" ? "in its keys" : "in [[" + kind + "]]");
                continue;
            }
            places_.set(path + "." + entry.key, {entry.value.at, {}});
            if (const auto refused = setting->binding.set(owner, entry.value, directory_)) {
                findings_.mistake({refused->at, {}}, explain(kind + "." + entry.key, *refused, entry.value,
                                                             setting->binding.allowed));
            }
        }
        for (const Setting<Owner>& setting : settings) {
            if (setting.required && std::none_of(table.begin(), table.end(), [&](const Entry& entry) {
                    return entry.key == setting.key;
                })) {
                findings_.mistake({at, {}}, kind + "." + std::string(setting.key) +
                                                " is missing; allowed: " + setting.binding.allowed);
            }
        }
    }

    template <class Owner>
    void read_tables(const std::vector<Setting<Owner>>& settings, const Entry& entry, const std::string& kind,
                     std::vector<Owner>& owners) {
        const List* list = tables_of(entry, kind);
        for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
            owners.emplace_back();
            read_table(settings, *(*list)[i].template as<Table>(), (*list)[i].at, kind,
                       kind + "[" + std::to_string(i) + "]", owners.back());
        }
    }

    void say_unknown(const Entry& entry, const std::string& prefix, const std::vector<std::string>& names,
                     const std::string& place) {
        std::string words = "unknown key " + (prefix.empty() ? entry.key : prefix + "." + entry.key);
        if (const std::string meant = nearest(entry.key, names); !meant.empty()) {
            words += "; did you mean " + meant + "?";
        } else {
            words += "; allowed " + place + ": ";
            for (std::size_t i = 0; i < names.size(); ++i) {
                words += (i == 0 ? "" : ", ") + names[i];
            }
        }
        findings_.mistake({entry.at, {}}, std::move(words));
    }

    Config& config_;
    Places& places_;
    Findings& findings_;
    std::string directory_;
};

bool is_section(std::string_view name) {
    const auto& all = sections();
    return std::any_of(all.begin(), all.end(), [&](const Section& section) { return section.name == name; });
}

void Reader::walk(const Table& table, const std::string& section) {
    for (const Entry& entry : table) {
        const std::string path = dotted(section, entry.key);
        const auto& rows = settings();
        const auto setting = std::find_if(rows.begin(), rows.end(), [&](const Setting<Config>& row) {
            return row.section == section && row.key == entry.key;
        });
        if (setting != rows.end()) {
            places_.set(path, {entry.value.at, {}});
            if (const auto refused = setting->binding.set(config_, entry.value, directory_)) {
                findings_.mistake({refused->at, {}},
                                  explain(path, *refused, entry.value, setting->binding.allowed));
            }
        } else if (is_section(path)) {
            places_.set(path, {entry.at, {}});
            if (const auto* below = entry.value.as<Table>()) {
                walk(*below, path);
            } else {
                findings_.mistake({entry.at, {}}, path + " is " + describe(entry.value) +
                                                      "; allowed: a table headed [" + path + "]");
            }
        } else if (path == "listener") {
            read_tables(listener_settings(), entry, path, config_.server.listeners);
        } else if (path == "certificate") {
            read_tables(certificate_settings(), entry, path, config_.server.tls.certificates);
        } else if (path == "user") {
            read_tables(user_settings(), entry, path, config_.auth.accounts);
        } else if (path == "site") {
            read_tables(site_settings(), entry, path, config_.intake.sites);
        } else if (path == "stream") {
            read_tables(stream_settings(), entry, path, config_.auth.streams);
        } else if (path == "relay") {
            read_tables(relay_settings(), entry, path, config_.delivery.relays);
        } else if (path == "route") {
            read_tables(route_settings(), entry, path, config_.delivery.routes);
        } else if (path == "provider") {
            read_tables(provider_settings(), entry, path, config_.delivery.providers);
        } else if (path == "webhook") {
            read_tables(webhook_settings(), entry, path, config_.events.webhooks);
        } else if (path == "domain") {
            read_domains(entry);
        } else {
            unknown(entry, section);
        }
    }
}

void Reader::read_domains(const Entry& entry) {
    const List* list = tables_of(entry, "domain");
    for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
        const Table& table = *(*list)[i].as<Table>();
        const std::string path = "domain[" + std::to_string(i) + "]";
        auth::DomainOptions& domain = config_.auth.domains.emplace_back();
        read_table(domain_settings(), table, (*list)[i].at, "domain", path, domain, "dkim");
        for (const Entry& field : table) {
            if (field.key != "dkim") {
                continue;
            }
            places_.set(path + ".dkim", {field.value.at, {}});
            const auto* keys = field.value.as<List>();
            if (keys == nullptr || std::any_of(keys->begin(), keys->end(),
                                               [](const Value& key) { return key.as<Table>() == nullptr; })) {
                findings_.mistake(
                    {field.value.at, {}},
                    "domain.dkim is " + describe(field.value) +
                        "; allowed: a list of keys such as [{selector = \"m1\", key_file = \"m1.pem\"}]");
                continue;
            }
            for (std::size_t k = 0; k < keys->size(); ++k) {
                read_table(dkim_key_settings(), *(*keys)[k].as<Table>(), (*keys)[k].at, "domain.dkim",
                           path + ".dkim[" + std::to_string(k) + "]", domain.keys.emplace_back());
            }
        }
    }
}

void Reader::unknown(const Entry& entry, const std::string& section) {
    std::vector<std::string> names;
    for (const Setting<Config>& row : settings()) {
        if (row.section == section) {
            names.emplace_back(row.key);
        }
    }
    const std::string prefix = section.empty() ? "" : section + ".";
    for (const Section& other : sections()) {
        const bool below = other.name.size() > prefix.size() && other.name.starts_with(prefix) &&
                           other.name.find('.', prefix.size()) == std::string_view::npos;
        if (below) {
            names.emplace_back(other.name.substr(prefix.size()));
        }
    }
    if (section.empty()) {
        names.insert(names.end(), {"listener", "certificate", "domain", "user", "site", "stream", "relay", "route", "provider", "webhook"});
    }
    // The same key elsewhere is the likelier slip than another key here.
    for (const Setting<Config>& row : settings()) {
        if (row.key == entry.key) {
            findings_.mistake({entry.at, {}},
                              "unknown key " + dotted(section, entry.key) + "; it belongs " +
                                  (row.section.empty() ? "at the top of the file, before the first [section]"
                                                       : "in [" + std::string(row.section) + "]"));
            return;
        }
    }
    say_unknown(entry, section, names, section.empty() ? "at the top level" : "in [" + section + "]");
}

void Reader::override_with(const Setting<Config>& setting, const std::string& variable,
                           const std::string& text) {
    const std::string name = dotted(setting.section, setting.key);
    places_.set(name, {{}, variable});
    const auto value = value_of(setting.binding.shape, text);
    if (!value) {
        findings_.mistake({{}, variable},
                          name + " is " + quote(text) + "; allowed: " + setting.binding.allowed);
        return;
    }
    if (const auto refused = setting.binding.set(config_, *value, directory_)) {
        findings_.mistake({{}, variable}, explain(name, *refused, *value, setting.binding.allowed));
    }
}

// A password is no text to be shown, and belongs to one of several tables: POSTHORN_RELAY_NAME_PASSWORD, or the same with
// _FILE, which is password_file in other words. False: the variable is of no relay.
bool Reader::read_relay_password(const std::string& variable, const std::string& text) {
    for (std::size_t i = 0; i < config_.delivery.relays.size(); ++i) {
        delivery::RelayOptions& relay = config_.delivery.relays[i];
        const std::string own = relay_password_variable(relay.name);
        const bool file = variable == own + "_FILE";
        if (relay.name.empty() || (variable != own && !file)) continue;
        places_.set("relay[" + std::to_string(i) + "].password", {{}, variable});
        relay.password = file ? std::string() : text;
        relay.password_file = file ? text : std::string();
        return true;
    }
    return false;
}

void Reader::read_environment(const Environment& environment) {
    constexpr std::string_view kPrefix = "POSTHORN_";
    constexpr std::string_view kFile = "_FILE";
    std::vector<std::string> names;
    std::map<std::string, const Setting<Config>*> by_name;
    for (const TableVariable& table : table_variables()) names.emplace_back(table.name);
    for (const Setting<Config>& setting : settings()) {
        names.push_back(environment_name(setting.section, setting.key));
        by_name[names.back()] = &setting;
    }
    for (const auto& [variable, text] : environment) {
        // SM-44: what images of other mailers call it; our own name goes first.
        if (variable == "ROOT_ALIAS") {
            const std::string own = environment_name("local", "users_to");
            const bool said = std::any_of(environment.begin(), environment.end(), [&](const auto& other) {
                return other.first == own || other.first == own + std::string(kFile);
            });
            if (!said) override_with(*by_name.at(own), variable, text);
            continue;
        }
        if (!variable.starts_with(kPrefix) || variable == "POSTHORN_CONFIG" || variable == "POSTHORN_ADMIN_URL" || is_table_variable(variable) || is_sendmail_variable(variable)) {
            continue;
        }
        if (const auto found = by_name.find(variable); found != by_name.end()) {
            override_with(*found->second, variable, text);
            continue;
        }
        if (variable.ends_with(kFile)) {
            const auto found = by_name.find(variable.substr(0, variable.size() - kFile.size()));
            if (found != by_name.end()) {
                const auto content = read_value_file(text);
                if (!content) {
                    findings_.mistake({{}, variable}, content.error().what +
                                                          "; allowed: a file that holds the value of " +
                                                          dotted(found->second->section, found->second->key));
                    continue;
                }
                override_with(*found->second, variable, *content);
                continue;
            }
        }
        if (read_relay_password(variable, text)) continue;
        // Not a mistake: Kubernetes and old Docker links set variables named after a service, such as
        // POSTHORN_PORT.
        const std::string meant = nearest(variable, names);
        findings_.warning({{}, variable},
                          "no setting has this name; it is not used" +
                              (meant.empty() ? std::string() : "; did you mean " + meant + "?"));
    }
}

// Programs would hear of it only when the daemon is down.
void look_for_spool(const Config& config, const Places& places, Findings& findings) {
    const bool programs = config.server.relay.trust_unix_socket && !config.server.local.socket.empty();
    if (!programs || places.given("local.spool") || !config.intake.pickup.directory.empty()) return;
    findings.warning(places.of("state_directory"),
                     "with this state_directory there is no default for local.spool: what programs send by sendmail while Posthorn is down is "
                     "refused, not kept; set local.spool = \"/var/spool/posthorn\" in one daemon of this machine, and \"\" in others");
}

// SD-54: nothing else is said of such a file; what looks like mistakes there may be what is new.
bool is_for_a_newer_program(const Table& root, Findings& findings) {
    const auto version = std::find_if(root.begin(), root.end(), [](const Entry& entry) { return entry.key == "config_version"; });
    const auto* number = version == root.end() ? nullptr : version->value.as<std::int64_t>();
    if (number == nullptr || *number <= kConfigVersion) return false;
    findings.mistake({version->value.at, {}},
                     "config_version is " + std::to_string(*number) + ", but this Posthorn reads " +
                         std::to_string(kConfigVersion) +
                         ": the file is written for a newer one; install that, or put back the file that this one was used with");
    return true;
}

// alone: there is no file, and the text is empty.
Loaded parse_in(std::string_view text, const std::string& file_name, const std::string& directory,
                const Environment& environment, bool alone = false) {
    Loaded loaded;
    loaded.config = defaults();
    Places places;
    Findings findings(file_name);
    const TomlText toml = read_toml(text);
    for (const SyntaxMistake& mistake : toml.mistakes) {
        findings.mistake({mistake.at, {}}, mistake.what);
    }
    if (toml.readable && is_for_a_newer_program(toml.root, findings)) {
        findings.move_to(loaded);
        return loaded;
    }
    if (toml.readable) {
        Reader reader(loaded.config, places, findings, directory);
        reader.read(toml.root);
        reader.read_environment(environment);
        if (alone && loaded.config.hostname.empty()) places.set_missing("hostname", {{}, "POSTHORN_HOSTNAME"});
        add_tables(environment, alone, loaded.config, places, findings);
        derive(loaded.config, places);
        look_for_spool(loaded.config, places, findings);
        check_identity(loaded.config, places, findings);
        check_listeners(loaded.config, places, findings);
        check_domains(loaded.config, places, findings);
        check_users(loaded.config, places, findings);
        check_sites(loaded.config, places, findings);
        check_streams(loaded.config, places, findings);
        check_repair(loaded.config, places, findings);
        check_times(loaded.config, places, findings);
        check_delivery(loaded.config, places, findings);
        check_tls_reports(loaded.config, places, findings);
        check_warm_up(loaded.config, places, findings);
        check_routes(loaded.config, places, findings);
        check_events(loaded.config, places, findings);
        check_sandbox(loaded.config, places, findings);
        check_admin(loaded.config, places, findings);
    }
    findings.move_to(loaded);
    return loaded;
}

}  // namespace

Loaded parse(std::string_view text, const std::string& file_name, const Environment& environment) {
    return parse_in(text, file_name, std::filesystem::path(file_name).parent_path().string(), environment);
}

Loaded parse_environment(const Environment& environment) {
    return parse_in({}, "the environment", {}, environment, true);
}

namespace {

Environment environment_here() {
    Environment environment;
    for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
        const std::string_view said(*variable);
        if (const auto equals = said.find('='); equals != std::string_view::npos) {
            environment.emplace_back(said.substr(0, equals), said.substr(equals + 1));
        }
    }
    std::sort(environment.begin(), environment.end());
    return environment;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> value_files_here() {
    Environment files = environment_here();
    std::erase_if(files, [](const auto& one) { return !one.first.starts_with("POSTHORN_") || !one.first.ends_with("_FILE") || one.second.empty(); });
    return files;
}

std::optional<Loaded> parse_environment_here() {
    const Environment environment = environment_here();
    if (!stands_for_a_file(environment)) return std::nullopt;
    return parse_environment(environment);
}

Loaded parse_here(std::string_view text, const std::string& path) {
    std::error_code error;
    const std::filesystem::path absolute = std::filesystem::absolute(path, error);
    return parse_in(text, path, (error ? std::filesystem::path(path) : absolute).parent_path().string(),
                    environment_here());
}

}  // namespace posthorn::config
