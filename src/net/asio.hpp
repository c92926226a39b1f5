// The few names of Asio that every coroutine of Posthorn uses: awaitable, the completion token, error_code.
#pragma once

#include <boost/asio.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>

namespace posthorn::net {

namespace asio = boost::asio;
using boost::system::error_code;

template <class T>
using awaitable = asio::awaitable<T>;

// The token of every await: no exception for ordinary network ends, and no extra coroutine frame per
// operation, which use_awaitable would cost (docs/COROUTINES.md has the measurement).
//   auto [ec] = co_await timer.async_wait(kAwait);
inline constexpr auto kAwait = asio::as_tuple(asio::deferred);

// What one read or write came to. size counts what was moved, also when error is set.
struct IoResult {
    error_code error;
    std::size_t size = 0;

    IoResult() = default;
    IoResult(error_code failed, std::size_t moved) : error(failed), size(moved) {}
    [[nodiscard]] bool ok() const { return !error; }
};

}  // namespace posthorn::net
