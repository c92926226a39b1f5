// The tables of the queue, version by version.
#include "queue/sqlite/schema.hpp"

#include <sqlite3.h>

#include <array>

namespace posthorn::queue::sqlite {

namespace {

// Columns that claims read come first, so that a row's overflow pages (header) are never touched for them.
// recipient_due serves claims; recipient_idle finds the few rows that are held or removed, of a destination
// or at start.
constexpr const char* kVersion1 = R"(
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE message (
    id INTEGER PRIMARY KEY, accepted_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, flags INTEGER NOT NULL,
    body_size INTEGER NOT NULL, longest_line INTEGER NOT NULL, reverse_path TEXT NOT NULL, envid TEXT NOT NULL,
    stream TEXT NOT NULL, source TEXT NOT NULL, body_hash BLOB NOT NULL, spool_file TEXT, header BLOB NOT NULL) STRICT;
CREATE TABLE body (message_id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE destination (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE recipient (
    id INTEGER PRIMARY KEY, message_id INTEGER NOT NULL, destination_id INTEGER NOT NULL, state INTEGER NOT NULL,
    due_at INTEGER NOT NULL, attempts INTEGER NOT NULL, last_attempt INTEGER NOT NULL, notify INTEGER NOT NULL,
    delay_dsn_sent INTEGER NOT NULL, address TEXT NOT NULL, orcpt TEXT NOT NULL, last_class TEXT NOT NULL,
    last_reply TEXT NOT NULL, last_host TEXT NOT NULL) STRICT;
CREATE INDEX message_expires ON message (expires_at);
CREATE INDEX recipient_due ON recipient (destination_id, due_at) WHERE state = 0;
CREATE INDEX recipient_idle ON recipient (destination_id, state) WHERE state <> 0;
CREATE INDEX recipient_of_message ON recipient (message_id);
)";

// What waits for a repair of ours (a key, DNS) is found at once when that is done: at each reload.
constexpr const char* kVersion2 =
    "CREATE INDEX recipient_class ON recipient (last_class, message_id) WHERE last_class IN ('local', 'auth')";

// Resuming a user finds what his suspension stopped; costs nothing while nobody is suspended.
constexpr const char* kVersion3 =
    "CREATE INDEX recipient_suspended ON recipient (message_id) WHERE state = 3";

// Who may have a message already, for the operator who wonders about a duplicate.
constexpr const char* kVersion4 = "ALTER TABLE recipient ADD COLUMN in_doubt TEXT NOT NULL DEFAULT ''";

// Lanes: a destination is a recipient domain and a lane. What waits already has the empty lane and keeps its numbers.
constexpr const char* kVersion5 = R"(
CREATE TABLE laned (id INTEGER PRIMARY KEY, name TEXT NOT NULL, lane TEXT NOT NULL, UNIQUE (name, lane)) STRICT;
INSERT INTO laned SELECT id, name, '' FROM destination;
DROP TABLE destination;
ALTER TABLE laned RENAME TO destination;
)";

// Local submission: who and which program a message came from, and the hand-overs that must not be added twice.
constexpr const char* kVersion6 = R"(
ALTER TABLE message ADD COLUMN origin TEXT NOT NULL DEFAULT '';
CREATE TABLE pickup (key TEXT PRIMARY KEY, added_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
)";

// What became of mail, by number alone: an index would cost each delivery more than the few questions gain. What every question
// looks at comes first, what is long last, so that looking for entries does not touch their overflow pages. And who gets no
// mail any more.
constexpr const char* kVersion7 = R"(
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, message_id INTEGER NOT NULL, attempts INTEGER NOT NULL,
    delay INTEGER NOT NULL, due_at INTEGER NOT NULL, event TEXT NOT NULL, class TEXT NOT NULL, grp TEXT NOT NULL,
    recipient TEXT NOT NULL, sender TEXT NOT NULL, source TEXT NOT NULL, stream TEXT NOT NULL, host TEXT NOT NULL,
    rule TEXT NOT NULL, reply TEXT NOT NULL, diagnosis TEXT NOT NULL, transcript TEXT NOT NULL) STRICT;
CREATE TABLE suppressed (
    address TEXT PRIMARY KEY, since INTEGER NOT NULL, class TEXT NOT NULL, reply TEXT NOT NULL,
    message_id INTEGER NOT NULL) STRICT, WITHOUT ROWID;
)";

constexpr std::array<Migration, 7> kMigrations = {kVersion1, kVersion2, kVersion3, kVersion4, kVersion5, kVersion6,
                                                  kVersion7};

}  // namespace

std::span<const Migration> migrations() {
    return kMigrations;
}

void migrate(Connection& connection, std::span<const Migration> steps) {
    const auto known = static_cast<std::int64_t>(steps.size());
    std::int64_t version = connection.value("PRAGMA user_version");
    if (version > known) {
        throw SqliteFailure(SQLITE_CANTOPEN,
                            "the queue was written by a newer Posthorn (its schema has version " +
                                std::to_string(version) + ", this program knows up to " +
                                std::to_string(known) +
                                "); start the newer program again, or empty the queue with it first");
    }
    if (version == known) return;
    connection.execute("BEGIN IMMEDIATE");
    try {
        for (; version < known; ++version) connection.execute(steps[static_cast<std::size_t>(version)]);
        connection.execute(("PRAGMA user_version=" + std::to_string(known)).c_str());
        connection.execute("COMMIT");
    } catch (...) {
        connection.roll_back();
        throw;
    }
}

}  // namespace posthorn::queue::sqlite
