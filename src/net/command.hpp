// A program run to its end, without a shell: what the operator named, with input, time and output bounded.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"

namespace posthorn::net {

struct CommandRun {
    std::vector<std::string> arguments;   // the first is the whole path of the program
    std::vector<std::pair<std::string, std::string>> environment;   // all of it: nothing of ours, which may hold passwords, is passed on
    std::string input;                    // on its standard input
    Duration limit = std::chrono::seconds(30);
    std::shared_ptr<const std::atomic<bool>> give_up;   // becomes true: killed at once; may be null
    std::size_t most_output = 4096;       // octets of its standard output and error together that are kept
};

struct CommandEnd {
    std::string error;                    // it could not be started: why; else empty
    bool timed_out = false;               // killed, with all of its process group; also where it was given up
    int exit_status = -1;                 // where it ended by itself
    int signal = 0;                       // where a signal ended it
    std::string output;

    [[nodiscard]] bool fine() const { return error.empty() && !timed_out && exit_status == 0; }
    [[nodiscard]] std::string words() const;   // "exit status 1", "killed after 30 s", ...
};

// Blocks for up to the limit: on a pool thread that has nothing else to do. In a process group of its own, with no descriptors but the
// standard ones, in "/". What it leaves running with its output closed is its own affair.
[[nodiscard]] CommandEnd run_command(const CommandRun& run);

}  // namespace posthorn::net
