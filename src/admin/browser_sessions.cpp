// Sessions by the digest of their ids.
#include "admin/browser_sessions.hpp"

#include <algorithm>
#include <array>

#include "base/base64.hpp"

namespace posthorn::admin {

std::optional<std::string> BrowserSessions::begin(Rights rights, SteadyTime now) {
    std::array<std::uint8_t, 32> random{};
    if (!auth::random_octets(random)) return std::nullopt;
    std::erase_if(sessions_, [now](const auto& one) { return one.second.over(now); });
    if (sessions_.size() >= kMost) {
        sessions_.erase(std::min_element(sessions_.begin(), sessions_.end(),
                                         [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
    }
    std::string id = base64url_encode(std::string_view(reinterpret_cast<const char*>(random.data()), random.size()));
    sessions_[auth::sha256_of(id)] = {rights, now, now};
    return id;
}

std::optional<Rights> BrowserSessions::find(std::string_view id, SteadyTime now) {
    const auto found = sessions_.find(auth::sha256_of(id));
    if (found == sessions_.end()) return std::nullopt;
    if (found->second.over(now)) {
        sessions_.erase(found);
        return std::nullopt;
    }
    found->second.used = now;
    return found->second.rights;
}

bool BrowserSessions::lives(std::string_view id, SteadyTime now) const {
    const auto found = sessions_.find(auth::sha256_of(id));
    return found != sessions_.end() && !found->second.over(now);
}

void BrowserSessions::end(std::string_view id) { sessions_.erase(auth::sha256_of(id)); }

void BrowserSessions::end_all(Rights rights) {
    std::erase_if(sessions_, [rights](const auto& one) { return one.second.rights == rights; });
}

}  // namespace posthorn::admin
