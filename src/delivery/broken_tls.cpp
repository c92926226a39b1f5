// Remembering and forgetting broken TLS.
#include "delivery/broken_tls.hpp"

#include <algorithm>

#include "base/bound.hpp"

namespace posthorn::delivery {

bool BrokenTls::holds(const std::string& host, TimePoint now) const {
    const auto at = until_.find(host);
    return at != until_.end() && at->second > now;
}

void BrokenTls::note(const std::string& host, TimePoint until) {
    if (until_.size() >= kMaxBrokenTls && until_.count(host) == 0) {
        note_reached(Bound::broken_tls);
        const auto first = std::min_element(until_.begin(), until_.end(),
                                            [](const auto& a, const auto& b) { return a.second < b.second; });
        until_.erase(first);
    }
    until_[host] = until;
}

}  // namespace posthorn::delivery
