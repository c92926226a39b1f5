// What a configuration needs of the machine: files, ports and programs, for the sandbox to grant before the daemon confines itself.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "net/listener.hpp"
#include "sandbox/confinement.hpp"

namespace posthorn::app {

// How the daemon began: what it may do, and what it opened before. Owned by it.
struct Confined {
    sandbox::InForce in_force;
    bool programs = false;                      // alarm.command was set: programs may be started
    std::vector<net::BoundSocket> sockets;      // of ports that take a privilege; taken by the listeners
};

// Directories that settings name and that do not exist are made, as the daemon's user's. What cannot be made is told by who needs it.
void make_directories(const config::Config& config, const sandbox::Identity& identity);

// Empty, or why the daemon's user could do nothing with a state directory that is there, and what to do.
[[nodiscard]] std::string state_directory_fault(const config::Config& config, const sandbox::Identity& identity);

// The first that anybody may listen on (net.ipv4.ip_unprivileged_port_start).
[[nodiscard]] std::uint16_t first_free_port();

// The listeners whose ports lie below that, beside those that are `open` already, which come first in what is returned.
[[nodiscard]] Result<std::vector<net::BoundSocket>> bind_privileged_ports(const config::Config& config, std::vector<net::BoundSocket> open);

// Everything the daemon opens by name: the one list to be kept when a feature opens other files.
[[nodiscard]] sandbox::Places places_of(const config::Config& config, const std::string& config_path);

// Which names in sandbox.system_calls are nobody's, in sentences.
[[nodiscard]] std::vector<std::string> sandbox_problems(const config::Config& config);

[[nodiscard]] sandbox::Wishes sandbox_wishes(const config::Config& config, const std::string& config_path, sandbox::Identity identity);

// A file that a setting names and that root reads, but not the user the daemon runs as.
struct ClosedFile {
    std::string setting;  // in words: "tls.key_file"
    std::string path;
};

// Each once; none where we are not root. Before the sandbox.
[[nodiscard]] std::vector<ClosedFile> closed_files(const config::Config& config, const std::string& config_path,
                                                   const sandbox::Identity& identity);

// The same for a command of root's, which does not run as the daemon does: a sentence each, with what to do.
[[nodiscard]] std::vector<std::string> closed_file_warnings(const config::Config& config, const std::string& config_path);

// What a reload wants that the running sandbox does not grant, in words that end with what to do; empty: nothing.
[[nodiscard]] std::string beyond_sandbox(const Confined& confined, const config::Config& wanted, const std::string& config_path);

}  // namespace posthorn::app
