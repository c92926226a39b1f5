// Looks at what stands there, opens that and nothing else, reads.
#include "smtp/server/alias_files.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/descriptor.hpp"
#include "base/text.hpp"

namespace posthorn::smtp::server {
namespace {

using intake::NameFile;

constexpr std::size_t kMaxForward = 64 * 1024;   // users' own; mail.aliases' bound is for root's

void unreadable(NameFile& file, std::string trouble) {
    file.state = NameFile::State::unreadable;
    file.trouble = std::move(trouble);
}

// Of a file that was looked at and is regular. No other can come in between; where there is no /proc, one by its name.
int open_found(const Descriptor& place, const std::string& path, bool follow) {
    // A lease that its owner has on it must not hold the thread up.
    constexpr int kHow = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    const int opened = ::open(("/proc/self/fd/" + std::to_string(place.get())).c_str(), kHow);
    if (opened >= 0 || errno != ENOENT) return opened;
    return ::open(path.c_str(), kHow | (follow ? 0 : O_NOFOLLOW));
}

// `found` is of the file whose text was read.
NameFile read_file(const std::string& path, bool follow, std::size_t most, struct stat& found) {
    NameFile file;
    // Looked at before it is opened: users name these files, and opening a device can do things. A watchdog's restarts the machine.
    const Descriptor place(::open(path.c_str(), O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW)));
    if (!place || ::fstat(place.get(), &found) != 0) {
        if (errno != ENOENT && errno != ENOTDIR) unreadable(file, std::strerror(errno));
        return file;
    }
    if (S_ISLNK(found.st_mode)) {
        unreadable(file, "it is a symbolic link");
        return file;
    }
    const auto describe = [&] {
        file.state = NameFile::State::read;
        file.regular = S_ISREG(found.st_mode);
        file.owner = found.st_uid;
        file.mode = found.st_mode & 07777U;
    };
    describe();
    if (!file.regular) return file;
    const Descriptor opened(open_found(place, path, follow));
    if (!opened || ::fstat(opened.get(), &found) != 0) {
        unreadable(file, std::strerror(errno));
        return file;
    }
    describe();
    if (!file.regular) return file;
    char buffer[16 * 1024];
    for (;;) {
        const ssize_t got = ::read(opened.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            unreadable(file, std::strerror(errno));
            return file;
        }
        if (got == 0) return file;
        file.text.append(buffer, static_cast<std::size_t>(got));
        if (file.text.size() > most) {
            unreadable(file, "it is larger than " + std::to_string(most) + " octets");
            return file;
        }
    }
}

std::int64_t nanoseconds(const timespec& time) {
    return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

AliasFiles::AliasFiles() : own_uid_(::geteuid()) {}

AliasFiles::Aliases AliasFiles::aliases(const std::string& path) {
    const auto stamp_of = [](const struct stat& found) {
        return Stamp{found.st_dev, found.st_ino, static_cast<std::uint64_t>(found.st_size), nanoseconds(found.st_mtim),
                     nanoseconds(found.st_ctim)};
    };
    Aliases result;
    const std::lock_guard lock(mutex_);
    struct stat found {};
    if (table_ && path == path_ && ::stat(path.c_str(), &found) == 0 && stamp_of(found) == stamp_) {
        result.state = NameFile::State::read;
        result.table = table_;
        return result;
    }
    table_.reset();
    NameFile file = read_file(path, true, mail::kMaxAliasFile, found);
    if (file.state == NameFile::State::read && !file.regular) unreadable(file, "it is no regular file");
    result.state = file.state;
    result.trouble = std::move(file.trouble);
    if (file.state != NameFile::State::read) return result;
    path_ = path;
    stamp_ = stamp_of(found);
    table_ = std::make_shared<const mail::AliasTable>(mail::parse_aliases(file.text));
    result.table = table_;
    return result;
}

NameFile AliasFiles::file(const std::string& path, bool follow) {
    struct stat found {};
    return read_file(path, follow, follow ? mail::kMaxAliasFile : kMaxForward, found);
}

std::optional<intake::PasswdEntry> AliasFiles::user(const std::string& name) {
    std::vector<char> buffer(16 * 1024);
    passwd entry{};
    passwd* found = nullptr;
    while (::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) == ERANGE && buffer.size() < 1024 * 1024) {
        buffer.resize(buffer.size() * 2);
    }
    if (found == nullptr) return std::nullopt;
    return intake::PasswdEntry{entry.pw_uid, entry.pw_dir != nullptr ? entry.pw_dir : ""};
}

std::vector<std::string> local_name_faults(const intake::LocalNames& names, std::size_t most) {
    AliasFiles files;
    std::vector<std::string> all;
    const std::string& path = names.options.aliases_file;
    const AliasFiles::Aliases aliases = path.empty() ? AliasFiles::Aliases{} : files.aliases(path);
    if (aliases.state == NameFile::State::unreadable) all.push_back("local.aliases_file: cannot read " + path + ": " + aliases.trouble);
    if (aliases.table) {
        std::size_t count = 0;
        const auto tell = [&](std::uint32_t line, const std::string& what) {
            if (++count <= most) all.push_back(path + ":" + std::to_string(line) + ": " + what);
        };
        for (const mail::AliasFault& fault : aliases.table->faults) tell(fault.line, fault.what);
        for (const mail::Alias& alias : aliases.table->aliases) {
            for (const mail::AliasValue& value : alias.values) {
                if (const auto why = mail::why_refused(value.kind); !why.empty())
                    tell(value.line, (value.kind == mail::AliasValue::Kind::command ? "|" : "") + text::safe_for_log(value.text, 80) +
                                         " is refused: " + std::string(why));
            }
        }
        count += aliases.table->more_faults;
        if (count > most) all.push_back(path + ": and " + std::to_string(count - most) + " more");
        const NameFile file = files.file(path, true);
        if (file.state == NameFile::State::read && (file.mode & 022U) != 0)
            all.push_back(path + ": others may write to it, and so decide who gets root's mail; chmod go-w helps");
    }
    // SM-44: cron's mail would come back to root, who is nobody.
    const intake::Expansion root = intake::expand(names, files, "root");
    if (root.kind == intake::Expansion::Kind::refused) {
        all.push_back("mail to root, which is cron's, would be refused (" + root.text + "); set local.users_to = [\"you@example.com\"]" +
                      (path.empty() ? "" : " or write \"root: you@example.com\" into " + path));
    }
    return all;
}

}  // namespace posthorn::smtp::server
