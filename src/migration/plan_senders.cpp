// As whom mail leaves, and who gets this machine's own: canonical and generic tables, aliases, virtual
// aliases, myorigin.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "mail/aliases.hpp"
#include "mail/domain.hpp"
#include "migration/planner.hpp"

namespace posthorn::migration {
namespace {

// Names of this machine that programs put behind the "@": what mydestination and myhostname have of that
// kind.
std::vector<std::string> machine_names(const Planner& planner) {
    std::vector<std::string> names{"localhost", "localhost.localdomain"};
    std::vector<std::string> candidates = planner.main.list("mydestination");
    candidates.push_back(planner.main.value("myhostname"));
    candidates.push_back(planner.main.value("mydomain"));
    candidates.push_back(planner.sources.machine.hostname);
    for (std::string& name : candidates) {
        text::lower_in_place(name);
        const bool good = mail::is_valid_hostname(name) && is_name_of_machine(name) && !planner.is_ours(name);
        if (good && name != "localdomain" && std::find(names.begin(), names.end(), name) == names.end())
            names.push_back(name);
    }
    return names;
}

// The system user that a key of a canonical or generic table is about: "httpd", "httpd@web3.localdomain".
std::string local_user(const Planner& planner, std::string_view key) {
    const std::size_t at = key.find('@');
    if (at == 0) return {};
    if (at == std::string_view::npos) return std::string(key);
    const std::string domain = text::to_lower(key.substr(at + 1));
    // A real domain of ours has people, too, whose addresses the tables of Postfix changed; a host's name has
    // programs.
    const bool host =
        domain == text::to_lower(planner.main.value("myhostname")) &&
        std::find(planner.domains.begin(), planner.domains.end(), domain) == planner.domains.end();
    const bool local = host || is_name_of_machine(domain);
    return local ? std::string(key.substr(0, at)) : std::string();
}

class Senders {
public:
    explicit Senders(Planner& planner) : planner_(planner) {}

    void plan() {
        rewriting("sender_canonical_maps");
        rewriting("canonical_maps");
        rewriting("smtp_generic_maps");
        for (const char* name : {"sender_canonical_classes", "canonical_classes"})
            planner_.dealt_with.insert(name);
        for (const auto& [sender, site] : sites_) {
            planner_.draft.add("site")
                .set("name", toml_string(site.users.front()), "")
                .set("users", toml_list(site.users), site.origins)
                .set("sender", toml_string(sender), "");
        }
        names();
        aliases();
        virtual_aliases();
    }

private:
    struct Site {
        std::vector<std::string> users;
        std::string origins;
    };

    void rewriting(const char* parameter) {
        for (const LookupTable& table : planner_.tables(parameter)) {
            if (!table.problem.empty()) continue;
            for (const TableEntry& entry : table.entries) rewriting_row(parameter, table, entry);
            if (!table.entries.empty())
                planner_.carried(parameter, "[[site]] sender and repair.local_domains");
        }
    }

    void rewriting_row(const char* parameter, const LookupTable& table, const TableEntry& entry) {
        const std::string shown = text::safe_for_log(entry.key + " " + entry.value, 140);
        const std::string domain = entry.value.substr(entry.value.rfind('@') + 1);
        if (table.kind == LookupTable::Kind::always || table.kind == LookupTable::Kind::pattern) {
            // "/.+/ wordpress@example.com" and static: everybody sends as one.
            const bool everybody = table.kind == LookupTable::Kind::always || entry.key == "/.+/" ||
                                   entry.key == "/.*/" || entry.key == "/^.*$/" || entry.key == "/^.+$/" ||
                                   entry.key == "/./";
            if (everybody && is_address(entry.value) && planner_.is_ours(domain) &&
                !planner_.draft.section("local").has("sender")) {
                planner_.draft.section("local").set("sender", toml_string(entry.value),
                                                    entry.origin.to_string() + " " + parameter);
                planner_.not_carried_at(parameter, entry.origin,
                                        shown +
                                            ": became local.sender, for mail that says nothing of its own. "
                                            "Senders at a [[domain]] stay who they are.");
            } else {
                planner_.not_carried_at(parameter, entry.origin,
                                        shown +
                                            ": Posthorn has no regular expressions for senders; [[site]] "
                                            "gives the programs of a user their sender.");
            }
            return;
        }
        const std::string user = local_user(planner_, entry.key);
        if (!user.empty() && is_address(entry.value) && planner_.is_ours(domain)) {
            if (std::any_of(sites_.begin(), sites_.end(), [&](const auto& s) {
                    return std::find(s.second.users.begin(), s.second.users.end(), user) !=
                           s.second.users.end();
                })) {
                return;  // an earlier table has said it
            }
            Site& site = sites_[entry.value];
            site.users.push_back(user);
            site.origins += (site.origins.empty() ? "" : ", ") + entry.origin.to_string() + " " + parameter;
        } else if (entry.key.starts_with('@') && entry.value.starts_with('@') &&
                   (is_name_of_machine(entry.key.substr(1)) || planner_.is_ours(entry.key.substr(1))) &&
                   planner_.is_ours(domain)) {
            more_names_.push_back(text::to_lower(entry.key.substr(1)));
            if (qualify_.empty()) qualify_ = text::to_lower(domain);
        } else {
            planner_.not_carried_at(
                parameter, entry.origin,
                shown + (planner_.is_ours(domain)
                             ? ": Posthorn changes the senders of this machine's programs only ([[site]]); "
                               "let the program itself send as the right address."
                             : ": it is no address of a [[domain]]."));
        }
    }

