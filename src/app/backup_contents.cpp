// The configuration names them; key directories are looked into.
#include "app/backup_contents.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include "app/certificates.hpp"
#include "auth/suspension.hpp"

namespace posthorn::app {
namespace {

namespace fs = std::filesystem;

std::string whole_path(const std::string& path) {
    std::error_code unknown;
    const fs::path found = fs::absolute(path, unknown);
    return unknown ? path : found.lexically_normal().string();
}

std::string plain_directory(const std::string& path) {
    std::string directory = whole_path(path);
    while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
    return directory;
}

// Each file once, in the order they were named.
class FileList {
public:
    void add(const std::string& path, BackupPart part, bool may_be_missing = false) {
        if (path.empty()) return;
        const std::string whole = whole_path(path);
        if (seen_.insert(whole).second) files_.push_back({whole, part, may_be_missing});
    }
    // What is a link there is looked after by another program: certbot's live/.
    void add_own(const std::string& path) {
        std::error_code unknown;
        if (!path.empty() && !fs::is_symlink(path, unknown)) add(path, BackupPart::configuration);
    }
    [[nodiscard]] std::vector<BackupFile> take() { return std::move(files_); }

private:
    std::vector<BackupFile> files_;
    std::set<std::string> seen_;
};

void add_keys(FileList& files, const config::Config& config) {
    for (const auth::DomainOptions& domain : config.auth.domains)
        for (const auth::DkimKeyOptions& key : domain.keys) files.add(key.key_file, BackupPart::key);
    for (const std::string& directory : key_directories(config)) {
        std::error_code unknown;
        std::vector<std::string> found;
        for (fs::directory_iterator at(directory, unknown), end; !unknown && at != end; at.increment(unknown)) {
            const fs::path& path = at->path();
            if (path.extension() == ".pem" || path.filename() == "stages.json") found.push_back(path.string());
        }
        std::sort(found.begin(), found.end());
        for (const std::string& path : found) files.add(path, BackupPart::key);
    }
    files.add(config.auth.unsubscribe.key_file, BackupPart::key);
}

void add_configuration(FileList& files, const config::Config& config, const std::string& config_path) {
    // A container may have its settings from the environment alone.
    files.add(config_path, BackupPart::configuration, true);
    const auto add = [&](const std::string& path) { files.add(path, BackupPart::configuration); };
    add(config.auth.credentials.users_file);
    for (const delivery::RelayOptions& relay : config.delivery.relays) add(relay.password_file);
    for (const events::WebhookOptions& webhook : config.events.webhooks) {
        add(webhook.secret_file);
        add(webhook.old_secret_file);
    }
    add(config.events.alarm.webhook_secret_file);
    add(config.admin.token_file);
    add(config.admin.read_only_token_file);
    add(config.delivery.provider_rules);
    files.add_own(config.delivery.tls_certificate_file);
    files.add_own(config.delivery.tls_key_file);
    files.add_own(config.server.tls.certificate_file);
    files.add_own(config.server.tls.key_file);
    for (const smtp::server::CertificateOptions& one : config.server.tls.certificates) {
        files.add_own(one.certificate_file);
        files.add_own(one.key_file);
    }
}

}  // namespace

std::string_view part_word(BackupPart part) {
    return part == BackupPart::key ? "key" : part == BackupPart::state ? "state" : "configuration";
}

std::vector<std::string> key_directories(const config::Config& config) {
    std::vector<std::string> directories;
    for (const auth::DomainOptions& domain : config.auth.domains)
        if (!domain.key_directory.empty()) directories.push_back(plain_directory(domain.key_directory));
    return directories;
}

std::vector<BackupFile> backup_files(const config::Config& config, const std::string& config_path, bool with_config) {
    FileList files;
    if (with_config) add_configuration(files, config, config_path);
    add_keys(files, config);
    files.add(auth::suspensions_file(config.state_directory), BackupPart::state, true);
    if (config.server.tls.self_signed)
        for (const net::CertificateFiles& made : certificate_files(config)) files.add(made.certificate_file, BackupPart::state, true);
    return files.take();
}

std::string member_name(const std::string& path, const std::string& state_directory) {
    const std::string below = plain_directory(state_directory) + "/";
    if (path.starts_with(below)) return std::string(kStatePart) + path.substr(below.size());
    return std::string(kFilesPart) + path.substr(std::min(path.find_first_not_of('/'), path.size()));
}

std::optional<std::string> path_of_member(std::string_view name, const std::string& state_directory) {
    if (name.starts_with(kStatePart)) return plain_directory(state_directory) + "/" + std::string(name.substr(kStatePart.size()));
    if (name.starts_with(kFilesPart)) return "/" + std::string(name.substr(kFilesPart.size()));
    return std::nullopt;
}

}  // namespace posthorn::app
