// `posthorn check-config`, and `config-reference`, which writes the files made from the table of settings.
#include <fmt/format.h>

#include <memory>

#include "app/command_line.hpp"
#include "app/plan.hpp"
#include "app/sandbox_plan.hpp"
#include "base/sysexits.hpp"
#include "config/reference.hpp"
#include "net/server_tls.hpp"

namespace posthorn::app {
namespace {

struct CheckOptions {
    std::string config_path;
    bool show = false;
};

std::string counted(std::size_t number, std::string_view noun) {
    return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

int check(const CheckOptions& options) {
    config::Loaded loaded = config::load(options.config_path);
    for (const config::Mistake& mistake : loaded.mistakes) {
        fmt::print(stderr, "{}\n", mistake.to_string());
    }
    for (const config::Mistake& warning : loaded.warnings) {
        fmt::print(stderr, "warning: {}\n", warning.to_string());
    }
    if (!loaded.mistakes.empty()) {
        complain(fmt::format("{} in {}; a running daemon keeps its old configuration",
                             counted(loaded.mistakes.size(), "mistake"), options.config_path));
        return exit_code::kConfig;
    }
    if (options.show) {
        print(config::show(loaded.config));
        return exit_code::kOk;
    }
    // What it names is read as at a start: keys, users, certificate.
    const Plan plan = make_plan(std::move(loaded.config));
    for (const std::string& problem : plan.problems) {
        complain(problem);
    }
    for (const std::string& warning : plan.warnings) {
        fmt::print(stderr, "warning: {}\n", warning);
    }
    if (!plan.problems.empty()) {
        complain(fmt::format(
            "{} in what {} names; the daemon would not start so, and a running one keeps what it has",
            counted(plan.problems.size(), "mistake"), options.config_path));
        return exit_code::kConfig;
    }
    const std::vector<std::string> closed = closed_file_warnings(plan.config, options.config_path);
    for (const std::string& warning : closed) fmt::print(stderr, "warning: {}\n", warning);
    std::size_t warnings = loaded.warnings.size() + plan.warnings.size() + closed.size();
    if (plan.runtime->tls) {
        for (const auto& certificate : plan.runtime->tls->certificates()) {
            const net::DateNotice notice = date_notice(*certificate, wall_now());
            if (notice.text.empty()) continue;
            fmt::print(stderr, "warning: {}\n", notice.text);
            ++warnings;
        }
    }
    print(fmt::format("{}: correct{}\n", options.config_path,
                      warnings == 0 ? "" : ", with " + counted(warnings, "warning")));
    return exit_code::kOk;
}

}  // namespace

void add_config_commands(CLI::App& app, Action& action) {
    auto* command =
        app.add_subcommand("check-config", "Tell all mistakes of the configuration, each with its line");
    auto options = std::make_shared<CheckOptions>();
    add_config_option(*command, options->config_path);
    command->add_flag("--show", options->show,
                      "Print the settings in force, environment included (key files by name only)");
    command->callback([options, &action] { action = [options] { return check(*options); }; });

    // For whoever changes the table of settings; the tests tell when it is due.
    auto* reference = app.add_subcommand("config-reference", "Print the manual of all settings");
    auto example = std::make_shared<bool>(false);
    reference->add_flag("--example", *example, "Print the commented example file instead");
    reference->group("");  // not in the help
    reference->callback([example, &action] {
        action = [example] {
            print(*example ? config::example_toml() : config::reference_markdown());
            return exit_code::kOk;
        };
    });
}

}  // namespace posthorn::app
