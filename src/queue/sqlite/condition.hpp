// How the store is: healthy or not and why, and its figures; written by the store's threads, read by anyone.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "queue/store.hpp"

namespace posthorn::queue::sqlite {

class Condition {
public:
    // Before the threads start.
    void observe(std::function<void(const StoreHealth&)> observer);

    [[nodiscard]] bool healthy() const { return healthy_.load(std::memory_order_acquire); }
    // What operations are refused with while the store is unhealthy.
    [[nodiscard]] StoreError fault() const;
    // Both call the observer when they change something.
    void fell_ill(const StoreError& error);
    void recovered();

    // One batch that is on disk. Called by the writer.
    void committed(std::chrono::nanoseconds took, std::size_t batch);

    // Without inbox_bytes.
    [[nodiscard]] StoreHealth figures() const;

    std::atomic<std::int64_t> messages{0};
    std::atomic<std::int64_t> recipients{0};
    std::atomic<std::uint64_t> batches{0};
    std::atomic<std::uint64_t> operations{0};
    std::atomic<std::uint64_t> wal_bytes{0};
    std::atomic<std::uint64_t> journal_first{0};
    std::atomic<std::uint64_t> journal_last{0};

private:
    void tell();

    std::atomic<bool> healthy_{true};
    mutable std::mutex mutex_;
    StoreError fault_;
    Histogram commit_seconds_{kMachineSeconds};
    Histogram batch_operations_{kAmounts};
    std::uint64_t last_commit_microseconds_ = 0;
    std::function<void(const StoreHealth&)> observer_;
};

}  // namespace posthorn::queue::sqlite
