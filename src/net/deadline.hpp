// The time limit of one connection: when it passes, something (closing the socket) happens once.
#pragma once

#include <functional>
#include <memory>

#include "base/clock.hpp"
#include "net/asio.hpp"

namespace posthorn::net {

class Stream;

// Owned by the session beside its stream; on the stream's thread. Moving the limit later, which is what a
// session does at every turn, is a store to memory: the timer finds out when it fires and sleeps on.
//
//   Deadline deadline(stream);
//   deadline.set_after(timeouts.command);
//   auto [ec, n] = co_await stream.read_some(buffer);
//   if (deadline.expired()) -> timeout, else if (ec) -> the peer's doing
class Deadline {
public:
    // Closes the stream. REQUIRES: the stream stays where it is, and lives at least as long as this.
    explicit Deadline(Stream& stream);
    // Runs on_expiry, once, on the executor.
    Deadline(asio::any_io_executor executor, std::function<void()> on_expiry);
    ~Deadline();
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;

    // No effect once expired: what was closed stays closed.
    void set(SteadyTime when);
    void set_after(Duration from_now) { set(std::chrono::steady_clock::now() + from_now); }
    void clear();
    [[nodiscard]] bool expired() const;

private:
    struct State;
    // Shared with the pending handler, which may run after this is gone (a timer completes late, also when
    // cancelled).
    std::shared_ptr<State> state_;
};

}  // namespace posthorn::net
