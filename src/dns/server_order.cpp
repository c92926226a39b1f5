// Silence is held against a server only when it said nothing at all in that time.
#include "dns/server_order.hpp"

#include <algorithm>
#include <numeric>

namespace posthorn::dns {

std::vector<std::size_t> ServerOrder::order(SteadyTime now) const {
    std::vector<std::size_t> order(servers_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_partition(order.begin(), order.end(),
                          [&](std::size_t server) { return !passed_over(server, now); });
    return order;
}

void ServerOrder::heard(std::size_t server, SteadyTime now) {
    servers_[server] = Server();
    servers_[server].last_heard = now;
}

bool ServerOrder::silent(std::size_t server, SteadyTime asked, SteadyTime now) {
    Server& it = servers_[server];
    if (it.last_heard >= asked || passed_over(server, now)) {
        return false;
    }
    it.pause = it.pause == Duration::zero() ? kFirstPause : std::min(it.pause * 2, kLongestPause);
    it.passed_over_until = now + it.pause;
    return true;
}

}  // namespace posthorn::dns
