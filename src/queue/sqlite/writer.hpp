// The one thread that changes the queue: group commit, and the way back from a disk that failed.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "queue/options.hpp"
#include "queue/sqlite/changes.hpp"
#include "queue/sqlite/claims.hpp"
#include "queue/sqlite/condition.hpp"
#include "queue/sqlite/inbox.hpp"
#include "queue/sqlite/sqlite_store.hpp"

namespace posthorn::queue::sqlite {

class Checkpointer;

// Files of one queue directory.
struct QueuePaths {
    std::string directory;
    std::string database;
    std::string spool;
};

// Group commit without a timer: while one batch waits for the disk the next one gathers in the inbox, so that
// one client alone pays one fdatasync and a hundred clients pay the same one.
class Writer {
public:
    Writer(const QueuePaths& paths, const QueueOptions& options, const SqliteTuning& tuning,
           ClaimTable& claims, Condition& condition, Checkpointer& checkpointer);
    ~Writer();

    // Opens the connection and brings the schema up to date; before start(). Throws SqliteFailure.
    void open();
    [[nodiscard]] Connection& connection() { return *connection_; }  // between open() and start()
    void start();
    void stop();  // finishes what is in the inbox, joins

    // Any thread. Answers inside the call what cannot be queued.
    void push(Operation operation);
    [[nodiscard]] std::size_t inbox_bytes() const { return inbox_.bytes(); }

private:
    void run();
    void watch();
    void process(std::vector<Operation>& batch);
    // Sets the operations' errors or commits them. False: one operation was refused, nothing is stored.
    bool commit_together(std::vector<Operation*>& operations);
    void refuse_without_space(std::vector<Operation*>& operations);
    void disk_failed(const SqliteFailure& failure, std::vector<Operation*>& operations);
    void probe();
    void reset_wal_if_long();
    [[nodiscard]] bool space_is_low();
    void tell_journal();

    QueuePaths paths_;
    QueueOptions options_;
    SqliteTuning tuning_;
    ClaimTable& claims_;
    Condition& condition_;
    Checkpointer& checkpointer_;
    Inbox inbox_;

    // The writer thread's own.
    std::unique_ptr<Connection> connection_;
    std::unique_ptr<Changes> changes_;
    std::vector<std::string> unneeded_files_;
    SteadyTime next_probe_{};
    SteadyTime space_checked_{};
    std::uint64_t accepted_since_check_ = 0;
    bool space_low_ = false;
    std::uint64_t wal_at_reset_ = 0;

    std::thread thread_;
    std::thread watcher_;
};

}  // namespace posthorn::queue::sqlite
