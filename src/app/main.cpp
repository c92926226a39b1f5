// The program: reads the command line and runs the subcommand it names.
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "app/command_line.hpp"
#include "base/sysexits.hpp"

namespace posthorn::app {
namespace {

int run(int argc, char** argv) {
    CLI::App app{"Posthorn: takes this server's outgoing mail, keeps it safe, signs it and delivers it."};
    app.set_version_flag("--version", "posthorn " POSTHORN_VERSION);
    app.require_subcommand(1);
    app.footer(
        "`posthorn COMMAND --help` tells more. The manual of the configuration is docs/CONFIGURATION.md.");
    Action action;
    add_setup_commands(app, action);
    add_serve_command(app, action);
    add_reload_command(app, action);
    add_domain_commands(app, action);
    add_config_commands(app, action);
    add_user_commands(app, action);
    add_account_commands(app, action);
    add_diagnose_command(app, action);
    add_doctor_command(app, action);
    add_dkim_commands(app, action);
    add_dns_commands(app, action);
    add_queue_commands(app, action);
    add_guard_commands(app, action);
    add_route_commands(app, action);
    add_rules_commands(app, action);
    add_local_commands(app, action);
    add_send_test_command(app, action);
    add_senders_command(app, action);
    add_sandbox_commands(app, action);
    add_status_commands(app, action);
    add_suppression_commands(app, action);
    add_tail_command(app, action);
    add_top_command(app, action);
    add_why_command(app, action);
    add_import_commands(app, action);
    add_tlsrpt_commands(app, action);
    add_alarm_commands(app, action);
    add_backup_commands(app, action);
    add_container_commands(app, action);
    add_manual_command(app, action);
    app.add_subcommand("version", "Print the version")->callback([&] {
        action = [] {
            print("posthorn " POSTHORN_VERSION "\n");
            return exit_code::kOk;
        };
    });
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const auto is_meant = [&](const CLI::App* command) { return command->check_name(argv[1]); };
        if (argc > 1 && argv[1][0] != '-' && app.get_subcommands(is_meant).empty()) {
            complain(fmt::format("there is no command \"{}\"; `posthorn --help` lists them", argv[1]));
            return exit_code::kUsage;
        }
        const auto is_part = [&](const CLI::App* command) { return command->check_name(argv[2]); };
        const auto is_group = [&](const CLI::App* command) { return is_meant(command) && !command->get_subcommands({}).empty(); };
        if (argc > 2 && argv[2][0] != '-' && !app.get_subcommands(is_group).empty() &&
            app.get_subcommands(is_group).front()->get_subcommands(is_part).empty()) {
            complain(fmt::format("there is no command \"{0} {1}\"; `posthorn {0} --help` lists them", argv[1], argv[2]));
            return exit_code::kUsage;
        }
        const int code = app.exit(error);  // prints the help asked for, or what is wrong
        return code == 0 ? exit_code::kOk : exit_code::kUsage;
    }
    const int code = action();
    // A full disk or a closed pipe behind standard output must not look like success.
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
        return code != exit_code::kOk ? code : exit_code::kIoError;
    }
    return code;
}

}  // namespace
}  // namespace posthorn::app

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);  // writes answer EPIPE instead
    try {
        return posthorn::app::run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "posthorn: this should not have happened: %s\n", error.what());
        return posthorn::exit_code::kSoftware;
    }
}
