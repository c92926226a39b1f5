// `posthorn serve`.
#include <memory>

#include "app/command_line.hpp"
#include "app/serve.hpp"

namespace posthorn::app {

void add_serve_command(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("serve", "Run the mail server in the foreground");
    auto options = std::make_shared<ServeOptions>();
    add_config_option(*command, options->config_path);
    command->callback([options, &action] { action = [options] { return serve(*options); }; });
}

}  // namespace posthorn::app
