// The door from a session to the crypto pool and back: run a function on another thread, resume on one's own.
#pragma once

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "net/asio.hpp"

namespace posthorn::net {

// Runs fn() on the pool and gives its result (or exception) to the awaiting coroutine, on that coroutine's
// executor, always by post. fn must own what it touches, or refer to what the app owns: the coroutine may be
// gone when fn runs. The result type must be default constructible and movable.
//
// REQUIRES at the end: the pool is joined before the io_context of the caller is destroyed, as the result is
// posted there.
//
// REQUIRES: fn is a named variable, moved in. g++ 12 destroys a lambda with owning captures twice when it is
// written inside the co_await expression (docs/COROUTINES.md):
//   auto work = [key, digest = std::move(digest)] { return sign(*key, digest); };
//   auto signature = co_await offload(pool, std::move(work));
template <class F>
auto offload(asio::thread_pool& pool, F fn) {
    using R = std::invoke_result_t<F&>;
    if constexpr (std::is_void_v<R>) {
        return asio::async_initiate<const asio::deferred_t&, void(std::exception_ptr)>(
            [&pool](auto handler, F work) {
                auto home = asio::get_associated_executor(handler, pool.get_executor());
                auto guard = asio::prefer(home, asio::execution::outstanding_work.tracked);
                asio::post(pool, [handler = std::move(handler), guard = std::move(guard),
                                  work = std::move(work)]() mutable {
                    std::exception_ptr failure;
                    try {
                        work();
                    } catch (...) {
                        failure = std::current_exception();
                    }
                    asio::post(guard,
                               [handler = std::move(handler), failure]() mutable { handler(failure); });
                });
            },
            asio::deferred, std::move(fn));
    } else {
        // Not deferred: Boost 1.81 cannot co_await void(exception_ptr, T) directly
        // (awaitable_async_op_handler does not compile).
        return asio::async_initiate<const asio::use_awaitable_t<>&, void(std::exception_ptr, R)>(
            [&pool](auto handler, F work) {
                auto home = asio::get_associated_executor(handler, pool.get_executor());
                auto guard = asio::prefer(home, asio::execution::outstanding_work.tracked);
                asio::post(pool, [handler = std::move(handler), guard = std::move(guard),
                                  work = std::move(work)]() mutable {
                    std::exception_ptr failure;
                    R result{};
                    try {
                        result = work();
                    } catch (...) {
                        failure = std::current_exception();
                    }
                    asio::post(guard,
                               [handler = std::move(handler), failure, result = std::move(result)]() mutable {
                                   handler(failure, std::move(result));
                               });
                });
            },
            asio::use_awaitable, std::move(fn));
    }
}

}  // namespace posthorn::net
