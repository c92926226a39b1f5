// `posthorn import postfix`: shows what the old configuration comes to, writes it, hands the old queue over.
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <memory>

#include "app/command_line.hpp"
#include "app/import_files.hpp"
#include "app/postfix_drain.hpp"
#include "base/sysexits.hpp"
#include "config/config.hpp"
#include "doctor/report_text.hpp"
#include "migration/equivalents.hpp"
#include "migration/migration.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

struct ImportCommand {
    migration::Sources sources;
    std::string postfix = "/etc/postfix", opendkim = "/etc/opendkim", dovecot = "/etc/dovecot";
    std::string output = kDefaultConfig;
    bool opendkim_named = false, dovecot_named = false, output_named = false;
    bool apply = false, drain = false, as_json = false;
    std::string drain_to;
    int drain_seconds = 600;
};

std::string absolute(const std::string& path) {
    std::error_code error;
    std::filesystem::path made = std::filesystem::absolute(path, error).lexically_normal();
    if (!made.has_filename()) made = made.parent_path();
    return error ? path : made.string();
}

json::array notes(const std::vector<migration::Note>& all) {
    json::array made;
    for (const migration::Note& note : all) {
        json::object one{{"subject", note.subject}, {"text", note.words}};
        if (!note.origin.built_in()) {
            one["file"] = note.origin.file;
            one["line"] = note.origin.line;
        }
        made.push_back(std::move(one));
    }
    return made;
}

std::string as_json(const migration::Migration& made) {
    json::array keys;
    for (const migration::KeyCopy& key : made.keys)
        keys.push_back(json::object{
            {"domain", key.domain}, {"selector", key.selector}, {"from", key.from}, {"to", key.to}});
    json::array secrets;
    for (const migration::SecretFile& secret : made.secrets)
        secrets.push_back(json::object{
            {"to", secret.to}, {"purpose", secret.purpose}, {"origin", secret.origin.to_string()}});
    json::array blocked;
    for (const std::string& mistake : made.blocked) blocked.push_back(json::string(mistake));
    return json::serialize(json::object{{"configuration", made.toml},
                                        {"carried", notes(made.carried)},
                                        {"not_carried", notes(made.not_carried)},
                                        {"not_needed", notes(made.not_needed)},
                                        {"mistakes", notes(made.mistakes)},
                                        {"to_do", notes(made.to_do)},
                                        {"keys", keys},
                                        {"secrets", secrets},
                                        {"blocked", blocked}});
}

void tell(std::string_view heading, const std::vector<migration::Note>& all) {
    if (all.empty()) return;
    fmt::print(stderr, "\n{} ({})\n", heading, all.size());
    for (const migration::Note& note : all) {
        fmt::print(stderr, "\n  {}{}\n{}", note.subject,
                   note.origin.built_in() ? "" : " (" + note.origin.to_string() + ")",
                   doctor::wrapped(note.words, 4, 80));
    }
}

void report(const migration::Migration& made) {
    tell("Mistakes in the old configuration", made.mistakes);
    tell("Not carried over", made.not_carried);
    if (!made.not_needed.empty()) {
        std::string names;
        for (const migration::Note& note : made.not_needed) {
            if (names.find(note.subject + ",") == std::string::npos) names += note.subject + ", ";
        }
        names.resize(names.size() - 2);
        fmt::print(stderr, "\nNot needed any more ({}; docs/from-postfix.md says why)\n\n{}",
                   made.not_needed.size(), doctor::wrapped(names, 4, 80));
    }
    for (const migration::SecretFile& secret : made.secrets)
        fmt::print(stderr, "\n{} goes to {} ({}).\n", secret.purpose, secret.to, secret.origin.to_string());
    tell("Left for you to do", made.to_do);
    if (!made.blocked.empty()) {
        fmt::print(stderr, "\nBefore Posthorn starts with this configuration, decide about:\n");
        for (const std::string& mistake : made.blocked) fmt::print(stderr, "  {}\n", mistake);
    }
}

int write(const ImportCommand& command, const migration::Migration& made) {
    if (!made.blocked.empty()) {
        report(made);
        complain("the configuration would not be accepted (see above), so that nothing was written");
        return exit_code::kConfig;
    }
    const auto applied = apply(made, command.sources.output, config::Config{}.state_directory);
    if (!applied) {
        complain(applied.error().what);
        return exit_code::kCannotCreate;
    }
    if (command.as_json) {
        print_json(as_json(made));
        return exit_code::kOk;
    }
    for (const std::string& line : applied->lines) print(line + "\n");
    report(made);
    fmt::print(stderr,
               "\nNext: posthorn check-config --config {}; stop Postfix and OpenDKIM, start "
               "Posthorn;\nposthorn import postfix --drain hands over what still waits in Postfix's queue.\n",
               command.sources.output);
    return exit_code::kOk;
}

