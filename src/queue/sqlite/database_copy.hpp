// A copy of a sqlite database that is one moment of it, made while others write to it; for backups.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace posthorn::queue::sqlite {

// What a backup says of the queue in it.
struct CopiedQueue {
    std::int64_t schema = 0;                           // user_version
    std::uint64_t messages = 0, recipients = 0;
    std::uint64_t left_meanwhile = 0;                  // recipients settled while the backup was made; not in the copy
};

struct SpooledBody {
    std::string file;                                  // relative to the spool directory
    std::uint64_t size = 0;                            // octets
};

// Row by row in one read transaction, so without the pages and the remains of mail that is gone. Others read and write meanwhile; the
// database's WAL grows until the copy is there. The copy's file has no name from the beginning: whatever ends this process ends it, too.
// One thread. Throws nothing; errors speak to the operator.
class DatabaseCopy {
public:
    // `near`: a directory for the copy, with as much space as the database takes. Refuses a database of a newer schema than `known`.
    // `before_reading` is called between the making of the copy's file and the opening of the original: root becomes another user there.
    [[nodiscard]] static Result<DatabaseCopy> make(const std::string& database, const std::string& near, std::int64_t known,
                                                   const std::function<void()>& before_reading = {});

    DatabaseCopy(DatabaseCopy&&) noexcept;
    DatabaseCopy& operator=(DatabaseCopy&&) noexcept;
    ~DatabaseCopy();

    [[nodiscard]] int file() const;                    // for reading; stays this object's
    [[nodiscard]] std::uint64_t size() const;          // octets, as of now

    [[nodiscard]] std::int64_t schema() const;         // user_version

    // These are for the queue's database only.
    [[nodiscard]] Result<std::vector<SpooledBody>> spooled_bodies();
    // Takes out of the copy what has left the queue since: delivered, failed or deleted.
    [[nodiscard]] Result<CopiedQueue> forget_what_left();

private:
    struct State;
    explicit DatabaseCopy(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// Of a queue that nobody else has open (a restore).
// Whether the database is sound, and what is in it.
[[nodiscard]] Result<CopiedQueue> examine_queue(const std::string& database);
[[nodiscard]] Result<std::vector<SpooledBody>> spooled_bodies_of(const std::string& database);
// As Revision::hold does it, all of it; answers how many recipients that are.
[[nodiscard]] Result<std::uint64_t> hold_all(const std::string& database);
// Recipients whose message's lifetime is over at `now`: they are given up as soon as the daemon runs.
[[nodiscard]] Result<std::uint64_t> count_expired(const std::string& database, std::int64_t now_milliseconds);

}  // namespace posthorn::queue::sqlite
