// Copying beside the writer.
#include "queue/sqlite/checkpointer.hpp"

#include <sqlite3.h>

#include <utility>

#include "base/log.hpp"
#include "queue/body_spool.hpp"

namespace posthorn::queue::sqlite {

Checkpointer::~Checkpointer() {
    stop();
}

void Checkpointer::start(const std::string& database, std::string spool, std::vector<QueueId> spooled) {
    connection_ = std::make_unique<Connection>(database, tuning_.vfs, Role::checkpointer, 256);
    spool_ = std::move(spool);
    spooled_ = std::move(spooled);
    // The state that is counted: what is committed from now on is counted by the writer.
    connection_->execute("BEGIN");
    connection_->execute("SELECT count(*) FROM meta");
    thread_ = std::thread([this] { run(); });
}

void Checkpointer::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        wake_.notify_all();
    }
    if (thread_.joinable()) {
        thread_.join();
    }
    connection_.reset();
}

void Checkpointer::wal_is(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    wal_ = bytes;
    if (wal_ < copied_at_) {
        copied_at_ = 0;  // the writer has begun at the WAL's start again
    }
    if (wal_ - copied_at_ >= tuning_.checkpoint_every) {
        wake_.notify_one();
    }
}

void Checkpointer::run() {
    try {
        count();
        remove_orphans();
    } catch (const SqliteFailure& failure) {
        log::warning("queue_not_counted").kv("reason", failure.what());
        connection_->roll_back();
    }
    sqlite3_db_release_memory(connection_->raw());
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        if (wal_ - copied_at_ < tuning_.checkpoint_every) {
            wake_.wait(lock);
            continue;
        }
        copied_at_ = wal_;
        lock.unlock();
        copy();
        lock.lock();
    }
}

void Checkpointer::count() {
    const std::int64_t messages = connection_->value("SELECT count(*) FROM message");
    const std::int64_t recipients = connection_->value("SELECT count(*) FROM recipient");
    connection_->execute("COMMIT");
    condition_.messages += messages;
    condition_.recipients += recipients;
}

// A crash between a spool file's sync and its row's commit, or between the row's end and the unlink, leaves
// one.
void Checkpointer::remove_orphans() {
    if (spooled_.empty()) {
        return;
    }
    std::uint64_t removed = 0;
    {
        Statement exists(*connection_, "SELECT 1 FROM message WHERE id = ? AND spool_file IS NOT NULL");
        for (const QueueId id : spooled_) {
            const StatementScope scope(exists);
            if (!exists.bind(1, id.value()).step()) {
                remove_spooled(spool_, spool_name(id));
                removed += 1;
            }
        }
    }
    spooled_ = {};
    if (removed != 0) {
        log::info("spool_orphans_removed").kv("files", removed);
    }
}

void Checkpointer::copy() {
    // PASSIVE waits for nobody. It includes the database's fdatasync.
    const int code =
        sqlite3_wal_checkpoint_v2(connection_->raw(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) {
        // The WAL keeps everything, so nothing is lost; the writer meets a disk that stays broken by itself.
        log::warning("checkpoint_failed").kv("reason", sqlite3_errmsg(connection_->raw()));
    }
}

}  // namespace posthorn::queue::sqlite
