// From settings to places: each file by its directory, since whoever changes a file replaces it.
#include "app/sandbox_plan.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "app/certificates.hpp"
#include "app/ownership.hpp"
#include "app/pickup.hpp"
#include "app/plan.hpp"
#include "config/environment.hpp"

namespace posthorn::app {
namespace {

namespace fs = std::filesystem;
using sandbox::Access;
using sandbox::Places;

constexpr uid_t kFirstPerson = 1000;   // FIRST_UID of Debian's adduser
constexpr int kMostHomes = 10000;   // of users; a name service may know more than anybody asks about

// A file that a setting names and that is read again later.
struct NamedFile {
    std::string setting;
    std::string path;
};

std::vector<NamedFile> named_files(const config::Config& config, const std::string& config_path) {
    std::vector<NamedFile> files = {{"the configuration", config_path},
                                    {"auth.users_file", config.auth.credentials.users_file},
                                    {"unsubscribe.key_file", config.auth.unsubscribe.key_file},
                                    {"delivery.provider_rules", config.delivery.provider_rules},
                                    {"delivery.tls_ca_file", config.delivery.tls_ca_file},
                                    {"delivery.tls_certificate_file", config.delivery.tls_certificate_file},
                                    {"delivery.tls_key_file", config.delivery.tls_key_file},
                                    {"admin.token_file", config.admin.token_file},
                                    {"admin.read_only_token_file", config.admin.read_only_token_file},
                                    {"alarm.webhook_secret_file", config.events.alarm.webhook_secret_file},
                                    {"local.aliases_file", config.intake.local.aliases_file},
                                    {"local.mailname_file", config.intake.sender.mailname_file}};
    for (const net::CertificateFiles& pair : certificate_files(config)) {
        files.push_back({"tls.certificate_file", pair.certificate_file});
        files.push_back({"tls.key_file", pair.key_file});
    }
    for (const auth::DomainOptions& domain : config.auth.domains) {
        for (const auth::DkimKeyOptions& key : domain.keys) files.push_back({"the DKIM key of " + domain.name, key.key_file});
    }
    for (const delivery::RelayOptions& relay : config.delivery.relays)
        files.push_back({"password_file of the relay " + relay.name, relay.password_file});
    for (const events::WebhookOptions& hook : config.events.webhooks) {
        files.push_back({"secret_file of the webhook " + hook.name, hook.secret_file});
        files.push_back({"old_secret_file of the webhook " + hook.name, hook.old_secret_file});
        files.push_back({"ca_file of the webhook " + hook.name, hook.ca_file});
    }
    for (auto& [variable, path] : config::value_files_here()) files.push_back({variable, std::move(path)});
    std::erase_if(files, [](const NamedFile& file) { return file.path.empty(); });
    return files;
}

// Directories that the daemon writes to, and the mode of those it makes.
struct OwnDirectory {
    std::string path;
    mode_t mode;
};

std::vector<OwnDirectory> own_directories(const config::Config& config) {
    std::vector<OwnDirectory> all = {{config.state_directory, 0700}, {config.queue.directory, 0700}};
    const auto beside = [&all](const std::string& socket) {
        if (!socket.empty()) all.push_back({fs::path(socket).parent_path().string(), 0755});
    };
    for (const std::string& spool : spool_directories(config.intake)) all.push_back({spool, 0755});
    for (const auth::DomainOptions& domain : config.auth.domains) {
        if (!domain.key_directory.empty()) all.push_back({domain.key_directory, 0700});
    }
    beside(config.admin.socket);
    for (const smtp::server::ListenerOptions& door : unix_doors(config)) beside(door.address.unix_path);
    for (const smtp::server::ListenerOptions& listener : config.server.listeners) beside(listener.address.unix_path);
    return all;
}

// What every program of Debian reads: libraries, name services, certificates of authorities, time zones, itself.
void add_system(Places& places) {
    for (const char* directory : {"/etc", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sys/devices/system/cpu",
                                  "/run/systemd/resolve", "/run/systemd/userdb", "/run/resolvconf", "/run/NetworkManager", "/run/nscd", "/var/lib/sss", "/var/lib/ca-certificates"}) {
        if (::access(directory, F_OK) == 0) places.add(Access::read, directory);
    }
    for (const char* device : {"/dev/null", "/dev/zero", "/dev/full"}) places.add(Access::write, device);
    for (const char* device : {"/dev/random", "/dev/urandom"}) places.add(Access::read, device);
    // A program started by hand lies where it was built.
    std::error_code ignored;
    places.add_directory_of(Access::read, fs::read_symlink("/proc/self/exe", ignored).string());
}

// ~/.forward, and the files that are included in it. Debian gives its system users (below 1000) what is not theirs: to sys /dev, to
// www-data /var/www, to backup /var/backups. Nobody has a ~/.forward there, but whoever takes the daemon over would have disks and sites.
void add_homes(Places& places) {
    ::setpwent();
    for (int i = 0; i < kMostHomes; ++i) {
        const passwd* user = ::getpwent();
        if (user == nullptr) break;
        const std::string home = user->pw_dir != nullptr ? user->pw_dir : "";
        struct stat status {};
        if (home.size() > 1 && ::stat(home.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
            (user->pw_uid >= kFirstPerson || status.st_uid == user->pw_uid))
            places.add(Access::read, home);
    }
    ::endpwent();
}

// :include:/path in the alias file, wherever it stands there: a mention too many opens a directory that root named.
void add_included_lists(Places& places, const std::string& aliases_file) {
    constexpr std::string_view kInclude = ":include:";
    std::ifstream file(aliases_file, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    const std::string content = text.str();
    for (std::size_t at = content.find(kInclude); at != std::string::npos; at = content.find(kInclude, at + 1)) {
        const std::size_t begin = at + kInclude.size();
        places.add_directory_of(Access::read, content.substr(begin, content.find_first_of(" \t\r\n,\"", begin) - begin));
    }
}

void add_programs(Places& places, const std::vector<std::string>& command) {
    for (const char* directory : {"/usr", "/bin", "/sbin", "/lib", "/lib64"}) {
        if (::access(directory, F_OK) == 0) places.add(Access::run, directory);
    }
    places.add_directory_of(Access::run, command.front());
}

// What settings name. The rest is the machine's, and must not make a reload fail when it changes: a new user, a name service's directory.
Places places_of_settings(const config::Config& config, const std::string& config_path) {
    Places places;
    for (const OwnDirectory& directory : own_directories(config)) places.add(Access::write, directory.path);
    for (const NamedFile& file : named_files(config, config_path)) {
        std::error_code failed;
        places.add_directory_of(Access::read, file.path);
        const fs::path real = fs::canonical(file.path, failed);   // certbot's live/ leads to archive/
        if (!failed) places.add_directory_of(Access::read, real.string());
    }
    // With the homes of users who are yet to come.
    if (config.intake.local.forward_files && ::access("/home", F_OK) == 0) places.add(Access::read, "/home");
    add_included_lists(places, config.intake.local.aliases_file);
    if (!config.events.alarm.command.empty()) add_programs(places, config.events.alarm.command);
    for (const std::string& path : config.sandbox.read_paths) places.add(Access::read, path);
    for (const std::string& path : config.sandbox.write_paths) places.add(Access::write, path);
    return places;
}

}  // namespace

std::string state_directory_fault(const config::Config& config, const sandbox::Identity& identity) {
    const std::string& directory = config.state_directory;
    const sandbox::ActingAs user(identity);
    if (::faccessat(AT_FDCWD, directory.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) == 0 || errno != EACCES) return {};
    return fmt::format("{0}, as whom the daemon would run, may not write to state_directory {1}: chown -R {0}: {1}, or correct sandbox.user", identity.name, directory);
}

std::uint16_t first_free_port() {
    unsigned first = 1024;
    std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> first;
    return static_cast<std::uint16_t>(std::min(first, 65535U));
}

void make_directories(const config::Config& config, const sandbox::Identity& identity) {
    for (const OwnDirectory& wanted : own_directories(config)) {
        std::error_code ignored;
        if (wanted.path.empty() || fs::exists(wanted.path, ignored)) continue;
        const sandbox::ActingAs user(owner_of_the_way(wanted.path));
        if (user.failed()) continue;
        // Those above it are made as everybody's are, and belong to whoever starts us.
        fs::create_directories(fs::path(wanted.path).parent_path(), ignored);
        if (::mkdir(wanted.path.c_str(), wanted.mode) == 0 && ::geteuid() == 0 && identity.uid != 0)
            (void)!::lchown(wanted.path.c_str(), identity.uid, identity.gid);
    }
}

Result<std::vector<net::BoundSocket>> bind_privileged_ports(const config::Config& config, std::vector<net::BoundSocket> sockets) {
    const std::uint16_t free = first_free_port();
    for (const smtp::server::ListenerOptions& listener : config.server.listeners) {
        if (listener.address.is_unix() || listener.address.port == 0 || listener.address.port >= free) continue;
        if (std::any_of(sockets.begin(), sockets.end(), [&](const net::BoundSocket& one) { return one.endpoint == listener.address; })) continue;
        Result<net::BoundSocket> bound = net::Listener::bind_tcp(listener.address);
        if (!bound) return bound.error();
        sockets.push_back(std::move(*bound));
    }
    return sockets;
}

Places places_of(const config::Config& config, const std::string& config_path) {
    Places places = places_of_settings(config, config_path);
    add_system(places);
    if (config.intake.local.forward_files) add_homes(places);
    return places;
}

std::vector<std::string> sandbox_problems(const config::Config& config) {
    std::vector<std::string> problems;
    for (const std::string& name : config.sandbox.system_calls) {
        if (!sandbox::is_system_call(name))
            problems.push_back(fmt::format("sandbox.system_calls names \"{}\", which is no system call; correct the name", name));
    }
    return problems;
}

sandbox::Wishes sandbox_wishes(const config::Config& config, const std::string& config_path, sandbox::Identity identity) {
    sandbox::Wishes wishes;
    wishes.identity = std::move(identity);
    wishes.landlock = config.sandbox.landlock;
    wishes.files.places = places_of(config, config_path).resolved();
    for (const smtp::server::ListenerOptions& listener : config.server.listeners) {
        if (!listener.address.is_unix()) wishes.files.ports.push_back(listener.address.port);
    }
    if (config.admin.listen.port != 0) wishes.files.ports.push_back(config.admin.listen.port);
    const char* manager = std::getenv("NOTIFY_SOCKET");
    wishes.files.abstract_sockets = manager != nullptr && manager[0] == '@';
    wishes.seccomp = config.sandbox.seccomp;
    wishes.calls.programs = !config.events.alarm.command.empty();
    wishes.calls.more = config.sandbox.system_calls;
    return wishes;
}

std::vector<ClosedFile> closed_files(const config::Config& config, const std::string& config_path, const sandbox::Identity& identity) {
    std::vector<ClosedFile> closed;
    if (::geteuid() != 0 || identity.uid == 0) return closed;
    const std::vector<NamedFile> files = named_files(config, config_path);
    const sandbox::ActingAs user(identity);
    for (const NamedFile& file : files) {
        if (::faccessat(AT_FDCWD, file.path.c_str(), R_OK, AT_EACCESS) == 0 || (errno != EACCES && errno != EPERM)) continue;
        const auto same = [&](const ClosedFile& one) { return one.setting == file.setting && one.path == file.path; };
        if (std::none_of(closed.begin(), closed.end(), same)) closed.push_back({file.setting, file.path});
    }
    return closed;
}

std::vector<std::string> closed_file_warnings(const config::Config& config, const std::string& config_path) {
    std::vector<std::string> warnings;
    const Result<sandbox::Identity> identity = sandbox::choose_identity(config.sandbox.user, config.state_directory);
    if (!identity) return warnings;   // the start says so
    for (const ClosedFile& file : closed_files(config, config_path, *identity)) {
        const std::vector<std::string> copying = certbot_commands(file.path);
        std::string repair = fmt::format("chown {}: {}, and the directories above must be open to it; or keep the file in /etc/posthorn", identity->name, file.path);
        if (!copying.empty()) repair = fmt::format("certbot's own files are root's alone; to have copies made: {}", fmt::join(copying, "; "));
        warnings.push_back(fmt::format("{} ({}) cannot be read by {}, as whom the daemon runs: started as that user, as the unit does, it ends with exit code 78. {}",
                                       file.setting, file.path, identity->name, repair));
    }
    return warnings;
}

std::string beyond_sandbox(const Confined& confined, const config::Config& wanted, const std::string& config_path) {
    std::string missing;
    const auto add = [&missing](const std::string& what) { missing += (missing.empty() ? "" : ", ") + what; };
    if (confined.in_force.system_calls != 0 && !confined.programs && !wanted.events.alarm.command.empty()) add("alarm.command");
    if (confined.in_force.landlock != 0) {
        // As at the start: what does not exist is granted by what is above it.
        const Places needed = places_of_settings(wanted, config_path).resolved();
        for (const sandbox::Place& place : needed.all()) {
            if (!confined.in_force.places.covers(place.access, place.path))
                add(fmt::format("{} {}", place.access == Access::read ? "reading" : place.access == Access::run ? "running programs in" : "writing to", place.path));
        }
    }
    if (missing.empty()) return {};
    return "the sandbox was made when the daemon started, and does not allow " + missing +
           "; restart the daemon to have it made for this configuration (docs/SANDBOX.md)";
}

}  // namespace posthorn::app
