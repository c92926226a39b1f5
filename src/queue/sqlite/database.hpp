// One sqlite connection and its prepared statements; failures are thrown as SqliteFailure and caught at each
// thread's edge.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "queue/store.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace posthorn::queue::sqlite {

// Thrown only inside queue/sqlite.
struct SqliteFailure : std::runtime_error {
    SqliteFailure(int extended_code, const std::string& text)
        : std::runtime_error(text), code(extended_code) {}
    int code;  // sqlite's extended result code
    // The statement itself cannot be carried out (constraint, too big); the database and the disk are well.
    [[nodiscard]] bool concerns_operation() const;
    [[nodiscard]] StoreError as_store_error() const;
};

enum class Role : std::uint8_t { writer, reader, checkpointer };

// Opened NOMUTEX: one thread at a time.
class Connection {
public:
    Connection(const std::string& path, const std::string& vfs, Role role, int cache_kib);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void execute(const char* sql);
    // Rolls back when a transaction is open; sqlite may have done so itself.
    void roll_back() noexcept;
    [[nodiscard]] std::int64_t value(
        const char* sql);  // the first column of the first row; 0 when there is none
    [[nodiscard]] std::string text(const char* sql);
    [[nodiscard]] sqlite3* raw() const { return db_; }
    [[nodiscard]] std::int64_t changes() const;
    [[noreturn]] void fail(int code, std::string_view doing) const;

private:
    void configure(Role role, int cache_kib);
    sqlite3* db_ = nullptr;
};

// Bound text and blobs are not copied: they must live until the statement is reset.
class Statement {
public:
    Statement(Connection& connection, const char* sql);
    ~Statement();
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    Statement& bind(int index, std::int64_t value);
    Statement& bind(int index, TimePoint time) { return bind(index, time.time_since_epoch().count()); }
    Statement& bind_text(int index, std::string_view text);
    Statement& bind_blob(int index, std::string_view octets);
    Statement& bind_null(int index);

    bool step();  // true: a row is there
    void run();   // steps to the end and resets
    void reset() noexcept;

    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] TimePoint time(int column) const { return TimePoint(Duration(integer(column))); }
    [[nodiscard]] std::string text(int column) const;       // of text or blob; empty for NULL
    [[nodiscard]] std::string_view view(int column) const;  // valid until the next step or reset
    [[nodiscard]] bool is_null(int column) const;
    [[nodiscard]] sqlite3_stmt* raw() const { return statement_; }

private:
    Connection& connection_;
    sqlite3_stmt* statement_ = nullptr;
};

// Ends the statement's read when the scope ends: a reader that keeps a statement open keeps the WAL from
// being reset.
class StatementScope {
public:
    explicit StatementScope(Statement& statement) : statement_(statement) {}
    ~StatementScope() { statement_.reset(); }
    StatementScope(const StatementScope&) = delete;
    StatementScope& operator=(const StatementScope&) = delete;

private:
    Statement& statement_;
};

// Several reads of one state of the queue.
class ReadTransaction {
public:
    explicit ReadTransaction(Connection& connection) : connection_(connection) {
        connection_.execute("BEGIN");
    }
    ~ReadTransaction() { connection_.roll_back(); }
    ReadTransaction(const ReadTransaction&) = delete;
    ReadTransaction& operator=(const ReadTransaction&) = delete;

private:
    Connection& connection_;
};

}  // namespace posthorn::queue::sqlite
