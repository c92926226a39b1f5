// The configuration as a file on disk: read, or why it cannot be, and who else may read it.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/config.hpp"

namespace posthorn::config {
namespace {

// A password in the file of the configuration is everybody's who may read that file.
void look_at_mode(const std::string& path, Loaded& loaded) {
    const auto& relays = loaded.config.delivery.relays;
    if (std::none_of(relays.begin(), relays.end(), [](const auto& relay) { return !relay.password.empty(); })) return;
    std::error_code error;
    const auto mode = std::filesystem::status(path, error).permissions();
    if (error || (mode & std::filesystem::perms::others_read) == std::filesystem::perms::none) return;
    loaded.warnings.push_back({path, "holds a relay's password and can be read by everybody on this machine; run `chmod o= " + path +
                                         "`, or use password_file"});
}

}  // namespace

Loaded load(const std::string& path) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    int fault = file ? 0 : errno != 0 ? errno : EIO;
    std::ostringstream content;
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) {
        fault = EISDIR;
    } else if (fault == 0) {
        errno = 0;
        content << file.rdbuf();
        fault = file ? errno : EIO;
    }
    if (fault == ENOENT && path == kDefaultPath) {
        if (auto loaded = parse_environment_here()) return std::move(*loaded);
    }
    if (fault != 0) {
        Loaded loaded;
        loaded.mistakes.push_back(
            {path, std::string("cannot be read: ") + std::strerror(fault) +
                       (fault == EACCES
                            ? "; the user Posthorn runs as must be able to read it (its directories too); a "
                              "command may need sudo"
                        : fault == ENOENT && path == kDefaultPath
                            ? "; `posthorn setup` writes one, --config or POSTHORN_CONFIG names another, and in a container "
                              "POSTHORN_HOSTNAME and POSTHORN_DOMAINS are enough"
                            : "; name the file with --config or POSTHORN_CONFIG")});
        return loaded;
    }
    Loaded loaded = parse_here(content.str(), path);
    look_at_mode(path, loaded);
    return loaded;
}

}  // namespace posthorn::config
