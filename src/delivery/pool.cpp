// Keeping idle connections and letting them go.
#include "delivery/pool.hpp"

#include <algorithm>
#include <utility>

namespace posthorn::delivery {

ConnectionPool::ConnectionPtr ConnectionPool::take(queue::SiteId site, const std::string& manner) {
    const auto at = idle_.find(site);
    if (at == idle_.end()) return nullptr;
    std::vector<Idle>& idle = at->second;
    const auto newest = std::find_if(idle.rbegin(), idle.rend(), [&](const Idle& item) { return item.manner == manner; });
    if (newest == idle.rend()) return nullptr;
    ConnectionPtr connection = std::move(newest->connection);
    idle.erase(std::next(newest).base());
    if (idle.empty()) idle_.erase(at);
    --size_;
    return connection;
}

ConnectionPool::ConnectionPtr ConnectionPool::take_other(queue::SiteId site) {
    const auto at = idle_.find(site);
    if (at == idle_.end()) return nullptr;
    ConnectionPtr connection = std::move(at->second.front().connection);
    at->second.erase(at->second.begin());
    if (at->second.empty()) idle_.erase(at);
    --size_;
    return connection;
}

void ConnectionPool::give(queue::SiteId site, std::string manner, ConnectionPtr connection, SteadyTime idle_until) {
    idle_[site].push_back(Idle{std::move(connection), std::move(manner), idle_until});
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
