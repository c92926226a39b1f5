// `posthorn domain add|list|remove`: the domains whose mail is signed, in posthorn.toml.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <memory>
#include <optional>

#include "admin/client.hpp"
#include "app/config_file.hpp"
#include "app/daemon_call.hpp"
#include "app/domain_keys.hpp"
#include "app/json_members.hpp"
#include "app/ownership.hpp"
#include "app/records_view.hpp"
#include "auth/dkim/key_directory.hpp"
#include "base/clock.hpp"
#include "config/checks.hpp"
#include "mail/domain.hpp"
#include "setup/setup_plan.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

struct DomainCommand : DaemonOptions {
    std::vector<std::string> names;
    std::vector<std::string> ips;
    bool force = false;
    bool offline = false;
};

std::string absolute_path(const std::string& path) {
    std::error_code error;
    const fs::path whole = fs::absolute(path, error);
    return error ? path : whole.lexically_normal().string();
}

// The name as the configuration has it; nothing: it was told why it is none.
std::optional<std::string> domain_named(const std::string& given) {
    const auto name = mail::to_ascii(given);
    const std::string fault = !name                                  ? ": " + name.error().what
                              : given.find('@') != std::string::npos ? ", but an address"
                                                                     : config::fault_of_hostname(*name);
    if (fault.empty()) return *name;
    complain(fmt::format("\"{}\" is no domain{}; one looks like example.com", given,
                         fault.starts_with(" is ") ? "," + fault.substr(3) : fault));
    return std::nullopt;
}

// The file's text and what it comes to; nothing: its mistakes were told.
struct DomainFile {
    std::string path;
    setup::ConfigText text;
    std::string before;
    config::Config config;
};
std::optional<DomainFile> read_domain_file(const std::string& config_path) {
    const std::string path = absolute_path(config_path);
    std::error_code unknown;
    if (!fs::exists(path, unknown) && !unknown) {
        complain(fmt::format("there is no {}; `posthorn setup` makes it", path));
        return std::nullopt;
    }
    const auto config = load_config(path);
    if (!config) return std::nullopt;
    auto text = read_config_text(path);
    if (!text) {
        complain(text.error().what);
        return std::nullopt;
    }
    std::string before = text->text();
    return DomainFile{path, std::move(*text), std::move(before), *config};
}

// Has a running daemon take the change, and says what came of it.
void tell_daemon(const DomainCommand& options, const config::Config& config) {
    const std::string socket = options.socket.empty() ? config.admin.socket : options.socket;
    const auto answer = admin::request(socket, "POST", "/v1/reload");
    if (!answer) {
        print(
            "No running Posthorn answers here; it will know when it is started, or reloaded (systemctl "
            "reload posthorn).\n");
    } else if (answer->status == 200) {
        print("The running Posthorn has taken the change.\n");
    } else {
        complain(fmt::format("the running Posthorn has not taken the change: {}", answer->body));
    }
}

int add_domains(const DomainCommand& options) {
    auto file = read_domain_file(options.config_path);
    if (!file) return exit_code::kConfig;
    std::vector<std::string> names;
    for (const std::string& given : options.names) {
        const auto name = domain_named(given);
        if (!name) return exit_code::kDataError;
        names.push_back(*name);
        const auto added = file->text.add_domain({*name, {}, setup::key_directory_of(*name)});
        if (!added) {
            complain(added.error().what);
            return exit_code::kConfig;
        }
        print(*name + (*added ? " is added.\n" : " is there already.\n"));
    }
    if (const std::string mistakes = mistakes_in(file->text.text(), file->path); !mistakes.empty()) {
        complain("the configuration would not be right, so nothing is changed:\n" + mistakes);
        return exit_code::kConfig;
    }
    // The key first: a domain without one would have its mail held.
    std::vector<auth::DomainOptions> domains =
        config::parse_here(file->text.text(), file->path).config.auth.domains;
    std::erase_if(domains, [&](const auth::DomainOptions& domain) {
        return std::find(names.begin(), names.end(), domain.name) == names.end();
    });
    const auto keys = make_first_keys(domains, wall_now());
    if (!keys) {
        complain(keys.error().what);
        return exit_code::kCannotCreate;
    }
    const auto written = write_config(file->path, file->before, file->text.text());
    if (!written) {
        complain(written.error().what);
        return exit_code::kCannotCreate;
    }
    for (const MadeKey& key : *keys) {
        print(
            fmt::format("{}: a key was made, {}. Keep it secret, and keep a copy.\n", key.domain, key.path));
        print(ownership_hint(key.path, file->path));
    }
    if (*written || !keys->empty()) tell_daemon(options, file->config);
    std::vector<setup::WantedRecord> told;
    for (const std::string& name : names) {
        print(fmt::format("\nWhat DNS still lacks for {}\n\n", name));
        static_cast<void>(show_missing_records(file->path, name, options.ips, options.offline, told));
    }
    return exit_code::kOk;
}

int list_domains(const DomainCommand& options) {
    const auto config = load_config(options.config_path);
    if (!config) return exit_code::kConfig;
    json::array all;
    int code = exit_code::kOk;
    for (const auth::DomainOptions& domain : config->auth.domains) {
        json::object one;
        one["domain"] = domain.name;
        json::array selectors;
        std::string words;
        const auto keys = auth::dkim::domain_keys(domain);
        if (!keys) {
            complain(keys.error().what);
            code = exit_code::kNoInput;
        }
        for (std::size_t i = 0; keys && i < keys->size(); ++i) {
            const auth::dkim::DomainKey& key = (*keys)[i];
            const std::string stage =
                key.managed ? std::string(auth::dkim::to_string(key.stage)) : std::string("fixed");
            selectors.push_back(
                json::object{{"selector", key.selector}, {"stage", stage}, {"key_file", key.key_file}});
            words += fmt::format("{}{} ({})", words.empty() ? "" : ", ", key.selector, stage);
        }
        one["keys"] = std::move(selectors);
        all.push_back(std::move(one));
        if (!keys) words = "its keys cannot be read";
        if (!options.json) print(fmt::format("{:<30} {}\n", domain.name, words.empty() ? "no key" : words));
    }
    if (options.json) print_json(json::serialize(json::object{{"domains", std::move(all)}}));
    if (!options.json && config->auth.domains.empty())
        print("There is no domain; `posthorn domain add example.com` adds one.\n");
    return code;
}

