// The back-off of single addresses.
#include "delivery/host_health.hpp"

#include <algorithm>
#include <utility>

#include "base/bound.hpp"

namespace posthorn::delivery {

HostHealth::Standing HostHealth::standing(const std::string& address, SteadyTime now) const {
    const auto at = sick_.find(address);
    if (at == sick_.end()) return Standing::well;
    if (at->second.probed) return Standing::probed;
    return at->second.until > now ? Standing::resting : Standing::due;
}

std::string HostHealth::reason(const std::string& address) const {
    const auto at = sick_.find(address);
    return at == sick_.end() ? std::string() : at->second.why;
}

void HostHealth::begin_probe(const std::string& address) {
    if (const auto at = sick_.find(address); at != sick_.end()) at->second.probed = true;
}

void HostHealth::gave_up(const std::string& address) {
    if (const auto at = sick_.find(address); at != sick_.end()) at->second.probed = false;
}

bool HostHealth::failed(const std::string& address, std::string why, SteadyTime began, SteadyTime now,
                        double random) {
    if (sick_.size() >= kMaxSickHosts && sick_.count(address) == 0) make_room(now);
    const auto [at, fresh] = sick_.try_emplace(address);
    Sick& sick = at->second;
    const bool news = fresh || began >= sick.since;
    sick.why = std::move(why);
    sick.probed = sick.probed && !news;
    if (!news) return false;
    sick.backoff = fresh ? kHostBackoffFirst : std::min<Duration>(sick.backoff * 2, kHostBackoffMax);
    const double factor = 0.8 + 0.4 * random;
    sick.since = now;
    sick.until =
        now + Duration(static_cast<Duration::rep>(static_cast<double>(sick.backoff.count()) * factor));
    return true;
}

// Those whose time is over are the least worth knowing; after them, whatever comes first.
void HostHealth::make_room(SteadyTime now) {
    std::erase_if(sick_, [now](const auto& item) { return !item.second.probed && item.second.until <= now; });
    if (sick_.size() >= kMaxSickHosts) note_reached(Bound::sick_hosts);
    while (sick_.size() >= kMaxSickHosts) sick_.erase(sick_.begin());
}

}  // namespace posthorn::delivery
