// Opening a connection: to one address of a host, or to a unix socket.
#pragma once

#include <optional>

#include "base/clock.hpp"
#include "base/endpoint.hpp"
#include "net/stream.hpp"

namespace posthorn::net {

class TaskGroup;

// Either an open stream or the reason why there is none; timed_out when the limit passed.
struct ConnectResult {
    error_code error;
    std::optional<Stream> stream;

    ConnectResult() = default;
    explicit ConnectResult(error_code failed) : error(failed) {}
    explicit ConnectResult(Stream connected) : stream(std::move(connected)) {}
    [[nodiscard]] bool ok() const { return stream.has_value(); }
};

// On the executor of the calling coroutine. source: the local address to use; one of the other family is left
// aside.
// stop_with: a group whose request_stop() ends the waiting at once; null: nobody's.
awaitable<ConnectResult> connect(IpAddress address, std::uint16_t port, std::optional<IpAddress> source,
                                 SteadyTime limit, TaskGroup* stop_with = nullptr);
// TCP to an IP address in text, or a unix socket. Names are not resolved here: dns/ does that.
awaitable<ConnectResult> connect(Endpoint endpoint, SteadyTime limit);

}  // namespace posthorn::net