bool is_of(std::string_view address, const std::string& domain) {
    const auto at = address.rfind('@');
    return at != std::string_view::npos && mail::is_subdomain_of(address.substr(at + 1), domain);
}

// The id of a waiting message whose sender is at the domain or below it; empty: there is none. Nothing:
// nobody knows, and it was told why.
std::optional<std::string> waiting_mail_of(const DomainCommand& options, const config::Config& config,
                                           const std::string& domain) {
    DaemonOptions daemon = options;
    std::error_code unknown;
    if (daemon.socket.empty()) daemon.socket = config.admin.socket;
    const auto alive = admin::request(daemon.socket, "GET", "/v1/health", std::chrono::seconds(10));
    if (!alive) {
        if (!fs::exists(fs::path(config.queue.directory), unknown) && !unknown)
            return std::string();  // it never ran
        complain(
            fmt::format("whether mail of {} is waiting only the running Posthorn knows, and it does not "
                        "answer ({}); start it, or say --force",
                        domain, alive.error().what));
        return std::nullopt;
    }
    std::string after;
    do {
        Asked page = ask(daemon, "GET",
                         "/v1/queue?limit=200" + (after.empty() ? "" : "&after=" + admin::url_encode(after)));
        if (page.code != exit_code::kOk) return std::nullopt;
        const json::object& body = page.body.as_object();
        for (const json::value& message : body.at("messages").as_array())
            if (is_of(text_of(message.as_object(), "from"), domain))
                return std::string(text_of(message.as_object(), "id"));
        after = std::string(text_of(body, "next"));
    } while (!after.empty());
    return std::string();
}

int remove_domain(const DomainCommand& options) {
    auto file = read_domain_file(options.config_path);
    if (!file) return exit_code::kConfig;
    const auto name = domain_named(options.names.front());
    if (!name) return exit_code::kDataError;
    const auto removed = file->text.remove_domain(*name);
    if (!removed) {
        complain(removed.error().what);
        return exit_code::kConfig;
    }
    if (!*removed) {
        print(fmt::format("{} is not there.\n", *name));
        return exit_code::kOk;
    }
    if (!options.force) {
        const auto waiting = waiting_mail_of(options, file->config, *name);
        if (!waiting) return exit_code::kUnavailable;
        if (!waiting->empty()) {
            complain(
                fmt::format("mail of {} is waiting ({}): without the domain it would not be signed. "
                            "`posthorn queue list` shows it; wait until it has "
                            "left, or say --force",
                            *name, *waiting));
            return exit_code::kTempFail;
        }
    }
    const auto written = write_config(file->path, file->before, file->text.text());
    if (!written) {
        complain(written.error().what);
        return exit_code::kConfig;
    }
    print(fmt::format("{} is removed. These lines are gone from {}:\n\n{}\n", *name, file->path,
                      file->text.removed()));
    const auto& domains = file->config.auth.domains;
    const auto was = std::find_if(domains.begin(), domains.end(),
                                  [&](const auth::DomainOptions& domain) { return domain.name == *name; });
    if (was != domains.end() && !was->key_directory.empty())
        print(
            fmt::format("Its keys stay in {}; its records in DNS should stay for a week, for mail that is "
                        "still under way.\n",
                        was->key_directory));
    tell_daemon(options, file->config);
    return exit_code::kOk;
}

}  // namespace

void add_domain_commands(CLI::App& app, Action& action) {
    auto* group = app.add_subcommand("domain", "Domains whose mail is signed and sent");
    group->require_subcommand(1);
    const auto add_one = [&](const char* name, const char* help, int (*run)(const DomainCommand&)) {
        auto* command = group->add_subcommand(name, help);
        auto options = std::make_shared<DomainCommand>();
        add_config_option(*command, options->config_path);
        command->callback([options, run, &action] { action = [options, run] { return run(*options); }; });
        return std::pair(command, options);
    };
    const auto socket = [](CLI::App& command, DomainCommand& options) {
        command
            .add_option("--socket", options.socket,
                        "The running Posthorn's admin socket, instead of the configuration's")
            ->type_name("PATH");
    };
    const auto [add, adding] = add_one(
        "add",
        "Add domains: makes their keys, shows the DNS records to publish; what is there stays as it is",
        add_domains);
    add->add_option("NAME", adding->names, "The domain behind the @ of senders, such as example.com")
        ->required();
    add->add_option("--ip", adding->ips, "A public address that mail leaves from, for the SPF record")
        ->type_name("ADDRESS");
    add->add_flag("--offline", adding->offline, "Ask nothing of DNS: shows all records");
    socket(*add, *adding);
    const auto [list, listing] = add_one("list", "List the domains and their keys", list_domains);
    list->add_flag("--json", listing->json, "Print JSON");
    const auto [remove, removing] = add_one("remove", "Take a domain out; its keys stay", remove_domain);
    remove->add_option("NAME", removing->names, "The domain")->required()->expected(1);
    remove->add_flag("--force", removing->force, "Although mail of it is waiting");
    socket(*remove, *removing);
}

}  // namespace posthorn::app
