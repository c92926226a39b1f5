// Event and Signal: a timer that never fires; cancelling it wakes those who wait.
#include "net/wait_event.hpp"

namespace posthorn::net {

Event::Event(asio::any_io_executor executor) : never_(std::move(executor), SteadyTime::max()) {}

void Event::set() {
    set_ = true;
    never_.cancel();
}

awaitable<void> Event::wait() {
    while (!set_) {
        co_await never_.async_wait(kAwait);
    }
}

Signal::Signal(asio::any_io_executor executor) : timer_(std::move(executor)) {}

void Signal::notify() {
    notified_ = true;
    timer_.cancel();
}

awaitable<void> Signal::wait() {
    // A variable, not `while (!co_await ...)`: g++ 12 loses its way in a body without one (docs/COROUTINES.md).
    bool told = false;
    while (!told) {
        told = co_await wait_until(SteadyTime::max());
    }
}

awaitable<bool> Signal::wait_until(SteadyTime when) {
    while (!notified_ && std::chrono::steady_clock::now() < when) {
        timer_.expires_at(when);
        co_await timer_.async_wait(kAwait);
    }
    co_return std::exchange(notified_, false);
}

}  // namespace posthorn::net