// --output without --apply: the text alone, to look at and to change.
int write_text(const ImportCommand& command, const migration::Migration& made) {
    migration::Migration text_only;
    text_only.toml = made.toml;
    const auto applied = apply(text_only, command.sources.output, "");
    if (!applied) {
        complain(applied.error().what);
        return exit_code::kCannotCreate;
    }
    if (command.as_json)
        print_json(as_json(made));
    else
        print(applied->lines.front() + "; keys and passwords are copied by --apply\n");
    if (!command.as_json) report(made);
    return exit_code::kOk;
}

// A path that was given and leads nowhere: without this the result would look complete, and lack the keys.
bool is_there(const std::string& option, const std::string& path, bool named) {
    std::error_code unknown;
    if (!named || std::filesystem::exists(path, unknown) || std::filesystem::exists(path + ".conf", unknown)) return true;
    complain(fmt::format("{} {}: there is no such file or directory, so nothing of it is here", option, path));
    return false;
}

int run(ImportCommand& command) {
    command.sources.postfix = absolute(command.postfix);
    command.sources.opendkim = absolute(command.opendkim);
    command.sources.dovecot = absolute(command.dovecot);
    command.sources.output = absolute(command.output);
    // Without keys there would be new ones, with new records; without Dovecot only its users are missing.
    if (!is_there("--opendkim", command.sources.opendkim, command.opendkim_named)) return exit_code::kNoInput;
    static_cast<void>(is_there("--dovecot", command.sources.dovecot, command.dovecot_named));
    if (command.drain && !command.apply)
        return drain_postfix({command.sources.postfix, command.sources.output, command.drain_to,
                              std::chrono::seconds(command.drain_seconds), command.as_json});
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) == 0 && name[0] != 0) command.sources.machine.hostname = name;
    command.sources.machine.ipv6 = ::access("/proc/net/if_inet6", F_OK) == 0;
    const auto made = migration::plan(DiskFiles(), command.sources);
    if (!made) {
        complain(made.error().what);
        return exit_code::kNoInput;
    }
    if (command.apply) {
        const int code = write(command, *made);
        if (code != exit_code::kOk || !command.drain) return code;
        return drain_postfix({command.sources.postfix, command.sources.output, command.drain_to,
                              std::chrono::seconds(command.drain_seconds), command.as_json});
    }
    if (command.output_named) return write_text(command, *made);
    if (command.as_json) {
        print_json(as_json(*made));
    } else {
        print(made->toml);
        report(*made);
    }
    return exit_code::kOk;
}

}  // namespace

void add_import_commands(CLI::App& app, Action& action) {
    auto* group = app.add_subcommand("import", "Moving from Postfix and OpenDKIM");
    group->require_subcommand(1);
    auto* postfix = group->add_subcommand(
        "postfix", "Show, or write, what the configuration of Postfix, OpenDKIM and Dovecot comes to");
    auto command = std::make_shared<ImportCommand>();
    postfix->add_option("directory", command->postfix, "Postfix's directory")
        ->type_name("DIR")
        ->capture_default_str();
    auto* opendkim = postfix->add_option("--opendkim", command->opendkim, "OpenDKIM's directory, or opendkim.conf")
        ->type_name("PATH")
        ->capture_default_str();
    auto* dovecot = postfix->add_option("--dovecot", command->dovecot, "Dovecot's directory, or dovecot.conf")
        ->type_name("PATH")
        ->capture_default_str();
    auto* output =
        postfix->add_option("-o,--output", command->output, "The configuration to write; keys go beside it")
            ->type_name("FILE")
            ->capture_default_str();
    postfix
        ->add_option("--hostname", command->sources.hostname,
                     "This server's public name, instead of myhostname")
        ->type_name("NAME");
    postfix->add_flag("--copy-users", command->sources.copy_users,
                      "Take the users of Dovecot's passwd-files over, instead of asking Dovecot");
    postfix->add_flag("--apply", command->apply,
                      "Write the configuration and copy keys and passwords; nothing is overwritten");
    postfix->add_flag("--drain", command->drain,
                      "Hand the mail in Postfix's queue over to the running Posthorn, by Postfix itself");
    postfix
        ->add_option("--drain-to", command->drain_to,
                     "Where Posthorn takes it [the first fitting listener of the configuration]")
        ->type_name("HOST:PORT");
    postfix->add_option("--drain-time", command->drain_seconds, "Seconds to wait for it at most")
        ->check(CLI::Range(1, 86400))
        ->capture_default_str();
    postfix->add_flag("--json", command->as_json, "JSON, for programs");
    postfix->callback([command, output, opendkim, dovecot, &action] {
        command->opendkim_named = opendkim->count() > 0;
        command->dovecot_named = dovecot->count() > 0;
        command->output_named = output->count() > 0;
        action = [command] { return run(*command); };
    });
    group->add_subcommand("reference", "Print docs/from-postfix.md: every option with its equivalent")
        ->callback([&action] {
            action = [] {
                print(migration::equivalents_page());
                return exit_code::kOk;
            };
        });
}

}  // namespace posthorn::app
