// VACUUM INTO a file that gets its name when it is whole.
#include "queue/sqlite/upgrade.hpp"

#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "base/log.hpp"
#include "queue/sqlite/database.hpp"
#include "queue/sqlite/schema.hpp"

namespace posthorn::queue::sqlite {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostKept = 256ULL * 1024 * 1024;      // octets: some seconds, on a slow disk
constexpr auto kKeptFor = std::chrono::hours(14 * 24);
constexpr int kUpgradeCacheKib = 2048;

// 0: there is no database, or nothing in it yet, or it cannot be read; opening the queue says what is wrong with it.
std::int64_t schema_version(const std::string& database, const std::string& vfs) {
    struct stat found {};
    if (::stat(database.c_str(), &found) != 0 || found.st_size == 0) return 0;
    try {
        Connection connection(database, vfs, Role::reader, kUpgradeCacheKib);
        sqlite3_db_config(connection.raw(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);   // what is in the WAL is the writer's business
        return connection.value("PRAGMA user_version");
    } catch (const SqliteFailure&) {
        return 0;
    }
}

// With what its WAL still holds.
std::uint64_t octets_of(const std::string& database) {
    std::uint64_t octets = 0;
    for (const char* tail : {"", "-wal"}) {
        struct stat found {};
        if (::stat((database + tail).c_str(), &found) == 0) octets += static_cast<std::uint64_t>(found.st_size);
    }
    return octets;
}

// Empty, or why there is no copy.
std::string keep_copy(const std::string& database, const std::string& copy, const std::string& vfs, std::uint64_t min_free_space) {
    const std::uint64_t size = octets_of(database);
    struct statvfs space {};
    if (size > kMostKept) return "the queue is larger than 256 MiB; `posthorn backup` before an upgrade makes one";
    if (::statvfs(database.c_str(), &space) != 0 || std::uint64_t{space.f_bavail} * space.f_frsize < size + min_free_space)
        return "the disk has too little room for it";
    const std::string unfinished = copy + ".unfinished";
    ::unlink(unfinished.c_str());                      // of a start that was killed
    try {
        Connection connection(database, vfs, Role::checkpointer, kUpgradeCacheKib);
        Statement into(connection, "VACUUM INTO ?1");
        into.bind_text(1, unfinished).run();
    } catch (const SqliteFailure& failure) {
        ::unlink(unfinished.c_str());
        return failure.what();
    }
    if (::chmod(unfinished.c_str(), 0600) == 0 && ::rename(unfinished.c_str(), copy.c_str()) == 0) return {};
    const std::string why = std::strerror(errno);
    ::unlink(unfinished.c_str());
    return why;
}

}  // namespace

void keep_before_upgrade(const std::string& directory, const std::string& vfs, std::uint64_t min_free_space) {
    const std::string database = directory + "/queue.sqlite", copy = directory + kBeforeUpgrade;
    std::error_code none;
    if (const auto made = fs::last_write_time(copy, none); !none && fs::file_time_type::clock::now() - made > kKeptFor) ::unlink(copy.c_str());
    const auto known = static_cast<std::int64_t>(migrations().size());
    const std::int64_t version = schema_version(database, vfs);
    if (version == 0 || version >= known) return;
    const std::string why_none = keep_copy(database, copy, vfs, min_free_space);
    log::info("queue_upgrade").kv("from", static_cast<std::uint64_t>(version)).kv("to", static_cast<std::uint64_t>(known))
        .kv("copy", why_none.empty() ? copy : "none: " + why_none)
        .kv("meaning", "the copy is the queue as it was, for who must go back to the older program; it is removed after two weeks");
}

bool is_of_newer_program(const std::string& directory) {
    return schema_version(directory + "/queue.sqlite", {}) > static_cast<std::int64_t>(migrations().size());
}

}  // namespace posthorn::queue::sqlite
