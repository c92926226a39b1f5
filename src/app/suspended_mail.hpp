// Suspended users: keeps the list durable, and the queue in step with it.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "admin/server.hpp"
#include "auth/suspension.hpp"
#include "base/result.hpp"
#include "base/unique_function.hpp"
#include "net/asio.hpp"
#include "net/task_group.hpp"
#include "net/wait_event.hpp"
#include "queue/store.hpp"

namespace posthorn::app {

// The list is a file (auth/suspension.hpp); what the queue holds because of it follows from the list. So nothing is lost by a
// crash between the two: each start makes the queue agree again. Two passes do that, page by page, so that neither the writer
// nor the shard is kept from other work however long the queue is:
//   1. messages with suspended recipients whose user is not in the list (any more) are resumed: an index leads to them;
//   2. while anybody is in the list, all messages are looked at, and those of suspended users are suspended.
// Mail that slips past the second pass, accepted while it ran or claimed by a delivery, is stopped by the delivery agent,
// which looks at the list before it sends.
//
// Lives on the home shard; every method is called there. Outlived by the store, the pool and what on_due refers to.
class SuspendedMail {
public:
    using Done = UniqueFunction<void(Result<admin::SuspensionOutcome>)>;
    using OnDue = std::function<void(const std::vector<queue::DestinationDue>&)>;

    SuspendedMail(net::asio::io_context& home, queue::QueueStore& store, net::asio::thread_pool& disk,
                  std::string list_file, OnDue on_due);
    SuspendedMail(const SuspendedMail&) = delete;
    SuspendedMail& operator=(const SuspendedMail&) = delete;

    // Reads the file: at the start, and at each reload, for a command that could not reach the daemon may have changed it.
    // An error leaves the list as it is.
    [[nodiscard]] Result<void> read();
    void start();  // from now on the queue follows

    // The present list; the reference is valid as long as this object.
    [[nodiscard]] const auth::Suspensions& list() const { return list_; }

    // In force for sessions and deliveries before `done` is called, and on disk unless it says otherwise. `done` is called
    // when the queue has followed, or after kPatience, with what was reached by then.
    static constexpr Duration kPatience = std::chrono::seconds(20);
    void change(admin::SuspensionChange change, TimePoint now, Done done);

    // Starts no further page; what was begun ends.
    void stop();
    [[nodiscard]] net::awaitable<bool> wait_idle(SteadyTime limit) { return tasks_.wait_idle(limit); }
    [[nodiscard]] std::size_t unfinished() const { return tasks_.size(); }

private:
    net::awaitable<void> carry_out(admin::SuspensionChange change, TimePoint now, Done done);
    net::awaitable<void> follow();
    net::awaitable<bool> pass(queue::Revision revision);
    net::awaitable<bool> revise(std::vector<QueueId> messages, queue::Revision revision);
    void list_changed();

    net::asio::io_context& home_;
    queue::QueueStore& store_;
    net::asio::thread_pool& disk_;
    std::string file_;
    OnDue on_due_;
    auth::Suspensions list_;
    net::TaskGroup tasks_;
    net::Signal wake_;              // of follow(): the list has changed, or the end
    std::list<net::Signal*> waiting_;  // of carry_out(): the queue has followed
    std::uint64_t versions_ = 0;    // of the list
    std::uint64_t followed_ = 0;    // the version that the queue agrees with
    std::uint64_t revised_ = 0;     // recipients, since the start
};

}  // namespace posthorn::app
