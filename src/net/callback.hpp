// From a callback on some other thread to a coroutine: await what a one-shot callback will be given.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "net/asio.hpp"

namespace posthorn::net {

// start(done) must arrange for done(T) to be called exactly once, on any thread, also within start. The
// coroutine goes on at its own executor, always by post. REQUIRES: start is a named variable, moved in
// (docs/COROUTINES.md); the io_context is destroyed after the last callback has run.
//
//   auto start = [&store, id](auto done) { store.message(id, std::move(done)); };
//   auto message = co_await net::callback_result<queue::StoreResult<mail::MessagePtr>>(std::move(start));
template <class T, class Start>
auto callback_result(Start start) {
    return asio::async_initiate<const asio::deferred_t&, void(T)>(
        [](auto handler, Start begin) {
            auto home = asio::get_associated_executor(handler);
            auto guard = asio::prefer(home, asio::execution::outstanding_work.tracked);
            begin([handler = std::move(handler), guard = std::move(guard)](T result) mutable {
                asio::post(guard, [handler = std::move(handler), result = std::move(result)]() mutable {
                    handler(std::move(result));
                });
            });
        },
        asio::deferred, std::move(start));
}

}  // namespace posthorn::net
