// Who is behind a proxy: reads the PROXY header that a connection begins with, and not one octet more.
#pragma once

#include "net/stream.hpp"
#include "net/task_group.hpp"
#include "smtp/server/policy.hpp"

namespace posthorn::smtp::server {

inline constexpr Duration kProxyHeaderTime = std::chrono::seconds(5);  // proxies write it before anything else

// What became of the header: a client, or why there is none.
struct Announced {
    std::optional<Client> client;
    std::string problem;  // for the log

    explicit Announced(Client who) : client(std::move(who)) {}
    explicit Announced(std::string why) : problem(std::move(why)) {}
};

// The stream comes from a proxy that is believed; afterwards it stands at the client's first octet. Ends within
// kProxyHeaderTime, at once when the group stops. REQUIRES: the stream stays where it is until this has ended.
net::awaitable<Announced> read_proxy_header(net::Stream& stream, net::TaskGroup& group);

}  // namespace posthorn::smtp::server