    void names() {
        std::vector<std::string> names = machine_names(planner_);
        for (const std::string& name : more_names_) {
            if (std::find(names.begin(), names.end(), name) == names.end() && !planner_.is_ours(name))
                names.push_back(name);
        }
        Draft::Table& repair = planner_.draft.section("repair");
        if (names.size() > 2)
            repair.set("local_domains", toml_list(names),
                       "names of this machine, " + planner_.from("mydestination") + ", myhostname");
        const std::string origin = planner_.main.value("myorigin");
        planner_.dealt_with.insert("myorigin");
        if (origin.starts_with('/')) {
            if (origin != "/etc/mailname")
                planner_.draft.section("local").set("mailname_file", toml_string(origin),
                                                    planner_.from("myorigin"));
            planner_.carried("myorigin", "local.mailname_file");
        } else if (planner_.is_ours(origin) && planner_.main.is_set("myorigin")) {
            qualify_ = text::to_lower(origin);
            planner_.carried("myorigin", "repair.qualify_domain");
        }
        if (!qualify_.empty()) repair.set("qualify_domain", toml_string(qualify_), planner_.from("myorigin"));
    }

    void aliases() {
        planner_.dealt_with.insert("alias_database");
        const std::vector<LookupTable> tables = planner_.tables("alias_maps");
        std::string file;
        for (const LookupTable& table : tables) {
            if (table.file.empty()) continue;
            if (!file.empty()) {
                planner_.not_carried("alias_maps",
                                     fmt::format("{}: Posthorn reads one file of aliases; add these to {}.",
                                                 table.spec, file));
                continue;
            }
            file = table.file;
            if (!planner_.main.is_set("alias_maps")) continue;
            if (file != "/etc/aliases")
                planner_.draft.section("local").set("aliases_file", toml_string(file),
                                                    planner_.from("alias_maps"));
            planner_.carried("alias_maps", "local.aliases_file");
        }
        bool root = false;
        if (!file.empty()) {
            const mail::AliasTable parsed = mail::parse_aliases(planner_.files.text(file).value_or(""));
            for (const mail::Alias& alias : parsed.aliases) {
                root = root || (alias.name == "root" && !alias.values.empty());
                for (const mail::AliasValue& value : alias.values) {
                    if (const std::string_view why = mail::why_refused(value.kind); !why.empty())
                        planner_.not_carried_at(
                            "aliases", {file, value.line},
                            fmt::format("{}: {}.", text::safe_for_log(alias.name, 60), why));
                }
            }
            for (const mail::AliasFault& fault : parsed.faults)
                planner_.mistake("aliases", {file, fault.line}, fault.what + ".");
        }
        const std::string last_resort = planner_.main.value("luser_relay");
        if (is_address(last_resort)) {
            planner_.draft.section("local").set("users_to", toml_list(std::vector<std::string>{last_resort}),
                                                planner_.from("luser_relay"));
            planner_.carried("luser_relay", "local.users_to");
        } else if (!root) {
            planner_.to_do("root",
                           "Say who reads root's mail (cron's, above all): an alias \"root: you@elsewhere\" "
                           "in /etc/aliases, or local.users_to. Postfix put it into a mailbox here; Posthorn "
                           "has no mailboxes.");
        }
    }

    void virtual_aliases() {
        std::size_t count = 0;
        for (const LookupTable& table : planner_.tables("virtual_alias_maps")) {
            count += table.entries.size();
            for (const TableEntry& entry : table.entries) {
                if (table.kind != LookupTable::Kind::exact || !is_address(entry.value)) continue;
                const std::string user = local_user(planner_, entry.key);
                if (user != "root" || planner_.draft.section("local").has("users_to")) continue;
                planner_.draft.section("local").set("users_to",
                                                    toml_list(std::vector<std::string>{entry.value}),
                                                    entry.origin.to_string() + " virtual_alias_maps");
                --count;
            }
            if (count > 0)
                planner_.not_carried(
                    "virtual_alias_maps",
                    fmt::format("{} of its rows: they forward mail that comes in. Names of this machine "
                                "belong in /etc/aliases; mail of real domains goes to their MX hosts.",
                                count));
        }
    }

    Planner& planner_;
    std::map<std::string, Site> sites_;  // by sender
    std::vector<std::string> more_names_;
    std::string qualify_;
};

}  // namespace

void plan_senders(Planner& planner) {
    Senders(planner).plan();
    planner.dealt_with.insert("mydestination");
}

}  // namespace posthorn::migration
