// Who has sent how much of late: by user and script, so that a site that was broken into is found.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"

namespace posthorn::auth {

// One who sent, and by what.
struct SenderUse {
    std::string source;  // mail::Message::source: "uid=33", "user=shop", "ip=192.0.2.1"
    std::string user;    // the system user's name, or empty
    std::string means;   // the script, else the directory, else the command; empty: not known
    std::uint64_t hour_messages = 0, hour_recipients = 0;  // of the last 60 minutes, to 5 minutes
    std::uint64_t day_messages = 0, day_recipients = 0;    // of the last 24 hours, to the hour
    SteadyTime last{};
};

// In memory, so it begins anew with the daemon. Bounded: a source has at most kMostMeans; what comes beyond them is counted
// under kOtherMeans, so that a script that gives itself a new name each time drives nobody out. Beyond kMostSources the source
// goes that has not sent for longest. Used on one shard; time never goes back.
class SenderTally {
public:
    static constexpr std::size_t kMostSources = 1000;
    static constexpr std::size_t kMostMeans = 30;
    static constexpr std::string_view kOtherMeans = "(others)";

    void count(std::string_view source, std::string_view user, std::string_view means, std::uint64_t recipients, SteadyTime now);

    // Who sent most in the last hour first, then by the day; those of whom nothing is left to count are not named.
    [[nodiscard]] std::vector<SenderUse> ranking(SteadyTime now) const;

    [[nodiscard]] std::size_t sources() const { return sources_.size(); }

private:
    // Counts of the latest Slots intervals of one length: the one under way and those before it.
    template <std::size_t Slots>
    struct Window {
        std::int64_t latest = 0;  // number of the interval that `counts[latest % Slots]` is of
        std::array<std::pair<std::uint32_t, std::uint32_t>, Slots> counts{};  // messages, recipients

        void add(std::int64_t interval, std::uint64_t recipients);
        [[nodiscard]] std::pair<std::uint64_t, std::uint64_t> sum(std::int64_t interval) const;
    };
    struct Use {
        Window<12> hour;  // of 5 minutes
        Window<24> day;   // of an hour
        SteadyTime last{};
    };
    struct Source {
        std::string user;
        std::map<std::string, Use, std::less<>> means;
        SteadyTime last{};
    };
    std::map<std::string, Source, std::less<>> sources_;
};

}  // namespace posthorn::auth
