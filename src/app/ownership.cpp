// Owners by stat(2), the daemon's user by its state directory.
#include "app/ownership.hpp"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>
#include <vector>

#include "config/config.hpp"

namespace posthorn::app {
namespace {

namespace fs = std::filesystem;

std::string user_name(uid_t uid) {
    std::vector<char> text(16384);
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(uid, &entry, text.data(), text.size(), &found) == 0 && found != nullptr)
        return found->pw_name;
    return std::to_string(uid);
}

}  // namespace

fs::path make_private_directories(const fs::path& directory, std::error_code& error) {
    std::vector<fs::path> missing;  // the innermost first
    fs::path existing = fs::absolute(directory, error).lexically_normal();
    while (!error && !fs::exists(existing, error) && existing.has_relative_path()) {
        missing.push_back(existing);
        existing = existing.parent_path();
    }
    struct stat owner {};
    const bool give = ::geteuid() == 0 && ::stat(existing.c_str(), &owner) == 0;
    const mode_t before = ::umask(077);
    for (auto path = missing.rbegin(); path != missing.rend() && !error; ++path) {
        fs::create_directory(*path, error);
        if (!error && give && ::chown(path->c_str(), owner.st_uid, owner.st_gid) != 0)
            error = std::error_code(errno, std::generic_category());
    }
    ::umask(before);
    return missing.empty() ? directory : missing.back();
}

std::string ownership_hint(const fs::path& file, const fs::path& top, const std::string& config_path) {
    struct stat made {};
    if (::geteuid() != 0 || ::stat(file.c_str(), &made) != 0) return {};
    config::Loaded loaded = config::load(config_path);
    const std::string state =
        loaded.mistakes.empty() ? loaded.config.state_directory : config::Config{}.state_directory;
    struct stat daemon {};
    if (::stat(state.c_str(), &daemon) != 0) {
        if (made.st_uid != 0) return {};
        return fmt::format("It belongs to root. Should Posthorn run as another user: chown -R USER: {}\n",
                           top.string());
    }
    if (daemon.st_uid == made.st_uid || daemon.st_uid == 0) return {};
    const std::string user = user_name(daemon.st_uid);
    return fmt::format(
        "It belongs to {}, but {} to {}: if Posthorn runs as {}, it cannot read it before\n\n  chown -R {}: "
        "{}\n\n",
        user_name(made.st_uid), state, user, user, user, top.string());
}

}  // namespace posthorn::app
