// How a subcommand asks the running daemon: its options, the request to the admin socket, and the exit code of what came back.
#pragma once

#include <boost/json/value.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "app/command_line.hpp"
#include "base/sysexits.hpp"

namespace posthorn::app {

// What all of them take on the command line.
struct DaemonOptions {
    std::string config_path;
    std::string socket;  // the daemon's admin socket; empty: the configuration's
    std::string url;         // of its [admin] listen, instead: "http://127.0.0.1:2580"
    std::string token_file;  // what holds the token for it
    bool json = false;   // print JSON
};

// Adds --config, --socket, --url, --token-file and --json.
void add_daemon_options(CLI::App& command, DaemonOptions& options);

// The answer, or an exit code after the reason was told on standard error.
struct Asked {
    int code = exit_code::kOk;
    std::string text;          // the body as it came
    boost::json::value body;   // always an object where the answer is JSON
};

// One request; target with its query, percent-encoded. Waits for the answer.
[[nodiscard]] Asked ask(const DaemonOptions& options, const std::string& method, const std::string& target);
// For long answers that are text: prints them as they come; the exit code.
[[nodiscard]] int print_answer(const DaemonOptions& options, const std::string& target);
// The same for answers that need not end: `sink` gets them piece by piece, and may throw to have enough.
[[nodiscard]] int follow_answer(const DaemonOptions& options, const std::string& target,
                                const std::function<void(std::string_view)>& sink);
// One request whose answer is words, good or bad: prints them; the exit code.
[[nodiscard]] int order(const DaemonOptions& options, const std::string& target);
// For answers that are not JSON when they are good (GET /metrics).
[[nodiscard]] Asked ask_for_text(const DaemonOptions& options, const std::string& target);

}  // namespace posthorn::app
