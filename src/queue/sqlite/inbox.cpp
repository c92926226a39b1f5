// The writer's inbox.
#include "queue/sqlite/inbox.hpp"

#include <algorithm>
#include <utility>

#include "base/bound.hpp"

namespace posthorn::queue::sqlite {

namespace {

// Rows, index entries and bookkeeping of a message besides its text.
constexpr std::size_t kRowWeight = 512;
// How exactly deadlines are met; also how long the watcher stays awake after the last arrival.
constexpr auto kWatchInterval = std::chrono::seconds(1);

}  // namespace

void Operation::complete() {
    std::visit(
        [this]<class T>(T& operation) {
            if constexpr (!std::is_same_v<T, SweepOperation>) {
                if (error) {
                    operation.done(*std::move(error));
                } else {
                    operation.done(std::move(operation.result));
                }
            }
        },
        what);
}

std::size_t weight_of(const NewMessage& message) {
    std::size_t weight = kRowWeight * (1 + message.recipients.size());
    if (message.message) {
        weight += message.message->header.size();
        weight += message.message->body.bytes ? message.message->body.bytes->size() : 0;
    }
    return weight;
}

std::size_t weight_of(const Settlement& settlement) {
    std::size_t weight = 0;
    for (const Verdict& verdict : settlement.verdicts) {
        weight += kRowWeight / 2 + verdict.reply.size();
    }
    for (const NewMessage& message : settlement.messages) {
        weight += weight_of(message);
    }
    for (const JournalEntry& entry : settlement.journal) {
        weight += kRowWeight / 2 + entry.reply.size() + entry.diagnosis.size() + entry.transcript.size();
    }
    weight += kRowWeight * settlement.suppressions.size();
    return weight;
}

Inbox::Pushed Inbox::push(Operation& operation) {
    const std::lock_guard lock(mutex_);
    if (closed_) {
        return Pushed::closed;
    }
    // A message that is larger than the whole bound is let in when nothing else waits.
    if (std::holds_alternative<AddOperation>(operation.what) && bytes_ != 0 &&
        bytes_ + operation.bytes > limit_bytes_) {
        note_reached(Bound::queue_inbox);
        return Pushed::full;
    }
    bytes_ += operation.bytes;
    waiting_.push_back(std::move(operation));
    if (writer_waits_) {
        writer_.notify_one();
    }
    if (watcher_rests_ && waiting_.back().deadline != SteadyTime::max()) {
        watcher_rests_ = false;
        watcher_.notify_one();
    }
    return Pushed::queued;
}

bool Inbox::take(std::vector<Operation>& batch, std::size_t max_operations, std::size_t max_bytes,
                 std::optional<SteadyTime> until) {
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return closed_ || !waiting_.empty(); };
    writer_waits_ = true;
    if (until) {
        writer_.wait_until(lock, *until, ready);
    } else {
        writer_.wait(lock, ready);
    }
    writer_waits_ = false;
    std::size_t taken = 0;
    while (!waiting_.empty() && batch.size() < max_operations &&
           (batch.empty() || taken + waiting_.front().bytes <= max_bytes)) {
        taken += waiting_.front().bytes;
        batch.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
    }
    bytes_ -= taken;
    return !batch.empty() || !closed_;
}

bool Inbox::take_overdue(std::vector<Operation>& overdue) {
    std::unique_lock lock(mutex_);
    bool saw_work = false;
    while (!closed_ || !waiting_.empty()) {
        if (closed_ && waiting_.empty()) {
            break;
        }
        const SteadyTime now = std::chrono::steady_clock::now();
        SteadyTime next = now + kWatchInterval;
        for (auto it = waiting_.begin(); it != waiting_.end();) {
            if (it->deadline <= now) {
                bytes_ -= it->bytes;
                overdue.push_back(std::move(*it));
                it = waiting_.erase(it);
            } else {
                next = std::min(next, it->deadline);
                ++it;
            }
        }
        if (!overdue.empty()) {
            return true;
        }
        // While mail keeps coming the watcher looks once a second, and producers need not wake it; then it
        // rests.
        const bool idle = waiting_.empty() && !saw_work;
        saw_work = !waiting_.empty();
        if (idle) {
            watcher_rests_ = true;
            watcher_.wait(lock, [this] { return closed_ || !watcher_rests_; });
            watcher_rests_ = false;
            saw_work = true;
        } else {
            watcher_.wait_until(lock, next, [this] { return closed_; });
            if (closed_ && !waiting_.empty()) {
                // The writer is emptying the inbox; what it cannot reach in time is still ours to withdraw.
                watcher_.wait_until(lock, next);
            }
        }
    }
    return false;
}

void Inbox::close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    writer_.notify_all();
    watcher_.notify_all();
}

std::size_t Inbox::bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
}

}  // namespace posthorn::queue::sqlite
