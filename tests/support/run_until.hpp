// Runs an event loop until something has happened, or too much time has gone by.
#pragma once

#include <chrono>

#include "net/asio.hpp"

namespace posthorn::test {

// Whether it happened. The condition is looked at between handlers, on the calling thread.
template <class Condition>
[[nodiscard]] bool run_until(net::asio::io_context& context, Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= end) return false;
        context.restart();
        context.run_one_for(std::chrono::milliseconds(5));
    }
    return true;
}

}  // namespace posthorn::test
