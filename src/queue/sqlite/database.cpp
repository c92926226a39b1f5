// Connections, their pragmas, and what sqlite's result codes mean to the queue.
#include "queue/sqlite/database.hpp"

#include <sqlite3.h>

#include <cerrno>
#include <cstring>

namespace posthorn::queue::sqlite {

namespace {

std::string describe(sqlite3* db, int code, std::string_view doing) {
    std::string text = "queue database: ";
    text += doing;
    text += ": ";
    text += db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
    const int system_error = db != nullptr ? sqlite3_system_errno(db) : 0;
    const int primary = code & 0xff;
    if (system_error != 0 &&
        (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN || primary == SQLITE_FULL)) {
        text += " (";
        text += std::strerror(system_error);
        text += ")";
    }
    return text;
}

}  // namespace

bool SqliteFailure::concerns_operation() const {
    switch (code & 0xff) {
        case SQLITE_CONSTRAINT:
        case SQLITE_TOOBIG:
        case SQLITE_MISMATCH:
        case SQLITE_RANGE:
            return true;
        default:
            return false;
    }
}

StoreError SqliteFailure::as_store_error() const {
    if (concerns_operation()) {
        return {StoreFault::refused, what()};
    }
    switch (code & 0xff) {
        case SQLITE_FULL:
            return {StoreFault::disk_full, what()};
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return {StoreFault::corrupt, what()};
        default:
            return {StoreFault::io_error, what()};
    }
}

Connection::Connection(const std::string& path, const std::string& vfs, Role role, int cache_kib) {
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                      (role == Role::writer ? SQLITE_OPEN_CREATE : 0);
    const int code = sqlite3_open_v2(path.c_str(), &db_, flags, vfs.empty() ? nullptr : vfs.c_str());
    if (code != SQLITE_OK) {
        SqliteFailure failure(code, describe(db_, code, "opening " + path));
        sqlite3_close_v2(db_);
        throw failure;
    }
    try {
        configure(role, cache_kib);
    } catch (...) {
        sqlite3_close_v2(db_);
        throw;
    }
}

Connection::~Connection() {
    sqlite3_close_v2(db_);
}

void Connection::configure(Role role, int cache_kib) {
    // Only recovery after a crash and the first opening ever wait for each other.
    sqlite3_busy_timeout(db_, 5000);
    if (role == Role::writer) {
        // Bodies of 4-100 KiB take fewer overflow pages; only effective before the first table is made.
        execute("PRAGMA page_size=8192");
        if (text("PRAGMA journal_mode=WAL") != "wal") {
            throw SqliteFailure(
                SQLITE_CANTOPEN,
                "queue database: this file system does not support WAL (shared memory beside the "
                "database); put queue.directory on a local file system");
        }
        // Each commit waits for the disk: without it a power cut loses what was acknowledged.
        execute("PRAGMA synchronous=FULL");
        // Debian compiles it on: every deleted body would be overwritten with zeros, through the WAL.
        execute("PRAGMA secure_delete=OFF");
        // After a flood the WAL file shrinks back to this.
        execute("PRAGMA journal_size_limit=67108864");
    } else {
        execute("PRAGMA synchronous=FULL");  // for the checkpointer: the database is synced before the WAL is
                                             // reset
        if (role == Role::reader) {
            execute("PRAGMA query_only=ON");
        }
    }
    // Checkpoints are ours (checkpointer.hpp): in the committing thread they are the stalls that people see.
    execute("PRAGMA wal_autocheckpoint=0");
    // The working set is the right edge of each table; the operating system caches the rest.
    execute(("PRAGMA cache_size=-" + std::to_string(cache_kib)).c_str());
    // No temporary files: /tmp may be small, slow or shared.
    execute("PRAGMA temp_store=MEMORY");
    // An I/O error under mmap is SIGBUS instead of an error code.
    execute("PRAGMA mmap_size=0");
}

void Connection::execute(const char* sql) {
    const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) {
        fail(code, std::string_view(sql).substr(0, 60));
    }
}

void Connection::roll_back() noexcept {
    if (sqlite3_get_autocommit(db_) == 0) {
        sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
    }
}

std::int64_t Connection::value(const char* sql) {
    Statement statement(*this, sql);
    return statement.step() ? statement.integer(0) : 0;
}

std::string Connection::text(const char* sql) {
    Statement statement(*this, sql);
    return statement.step() ? statement.text(0) : std::string();
}

std::int64_t Connection::changes() const {
    return sqlite3_changes64(db_);
}

void Connection::fail(int code, std::string_view doing) const {
    throw SqliteFailure(code, describe(db_, code, doing));
}

Statement::Statement(Connection& connection, const char* sql) : connection_(connection) {
    const int code =
        sqlite3_prepare_v3(connection.raw(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr);
    if (code != SQLITE_OK) {
        connection.fail(code, std::string_view(sql).substr(0, 60));
    }
}

Statement::~Statement() {
    sqlite3_finalize(statement_);
}

Statement& Statement::bind(int index, std::int64_t value) {
    sqlite3_bind_int64(statement_, index, value);
    return *this;
}

Statement& Statement::bind_text(int index, std::string_view text) {
    // A null pointer would bind NULL, which is not an empty text.
    const int code = sqlite3_bind_text64(statement_, index, text.data() != nullptr ? text.data() : "",
                                         text.size(), SQLITE_STATIC, SQLITE_UTF8);
    if (code != SQLITE_OK) {
        connection_.fail(code, "binding text");
    }
    return *this;
}

Statement& Statement::bind_blob(int index, std::string_view octets) {
    const int code = sqlite3_bind_blob64(statement_, index, octets.data() != nullptr ? octets.data() : "",
                                         octets.size(), SQLITE_STATIC);
    if (code != SQLITE_OK) {
        connection_.fail(code, "binding a blob");
    }
    return *this;
}

Statement& Statement::bind_null(int index) {
    sqlite3_bind_null(statement_, index);
    return *this;
}

bool Statement::step() {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) {
        return true;
    }
    if (code == SQLITE_DONE) {
        return false;
    }
    // The message is taken before the reset, which would keep it but may not the system's error number.
    SqliteFailure failure(
        code, describe(connection_.raw(), code, std::string_view(sqlite3_sql(statement_)).substr(0, 60)));
    sqlite3_reset(statement_);
    throw failure;
}

void Statement::run() {
    while (step()) {
    }
    sqlite3_reset(statement_);
}

void Statement::reset() noexcept {
    sqlite3_reset(statement_);
}

std::int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(statement_, column);
}

std::string_view Statement::view(int column) const {
    const void* octets = sqlite3_column_blob(statement_, column);
    const int size = sqlite3_column_bytes(statement_, column);
    return octets == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(octets), size);
}

std::string Statement::text(int column) const {
    return std::string(view(column));
}

bool Statement::is_null(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

}  // namespace posthorn::queue::sqlite
