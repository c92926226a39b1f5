// `posthorn reload`: has the running daemon read its configuration anew, and waits for what comes of it.
#include <fmt/format.h>

#include <memory>

#include "app/daemon_call.hpp"

namespace posthorn::app {
namespace {

int reload_daemon(const DaemonOptions& options) {
    const Asked asked = ask(options, "POST", "/v1/reload");   // what is wrong was told
    if (asked.code != exit_code::kOk) {
        complain("a running daemon keeps its old configuration");
        return asked.code;
    }
    if (options.json)
        print_json(asked.text);
    else
        print("The new configuration is in force; the log names what a restart is needed for, if anything.\n");
    return exit_code::kOk;
}

}  // namespace

void add_reload_command(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("reload", "Have the running daemon read its configuration, keys, users and certificates anew");
    auto options = std::make_shared<DaemonOptions>();
    add_daemon_options(*command, *options);
    command->footer("What SIGHUP does, but with the answer: exit code 0, or the mistakes and the old configuration stays in force.");
    command->callback([options, &action] { action = [options] { return reload_daemon(*options); }; });
}

}  // namespace posthorn::app
