// The copy of the queue first, then the files beside it, then what has left meanwhile is taken out of the copy.
#include "app/backup.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>

#include "app/backup_contents.hpp"
#include "app/ownership.hpp"
#include "backup/archive.hpp"
#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "base/utc.hpp"
#include "queue/sqlite/database_copy.hpp"
#include "queue/sqlite/schema.hpp"

namespace posthorn::app {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using queue::sqlite::DatabaseCopy;

constexpr std::uint32_t kPrivate = 0600;
constexpr const char* kDatabaseMember = "queue/queue.sqlite";
constexpr const char* kMemoryMember = "queue/delivery.sqlite";
constexpr std::size_t kMostSmallFile = 16 * 1024 * 1024;   // keys, lists, users, rules
constexpr int kRounds = 10;                                // of reading keys until no rotation came in between

std::int64_t unix_seconds(TimePoint when) { return std::chrono::duration_cast<std::chrono::seconds>(when.time_since_epoch()).count(); }

std::string folder_of(const std::string& file) {
    const std::string folder = fs::path(file).parent_path().string();
    return folder.empty() ? "." : folder;
}

// The backup's file: without a name until it is whole, so that nothing half made stays, however this process ends. Where the file
// system has no such files it has a name of its own, which the next backup takes over.
class Output {
public:
    [[nodiscard]] Result<void> open(const std::string& file, bool replace) {
        file_ = file;
        replace_ = replace;
        if (file == "-") {
            if (::isatty(STDOUT_FILENO) == 1) return Error{"a backup is no text for a terminal; name a file, or send it into a pipe"};
            return {};
        }
        if (!replace && ::access(file.c_str(), F_OK) == 0) return Error{file, " is there already; --replace puts the new one in its place"};
        descriptor_ = Descriptor(::open(folder_of(file).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kPrivate));
        if (!descriptor_ && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT)) {
            temporary_ = unfinished_name();
            ::unlink(temporary_.c_str());
            descriptor_ = Descriptor(::open(temporary_.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, kPrivate));
        }
        if (!descriptor_) return Error{"cannot make a file in ", folder_of(file), ": ", std::strerror(errno)};
        return {};
    }
    ~Output() {
        if (!temporary_.empty()) ::unlink(temporary_.c_str());
    }
    [[nodiscard]] int get() const { return descriptor_ ? descriptor_.get() : STDOUT_FILENO; }

