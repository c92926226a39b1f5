// Group commit.
#include "queue/sqlite/writer.hpp"

#include <sqlite3.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/bound.hpp"
#include "base/log.hpp"
#include "queue/sqlite/checkpointer.hpp"
#include "queue/sqlite/schema.hpp"

namespace posthorn::queue::sqlite {

namespace {

// Between two looks at the free space no more than this is accepted.
constexpr std::uint64_t kSpaceCheckBytes = 8 * 1024 * 1024;
// A WAL that could not be reset (a reader was in it) is tried again after it grew by this.
constexpr std::uint64_t kResetAgain = 8 * 1024 * 1024;

}  // namespace

Writer::Writer(const QueuePaths& paths, const QueueOptions& options, const SqliteTuning& tuning,
               ClaimTable& claims, Condition& condition, Checkpointer& checkpointer)
    : paths_(paths),
      options_(options),
      tuning_(tuning),
      claims_(claims),
      condition_(condition),
      checkpointer_(checkpointer),
      inbox_(options.inbox_limit) {}

Writer::~Writer() {
    stop();
}

void Writer::open() {
    changes_.reset();
    connection_.reset();
    connection_ =
        std::make_unique<Connection>(paths_.database, tuning_.vfs, Role::writer, tuning_.writer_cache_kib);
    migrate(*connection_);
    changes_ = std::make_unique<Changes>(*connection_, claims_, paths_.spool, tuning_.destination_cache,
                                         options_.journal);
    tell_journal();
    sqlite3_wal_hook(
        connection_->raw(),
        [](void* self, sqlite3*, const char*, int pages) {
            // A frame is a page with 24 octets before it.
            static_cast<Writer*>(self)->condition_.wal_bytes =
                static_cast<std::uint64_t>(pages) * (8192 + 24);
            return SQLITE_OK;
        },
        this);
}

void Writer::start() {
    thread_ = std::thread([this] { run(); });
    watcher_ = std::thread([this] { watch(); });
}

void Writer::stop() {
    inbox_.close();
    if (thread_.joinable()) {
        thread_.join();
    }
    inbox_.close();  // again: it is empty now, the watcher need not wait for anything
    if (watcher_.joinable()) {
        watcher_.join();
    }
    changes_.reset();
    connection_.reset();  // the last connection to close copies the WAL into the database
}

void Writer::push(Operation operation) {
    const bool is_sweep = std::holds_alternative<SweepOperation>(operation.what);
    if (!condition_.healthy() && !is_sweep) {
        operation.error = condition_.fault();
        operation.complete();
        return;
    }
    switch (inbox_.push(operation)) {
        case Inbox::Pushed::queued:
            return;
        case Inbox::Pushed::full:
            operation.error = StoreError{
                StoreFault::busy, "more mail arrives than the disk takes: " + std::to_string(inbox_.bytes()) +
                                      " octets wait for it (queue.inbox_limit)"};
            break;
        case Inbox::Pushed::closed:
            operation.error = StoreError{StoreFault::shutting_down, "the queue is shutting down"};
            break;
    }
    operation.complete();
}

void Writer::watch() {
    std::vector<Operation> overdue;
    while (inbox_.take_overdue(overdue)) {
        for (Operation& operation : overdue) {
            operation.error =
                StoreError{StoreFault::busy, "the disk did not take the message before queue.store_deadline"};
            operation.complete();
        }
        overdue.clear();
    }
}

void Writer::run() {
    std::vector<Operation> batch;
    for (;;) {
        const bool healthy = condition_.healthy();
        if (!inbox_.take(batch, tuning_.batch_operations, tuning_.batch_bytes,
                         healthy ? std::nullopt : std::optional(next_probe_))) {
            return;
        }
        if (!batch.empty()) {
            process(batch);
            batch.clear();
        }
        if (!condition_.healthy() && std::chrono::steady_clock::now() >= next_probe_) {
            probe();
        }
    }
}

void Writer::process(std::vector<Operation>& batch) {
    const SteadyTime begin = std::chrono::steady_clock::now();
    std::vector<Operation*> live;
    live.reserve(batch.size());
    for (Operation& operation : batch) {
        if (operation.deadline <= begin) {
            operation.error =
                StoreError{StoreFault::busy, "the disk did not take the message before queue.store_deadline"};
        } else if (!condition_.healthy()) {
            operation.error = condition_.fault();
        } else {
            live.push_back(&operation);
        }
    }
    refuse_without_space(live);
    // Settlements first: the rows they free are reused by the adds of the same transaction. The transaction
    // is one step for everybody else, so that no thread sees its operations out of order; a revision, which
    // looks at what adds and settlements before it did, keeps everything in its place.
    std::vector<Operation*> ordered = live;
    const bool revises = std::any_of(live.begin(), live.end(), [](const Operation* operation) {
        return std::holds_alternative<ReviseOperation>(operation->what);
    });
    if (!revises) {
        std::stable_partition(ordered.begin(), ordered.end(), [](const Operation* operation) {
            return std::holds_alternative<SettleOperation>(operation->what);
        });
    }
    if (!ordered.empty() && !commit_together(ordered)) {
        // Some operation cannot be stored: each on its own, in order of arrival, to find it.
        for (Operation* operation : live) {
            std::vector<Operation*> one{operation};
            if (!condition_.healthy()) {
                operation->error = condition_.fault();
            } else {
                commit_together(one);
            }
        }
    }
    if (!ordered.empty() && condition_.healthy()) {
        condition_.committed(std::chrono::steady_clock::now() - begin, ordered.size());
    }
    for (Operation& operation : batch) {
        operation.complete();
    }
    for (const std::string& file : std::exchange(unneeded_files_, {})) {
        ::unlink((paths_.spool + "/" + file).c_str());
    }
    if (condition_.healthy()) {
        reset_wal_if_long();
    }
}

bool Writer::commit_together(std::vector<Operation*>& operations) {
    const TimePoint now = wall_now();
    Operation* current = nullptr;
    std::optional<StoreError> refusal;
    try {
        connection_->execute("BEGIN IMMEDIATE");
        for (Operation* operation : operations) {
            current = operation;
            changes_->apply(*operation, now);
        }
        current = nullptr;
        changes_->end_batch(now);
        connection_->execute("COMMIT");
    } catch (const Refusal& refused) {
        refusal = refused.error;
    } catch (const SqliteFailure& failure) {
        if (current == nullptr || !failure.concerns_operation()) {
            connection_->roll_back();
            changes_->rolled_back();
            disk_failed(failure, operations);
            return true;
        }
        refusal = failure.as_store_error();
    }
    if (refusal) {
        connection_->roll_back();
        changes_->rolled_back();
        if (operations.size() == 1) {
            operations.front()->error = std::move(refusal);
        }
        return false;
    }

    Changes::Aftermath aftermath = changes_->committed();
    condition_.messages += aftermath.messages;
    condition_.recipients += aftermath.recipients;
    condition_.batches += 1;
    condition_.operations += operations.size();
    tell_journal();
    unneeded_files_.insert(unneeded_files_.end(), std::make_move_iterator(aftermath.unneeded_files.begin()),
                           std::make_move_iterator(aftermath.unneeded_files.end()));
    if (!aftermath.sweep.empty()) {
        push(Operation{.what = SweepOperation{std::move(aftermath.sweep)}});
    }
    return true;
}

void Writer::tell_journal() {
    const JournalBook::Range kept = changes_->journal_kept();
    condition_.journal_first = kept.first;
    condition_.journal_last = kept.last;
}

void Writer::disk_failed(const SqliteFailure& failure, std::vector<Operation*>& operations) {
    const StoreError error = failure.as_store_error();
    for (Operation* operation : operations) {
        operation->error = error;
    }
    next_probe_ = std::chrono::steady_clock::now() + tuning_.probe_interval;
    condition_.fell_ill(error);
}

void Writer::probe() {
    next_probe_ = std::chrono::steady_clock::now() + tuning_.probe_interval;
    if (condition_.fault().fault == StoreFault::disk_full) {
        space_checked_ = {};
        if (space_is_low()) {
            return;
        }
    }
    try {
        // After a failed fsync the kernel may have dropped the pages it could not write and call them clean:
        // nothing this connection remembers of the files is trusted.
        open();
        connection_->execute("BEGIN IMMEDIATE");
        connection_->execute(
            "INSERT INTO meta VALUES ('probe', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1");
        connection_->execute("COMMIT");
        condition_.recovered();
    } catch (const SqliteFailure& failure) {
        if (connection_) {
            connection_->roll_back();
        }
        condition_.fell_ill(failure.as_store_error());
    }
}

void Writer::refuse_without_space(std::vector<Operation*>& operations) {
    const auto adds = [](const Operation* operation) {
        return std::holds_alternative<AddOperation>(operation->what);
    };
    if (options_.min_free_space == 0 || std::none_of(operations.begin(), operations.end(), adds)) {
        return;
    }
    for (const Operation* operation : operations) {
        accepted_since_check_ += operation->bytes;
    }
    if (!space_is_low()) {
        return;
    }
    std::erase_if(operations, [&](Operation* operation) {
        if (!adds(operation)) {
            return false;  // settlements free space
        }
        note_reached(Bound::queue_free_space);
        operation->error = StoreError{StoreFault::disk_full, "less than queue.min_free_space (" +
                                                                 std::to_string(options_.min_free_space) +
                                                                 " octets) is free in " + paths_.directory};
        return true;
    });
}

bool Writer::space_is_low() {
    const SteadyTime now = std::chrono::steady_clock::now();
    if (now - space_checked_ < tuning_.space_check_interval && accepted_since_check_ < kSpaceCheckBytes) {
        return space_low_;
    }
    space_checked_ = now;
    accepted_since_check_ = 0;
    struct statvfs status {};
    if (::statvfs(paths_.directory.c_str(), &status) != 0) {
        return false;  // then writing will say what is wrong
    }
    const std::uint64_t free = static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
    const bool low = free < options_.min_free_space;
    if (low != space_low_) {
        space_low_ = low;
        log::warning(low ? "disk_space_low" : "disk_space_ok")
            .kv("directory", paths_.directory)
            .kv("free", free)
            .kv("needed", options_.min_free_space);
    }
    return low;
}

void Writer::reset_wal_if_long() {
    const std::uint64_t wal = condition_.wal_bytes.load();
    if (wal >= tuning_.checkpoint_every) {
        checkpointer_.wal_is(wal);
    }
    if (wal < wal_at_reset_) {
        wal_at_reset_ = 0;
    }
    if (wal < tuning_.checkpoint_force || (wal_at_reset_ != 0 && wal - wal_at_reset_ < kResetAgain)) {
        return;
    }
    wal_at_reset_ = wal;
    // Almost everything is copied already; a reader or the checkpointer in the way is not waited for.
    sqlite3_busy_timeout(connection_->raw(), 0);
    const int code =
        sqlite3_wal_checkpoint_v2(connection_->raw(), nullptr, SQLITE_CHECKPOINT_RESTART, nullptr, nullptr);
    sqlite3_busy_timeout(connection_->raw(), 5000);
    if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) {
        log::warning("checkpoint_failed").kv("reason", sqlite3_errmsg(connection_->raw()));
    }
}

}  // namespace posthorn::queue::sqlite
