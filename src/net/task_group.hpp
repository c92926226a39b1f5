// The running sessions of one kind on one shard: counted, told to stop, waited for.
#pragma once

#include <functional>
#include <list>
#include <string>

#include "base/clock.hpp"
#include "net/asio.hpp"
#include "net/wait_event.hpp"

namespace posthorn::net {

// One per shard and kind; all calls on that shard's thread; outlives its tasks.
//
// Stopping is in two steps, both told to the tasks through a StopCallback of theirs, not by cancellation
// signals (co_spawn of Boost 1.81 can crash on those): request_stop() asks (an idle session says 421 and
// ends, a busy one ends after its message), abort() closes the sockets.
class TaskGroup {
public:
    // name: what an exception that leaves a task is logged under.
    TaskGroup(asio::any_io_executor executor, std::string name);
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;

    // Starts the task from the event loop, not within this call. An exception that leaves it is logged and
    // counted; the others go on.
    void spawn(awaitable<void> task);

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::uint64_t crashes() const { return crashes_; }
    [[nodiscard]] bool stopping() const { return stopping_; }

    void request_stop();
    void abort();
    // True when no task is left; false when the limit passed first. One waiter at a time.
    awaitable<bool> wait_idle(SteadyTime limit);

    // Lives in the task's frame. on_stop runs once, at request_stop() or at once when the group is stopping
    // already; on_abort at abort(). Either may be empty. Neither may destroy another task.
    class StopCallback {
    public:
        StopCallback(TaskGroup& group, std::function<void()> on_stop, std::function<void()> on_abort);
        ~StopCallback();
        StopCallback(const StopCallback&) = delete;
        StopCallback& operator=(const StopCallback&) = delete;

    private:
        friend class TaskGroup;
        TaskGroup& group_;
        std::function<void()> on_stop_;
        std::function<void()> on_abort_;
        std::list<StopCallback*>::iterator place_;
    };

private:
    void ended();

    asio::any_io_executor executor_;
    std::string name_;
    Signal idle_;
    std::list<StopCallback*> callbacks_;
    std::size_t size_ = 0;
    std::uint64_t crashes_ = 0;
    bool stopping_ = false;
    bool aborted_ = false;
};

}  // namespace posthorn::net
