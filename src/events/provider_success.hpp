// How deliveries towards each provider ended of late.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "queue/journal.hpp"

namespace posthorn::events {

// Pure. Counts the entries of the last hour, in steps of five minutes. What a recipient is refused for his own sake (no such mailbox,
// full, his filter) says nothing of the way there; nor does what was never tried.
class ProviderSuccess {
public:
    static constexpr Duration kWindow = std::chrono::hours(1);
    static constexpr std::size_t kMostGroups = 2000;   // beyond it new ones are not counted

    struct Share {
        std::string group;
        std::uint64_t delivered = 0, tried = 0;
        std::string last_reply;   // of a failure
    };

    void note(const queue::JournalEntry& entry);
    // Groups with results in the hour before.
    [[nodiscard]] std::vector<Share> shares(TimePoint now);

private:
    static constexpr std::size_t kSteps = 12;
    struct Step {
        std::int64_t number = 0;   // of the five minutes since 1970
        std::uint64_t delivered = 0, tried = 0;
    };
    struct Group {
        std::array<Step, kSteps> steps;
        std::string last_reply;
    };
    std::map<std::string, Group> groups_;
};

}  // namespace posthorn::events
