// ATTACH and INSERT ... SELECT in one read transaction: as VACUUM INTO, but into a file that has no name.
#include "queue/sqlite/database_copy.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/descriptor.hpp"
#include "queue/sqlite/database.hpp"

namespace posthorn::queue::sqlite {

namespace {

constexpr int kCopyCacheKib = 16 * 1024;
constexpr const char* kCopyName = "/.posthorn-copy-";

std::string sql_name(const std::string& name) {
    std::string out = "\"";
    for (const char c : name) out.append(c == '"' ? 2 : 1, c);
    return out + '"';
}

struct SchemaItem {
    bool is_table = false;
    std::string name, sql;
};

// Tables first: an index that is made when its rows are there is written once, in order.
std::vector<SchemaItem> schema_items(Connection& connection) {
    std::vector<SchemaItem> items;
    Statement rows(connection,
                   "SELECT type = 'table', name, sql FROM live.sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' "
                   "ESCAPE '\\' ORDER BY type <> 'table', rowid");
    while (rows.step()) items.push_back({rows.integer(0) != 0, rows.text(1), rows.text(2)});
    return items;
}

std::vector<SpooledBody> bodies_in(Connection& connection) {
    std::vector<SpooledBody> bodies;
    Statement rows(connection, "SELECT spool_file, body_size FROM message WHERE spool_file IS NOT NULL ORDER BY id");
    while (rows.step()) bodies.push_back({rows.text(0), static_cast<std::uint64_t>(rows.integer(1))});
    return bodies;
}

CopiedQueue counts_in(Connection& connection) {
    CopiedQueue queue;
    queue.schema = connection.value("PRAGMA main.user_version");
    queue.messages = static_cast<std::uint64_t>(connection.value("SELECT count(*) FROM main.message"));
    queue.recipients = static_cast<std::uint64_t>(connection.value("SELECT count(*) FROM main.recipient"));
    return queue;
}

// An empty file stays of a process that was killed between making it and taking its name away. Locked are those of living ones.
void remove_abandoned(const std::string& directory) {
    DIR* listing = ::opendir(directory.c_str());
    if (listing == nullptr) return;
    while (const dirent* entry = ::readdir(listing)) {
        const std::string name = std::string("/") + entry->d_name;
        if (!name.starts_with(kCopyName)) continue;
        const Descriptor file(::open((directory + name).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
        if (file && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::unlink((directory + name).c_str());
    }
    ::closedir(listing);
}

Error copy_failure(const std::string& doing, const SqliteFailure& failure) {
    return Error{doing, ": ", failure.what()};
}

// Runs `work` on a connection to a database that nobody else has open.
template <class Work>
auto on(const std::string& database, const Work& work) -> Result<decltype(work(std::declval<Connection&>()))> {
    try {
        Connection connection(database, {}, Role::checkpointer, kCopyCacheKib);
        return work(connection);
    } catch (const SqliteFailure& failure) {
        return copy_failure(database, failure);
    }
}

}  // namespace

struct DatabaseCopy::State {
    Descriptor file;                                   // the copy's own, apart from sqlite's
    std::unique_ptr<Connection> connection;            // main: the copy; live: the original
    std::string original;
    std::int64_t schema = 0;
};

DatabaseCopy::DatabaseCopy(std::unique_ptr<State> state) : state_(std::move(state)) {}
DatabaseCopy::DatabaseCopy(DatabaseCopy&&) noexcept = default;
DatabaseCopy& DatabaseCopy::operator=(DatabaseCopy&&) noexcept = default;
DatabaseCopy::~DatabaseCopy() = default;

Result<DatabaseCopy> DatabaseCopy::make(const std::string& database, const std::string& near, std::int64_t known,
                                        const std::function<void()>& before_reading) {
    auto state = std::make_unique<State>();
    state->original = database;
    if (::access(database.c_str(), R_OK | W_OK) != 0) {
        const char* help = errno == EACCES ? "; run this as root or as Posthorn's user" : errno == ENOENT ? "; Posthorn makes it at its first start" : "";
        return Error{"cannot read ", database, ": ", std::strerror(errno), help};
    }
    remove_abandoned(near);
    std::string path = near + kCopyName + "XXXXXX";
    state->file = Descriptor(::mkostemp(path.data(), O_CLOEXEC));   // 0600
    if (state->file) ::flock(state->file.get(), LOCK_EX);
    if (!state->file) return Error{"cannot make a file in ", near, ": ", std::strerror(errno), "; --work-directory names another place"};
    try {
        // Without a journal no other file is made, and the copy has no use for one: half of it is thrown away.
        state->connection = std::make_unique<Connection>(path, std::string(), Role::checkpointer, kCopyCacheKib);
        ::unlink(path.c_str());                        // sqlite has it open
        Connection& copy = *state->connection;
        // Named `main`, for what is said of all databases is said of the original too.
        copy.execute("PRAGMA main.page_size=8192");
        copy.execute("PRAGMA main.journal_mode=OFF");
        copy.execute("PRAGMA main.synchronous=OFF");
        // The daemon's WAL is the daemon's, also where it does not run just now.
        sqlite3_db_config(copy.raw(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
        if (before_reading) before_reading();
        {
            Statement attach(copy, "ATTACH ?1 AS live");
            attach.bind_text(1, state->original).run();
        }
        copy.execute("BEGIN");                         // one moment of the original, from the first read to COMMIT
        const std::int64_t version = copy.value("PRAGMA live.user_version");
        if (version > known)
            return Error{database, " was written by a newer Posthorn (its schema has version ", std::to_string(version),
                         ", this program knows up to ", std::to_string(known), "); use the newer program's backup"};
        for (const SchemaItem& item : schema_items(copy)) {
            copy.execute(item.sql.c_str());
            if (!item.is_table) continue;
            const std::string fill = "INSERT INTO main." + sql_name(item.name) + " SELECT * FROM live." + sql_name(item.name);
            copy.execute(fill.c_str());
        }
        state->schema = version;
        copy.execute(("PRAGMA main.user_version=" + std::to_string(version)).c_str());
        copy.execute("COMMIT");
    } catch (const SqliteFailure& failure) {
        ::unlink(path.c_str());
        const bool full = (failure.code & 0xff) == SQLITE_FULL;
        return copy_failure("cannot copy " + database + (full ? " into " + near + " (--work-directory names another place)" : ""), failure);
    }
    return DatabaseCopy(std::move(state));
}

int DatabaseCopy::file() const {
    return state_->file.get();
}

std::uint64_t DatabaseCopy::size() const {
    struct stat found {};
    return ::fstat(state_->file.get(), &found) == 0 ? static_cast<std::uint64_t>(found.st_size) : 0;
}

std::int64_t DatabaseCopy::schema() const {
    return state_->schema;
}

Result<std::vector<SpooledBody>> DatabaseCopy::spooled_bodies() {
    try {
        return bodies_in(*state_->connection);
    } catch (const SqliteFailure& failure) {
        return copy_failure("the copy of " + state_->original, failure);
    }
}

Result<CopiedQueue> DatabaseCopy::forget_what_left() {
    try {
        Connection& copy = *state_->connection;
        copy.execute("BEGIN");
        // A recipient's number may be another's after it has gone; a message's never is.
        copy.execute(
            "DELETE FROM main.recipient WHERE NOT EXISTS (SELECT 1 FROM live.recipient AS now WHERE now.id = recipient.id "
            "AND now.message_id = recipient.message_id AND now.state <> 2)");
        const auto left = static_cast<std::uint64_t>(copy.changes());
        copy.execute(
            "DELETE FROM main.message WHERE NOT EXISTS (SELECT 1 FROM main.recipient AS theirs WHERE theirs.message_id = message.id)");
        copy.execute("DELETE FROM main.body WHERE message_id NOT IN (SELECT id FROM main.message)");
        copy.execute("COMMIT");
        CopiedQueue queue = counts_in(copy);
        queue.left_meanwhile = left;
        return queue;
    } catch (const SqliteFailure& failure) {
        return copy_failure("the copy of " + state_->original, failure);
    }
}

Result<CopiedQueue> examine_queue(const std::string& database) {
    try {
        Connection connection(database, {}, Role::checkpointer, kCopyCacheKib);
        // No schema of ours has any; in a backup that somebody made up they would run at each change, by root at first.
        if (connection.value("SELECT count(*) FROM sqlite_master WHERE type IN ('trigger', 'view')") != 0)
            return Error{database, " is no queue of Posthorn's: it has triggers or views"};
        if (const std::string verdict = connection.text("PRAGMA integrity_check(1)"); verdict != "ok")
            return Error{database, " is damaged: ", verdict};
        return counts_in(connection);
    } catch (const SqliteFailure& failure) {
        return copy_failure(database, failure);
    }
}

Result<std::vector<SpooledBody>> spooled_bodies_of(const std::string& database) {
    return on(database, bodies_in);
}

Result<std::uint64_t> hold_all(const std::string& database) {
    return on(database, [](Connection& connection) {
        connection.execute("UPDATE recipient SET state = 1 WHERE state IN (0, 3)");
        return static_cast<std::uint64_t>(connection.changes());
    });
}

Result<std::uint64_t> count_expired(const std::string& database, std::int64_t now_milliseconds) {
    return on(database, [now_milliseconds](Connection& connection) {
        Statement expired(connection,
                          "SELECT count(*) FROM recipient JOIN message ON message.id = recipient.message_id "
                          "WHERE message.expires_at <= ?1");
        expired.bind(1, now_milliseconds);
        return expired.step() ? static_cast<std::uint64_t>(expired.integer(0)) : 0;
    });
}

}  // namespace posthorn::queue::sqlite
