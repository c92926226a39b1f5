// `posthorn serve`: the daemon in the foreground.
#pragma once

#include <string>

namespace posthorn::app {

struct ServeOptions {
    std::string config_path = "/etc/posthorn/posthorn.toml";
};

// Runs until SIGTERM or SIGINT. Returns an exit code of <sysexits.h>; what went wrong is on standard error.
[[nodiscard]] int serve(const ServeOptions& options);

}  // namespace posthorn::app
