// The store's health and figures.
#include "queue/sqlite/condition.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"

namespace posthorn::queue::sqlite {

void Condition::observe(std::function<void(const StoreHealth&)> observer) {
    const std::lock_guard lock(mutex_);
    observer_ = std::move(observer);
}

StoreError Condition::fault() const {
    const std::lock_guard lock(mutex_);
    return fault_;
}

void Condition::fell_ill(const StoreError& error) {
    {
        const std::lock_guard lock(mutex_);
        fault_ = error;
    }
    if (healthy_.exchange(false, std::memory_order_acq_rel)) {
        log::error("store_unhealthy")
            .kv("reason", error.what)
            .kv("meaning",
                "new mail is answered 452 and delivery pauses until the disk works again; nothing accepted "
                "is lost");
        tell();
    }
}

void Condition::recovered() {
    if (!healthy_.exchange(true, std::memory_order_acq_rel)) {
        log::warning("store_healthy").kv("meaning", "the disk works again; mail is accepted and delivered");
        tell();
    }
}

void Condition::committed(std::chrono::nanoseconds took, std::size_t batch) {
    const std::lock_guard lock(mutex_);
    commit_seconds_.observe(took);
    batch_operations_.observe(static_cast<double>(batch));
    last_commit_microseconds_ = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
}

StoreHealth Condition::figures() const {
    StoreHealth health;
    health.healthy = healthy();
    if (!health.healthy) {
        health.reason = fault().what;
    }
    health.messages = static_cast<std::uint64_t>(std::max<std::int64_t>(0, messages.load()));
    health.recipients = static_cast<std::uint64_t>(std::max<std::int64_t>(0, recipients.load()));
    health.batches = batches.load();
    health.operations = operations.load();
    health.wal_bytes = wal_bytes.load();
    health.journal_first = journal_first.load();
    health.journal_last = journal_last.load();
    const std::lock_guard lock(mutex_);
    health.last_commit_microseconds = last_commit_microseconds_;
    health.commit_seconds = commit_seconds_;
    health.batch_operations = batch_operations_;
    return health;
}

void Condition::tell() {
    std::function<void(const StoreHealth&)> observer;
    {
        const std::lock_guard lock(mutex_);
        observer = observer_;
    }
    if (observer) {
        observer(figures());
    }
}

}  // namespace posthorn::queue::sqlite
