// Open connections that wait a little for more mail, by site and manner.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "queue/scheduler.hpp"
#include "smtp/client/connection.hpp"

namespace posthorn::delivery {

// Holds idle connections only; one that is in use belongs to its delivery, until what it carried is recorded. On the home shard.
class ConnectionPool {
public:
    using ConnectionPtr = std::unique_ptr<smtp::client::Connection>;

    // The one of this manner (manner_for() in plan.hpp) used last, so that the others can grow old; null when there is none.
    [[nodiscard]] ConnectionPtr take(queue::SiteId site, const std::string& manner);
    // One of the site in any other manner, the oldest: to be told QUIT in place of which another is made, so that the site sees
    // no more connections than it is allowed. Null when there is none.
    [[nodiscard]] ConnectionPtr take_other(queue::SiteId site);
    // REQUIRES: connection->usable().
    void give(queue::SiteId site, std::string manner, ConnectionPtr connection, SteadyTime idle_until);
    // Those whose time has passed, or all: to be told QUIT.
    [[nodiscard]] std::vector<ConnectionPtr> expired(SteadyTime now);
    [[nodiscard]] std::vector<ConnectionPtr> drain();
    [[nodiscard]] std::size_t size() const { return size_; }

private:
    struct Idle {
        ConnectionPtr connection;
        std::string manner;
        SteadyTime until;
    };
    std::unordered_map<queue::SiteId, std::vector<Idle>> idle_;   // the oldest first
    std::size_t size_ = 0;
};

}  // namespace posthorn::delivery
