// How much each user has sent of late: token buckets for messages and recipients, in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/account.hpp"
#include "base/clock.hpp"

namespace posthorn::auth {

// Fills at a rate per hour up to a capacity; begins full. Pure: time is an argument, never going back.
class TokenBucket {
public:
    // What a rate and a burst come to: at least one.
    [[nodiscard]] static double capacity(std::uint32_t per_hour, Duration burst);

    void fill(std::uint32_t per_hour, double capacity, SteadyTime now);
    [[nodiscard]] double tokens() const { return tokens_; }
    void take(double tokens) { tokens_ -= tokens; }

private:
    double tokens_ = -1;  // not filled yet
    SteadyTime filled_{};
};

// Owned by the server, used on its shard. Survives a reload (limits are given with each question), not a
// restart: then everybody begins with a full allowance, so that a restart costs at most one burst more.
// Bounded: beyond kMostUsers the one is forgotten who has not sent for longest.
class Allowances {
public:
    static constexpr std::size_t kMostUsers = 10'000;
    static constexpr Duration kReportInterval = std::chrono::hours(1);

    struct Overrun {
        enum class What : std::uint8_t {
            messages,
            recipients,
            one_message,  // more recipients than the bucket ever holds: the rest belongs into another message
        };
        What what = What::messages;
        std::uint32_t per_hour = 0;  // the limit
        std::uint32_t at_once = 0;   // what the bucket holds when it is full
        Duration wait{};             // until as much as was asked for would be there
        bool report = false;         // the operator has not been told of this user for kReportInterval
    };

    // Would one message to so many recipients be within the limits now? Takes nothing. REQUIRES: recipients
    // is not 0.
    [[nodiscard]] std::optional<Overrun> ask(std::string_view user, const AllowanceLimits& limits,
                                             std::uint32_t recipients, SteadyTime now);
    // The same, and takes it where it is.
    [[nodiscard]] std::optional<Overrun> take(std::string_view user, const AllowanceLimits& limits,
                                              std::uint32_t recipients, SteadyTime now);

    // Users who were turned away for it within the last hour or so, as `user` names them; at most kMostUsers, by name.
    [[nodiscard]] std::vector<std::string> at_limit(SteadyTime now) const;

    [[nodiscard]] std::size_t size() const { return users_.size(); }

private:
    struct Use {
        TokenBucket messages;
        TokenBucket recipients;
        SteadyTime last_asked{};
        std::optional<SteadyTime> reported;
    };
    Use& use_of(std::string_view user, SteadyTime now);
    static std::optional<Overrun> judge(Use& use, const AllowanceLimits& limits, std::uint32_t recipients,
                                        SteadyTime now);

    std::map<std::string, Use, std::less<>> users_;
};

}  // namespace posthorn::auth
