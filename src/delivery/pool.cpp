// Keeping idle connections and letting them go.
#include "delivery/pool.hpp"

#include <utility>

namespace posthorn::delivery {

ConnectionPool::ConnectionPtr ConnectionPool::take(queue::SiteId site) {
    const auto at = idle_.find(site);
    if (at == idle_.end()) return nullptr;
    ConnectionPtr connection = std::move(at->second.back().connection);
    at->second.pop_back();
    if (at->second.empty()) idle_.erase(at);
    --size_;
    return connection;
}

void ConnectionPool::give(queue::SiteId site, ConnectionPtr connection, SteadyTime idle_until) {
    idle_[site].push_back(Idle{std::move(connection), idle_until});
    ++size_;
}

std::vector<ConnectionPool::ConnectionPtr> ConnectionPool::expired(SteadyTime now) {
    std::vector<ConnectionPtr> out;
    for (auto at = idle_.begin(); at != idle_.end();) {
        std::erase_if(at->second, [&](Idle& idle) {
            if (idle.until > now) return false;
            out.push_back(std::move(idle.connection));
            return true;
        });
        at = at->second.empty() ? idle_.erase(at) : std::next(at);
    }
    size_ -= out.size();
    return out;
}

std::vector<ConnectionPool::ConnectionPtr> ConnectionPool::drain() { return expired(SteadyTime::max()); }

}  // namespace posthorn::delivery
