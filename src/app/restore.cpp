// Small files wait in memory, the queue in a directory beside its place, until the manifest has been read and agrees.
#include "app/restore.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <set>

#include "app/backup_contents.hpp"
#include "app/json_members.hpp"
#include "app/ownership.hpp"
#include "auth/secret_file.hpp"
#include "backup/archive.hpp"
#include "base/descriptor.hpp"
#include "config/config.hpp"
#include "queue/sqlite/database_copy.hpp"
#include "queue/sqlite/queue_lock.hpp"
#include "queue/sqlite/schema.hpp"

namespace posthorn::app {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr const char* kStaging = "/.restore";
constexpr const char* kDatabase = "queue.sqlite";
constexpr std::size_t kMostSmallMember = 16 * 1024 * 1024;
constexpr std::int64_t kBackupFormat = 1;

struct SmallMember {
    std::string name, part, content;
    std::uint32_t mode = 0600;
    std::string path;                                  // where it goes; empty: nowhere
};

std::string restore_error(std::string_view doing, const std::string& path, int error) {
    return fmt::format("cannot {} {}: {}", doing, path, std::strerror(error));
}

// One restore, step by step; each step answers what went wrong.
class Restoration {
public:
    Restoration(const RestoreOrder& order, int input, TimePoint now) : order_(order), archive_(input), now_(now) {}

    ~Restoration() {
        const sandbox::ActingAs user(queue_owner_);
        // Where it went wrong half-way through placing, no daemon may take what is there for a queue.
        std::error_code ignored;
        if (user.failed()) return;
        if (!staging_.empty() && !placing_) fs::remove_all(staging_, ignored);
    }
    Restoration(const Restoration&) = delete;
    Restoration& operator=(const Restoration&) = delete;

    [[nodiscard]] Result<Restored> run() {
        if (Result<void> read = read_all(); !read) return read.error();
        if (order_.verify_only) return std::move(done_);
        if (!staged_database_) return Error{"the backup is damaged: it has no queue"};
        for (const auto& step : {&Restoration::examine, &Restoration::choose_files, &Restoration::look_for_conflicts,
                                 &Restoration::place_files, &Restoration::place_queue})
            if (Result<void> taken = (this->*step)(); !taken) return taken.error();
        return std::move(done_);
    }

private:
    [[nodiscard]] Result<void> read_all();
    [[nodiscard]] Result<void> read_first();
    [[nodiscard]] Result<void> read_config();
    [[nodiscard]] Result<void> prepare_queue();
    [[nodiscard]] Result<void> read_queue_member(const backup::TarHeader& member);
    [[nodiscard]] Result<void> examine();
    [[nodiscard]] Result<void> choose_files();
    [[nodiscard]] Result<void> look_for_conflicts();
    [[nodiscard]] Result<void> place_files();
    [[nodiscard]] Result<void> place_queue();
    [[nodiscard]] Error cannot_act(const std::string& path, const sandbox::Identity& owner) const {
        return Error{"cannot work in ", path, " as ", owner.name, ", whom it belongs to: ", std::strerror(EPERM)};
    }

