// Whether the daemon will be able to read what a command run by root has just made.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

#include "sandbox/privileges.hpp"
#include <vector>

namespace posthorn::app {

// As whom root may work at `path` without being led elsewhere: the last on the way to it, the file itself included, that is not root's;
// root, if all of it is. A directory's owner can put a link, or another directory, in the place of everything below it. Where the way
// leads through a link that is not root's, it is the link's owner.
[[nodiscard]] sandbox::Identity owner_of_the_way(const std::filesystem::path& path);

// Like create_directories with mode 0700; made by root, they belong to the owner of the directory they are
// made in, and are made as owner_of_the_way() says.
void make_private_directories(const std::filesystem::path& directory, std::error_code& error);

// Empty when all is well or we are not root; else lines that name the user who cannot read `file` and the
// command that helps. The daemon's user is known by who owns its state directory.
[[nodiscard]] std::string ownership_hint(const std::filesystem::path& file, const std::string& config_path);

// Commands that let the daemon have a certificate of certbot's, whose own files are root's alone, now and after each renewal
// (docs/operations.md); none: `file` is not certbot's. Pure.
[[nodiscard]] std::vector<std::string> certbot_commands(const std::filesystem::path& file);

}  // namespace posthorn::app