    // On disk, then named.
    [[nodiscard]] Result<void> finish() {
        if (file_ == "-") return {};
        if (::fchmod(descriptor_.get(), kPrivate) != 0 || ::fsync(descriptor_.get()) != 0) return trouble("write");
        const std::string named = replace_ ? unfinished_name() : file_;
        if (temporary_.empty()) {
            if (replace_) ::unlink(named.c_str());
            const std::string link = "/proc/self/fd/" + std::to_string(descriptor_.get());
            if (::linkat(AT_FDCWD, link.c_str(), AT_FDCWD, named.c_str(), AT_SYMLINK_FOLLOW) != 0) return trouble("name");
            if (replace_) temporary_ = named;
        } else if (!replace_) {
            if (::link(temporary_.c_str(), file_.c_str()) != 0) return trouble("name");
            return sync();                             // the destructor takes the other name away
        }
        if (replace_ && ::rename(temporary_.c_str(), file_.c_str()) != 0) return trouble("name");
        temporary_.clear();
        return sync();
    }

private:
    [[nodiscard]] std::string unfinished_name() const { return folder_of(file_) + "/." + fs::path(file_).filename().string() + ".unfinished"; }
    [[nodiscard]] Error trouble(std::string_view doing) const { return Error{"cannot ", doing, " ", file_, ": ", std::strerror(errno)}; }
    [[nodiscard]] Result<void> sync() const {
        const Descriptor folder(::open(folder_of(file_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!folder || ::fsync(folder.get()) != 0) return trouble("sync the directory of");
        return {};
    }

    std::string file_, temporary_;
    bool replace_ = false;
    Descriptor descriptor_;
};

struct SmallFile {
    BackupFile file;
    std::string content;
    std::uint32_t mode = kPrivate;
    std::int64_t modified = 0;
};

Error unreadable(const std::string& path, const sandbox::Identity& owner, int error) {
    std::string help;
    if (error == EACCES && ::getuid() != 0) help = "; run this as root";
    else if (error == EACCES)
        help = fmt::format("; it is in a directory of {0}, and is read as {0} would: chown {0}: it, or take it away", owner.name);
    return Error{"cannot read ", path, ": ", std::strerror(error), help};
}

// Nothing: it is not there.
Result<std::optional<SmallFile>> read_small(const BackupFile& file) {
    // Root reads what the daemon's user can put links to everything into: as that user.
    const sandbox::Identity owner = owner_of_the_way(file.path);
    const sandbox::ActingAs user(owner);
    if (user.failed()) return Error{"cannot read ", file.path, " as ", owner.name, ", whose directory it is in: ", std::strerror(EPERM)};
    const Descriptor open(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));   // a pipe among keys is refused, not waited for
    if (!open && errno == ENOENT) return std::optional<SmallFile>();
    struct stat found {};
    if (!open || ::fstat(open.get(), &found) != 0)
        return unreadable(file.path, owner, errno);
    if (!S_ISREG(found.st_mode)) return Error{file.path, " is no regular file, and cannot be in a backup"};
    SmallFile read{file, {}, found.st_mode & 07777U, found.st_mtim.tv_sec};
    std::string piece(64 * 1024, '\0');
    for (;;) {
        const ssize_t count = ::read(open.get(), piece.data(), piece.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error{"cannot read ", file.path, ": ", std::strerror(errno)};
        if (count == 0) return std::optional(std::move(read));
        read.content.append(piece, 0, static_cast<std::size_t>(count));
        if (read.content.size() > kMostSmallFile) return Error{file.path, " has more than 16 MiB, and is no file of a backup"};
    }
}

// Made by root where the backup is, and read as the owner of the queue, who may have put a link there; made as he, too, where the place is
// his: sqlite opens the copy by its name.
Result<DatabaseCopy> copy_of(const std::string& database, const std::string& work, std::int64_t known) {
    const sandbox::Identity owner = owner_of_the_way(database);
    std::optional<sandbox::ActingAs> user;
    const auto become_owner = [&] {
        if (!user) user.emplace(owner);
    };
    if (owner_of_the_way(work).uid == owner.uid) become_owner();
    Result<DatabaseCopy> copy = DatabaseCopy::make(database, work, known, become_owner);
    if (user && user->failed()) return Error{"cannot read ", database, " as ", owner.name, ", whose directory it is in: ", std::strerror(EPERM)};
    return copy;
}

struct SmallFiles {
    std::vector<SmallFile> files;
    std::vector<std::string> missing;
};

// What stages.json of each key directory says; a rotation writes it after it made a key, and before it deletes one.
std::string stages_now(const config::Config& config) {
    std::string all;
    for (const std::string& directory : key_directories(config)) {
        const auto read = read_small({directory + "/stages.json", BackupPart::key, true});
        all += read && *read ? (*read)->content : std::string("-");
        all += '\n';
    }
    return all;
}

Result<SmallFiles> read_small_files(const BackupOrder& order) {
    for (int round = 0;; ++round) {
        SmallFiles all;
        std::uint64_t octets = 0;
        const std::string before = stages_now(order.config);
        for (const BackupFile& file : backup_files(order.config, order.config_path, order.with_config)) {
            Result<std::optional<SmallFile>> read = read_small(file);
            if (!read) return read.error();
            if (*read && (octets += (*read)->content.size()) > kMostSmallFiles)
                return Error{"keys and configuration are of more than 256 MiB, which is more than a restore takes"};
            if (*read) all.files.push_back(std::move(**read));
            else if (!file.may_be_missing) all.missing.push_back(file.path);
        }
        if (stages_now(order.config) == before) return all;
        if (round == kRounds) return Error{"the keys change all the time: does something call `posthorn dkim rotate` in a loop?"};
    }
}

std::string first_member(const BackupOrder& order, const std::vector<SmallFile>& files, std::int64_t schema, TimePoint now) {
    json::object first;
    first["format"] = 1;
    first["version"] = POSTHORN_VERSION;
    first["made_at"] = utc_text(now);
    first["hostname"] = order.config.hostname;
    first["schema"] = schema;
    first["state_directory"] = order.config.state_directory;
    first["queue_directory"] = order.config.queue.directory;
    first["config"] = order.with_config ? member_name(fs::absolute(order.config_path).lexically_normal().string(), order.config.state_directory) : "";
    json::object parts;
    for (const SmallFile& small : files) parts[member_name(small.file.path, order.config.state_directory)] = part_word(small.file.part);
    first["files"] = std::move(parts);
    return json::serialize(first) + "\n";
}

// The names of those that are in the archive. One that is gone belongs to a message that was delivered meanwhile, or is damaged.
Result<std::set<std::string>> add_bodies(backup::ArchiveWriter& archive, DatabaseCopy& copy, const std::string& spool) {
    std::set<std::string> added;
    const sandbox::Identity owner = owner_of_the_way(spool);
    const sandbox::ActingAs user(owner);
    if (user.failed()) return Error{"cannot read ", spool, " as ", owner.name, ", whose directory it is: ", std::strerror(EPERM)};
    const auto bodies = copy.spooled_bodies();
    if (!bodies) return bodies.error();
    for (const auto& [file, size] : *bodies) {
        const Descriptor open(::open((spool + "/" + file).c_str(), O_RDONLY | O_CLOEXEC));
        struct stat found {};
        if (!open && errno != ENOENT) return unreadable(spool + "/" + file, owner, errno);
        if (!open || ::fstat(open.get(), &found) != 0 || static_cast<std::uint64_t>(found.st_size) != size) continue;
        const Result<void> done =
            archive.add_file(std::string(kQueuePart) + "spool/" + file, open.get(), size, kPrivate, found.st_mtim.tv_sec);
        if (!done) return done.error();
        added.insert(file);
    }
    return added;
}

// Files of the queue's directory that are no mail, as they are at this moment.
Result<void> add_marks(backup::ArchiveWriter& archive, const std::string& directory) {
    for (const char* name : {"in-doubt", "held-back"}) {
        const auto read = read_small({directory + "/" + name, BackupPart::state, true});
        if (!read) return read.error();
        if (!*read) continue;
        if (const Result<void> done = archive.add(std::string(kQueuePart) + name, (*read)->content, kPrivate, (*read)->modified); !done) return done;
    }
    return {};
}

}  // namespace

Result<BackupMade> make_backup(const BackupOrder& order) {
    const std::string& directory = order.config.queue.directory;
    Output output;
    if (const Result<void> opened = output.open(order.file, order.replace); !opened) return opened.error();
    const std::string work = !order.work_directory.empty() ? order.work_directory : order.file == "-" ? directory : folder_of(order.file);
    const TimePoint now = wall_now();

    const auto known = static_cast<std::int64_t>(queue::sqlite::migrations().size());
    Result<DatabaseCopy> copy = copy_of(directory + "/queue.sqlite", work, known);
    if (!copy) return copy.error();
    Result<SmallFiles> small = read_small_files(order);
    if (!small) return small.error();
    BackupMade made;
    made.missing = std::move(small->missing);

    const std::int64_t schema = copy->schema();
    backup::ArchiveWriter archive(output.get());
    Result<void> done = archive.add(std::string(backup::kFirstMember), first_member(order, small->files, schema, now), kPrivate, unix_seconds(now));
    for (auto file = small->files.begin(); done && file != small->files.end(); ++file) {
        done = archive.add(member_name(file->file.path, order.config.state_directory), file->content, file->mode, file->modified);
        made.keys += file->file.part == BackupPart::key ? 1 : 0;
    }
    if (!done) return done.error();

    // What delivery remembers may be lost: a backup does not fail for it.
    const std::string memory = directory + "/delivery.sqlite";
    if (::access(memory.c_str(), F_OK) == 0) {
        const Result<DatabaseCopy> learnt = copy_of(memory, work, std::numeric_limits<std::int64_t>::max());
        if (!learnt) made.missing.push_back(fmt::format("{} ({})", memory, learnt.error().what));
        else done = archive.add_file(fmt::format("{}delivery.sqlite", kQueuePart), learnt->file(), learnt->size(), kPrivate, unix_seconds(now));
    }
    if (done) done = add_marks(archive, directory);
    if (!done) return done.error();
    const auto added = add_bodies(archive, *copy, directory + "/spool");
    if (!added) return added.error();
    const auto queue = copy->forget_what_left();
    if (!queue) return queue.error();
    const auto bodies = copy->spooled_bodies();
    if (!bodies) return bodies.error();
    for (const auto& body : *bodies)
        if (!added->contains(body.file)) made.missing.push_back(directory + "/spool/" + body.file + " (the body of a waiting message)");

    done = archive.add_file(kDatabaseMember, copy->file(), copy->size(), kPrivate, unix_seconds(now));
    if (done) done = archive.finish(unix_seconds(now));
    if (done) done = output.finish();
    if (!done) return done.error();
    made.octets = archive.written();
    made.messages = queue->messages;
    made.recipients = queue->recipients;
    made.left_meanwhile = queue->left_meanwhile;
    made.schema = schema;
    return made;
}

}  // namespace posthorn::app
