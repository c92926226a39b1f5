// Flushing the queue: what waits is made due, page by page beside everything else.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "admin/server.hpp"
#include "base/result.hpp"
#include "net/asio.hpp"
#include "net/task_group.hpp"
#include "queue/store.hpp"

namespace posthorn::app {

// One pass at a time; orders that are equal to one that waits are one. Users who are no operators may order once in kPause each,
// for what they make due is tried whatever the receivers had asked for. What an operator holds stays held, and who is suspended
// stays suspended (queue::Revision::flush).
// Lives on the home shard; every method is called there. Outlived by the store and what on_due refers to.
class QueueFlush {
public:
    using OnDue = std::function<void(const std::vector<queue::DestinationDue>&)>;
    static constexpr Duration kPause = std::chrono::minutes(1);
    static constexpr std::size_t kMostWaiting = 16;

    QueueFlush(net::asio::io_context& home, queue::QueueStore& store, OnDue on_due);
    QueueFlush(const QueueFlush&) = delete;
    QueueFlush& operator=(const QueueFlush&) = delete;

    // Takes the order and returns; the error says when to come back.
    [[nodiscard]] Result<void> order(admin::FlushOrder order, SteadyTime now);

    void stop() { tasks_.request_stop(); }
    [[nodiscard]] net::awaitable<bool> wait_idle(SteadyTime limit) { return tasks_.wait_idle(limit); }
    [[nodiscard]] std::size_t unfinished() const { return tasks_.size(); }

private:
    net::awaitable<void> carry_out();
    net::awaitable<std::uint64_t> pass(admin::FlushOrder order);
    net::awaitable<std::vector<QueueId>> next_page(const admin::FlushOrder& order, QueueId& after, bool& last);
    net::awaitable<std::uint64_t> flush(std::vector<QueueId> messages);

    net::asio::io_context& home_;
    queue::QueueStore& store_;
    OnDue on_due_;
    net::TaskGroup tasks_;
    std::deque<admin::FlushOrder> waiting_;
    bool running_ = false;
    std::map<std::string, SteadyTime> ordered_;  // by source: the last order of those who may not always
};

}  // namespace posthorn::app
