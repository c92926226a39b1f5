// `posthorn local test`: who would get mail for a name of this machine, and why. Never sends anything.
#include <fmt/format.h>

#include <memory>

#include "app/command_line.hpp"
#include "app/plan.hpp"
#include "base/sysexits.hpp"
#include "smtp/server/alias_files.hpp"

namespace posthorn::app {
namespace {

struct LocalCommand {
    std::string config_path;
    std::string name;
};

int test(const LocalCommand& options) {
    const std::optional<config::Config> config = load_config(options.config_path);
    if (!config) return exit_code::kConfig;
    const intake::LocalNames names = local_names_of(*config);
    if (!names.is_local(options.name)) {
        print(fmt::format("{} is no name of this machine: such mail goes where DNS or a [[route]] says (`posthorn route test {}`)\n",
                          options.name, options.name));
        return exit_code::kOk;
    }
    smtp::server::AliasFiles files;
    const intake::Expansion expansion = intake::expand(names, files, options.name);
    print(options.name + "\n");
    for (const std::string& step : expansion.steps) print(step + "\n");
    switch (expansion.kind) {
        case intake::Expansion::Kind::recipients:
            print("goes to:\n");
            for (const intake::Target& target : expansion.targets) {
                print(fmt::format("  {}  ({}){}\n", target.address, target.via,
                                  target.reverse_path ? ", sent as " + *target.reverse_path : ""));
            }
            return exit_code::kOk;
        case intake::Expansion::Kind::discarded:
            print("is thrown away\n");
            return exit_code::kOk;
        case intake::Expansion::Kind::refused:
            break;
    }
    print(fmt::format("is refused: {} {} {}\n", expansion.code, expansion.enhanced, expansion.text));
    return expansion.code >= 500 ? exit_code::kNoUser : exit_code::kTempFail;
}

}  // namespace

void add_local_commands(CLI::App& app, Action& action) {
    auto* local = app.add_subcommand("local", "Names of this machine, such as root");
    local->require_subcommand(1);
    auto* command = local->add_subcommand("test", "Tell who gets mail for a name, and why");
    auto options = std::make_shared<LocalCommand>();
    add_config_option(*command, options->config_path);
    command->add_option("name", options->name, "root, www-data, root@localhost, ...")->required();
    command->callback([options, &action] { action = [options] { return test(*options); }; });
}

}  // namespace posthorn::app