    const RestoreOrder& order_;
    backup::ArchiveReader archive_;
    TimePoint now_;
    Restored done_;
    json::object parts_;                               // of the small files: name -> key, state, configuration
    std::string config_member_;
    std::vector<SmallMember> small_;
    std::uint64_t small_octets_ = 0;
    std::optional<config::Config> config_;
    std::optional<queue::sqlite::QueueLock> lock_;     // no daemon runs there meanwhile
    // Whoever owns the queue's directory can put links into it: root does nothing there but as he.
    sandbox::Identity queue_owner_;
    std::string staging_;                              // empty: nothing of the queue was read yet
    bool staged_database_ = false;
    bool placing_ = false;
};

Result<void> Restoration::read_first() {
    const Result<std::string> text = archive_.text(kMostSmallMember);
    if (!text) return text.error();
    boost::system::error_code bad;
    const json::value parsed = json::parse(*text, bad);
    const json::object* first = bad ? nullptr : parsed.if_object();
    if (first == nullptr) return Error{"the backup is damaged: ", backup::kFirstMember, " is unreadable"};
    done_.made_at = text_of(*first, "made_at");
    done_.hostname = text_of(*first, "hostname");
    done_.version = text_of(*first, "version");
    config_member_ = text_of(*first, "config");
    const auto format = static_cast<std::int64_t>(number_of(*first, "format"));
    const auto schema = static_cast<std::int64_t>(number_of(*first, "schema"));
    const auto known = static_cast<std::int64_t>(queue::sqlite::migrations().size());
    if (format != kBackupFormat || schema > known)
        return Error{fmt::format("the backup was made by a newer Posthorn ({}; its queue has schema version {}, this program knows up to {}); "
                                 "install that version, or a later one, and restore with it",
                                 done_.version, schema, known)};
    if (const json::value* files = first->if_contains("files"); files != nullptr && files->is_object()) parts_ = files->as_object();
    return {};
}

Result<void> Restoration::read_all() {
    for (bool first = true;; first = false) {
        const auto member = archive_.next();
        if (!member) return member.error();
        if (!*member) break;
        if (first) {
            if (Result<void> read = read_first(); !read) return read;
        } else if ((*member)->name.starts_with(kQueuePart)) {
            if (order_.verify_only) continue;
            if (Result<void> read = read_queue_member(**member); !read) return read;
        } else {
            small_octets_ += (*member)->size;
            if (small_octets_ > kMostSmallFiles) return Error{"the backup is damaged: keys and configuration cannot be of more than 256 MiB"};
            Result<std::string> content = archive_.text(kMostSmallMember);
            if (!content) return content.error();
            small_.push_back({(*member)->name, text_of(parts_, (*member)->name), std::move(*content), (*member)->mode, {}});
        }
    }
    for (const backup::Member& member : archive_.members()) done_.octets += member.size;
    return {};
}

// The configuration that is in force afterwards: the backup's where that was asked for, else this machine's.
Result<void> Restoration::read_config() {
    const SmallMember* brought = nullptr;
    for (const SmallMember& small : small_)
        if (order_.with_config && small.name == config_member_) brought = &small;
    config::Loaded loaded = brought != nullptr ? config::parse_here(brought->content, order_.config_path) : config::load(order_.config_path);
    std::string mistakes;
    for (const config::Mistake& mistake : loaded.mistakes) mistakes += "\n" + mistake.to_string();
    if (!mistakes.empty())
        return Error{"where the queue belongs is said by the configuration, and that is not right", order_.with_config ? "" : " (--with-config brings the backup's)",
                     ":", mistakes};
    config_ = std::move(loaded.config);
    return {};
}

Result<void> Restoration::prepare_queue() {
    if (Result<void> read = read_config(); !read) return read;
    const std::string& directory = config_->queue.directory;
    done_.queue_directory = directory;
    std::error_code failed;
    make_private_directories(directory, failed);
    if (failed) return Error{"cannot make the directory ", directory, ": ", failed.message()};
    queue_owner_ = owner_of_the_way(directory);
    const sandbox::ActingAs user(queue_owner_);
    if (user.failed()) return cannot_act(directory, queue_owner_);
    Result<queue::sqlite::QueueLock> lock = queue::sqlite::QueueLock::acquire(directory);
    if (!lock) return lock.error();
    lock_.emplace(std::move(*lock));
    const std::string database = directory + "/" + kDatabase;
    if (fs::exists(database, failed)) {
        const auto queue = queue::sqlite::examine_queue(database);
        if (!queue) return queue.error();
        if (queue->messages > 0)
            return Error{fmt::format("there is mail in {} ({} message{}), which a restore would lose; deliver it first, or move the directory away",
                                     directory, queue->messages, queue->messages == 1 ? "" : "s")};
    }
    staging_ = directory + kStaging;
    fs::remove_all(staging_, failed);
    if (::mkdir(staging_.c_str(), 0700) != 0) return Error{restore_error("make the directory", staging_, errno)};
    return {};
}

Result<void> Restoration::read_queue_member(const backup::TarHeader& member) {
    if (staging_.empty())
        if (Result<void> ready = prepare_queue(); !ready) return ready;
    const std::string relative = member.name.substr(kQueuePart.size());
    const std::string path = staging_ + "/" + relative;
    const sandbox::ActingAs user(queue_owner_);
    if (user.failed()) return cannot_act(path, queue_owner_);
    std::error_code failed;
    make_private_directories(fs::path(path).parent_path(), failed);
    const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file) return Error{restore_error("make", path, errno)};
    if (relative == kDatabase) staged_database_ = true;
    return archive_.content([&](std::string_view piece) -> Result<void> {
        while (!piece.empty()) {
            const ssize_t count = ::write(file.get(), piece.data(), piece.size());
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) return Error{restore_error("write", path, errno)};
            piece.remove_prefix(static_cast<std::size_t>(count));
        }
        return {};
    });
}

Result<void> Restoration::examine() {
    const sandbox::ActingAs user(queue_owner_);
    if (user.failed()) return cannot_act(staging_, queue_owner_);
    const std::string database = staging_ + "/" + kDatabase;
    const auto queue = queue::sqlite::examine_queue(database);
    if (!queue) return queue.error();
    done_.messages = queue->messages;
    done_.recipients = queue->recipients;
    const auto bodies = queue::sqlite::spooled_bodies_of(database);
    if (!bodies) return bodies.error();
    for (const auto& body : *bodies) {
        std::error_code unknown;
        if (fs::file_size(staging_ + "/spool/" + body.file, unknown) != body.size || unknown)
            done_.without_body.push_back(fs::path(body.file).filename().string());
    }
    const auto expired = queue::sqlite::count_expired(database, now_.time_since_epoch().count());
    if (!expired) return expired.error();
    done_.expired = *expired;
    if (!order_.hold) return {};
    const auto held = queue::sqlite::hold_all(database);
    if (!held) return held.error();
    done_.held = *held;
    return {};
}

