// What became of mail, minute by minute, for the last week: the figures behind the dashboard's charts.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"

namespace posthorn::app {

// Recipients, all of them, so that figures can be compared with each other.
struct MinuteFigures {
    struct Group {
        std::uint64_t delivered = 0, deferred = 0, failed = 0;
        friend bool operator==(const Group&, const Group&) = default;
    };
    std::uint64_t accepted = 0, delivered = 0, deferred = 0, failed = 0;   // within the minute; deferred: attempts
    std::uint64_t waiting = 0, oldest = 0;       // at its end: recipients in the queue, and for how many seconds the oldest waits
    std::map<std::string, Group> groups;         // by provider, or first mail host; "" are all others

    // As of one time that has both: sums, and of `waiting` and `oldest` the greater.
    void add(const MinuteFigures& other);
    friend bool operator==(const MinuteFigures&, const MinuteFigures&) = default;
};

// Pure. Bounded by time alone: a row a minute, kKept of them.
class History {
public:
    static constexpr std::chrono::minutes kKept = std::chrono::hours(24 * 7);
    static constexpr std::size_t kMostGroups = 12;   // of a minute; what the others had is added up
    using Minute = std::chrono::sys_time<std::chrono::minutes>;

    [[nodiscard]] static Minute minute_of(TimePoint when) { return std::chrono::floor<std::chrono::minutes>(when); }
    // As delivery's memory keeps a row: "29391878", "17 15 1 1 0 0\tgoogle 9 1 0"; read() gives nothing for what is no row.
    [[nodiscard]] static std::string key_of(Minute minute) { return std::to_string(minute.time_since_epoch().count()); }
    [[nodiscard]] static std::string write(const MinuteFigures& figures);
    [[nodiscard]] static std::optional<std::pair<Minute, MinuteFigures>> read(std::string_view key, std::string_view value);

    // Adds to what that minute has already (a restart within it, a clock that was set back), drops what is older than kKept, and gives the row as
    // it is now.
    const MinuteFigures& add(Minute minute, MinuteFigures figures);
    [[nodiscard]] std::size_t size() const { return rows_.size(); }

    // {"from", "to", "step_seconds", "columns", "rows", "providers"}: docs/DASHBOARD.md. running: of the minute that `now` is in, not added yet.
    [[nodiscard]] std::string json(TimePoint now, Duration span, std::uint32_t step_minutes, const MinuteFigures& running) const;

private:
    std::map<Minute, MinuteFigures> rows_;
};

}  // namespace posthorn::app
