// Which DNS server is asked first: in the operator's order, but those that stay silent are passed over for a
// while. Pure: time is an argument.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include "base/clock.hpp"

namespace posthorn::dns {

// A dead first server costs its time-out once; then it comes last for 30 s, and each time it is silent again
// twice as long, up to 5 minutes. With any reply it is back in its place. Nobody is ever left out: when all
// are silent, all are asked. Owned by Servers, on its thread.
class ServerOrder {
public:
    static constexpr Duration kFirstPause = std::chrono::seconds(30);
    static constexpr Duration kLongestPause = std::chrono::minutes(5);

    explicit ServerOrder(std::size_t servers) : servers_(servers) {}

    [[nodiscard]] std::vector<std::size_t> order(SteadyTime now) const;
    // It said something, whatever that was.
    void heard(std::size_t server, SteadyTime now);
    // It has not answered what was asked then. No effect when it has been heard since: then it is the
    // question's fault, not the server's. True when it is passed over from now on, and was not before.
    bool silent(std::size_t server, SteadyTime asked, SteadyTime now);
    [[nodiscard]] bool passed_over(std::size_t server, SteadyTime now) const {
        return servers_[server].passed_over_until > now;
    }

private:
    struct Server {
        SteadyTime last_heard = SteadyTime::min();
        SteadyTime passed_over_until = SteadyTime::min();
        Duration pause{0};  // the last one; 0 after a reply
    };
    std::vector<Server> servers_;
};

}  // namespace posthorn::dns
