// Files by stat(2) and open(2): new ones appear whole or not at all, by link(2), which does not replace what
// is there.
#include "app/import_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "app/ownership.hpp"
#include "base/descriptor.hpp"
#include "net/system_users.hpp"

namespace posthorn::app {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMostOctets = 16UL << 20;  // no configuration is larger

struct NewFile {
    std::string path;
    std::string content;
    mode_t mode;
    std::string what;
};

// Beside its place, then linked to it.
Result<void> write_new(const NewFile& file, std::optional<std::uint32_t> owner) {
    const std::string temporary = fmt::format("{}.{}.new", file.path, ::getpid());
    const int descriptor =
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0) return Error{"cannot make ", temporary, ": ", std::strerror(errno)};
    std::string fault;
    std::string_view rest = file.content;
    while (!rest.empty() && fault.empty()) {
        const ssize_t written = ::write(descriptor, rest.data(), rest.size());
        if (written < 0 && errno != EINTR) fault = std::strerror(errno);
        if (written > 0) rest.remove_prefix(static_cast<std::size_t>(written));
    }
    if (fault.empty() && owner && ::fchown(descriptor, *owner, static_cast<gid_t>(-1)) != 0)
        fault = std::strerror(errno);
    if (fault.empty() && ::fchmod(descriptor, file.mode) != 0) fault = std::strerror(errno);
    if (fault.empty() && ::fsync(descriptor) != 0) fault = std::strerror(errno);
    ::close(descriptor);
    if (fault.empty() && ::link(temporary.c_str(), file.path.c_str()) != 0) fault = std::strerror(errno);
    ::unlink(temporary.c_str());
    if (!fault.empty()) return Error{"cannot write ", file.path, ": ", fault};
    return {};
}

// Who the daemon will be; nothing: the one who runs this.
std::optional<std::uint32_t> daemon_user(const std::string& state_directory) {
    if (::geteuid() != 0) return std::nullopt;
    struct stat found {};
    if (::stat(state_directory.c_str(), &found) == 0 && found.st_uid != 0) return found.st_uid;
    return net::look_up_uid("posthorn");
}

// 0700 for keys and secrets, and the daemon's.
Result<void> make_directory(const std::string& directory, bool secret, std::optional<std::uint32_t> owner) {
    std::error_code error;
    if (fs::is_directory(directory, error)) return {};
    if (secret)
        make_private_directories(directory, error);
    else
        fs::create_directories(directory, error);
    if (!error && secret && owner) {
        // Its parent, keys/, was made on the way.
        for (const fs::path& made : {fs::path(directory), fs::path(directory).parent_path()}) {
            const Descriptor open(::open(made.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            struct stat found {};
            // Only what is root's: the daemon's user may have put something else in its place.
            if (open && ::fstat(open.get(), &found) == 0 && found.st_uid == 0 && (found.st_mode & 077) == 0 && owner_of_the_way(made).uid == 0 &&
                ::fchown(open.get(), *owner, static_cast<gid_t>(-1)) != 0)
                return Error{"cannot give ", made.string(), " to the daemon's user: ", std::strerror(errno)};
        }
    }
    if (error) return Error{"cannot make the directory ", directory, ": ", error.message()};
    return {};
}

}  // namespace

std::optional<std::string> DiskFiles::text(const std::string& path) const {
    std::error_code error;
    if (!fs::is_regular_file(path, error) || fs::file_size(path, error) > kMostOctets) return std::nullopt;
    std::ifstream in(path, std::ios::binary);
    if (!in) return std::nullopt;
    std::string content{std::istreambuf_iterator<char>(in), {}};
    if (in.bad()) return std::nullopt;
    return content;
}

std::optional<DiskFiles::Facts> DiskFiles::facts(const std::string& path) const {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) {
        if (errno != EACCES) return std::nullopt;
        Facts hidden;
        hidden.hidden = true;
        return hidden;
    }
    const std::string name = net::look_up_user(found.st_uid).name;
    return Facts{S_ISDIR(found.st_mode), found.st_mode & 07777,
                 name.empty() ? std::to_string(found.st_uid) : name, false};
}

std::vector<std::string> DiskFiles::names(const std::string& directory) const {
    std::vector<std::string> found;
    std::error_code error;
    for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error))
        found.push_back(at->path().filename().string());
    std::sort(found.begin(), found.end());
    return found;
}

Result<Applied> apply(const migration::Migration& made, const std::string& output,
                      const std::string& state_directory) {
    const DiskFiles disk;
    std::vector<NewFile> files;
    Applied applied;
    for (const migration::KeyCopy& key : made.keys) {
        const auto pem = disk.text(key.from);
        if (pem)
            files.push_back(
                {key.to, *pem, 0600,
                 fmt::format("the key of {}._domainkey.{}, of {}", key.selector, key.domain, key.from)});
        else
            applied.lines.push_back(
                fmt::format("no key for {}._domainkey.{}: {} is not there or cannot be read", key.selector,
                            key.domain, key.from));
    }
    for (const migration::SecretFile& secret : made.secrets)
        files.push_back({secret.to, secret.content, 0600, secret.purpose});
    files.push_back({output, made.toml, 0644, "the configuration"});
    std::vector<NewFile> missing;
    for (NewFile& file : files) {
        // What hides tells of itself when it is written.
        if (const auto there = disk.facts(file.path); !there || there->hidden) {
            missing.push_back(std::move(file));
        } else if (disk.text(file.path) == file.content) {
            applied.lines.push_back(fmt::format("kept {}, which is {} already", file.path, file.what));
        } else {
            return Error{file.path,
                         " exists with another content, and nothing is ever overwritten: move it away, or "
                         "name another place with --output. Nothing was written."};
        }
    }
    const auto owner = daemon_user(state_directory);
    // First of all: programs of other users read the configuration, so that its directory is no private one.
    if (const auto ready = make_directory(migration::parent_directory(output), false, owner); !ready)
        return ready.error();
    for (const NewFile& file : missing) {
        const bool secret = file.mode == 0600;
        if (const auto ready = make_directory(migration::parent_directory(file.path), secret, owner); !ready)
            return ready.error();
        if (const auto written = write_new(file, secret ? owner : std::nullopt); !written)
            return written.error();
        applied.lines.push_back(fmt::format("wrote {}: {}", file.path, file.what));
    }
    return applied;
}

}  // namespace posthorn::app
