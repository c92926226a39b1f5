// Waiting for something that happens on the same thread: Event stays set, Signal wakes one loop.
#pragma once

#include "base/clock.hpp"
#include "net/asio.hpp"

namespace posthorn::net {

// Built on a timer that never fires, not on experimental::channel, whose try_send fails after a cancel in
// Boost 1.81. So a suspended waiter is owned by the io_context, and dies with it. Both: single-threaded;
// REQUIRES to outlive waiters.

// Not set, then set for ever. Any number of waiters.
class Event {
public:
    explicit Event(asio::any_io_executor executor);
    void set();
    [[nodiscard]] bool is_set() const { return set_; }
    awaitable<void> wait();  // returns at once when set

private:
    asio::steady_timer never_;
    bool set_ = false;
};

// "Look again": wakes the one loop that waits. A signal given while nobody waits is remembered, once.
class Signal {
public:
    explicit Signal(asio::any_io_executor executor);
    void notify();
    awaitable<void> wait();
    // False when the time came first.
    awaitable<bool> wait_until(SteadyTime when);

private:
    asio::steady_timer timer_;
    bool notified_ = false;
};

}  // namespace posthorn::net
