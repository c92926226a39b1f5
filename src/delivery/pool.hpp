// Open connections that wait a little for more mail, by site.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "queue/scheduler.hpp"
#include "smtp/client/connection.hpp"

namespace posthorn::delivery {

// Holds idle connections only; one that is in use belongs to its delivery. On the home shard.
class ConnectionPool {
public:
    using ConnectionPtr = std::unique_ptr<smtp::client::Connection>;

    // The one used last, so that the others can grow old; null when there is none.
    [[nodiscard]] ConnectionPtr take(queue::SiteId site);
    // REQUIRES: connection->usable().
    void give(queue::SiteId site, ConnectionPtr connection, SteadyTime idle_until);
    // Those whose time has passed, or all: to be told QUIT.
    [[nodiscard]] std::vector<ConnectionPtr> expired(SteadyTime now);
    [[nodiscard]] std::vector<ConnectionPtr> drain();
    [[nodiscard]] std::size_t size() const { return size_; }

private:
    struct Idle {
        ConnectionPtr connection;
        SteadyTime until;
    };
    std::unordered_map<queue::SiteId, std::vector<Idle>> idle_;   // the oldest first
    std::size_t size_ = 0;
};

}  // namespace posthorn::delivery
