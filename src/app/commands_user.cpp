// `posthorn user add|password|remove`: the users file.
#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>

#include "app/command_line.hpp"
#include "app/ownership.hpp"
#include "app/terminal.hpp"
#include "auth/user_file.hpp"
#include "base/sysexits.hpp"

namespace posthorn::app {
namespace {

constexpr std::size_t kShortPassword =
    8;  // octets; shorter ones are taken all the same (NIST SP 800-63B s5.1.1.1)

struct UserOptions {
    std::string config_path;
    std::string file;
    std::string name;
    bool password_stdin = false;
};

// The users file of --file or of the configuration; an exit code when there is none.
std::optional<std::string> users_file(const UserOptions& options, int& code) {
    if (!options.file.empty()) {
        return options.file;
    }
    // Mistakes elsewhere are no reason not to add a user: often he is what is missing.
    const config::Loaded loaded = config::load(options.config_path);
    const std::string& file = loaded.config.auth.credentials.users_file;
    if (file.empty()) {
        for (const config::Mistake& mistake : loaded.mistakes) complain(mistake.to_string());
        complain(fmt::format("{} names no users file; set users_file in [auth], or POSTHORN_AUTH_USERS_FILE, or name one with --file",
                             options.config_path));
        code = exit_code::kConfig;
        return std::nullopt;
    }
    return file;
}

std::optional<std::string> read_password_line() {
    std::string line;
    if (!std::getline(std::cin, line) || line.empty()) {
        complain("--password-stdin: there was no password on standard input");
        return std::nullopt;
    }
    if (line.ends_with('\r')) {
        line.pop_back();
    }
    return line;
}

std::optional<std::string> read_password(Terminal& terminal) {
    const auto first = terminal.ask_hidden("Password: ");
    const auto second = first ? terminal.ask_hidden("The same again: ") : std::nullopt;
    if (!first || !second || first->empty()) {
        complain("no password was given; nothing was changed");
        return std::nullopt;
    }
    if (*first != *second) {
        complain("the two passwords differ; nothing was changed");
        return std::nullopt;
    }
    return first;
}

// `given`: where somebody is asked already; else a terminal is looked for.
std::optional<std::string> read_password(const UserOptions& options, Terminal* given) {
    if (options.password_stdin) return read_password_line();
    if (given != nullptr) return read_password(*given);
    if (!Terminal::is_there()) {
        complain("there is no terminal to ask for the password; give it with --password-stdin");
        return std::nullopt;
    }
    Terminal terminal;
    return read_password(terminal);
}

int change(const UserOptions& options, auth::UserChange change, Terminal* terminal = nullptr) {
    // Before anybody types a password.
    if (const auto fault = auth::UserFile::fault_of_name(options.name); !fault.empty()) {
        complain(fault);
        return exit_code::kDataError;
    }
    int code = exit_code::kOk;
    const auto file = users_file(options, code);
    if (!file) {
        return code;
    }
    std::error_code ignored;
    if (std::filesystem::exists(*file, ignored)) {
        const auto users = auth::UserFile::load(*file);
        if (!users) {
            complain(users.error().what);
            return exit_code::kNoInput;
        }
        const bool known = users->find(options.name) != nullptr;
        if (known && change == auth::UserChange::add) {
            complain(fmt::format("{} already has a user {}; `posthorn user password {}` changes the password",
                                 *file, options.name, options.name));
            return exit_code::kDataError;
        }
        if (!known && change != auth::UserChange::add) {
            complain(fmt::format("{} has no user {}; `posthorn user list` shows all", *file, options.name));
            return exit_code::kNoUser;
        }
    } else if (change != auth::UserChange::add) {
        complain(fmt::format("{} does not exist; `posthorn user add` makes it", *file));
        return exit_code::kNoInput;
    }
    std::string password;
    if (change != auth::UserChange::remove) {
        const auto given = read_password(options, terminal);
        if (!given) {
            return exit_code::kDataError;
        }
        password = *given;
        if (password.size() < kShortPassword) {
            complain(
                "warning: that is a short password, and guessers begin with those; 12 characters keep them "
                "out");
        }
    }
    const auto changed = auth::change_user(*file, change, options.name, password);
    if (!changed) {
        complain(changed.error().what);
        return exit_code::kCannotCreate;
    }
    const char* what = change == auth::UserChange::remove ? "removed" : "written";
    print(
        fmt::format("user {} {} in {}; a running daemon sees it after `posthorn reload`\n",
                    options.name, what, *file));
    print(ownership_hint(*file, options.config_path));
    return exit_code::kOk;
}

}  // namespace

int add_user(const std::string& config_path, const std::string& name, Terminal& terminal) {
    UserOptions options;
    options.config_path = config_path;
    options.name = name;
    return change(options, auth::UserChange::add, &terminal);
}

void add_user_commands(CLI::App& app, Action& action) {
    auto* group = app.add_subcommand("user", "Users who may log in to send mail");
    group->require_subcommand(1);
    const auto add = [&](const char* name, const char* help, bool takes_password, bool takes_name,
                         std::function<int(const UserOptions&)> run) {
        auto* command = group->add_subcommand(name, help);
        auto options = std::make_shared<UserOptions>();
        if (takes_name) {
            command->add_option("NAME", options->name, "The name that clients log in with")->required();
        }
        add_config_option(*command, options->config_path);
        command->add_option("--file", options->file, "The users file, instead of the configuration's")
            ->type_name("FILE");
        if (takes_password) {
            command->add_flag("--password-stdin", options->password_stdin,
                              "Read the password from standard input");
        }
        command->callback([options, run, &action] { action = [options, run] { return run(*options); }; });
        return command;
    };
    add("add", "Add a user; the password is asked for", true, true,
        [](const UserOptions& options) { return change(options, auth::UserChange::add); });
    add("password", "Change a user's password", true, true, [](const UserOptions& options) {
        return change(options, auth::UserChange::replace);
    })->alias("passwd");
    add("remove", "Remove a user", false, true,
        [](const UserOptions& options) { return change(options, auth::UserChange::remove); });
}

}  // namespace posthorn::app
