// Settings of what the daemon may still do once it runs ([sandbox]).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace posthorn::sandbox {

// automatic: where the kernel has it, and a line in the log where not; required: no start without it.
enum class Wish : std::uint8_t { off, automatic, required };

struct SandboxOptions {
    std::string user;                        // of a daemon that root starts: a name or a number; empty: see choose_identity()
    Wish landlock = Wish::automatic;
    Wish seccomp = Wish::automatic;
    std::vector<std::string> read_paths;     // whole paths, beyond those that other settings name
    std::vector<std::string> write_paths;    // the same, to change
    std::vector<std::string> system_calls;   // names, beyond those of system_calls.cpp

    friend bool operator==(const SandboxOptions&, const SandboxOptions&) = default;
};

}  // namespace posthorn::sandbox
