// Runs coroutines of a test on an io_context of its own, to their end or to a time limit that fails the test.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <utility>

#include "net/asio.hpp"

namespace posthorn::test {

// A function f(io_context&) -> awaitable<void> that lives until it has ended, so that it may capture.
template <class F>
void run_on(net::asio::io_context& context, F f, std::chrono::seconds limit = std::chrono::seconds(20)) {
    bool ended = false;
    net::asio::co_spawn(context, f(context), [&](std::exception_ptr failure) {
        ended = true;
        if (failure) {
            std::rethrow_exception(failure);
        }
    });
    const auto until = std::chrono::steady_clock::now() + limit;
    context.restart();
    while (!ended && std::chrono::steady_clock::now() < until) {
        if (context.stopped()) {
            context.restart();
        }
        if (context.run_one_until(until) == 0 && context.stopped() && !ended) {
            break;  // nothing left to do: somebody waits for what never comes
        }
    }
    ASSERT_TRUE(ended) << "the coroutine did not end";
}

template <class F>
void run(F f, std::chrono::seconds limit = std::chrono::seconds(20)) {
    net::asio::io_context context(1);
    run_on(context, std::move(f), limit);
}

}  // namespace posthorn::test
