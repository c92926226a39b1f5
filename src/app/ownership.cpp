// Owners by stat(2), the daemon's user by its state directory.
#include "app/ownership.hpp"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
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

// The highest directory above the file, without a gap, that is closed to whoever owns `state`; else the file.
fs::path closed_above(const fs::path& file, const struct stat* state) {
    std::error_code ignored;
    fs::path top = fs::absolute(file, ignored).lexically_normal();
    for (fs::path above = top.parent_path(); above.has_relative_path(); above = above.parent_path()) {
        struct stat found {};
        if (::stat(above.c_str(), &found) != 0 || (found.st_mode & S_IXOTH) != 0) break;
        if (state != nullptr && found.st_uid == state->st_uid) break;
        if (state != nullptr && found.st_gid == state->st_gid && (found.st_mode & S_IXGRP) != 0) break;
        top = above;
    }
    return top;
}

constexpr int kMostLinks = 40;   // as the kernel has it

}  // namespace

sandbox::Identity owner_of_the_way(const fs::path& path) {
    std::error_code error;
    uid_t uid = 0;
    gid_t gid = 0;
    fs::path at = "/";
    const fs::path whole = fs::absolute(path, error).relative_path();
    std::deque<fs::path> rest(whole.begin(), whole.end());
    for (int links = 0; !rest.empty() && links <= kMostLinks;) {
        const fs::path name = rest.front();
        rest.pop_front();
        if (name == "..") at = at.parent_path();
        if (name.empty() || name == ".." || name == ".") continue;
        struct stat found {};
        const fs::path here = at / name;
        if (::lstat(here.c_str(), &found) != 0) break;
        if (found.st_uid != 0) {
            uid = found.st_uid;
            gid = found.st_gid;
        }
        if (!S_ISLNK(found.st_mode)) {
            at = here;
            continue;
        }
        if (found.st_uid != 0) break;
        const fs::path target = fs::read_symlink(here, error);
        if (error) break;
        if (target.is_absolute()) at = "/";
        const fs::path led = target.relative_path();
        rest.insert(rest.begin(), led.begin(), led.end());
        ++links;
    }
    return sandbox::user_of(uid, gid);
}

void make_private_directories(const fs::path& directory, std::error_code& error) {
    std::vector<fs::path> missing;  // the innermost first
    fs::path existing = fs::absolute(directory, error).lexically_normal();
    while (!error && !fs::exists(existing, error) && existing.has_relative_path()) {
        missing.push_back(existing);
        existing = existing.parent_path();
    }
    struct stat owner {};
    const sandbox::ActingAs user(owner_of_the_way(existing));
    if (user.failed()) error = std::make_error_code(std::errc::operation_not_permitted);
    // Root's in a directory that is root's: the group by which the daemon reads.
    const bool give = ::geteuid() == 0 && ::stat(existing.c_str(), &owner) == 0;
    const mode_t before = ::umask(077);
    for (auto path = missing.rbegin(); path != missing.rend() && !error; ++path) {
        fs::create_directory(*path, error);
        if (!error && give && ::lchown(path->c_str(), owner.st_uid, owner.st_gid) != 0)
            error = std::error_code(errno, std::generic_category());
    }
    ::umask(before);
}

std::string ownership_hint(const fs::path& file, const std::string& config_path) {
    struct stat made {};
    if (::geteuid() != 0 || ::stat(file.c_str(), &made) != 0) return {};
    config::Loaded loaded = config::load(config_path);
    const std::string state =
        loaded.mistakes.empty() ? loaded.config.state_directory : config::Config{}.state_directory;
    struct stat daemon {};
    if (::stat(state.c_str(), &daemon) != 0) {
        if (made.st_uid != 0) return {};
        return fmt::format("It belongs to root. Should Posthorn run as another user: chown -R USER: {}\n",
                           closed_above(file, nullptr).string());
    }
    if (daemon.st_uid == made.st_uid || daemon.st_uid == 0) return {};
    if (daemon.st_gid == made.st_gid && (made.st_mode & S_IRGRP) != 0 && closed_above(file, &daemon) == fs::absolute(file).lexically_normal()) return {};
    const std::string user = user_name(daemon.st_uid);
    return fmt::format(
        "It belongs to {}, but {} to {}: if Posthorn runs as {}, it cannot read it before\n\n"
        "  chown -R {}: {}\n\n",
        user_name(made.st_uid), state, user, user, user, closed_above(file, &daemon).string());
}

std::vector<std::string> certbot_commands(const fs::path& file) {
    const std::string name = file.parent_path().filename().string();
    if (file.parent_path().parent_path() != "/etc/letsencrypt/live") return {};
    // Forced, since certbot calls the hook, and notes it for later, only when it renews.
    return {fmt::format("certbot renew --cert-name {} --force-renewal --deploy-hook /usr/lib/posthorn/certbot-deploy-hook", name),
            fmt::format("posthorn setup --users --certificate /etc/posthorn/tls/{}/fullchain.pem", name)};
}

}  // namespace posthorn::app
