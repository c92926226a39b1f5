// Browsers that have logged in to the dashboard: random ids in cookies, bounded, with an end. In memory only.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "admin/http.hpp"
#include "auth/crypto.hpp"
#include "base/clock.hpp"

namespace posthorn::admin {

// Ids are kept and looked up as their SHA-256, so that neither the memory nor the time of a look tells one. Pure: time is an argument.
class BrowserSessions {
public:
    static constexpr std::size_t kMost = 64;                       // then the one that was silent longest makes room
    static constexpr Duration kIdle = std::chrono::hours(12);      // without a request
    static constexpr Duration kWhole = std::chrono::hours(24 * 7);

    // A new session of who showed a token with these rights: its id, 256 random bits in base64url. Nothing where the system has no randomness.
    [[nodiscard]] std::optional<std::string> begin(Rights rights, SteadyTime now);
    // The rights of the id, counted as used now; nothing where there is none, or no more.
    [[nodiscard]] std::optional<Rights> find(std::string_view id, SteadyTime now);
    // Whether it is there still, not counted as use: for streams that a page keeps open.
    [[nodiscard]] bool lives(std::string_view id, SteadyTime now) const;
    void end(std::string_view id);
    void end_all(Rights rights);   // that began with such a token
    [[nodiscard]] std::size_t size() const { return sessions_.size(); }

private:
    struct Session {
        Rights rights;
        SteadyTime begun, used;

        [[nodiscard]] bool over(SteadyTime now) const { return now - begun >= kWhole || now - used >= kIdle; }
    };
    std::map<auth::Sha256, Session> sessions_;
};

}  // namespace posthorn::admin
