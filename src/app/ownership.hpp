// Whether the daemon will be able to read what a command run by root has just made.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

namespace posthorn::app {

// Like create_directories with mode 0700; made by root, they belong to the owner of the directory they are
// made in.
void make_private_directories(const std::filesystem::path& directory, std::error_code& error);

// Empty when all is well or we are not root; else lines that name the user who cannot read `file` and the
// command that helps. The daemon's user is known by who owns its state directory.
[[nodiscard]] std::string ownership_hint(const std::filesystem::path& file, const std::string& config_path);

}  // namespace posthorn::app
