// A new file is one text with its words; an old one is changed value by value, each change told.
#include "setup/setup_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/text.hpp"

namespace posthorn::setup {
namespace {

using smtp::server::ListenerAuth;
using smtp::server::ListenerOptions;

std::string list_of(std::string_view addresses) {
    std::string out;
    for (const std::string_view one : text::split(addresses, ' '))
        out += (out.empty() ? "" : ", ") + toml::quote(one);
    return "[" + out + "]";
}

bool is_implicit(std::string_view address) {
    return address.ends_with(":465");
}

std::vector<std::string> lines_of_door(const std::string& address, bool users) {
    if (!users) return {"address = " + toml::quote(address), "tls = \"none\"", "auth = \"none\""};
    return {"address = " + toml::quote(address),
            is_implicit(address) ? "tls = \"implicit\"" : "tls = \"starttls\"", "auth = \"required\""};
}

std::string door(const std::string& address, bool users) {
    std::string out = "[[listener]]\n";
    for (const std::string& line : lines_of_door(address, users)) out += line + "\n";
    return out + "\n";
}

bool takes_users(const Answers& answers) {
    return answers.users && !answers.certificate_later;
}

// The one address of that family that mail shall leave from, where the machine has several public ones; else
// empty: the system chooses.
std::string source_of(const Answers& answers, const Machine& machine, bool v4) {
    std::string chosen;
    std::size_t named = 0;
    for (const IpAddress& address : answers.addresses) {
        if (address.is_v4() != v4) continue;
        ++named;
        chosen = address.to_string();
    }
    std::size_t own = 0;
    bool is_own = false;
    for (const IpAddress& address : machine.public_addresses()) {
        if (address.is_v4() != v4) continue;
        ++own;
        is_own = is_own || address.to_string() == chosen;
    }
    return named == 1 && own > 1 && is_own ? chosen : std::string();
}

std::string fresh_text(const Answers& answers, const Machine& machine, const Doors& doors) {
    std::string out = fmt::format(
        "# Posthorn's configuration, made by `posthorn setup`. Change it as you like:\n"
        "# setup, run again, keeps every comment and touches nothing that is right.\n"
        "# All settings and their defaults: `posthorn config-reference --example`.\n"
        "# After a change: posthorn check-config && posthorn reload\n"
        "config_version = {}\n\n"
        "# What this server calls itself. The name leads to its addresses (A, AAAA),\n"
        "# and its addresses lead to the name (PTR).\n"
        "hostname = {}\n\n",
        config::kConfigVersion, toml::quote(answers.hostname));
    const std::vector<std::string> programs =
        doors.programs.value_or(std::vector<std::string>{"127.0.0.1:25"});
    if (!programs.empty())
        out +=
            "# Programs on this machine hand in mail here, without a password. sendmail\n# needs no port.\n";
    for (const std::string& address : programs) out += door(address, false);
    if (takes_users(answers)) {
        out += "# People and programs elsewhere log in here: `posthorn user add NAME`.\n";
        for (const std::string& address : doors.users) out += door(address, true);
    }
    out +=
        "# Mail from these domains, and from names below them, is signed and sent.\n# `posthorn domain add "
        "NAME` adds one.\n";
    for (const std::string& domain : answers.domains)
        out += fmt::format("[[domain]]\nname = {}\nkey_directory = {}\n\n", toml::quote(domain),
                           toml::quote(key_directory_of(domain)));
    if (takes_users(answers)) {
        out += "# Renewed certificates are taken by themselves.\n[tls]\n";
        out += answers.self_signed
                   ? std::string("self_signed = true\n\n")
                   : fmt::format("certificate_file = {}\nkey_file = {}\n\n",
                                 toml::quote(answers.certificate_file), toml::quote(answers.key_file));
        out += "[auth]\nusers_file = \"users\"\n\n";
    }
    if (!answers.root_mail.empty())
        out += fmt::format(
            "# Who reads what cron and others write to users of this machine, such as\n# "
            "root.\n[local]\nusers_to = {}\n\n",
            list_of(answers.root_mail));
    const std::string v4 = source_of(answers, machine, true);
    const std::string v6 = source_of(answers, machine, false);
    if (!v4.empty() || !v6.empty())
        out += "# This machine has more addresses; mail leaves from these.\n[delivery]\n";
    if (!v4.empty()) out += fmt::format("source_v4 = {}\n", toml::quote(v4));
    if (!v6.empty()) out += fmt::format("source_v6 = {}\n", toml::quote(v6));
    while (out.ends_with("\n\n")) out.pop_back();
    return out;
}

// Changes of a file that has an author already.
class Amendment {
public:
    Amendment(ConfigText text, const config::Config& as_read, const std::string& path)
        : text_(std::move(text)), as_read_(as_read), directory_(std::filesystem::path(path).parent_path()) {}

