// `posthorn sandbox check`: what the running daemon may do, in its own words, the kernel's, and by trying.
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <memory>

#include "app/daemon_call.hpp"
#include "app/sandbox_view.hpp"

namespace posthorn::app {
namespace {

struct SandboxCommand : DaemonOptions {
    bool verbose = false;
};

int check_sandbox(const SandboxCommand& options) {
    const Asked asked = ask(options, "GET", "/v1/sandbox");
    if (asked.code != exit_code::kOk) return asked.code;
    const boost::json::object& told = asked.body.as_object();
    if (options.json)
        print_json(boost::json::serialize(told));
    else
        print(sandbox_text(told, options.verbose));
    if (sandbox_holds(told)) return exit_code::kOk;
    complain("something was allowed that the sandbox should refuse, or refused that the daemon needs; see the lines in capitals");
    return exit_code::kFailure;
}

}  // namespace

void add_sandbox_commands(CLI::App& app, Action& action) {
    auto* group = app.add_subcommand("sandbox", "What the running daemon may do");
    group->require_subcommand(1);
    auto* command = group->add_subcommand("check", "Show what confines the daemon, and let it try what it must not");
    auto options = std::make_shared<SandboxCommand>();
    add_daemon_options(*command, *options);
    command->add_flag("--verbose", options->verbose, "With all directories that it may read");
    command->footer("The daemon tries, and nothing is changed by it. 1 where something is allowed that should be refused. docs/SANDBOX.md.");
    command->callback([options, &action] { action = [options] { return check_sandbox(*options); }; });
}

}  // namespace posthorn::app