// A backup puts files only where the configuration says that Posthorn's files are, whatever it was made to contain.
Result<void> Restoration::choose_files() {
    std::set<std::string> named;
    for (const BackupFile& file : backup_files(*config_, order_.config_path, true)) named.insert(file.path);
    const std::vector<std::string> directories = key_directories(*config_);
    const auto is_in_key_directory = [&](const std::string& path) {
        return std::find(directories.begin(), directories.end(), fs::path(path).parent_path().string()) != directories.end();
    };
    for (SmallMember& small : small_) {
        const auto path = small.name == config_member_ ? std::optional(fs::absolute(order_.config_path).lexically_normal().string())
                                                        : path_of_member(small.name, config_->state_directory);
        if (!path) continue;
        const bool ours = named.contains(*path) || is_in_key_directory(*path);
        if (ours && (small.part != "configuration" || order_.with_config)) small.path = *path;
        else done_.left_out.push_back(*path);
    }
    return {};
}

// A key that is there may be the one that DNS shows; lists of a state directory without mail are nothing to lose.
Result<void> Restoration::look_for_conflicts() {
    if (order_.replace) return {};
    std::string differing;
    for (const SmallMember& small : small_) {
        std::error_code unknown;
        if (small.path.empty() || small.part == "state" || !fs::exists(small.path, unknown)) continue;
        const auto there = auth::read_secret_file(small.path);
        if (!there || there->content != small.content) differing += "\n" + small.path;
    }
    if (differing.empty()) return {};
    return Error{"these files are there already and differ from the backup's; nothing was changed. --replace puts the backup's in their place:", differing};
}

Result<void> Restoration::place_files() {
    for (const SmallMember& small : small_) {
        if (small.path.empty()) continue;
        std::error_code failed;
        make_private_directories(fs::path(small.path).parent_path(), failed);
        if (failed) return Error{"cannot make the directory of ", small.path, ": ", failed.message()};
        const sandbox::Identity owner = owner_of_the_way(fs::path(small.path).parent_path());
        const sandbox::ActingAs user(owner);
        if (user.failed()) return cannot_act(small.path, owner);
        // Of the mode only who may read it: root must not make a setuid program, or what others can change, of a backup that is not his own.
        const Result<void> written = auth::write_secret_file(small.path, small.content, auth::Existing::replace, small.mode & 0644U);
        if (!written) return written;
        ++done_.files;
    }
    return {};
}

Result<void> Restoration::place_queue() {
    const std::string& directory = config_->queue.directory;
    const sandbox::ActingAs user(queue_owner_);
    if (user.failed()) return cannot_act(directory, queue_owner_);
    std::error_code failed;
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(staging_, failed)) names.push_back(entry.path().filename().string());
    if (failed) return Error{"cannot look into ", staging_, ": ", failed.message()};
    const Descriptor folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder || ::syncfs(folder.get()) != 0) return Error{restore_error("sync", directory, errno)};

    placing_ = true;
    // The database last: before it is there, nothing of this is a queue.
    std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) { return (a == kDatabase) < (b == kDatabase); });
    for (const std::string& name : names) {
        const std::string place = directory + "/" + name;
        if (name.ends_with(".sqlite"))
            for (const char* tail : {"-wal", "-shm"}) ::unlink((place + tail).c_str());
        if (name == "spool") fs::remove_all(place, failed);
        if (::rename((staging_ + "/" + name).c_str(), place.c_str()) != 0) return Error{restore_error("put in place", place, errno)};
    }
    if (::fsync(folder.get()) != 0) return Error{restore_error("sync", directory, errno)};
    if (::rmdir(staging_.c_str()) != 0) return Error{restore_error("remove", staging_, errno)};
    ::fsync(folder.get());
    return {};
}

}  // namespace

Result<Restored> restore(const RestoreOrder& order, TimePoint now) {
    Descriptor opened;
    if (order.file != "-") {
        opened = Descriptor(::open(order.file.c_str(), O_RDONLY | O_CLOEXEC));
        if (!opened) return Error{restore_error("read", order.file, errno)};
    }
    return Restoration(order, opened ? opened.get() : STDIN_FILENO, now).run();
}

std::string unfinished_restore(const std::string& queue_directory) {
    const std::string staging = queue_directory + kStaging;
    // An empty one was only not taken away: all was in place.
    return ::rmdir(staging.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR ? std::string() : staging;
}

}  // namespace posthorn::app
