// The background thread: copies the WAL into the database, and at start counts the queue and removes orphaned
// spool files.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "queue/sqlite/condition.hpp"
#include "queue/sqlite/database.hpp"
#include "queue/sqlite/sqlite_store.hpp"

namespace posthorn::queue::sqlite {

class Checkpointer {
public:
    Checkpointer(const SqliteTuning& tuning, Condition& condition) : tuning_(tuning), condition_(condition) {}
    ~Checkpointer();

    // After the schema is there and before anything changes it. `spooled` are the spool files found before
    // the store opened for mail: no message that comes later can own one of them. Throws SqliteFailure.
    void start(const std::string& database, std::string spool, std::vector<QueueId> spooled);
    void stop();

    // The writer's news: so long is the WAL. Copies it once it has grown by checkpoint_every.
    void wal_is(std::uint64_t bytes);

private:
    void run();
    void count();
    void remove_orphans();
    void copy();

    SqliteTuning tuning_;
    Condition& condition_;
    std::unique_ptr<Connection> connection_;
    std::string spool_;
    std::vector<QueueId> spooled_;

    std::mutex mutex_;
    std::condition_variable wake_;
    std::uint64_t wal_ = 0;
    std::uint64_t copied_at_ = 0;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace posthorn::queue::sqlite
