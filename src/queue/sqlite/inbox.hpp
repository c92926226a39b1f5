// The changes that wait for the writer: bounded in octets, withdrawn when their deadline passes first.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <variant>
#include <vector>

#include "queue/store.hpp"

namespace posthorn::queue::sqlite {

struct AddOperation {
    NewMessage message;
    Done<Added> done;
    Added result;
};
struct SettleOperation {
    Settlement settlement;
    Done<Settled> done;
    Settled result;
};
struct ReviseOperation {
    QueueId message;
    Revision revision = Revision::retry;
    TimePoint now{};
    Done<Revised> done;
    Revised result;
};
struct ForgetOperation {
    std::vector<std::string> keys;
    Done<std::uint64_t> done;
    std::uint64_t result = 0;
};
struct SuppressOperation {
    std::vector<Suppression> suppressions;
    Done<std::uint64_t> done;
    std::uint64_t result = 0;
};
struct UnsuppressOperation {
    std::vector<std::string> addresses;
    Done<std::uint64_t> done;
    std::uint64_t result = 0;
};
// Rows the operator removed while they were claimed, and that came back by unclaim instead of a settlement.
struct SweepOperation {
    std::vector<RecipientId> recipients;
};

struct Operation {
    std::variant<AddOperation, SettleOperation, ReviseOperation, ForgetOperation, SuppressOperation, UnsuppressOperation,
                 SweepOperation>
        what;
    SteadyTime deadline = SteadyTime::max();
    std::size_t bytes = 0;
    std::optional<StoreError> error;

    // Answers the caller: the error when there is one, else the result.
    void complete();
};

// What an operation weighs against the inbox's and the batch's bounds.
[[nodiscard]] std::size_t weight_of(const NewMessage& message);
[[nodiscard]] std::size_t weight_of(const Settlement& settlement);

// Many producers, one consumer (the writer), one watcher (withdrawal, so that a disk that hangs does not hang
// the answers).
class Inbox {
public:
    explicit Inbox(std::size_t limit_bytes) : limit_bytes_(limit_bytes) {}

    enum class Pushed : std::uint8_t { queued, full, closed };
    // Takes from `operation` only when it answers queued. Settlements and revisions are never refused as
    // full: their number is bounded by the deliveries under way, and they free space.
    Pushed push(Operation& operation);

    // Waits for operations, or until `until`. False when closed and empty. Takes in order of arrival, up to
    // the bounds, at least one.
    bool take(std::vector<Operation>& batch, std::size_t max_operations, std::size_t max_bytes,
              std::optional<SteadyTime> until);
    // Watcher: waits until some operation's deadline has passed and takes those. False when closed and empty.
    bool take_overdue(std::vector<Operation>& overdue);

    void close();
    [[nodiscard]] std::size_t bytes() const;

private:
    mutable std::mutex mutex_;
    std::condition_variable writer_;
    std::condition_variable watcher_;
    std::deque<Operation> waiting_;
    std::size_t bytes_ = 0;
    std::size_t limit_bytes_;
    bool writer_waits_ = false;
    bool watcher_rests_ = false;
    bool closed_ = false;
};

}  // namespace posthorn::queue::sqlite
