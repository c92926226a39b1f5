// Counts tasks from spawn to end and passes the word when they shall stop.
#include "net/task_group.hpp"

#include "base/log.hpp"

namespace posthorn::net {

TaskGroup::TaskGroup(asio::any_io_executor executor, std::string name)
    : executor_(std::move(executor)), name_(std::move(name)), idle_(executor_) {}

void TaskGroup::spawn(awaitable<void> task) {
    ++size_;
    // Posted: the caller's invariants must not depend on how far a task gets before its first wait.
    asio::post(executor_, [this, task = std::move(task)]() mutable {
        asio::co_spawn(executor_, std::move(task), [this](std::exception_ptr failure) {
            if (failure) {
                ++crashes_;
                std::string what = "unknown exception";
                try {
                    std::rethrow_exception(failure);
                } catch (const std::exception& error) {
                    what = error.what();
                } catch (...) {
                }
                log::error("task_crashed").kv("task", name_).kv("what", what);
            }
            ended();
        });
    });
}

void TaskGroup::ended() {
    if (--size_ == 0) {
        idle_.notify();
    }
}

void TaskGroup::request_stop() {
    if (stopping_) {
        return;
    }
    stopping_ = true;
    // Steps ahead before the call: a callback may end its own registration.
    for (auto place = callbacks_.begin(); place != callbacks_.end();) {
        StopCallback* callback = *place++;
        if (callback->on_stop_) {
            callback->on_stop_();
        }
    }
}

void TaskGroup::abort() {
    stopping_ = true;
    aborted_ = true;
    for (auto place = callbacks_.begin(); place != callbacks_.end();) {
        StopCallback* callback = *place++;
        if (callback->on_abort_) {
            callback->on_abort_();
        }
    }
}

awaitable<bool> TaskGroup::wait_idle(SteadyTime limit) {
    while (size_ > 0) {
        const bool told = co_await idle_.wait_until(limit);
        if (!told && size_ > 0 && std::chrono::steady_clock::now() >= limit) {
            co_return false;
        }
    }
    co_return true;
}

TaskGroup::StopCallback::StopCallback(TaskGroup& group, std::function<void()> on_stop,
                                      std::function<void()> on_abort)
    : group_(group), on_stop_(std::move(on_stop)), on_abort_(std::move(on_abort)) {
    place_ = group_.callbacks_.insert(group_.callbacks_.end(), this);
    if (group_.stopping_ && on_stop_) {
        on_stop_();
    }
    if (group_.aborted_ && on_abort_) {
        on_abort_();
    }
}

TaskGroup::StopCallback::~StopCallback() {
    group_.callbacks_.erase(place_);
}

}  // namespace posthorn::net
