// A gate: a named limit that deliveries pass, by how many may be under way, how fast recipients may start,
// and how many still.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.hpp"
#include "base/rate.hpp"

namespace posthorn::queue {

// What a gate lets through. Counted are recipients (a message to three is three), whatever becomes of them.
struct GateSettings {
    std::uint32_t concurrency = 0;  // deliveries under way at once; 0: no bound
    std::optional<Rate> rate;  // recipients, evenly: a bucket that is full at first; a count of 0: no bound
    std::uint32_t burst =
        1;  // what the bucket holds: so many may start at once after a rest (PR-14: better few)
    // Recipients that may be under way or still start: those under way count against it, and it is not used
    // up by itself. Whoever counts what was sent sets it to what is left, before Scheduler::finished(). 0:
    // closed. No value: no bound.
    std::optional<std::uint64_t> allowance;
    std::uint64_t allowance_for_letters = 0;  // of the allowance, what bulk mail leaves alone

    friend bool operator==(const GateSettings&, const GateSettings&) = default;
};

// Where a gate stands, for the operator.
struct GateFigures {
    std::string key;
    GateSettings
        settings;  // the concurrency is the smaller one of what was set and the place's `connections`
    std::uint64_t tokens = 0;      // recipients that the rate lets start now; 0 also where there is no rate
    std::uint32_t active = 0;      // deliveries under way
    std::uint64_t recipients = 0;  // in them
    bool open = true;  // a recipient of this destination may start now, as far as this gate is concerned
    std::optional<TimePoint> opens;  // when it is shut for want of a token: when there is one
};

// The state of one gate. Pure arithmetic in whole numbers, so that no window of time ever sees more starts
// than burst + rate x window. Of a bucket that holds two or more, bulk mail leaves the last quarter (one at
// least) to letters, so that a newsletter that uses a rate up does not make a letter wait for it. Whose room
// it is. Bulk mail whose turn has come before the letters' (Turns::bulk_is_due) may have the bucket's last
// quarter, too.
enum class Claimant : std::uint8_t { letter, bulk, bulk_in_turn };

class Gate {
public:
    bool set(const GateSettings& settings, TimePoint now);  // whether it bounds something else now
    // A bound of deliveries under way that comes from elsewhere (SitePlace::connections); the smaller one
    // holds. 0: none.
    bool set_connections(std::uint32_t connections) {
        return std::exchange(connections_, connections) != connections;
    }
    // As they hold: with the smaller concurrency.
    [[nodiscard]] GateSettings settings() const;
    [[nodiscard]] bool is_idle() const {
        return connections_ == 0 && settings_ == GateSettings{};
    }  // it bounds nothing
    [[nodiscard]] bool is_closed() const { return settings_.allowance == 0; }
    [[nodiscard]] bool is_used_up(Claimant who) const { return allowed(who) == 0; }
    // It bounds recipients, not only deliveries: rows in memory may have to wait for long.
    [[nodiscard]] bool bounds_recipients() const { return is_rated() || settings_.allowance; }

    // Before it is asked at another time: the clock on the wall may have been set back, and the bucket fills
    // from then on.
    void look(TimePoint now) { credited_ = std::min(credited_, now); }
    // Recipients that may start now in one more delivery; 0: none.
    [[nodiscard]] std::uint64_t room(Claimant who, TimePoint now) const;
    // Recipients that are worth having in memory: what may start now and in the next seconds.
    [[nodiscard]] std::uint64_t worth_loading(Claimant who, TimePoint now) const;
    // When the rate lets one more recipient start; nothing where the rate is not what bounds it.
    [[nodiscard]] std::optional<TimePoint> opens(Claimant who, TimePoint now) const;
    [[nodiscard]] std::uint64_t tokens(TimePoint now) const;

    // Beginnings are counted whether there was room or not.
    void begin(std::uint64_t recipients, TimePoint now);
    void take(std::uint32_t deliveries,
              std::uint64_t recipients);  // under way that began before they were counted here
    void drop(std::uint32_t deliveries,
              std::uint64_t recipients);  // the opposite; also when deliveries have ended
    [[nodiscard]] std::uint32_t active() const { return active_; }
    [[nodiscard]] std::uint64_t recipients() const { return recipients_; }

private:
    [[nodiscard]] bool is_rated() const { return settings_.rate && settings_.rate->count != 0; }
    [[nodiscard]] std::uint64_t burst() const { return std::max<std::uint64_t>(1, settings_.burst); }
    [[nodiscard]] std::uint64_t kept(Claimant who) const;  // what is left in the bucket for letters
    [[nodiscard]] std::uint64_t credit(TimePoint now) const;
    [[nodiscard]] std::uint64_t allowed(Claimant who) const;  // by the allowance
    [[nodiscard]] std::uint32_t limit() const;                // of deliveries; 0: none

    GateSettings settings_;
    std::uint64_t credit_ = 0;  // each millisecond adds rate.count, each recipient takes rate.per
    TimePoint credited_{};
    std::uint64_t recipients_ = 0;
    std::uint32_t connections_ = 0;
    std::uint32_t active_ = 0;
};

}  // namespace posthorn::queue