    Result<void> carry_out(const Answers& answers, const Machine& machine, const Doors& doors);
    SetupPlan plan() && {
        SetupPlan out;
        out.text = text_.text();
        out.changes = std::move(changes_);
        return out;
    }

private:
    Result<void> set(std::string_view path, const std::string& value, const std::string& was) {
        auto set = text_.set_value(path, value);
        if (!set) return set.error();
        if (*set)
            changes_.push_back(was.empty() ? fmt::format("{} = {} is added", path, value)
                                           : fmt::format("{} becomes {}; it is {}", path, value, was));
        return {};
    }
    // As the daemon sees it: a relative path begins at the file.
    Result<void> set_path(std::string_view path, const std::string& value, const std::string& present) {
        if ((directory_ / value).lexically_normal() == std::filesystem::path(present).lexically_normal())
            return {};
        return set(path, toml::quote(value), present.empty() ? std::string() : toml::quote(present));
    }
    Result<void> add_domains(const std::vector<std::string>& domains);
    Result<void> add_door(const std::string& address, bool users);
    Result<void> take_users(const Answers& answers, const Doors& doors);

    ConfigText text_;
    const config::Config& as_read_;
    std::filesystem::path directory_;
    std::vector<std::string> changes_;
};

Result<void> Amendment::add_domains(const std::vector<std::string>& domains) {
    for (const std::string& name : domains) {
        const auto& all = as_read_.auth.domains;
        const auto present = std::find_if(
            all.begin(), all.end(), [&](const auth::DomainOptions& domain) { return domain.name == name; });
        if (present == all.end()) {
            auto added = text_.add_domain({name, {}, key_directory_of(name)});
            if (!added) return added.error();
            changes_.push_back(fmt::format("[[domain]] {} is added", name));
        } else if (present->keys.empty() && present->key_directory.empty()) {
            auto set = text_.set_domain_value(name, "key_directory", toml::quote(key_directory_of(name)));
            if (!set) return set.error();
            if (*set)
                changes_.push_back(fmt::format("[[domain]] {} has no key; it gets key_directory = \"{}\"",
                                               name, key_directory_of(name)));
        }
    }
    return {};
}

Result<void> Amendment::add_door(const std::string& address, bool users) {
    // Read as the configuration reads it: "*:465" and "0.0.0.0:465" are the same.
    const config::Loaded wanted = config::parse(door(address, users), "listen", {});
    if (wanted.config.server.listeners.empty() ||
        wanted.config.server.listeners.front().address == Endpoint{})
        return Error{address,
                     " is no address to listen at; one looks like 127.0.0.1:25, *:587 or "
                     "unix:/run/posthorn/submit.sock"};
    const Endpoint& endpoint = wanted.config.server.listeners.front().address;
    const auto& all = as_read_.server.listeners;
    if (std::any_of(all.begin(), all.end(),
                    [&](const ListenerOptions& listener) { return listener.address == endpoint; }))
        return {};
    if (auto added = text_.add_table("listener", lines_of_door(address, users)); !added) return added.error();
    changes_.push_back(fmt::format("[[listener]] {} is added, {}", address,
                                   users ? "where users log in" : "where programs need no password"));
    return {};
}

Result<void> Amendment::take_users(const Answers& answers, const Doors& doors) {
    const auto& all = as_read_.server.listeners;
    const bool has_door = std::any_of(all.begin(), all.end(), [](const ListenerOptions& listener) {
        return listener.auth == ListenerAuth::required;
    });
    if (!has_door) {
        for (const std::string& address : doors.users)
            if (auto done = add_door(address, true); !done) return done;
    }
    if (answers.self_signed) {
        if (as_read_.server.tls.self_signed) return {};
        if (auto done = set("tls.self_signed", "true", ""); !done) return done;
    } else {
        const auto& tls = as_read_.server.tls;
        if (auto done = set_path("tls.certificate_file", answers.certificate_file, tls.certificate_file);
            !done)
            return done;
        if (auto done = set_path("tls.key_file", answers.key_file, tls.key_file); !done) return done;
    }
    const auto& credentials = as_read_.auth.credentials;
    return credentials.users_file.empty() && credentials.dovecot_socket.empty()
               ? set("auth.users_file", "\"users\"", "")
               : Result<void>();
}

Result<void> Amendment::carry_out(const Answers& answers, const Machine& machine, const Doors& doors) {
    const bool begun = !as_read_.hostname.empty();
    if (answers.hostname != as_read_.hostname) {
        if (auto done =
                set("hostname", toml::quote(answers.hostname), begun ? toml::quote(as_read_.hostname) : "");
            !done)
            return done;
    }
    // What a file without a host name lacks is not known to be left out on purpose.
    if (doors.programs || (!begun && as_read_.server.listeners.empty())) {
        for (const std::string& address : doors.programs.value_or(std::vector<std::string>{"127.0.0.1:25"}))
            if (auto done = add_door(address, false); !done) return done;
    }
    if (auto done = add_domains(answers.domains); !done) return done;
    if (takes_users(answers)) {
        if (auto done = take_users(answers, doors); !done) return done;
    }
    const auto& root = as_read_.intake.local.users_to;
    std::string present;
    for (const std::string& address : root) present += (present.empty() ? "" : " ") + address;
    if (!answers.root_mail.empty() && answers.root_mail != present) {
        if (auto done = set("local.users_to", list_of(answers.root_mail),
                            present.empty() ? std::string() : list_of(present));
            !done)
            return done;
    }
    for (const bool v4 : {true, false}) {
        const std::string& now = v4 ? as_read_.delivery.source_v4 : as_read_.delivery.source_v6;
        const std::string wanted = source_of(answers, machine, v4);
        if (wanted.empty() || wanted == now) continue;
        if (auto done = set(v4 ? "delivery.source_v4" : "delivery.source_v6", toml::quote(wanted),
                            now.empty() ? "" : toml::quote(now));
            !done)
            return done;
    }
    return {};
}

}  // namespace

std::string key_directory_of(std::string_view domain) {
    return "keys/" + std::string(domain);
}

Result<SetupPlan> make_setup_plan(ConfigText present, const config::Config& as_read, const std::string& path,
                                  const Answers& answers, const Machine& machine, const Doors& doors) {
    SetupPlan plan;
    if (text::trim(present.text()).empty()) {
        plan.fresh = true;
        plan.text = fresh_text(answers, machine, doors);
        plan.changes.push_back("a new configuration");
    } else {
        Amendment amendment(std::move(present), as_read, path);
        if (auto done = amendment.carry_out(answers, machine, doors); !done) return done.error();
        plan = std::move(amendment).plan();
    }
    plan.needs_users_file = takes_users(answers) && as_read.auth.credentials.dovecot_socket.empty();
    return plan;
}

}  // namespace posthorn::setup
