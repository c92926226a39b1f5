// One gate that a receiver slows down: stop, then one connection, then more of everything, step by step.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/rate.hpp"
#include "queue/gate.hpp"

namespace posthorn::delivery {

// What a refusal of class throttle asks for.
struct SlowDown {
    SlowDown() = default;

    std::optional<Duration> pause;         // nothing at all so long; nothing: kFirstPause, doubling
    std::optional<Duration> pause_max;     // to which pauses double while trials fail; nothing: they stay as long as the first
    std::uint32_t connections = 0;         // at most, from then on, until it has gone well for a while; 0: not said
    std::optional<Rate> rate;              // in place of the pause: no faster, so long
    bool alert = false;
    std::string rule, meaning, reply, host;   // for people
};

inline constexpr Duration kFirstPause = std::chrono::minutes(1);       // where neither the peer nor a rule says how long
inline constexpr Duration kLongestOwnPause = std::chrono::minutes(30); // to which that one doubles
inline constexpr Duration kRecoveryStep = std::chrono::minutes(1);     // at the soonest, from one step to the next
inline constexpr Duration kThrottleLapse = std::chrono::hours(24);     // without mail or refusals: nobody knows what holds now
inline constexpr std::uint32_t kAlarmAfterPauses = 3;                  // in a row (PR-13 family: Microsoft's 4.7.650)
inline constexpr Duration kAlarmAfter = std::chrono::hours(1);
// Recipients an hour. The slowest we go, and the least that counts as the pace from which we slow down: of somebody who sends one
// message a day no pace can be told.
inline constexpr std::uint32_t kSlowest = 60;
inline constexpr std::uint32_t kLeastPace = 3600;

// Pure; a plain value. Multiplicative decrease: each refusal halves the rate and leaves one connection. Additive increase: each step
// (a minute, and as many deliveries as there are connections) gives one connection and a tenth of the old pace more. It is over when
// there are `ceiling` connections and twice the old pace: until then the new pace has proved itself. For Gmail's 4.7.28 this is PR-13.
class Throttle {
public:
    enum class Phase : std::uint8_t {
        paused,    // nothing starts
        trial,     // one connection, until a first delivery is answered with anything else
        slow,      // it works; more, step by step
        over       // to be forgotten
    };

    // `pace`: recipients an hour that went before, as far as known. `ceiling`: connections that are allowed otherwise; at least 1.
    // True: the beginning of a (further) pause. False: the same pause still, which begins again at `now`.
    bool refuse(const SlowDown& what, std::uint32_t pace, TimePoint now);
    // Recipients that were answered without a word about rates. True: the phase is another one now.
    bool succeed(std::uint64_t recipients, std::uint32_t ceiling, TimePoint now);
    bool tick(TimePoint now);
    [[nodiscard]] std::optional<TimePoint> next_change() const;
    [[nodiscard]] queue::GateSettings wish() const;
    // Somebody should know: it lasts, or trial after trial fails.
    [[nodiscard]] bool alarming(TimePoint now) const;

    [[nodiscard]] Phase phase() const { return phase_; }
    [[nodiscard]] TimePoint since() const { return since_; }
    [[nodiscard]] TimePoint until() const { return until_; }         // the pause's, or the end of a rate that was demanded
    [[nodiscard]] TimePoint last() const { return last_; }           // heard of
    [[nodiscard]] std::uint32_t pauses() const { return pauses_; }   // in a row, without a success in between
    [[nodiscard]] std::uint32_t connections() const { return connections_; }
    [[nodiscard]] std::uint32_t rate() const { return rate_; }       // recipients an hour
    [[nodiscard]] const SlowDown& reason() const { return reason_; } // the last refusal's

    // JSON, below kMaxSavedValue. Nothing: it is none.
    [[nodiscard]] std::string save() const;
    [[nodiscard]] static std::optional<Throttle> load(std::string_view text);

private:
    Phase phase_ = Phase::over;
    TimePoint since_{}, until_{}, last_{}, stepped_{};
    Duration pause_{};
    std::uint32_t pauses_ = 0;
    std::uint32_t connections_ = 1;
    std::uint32_t rate_ = 0;               // recipients an hour; at least kSlowest, or what was demanded
    std::uint32_t pace_ = 0;               // of before, at least kLeastPace
    std::uint64_t answered_ = 0;           // since the last step
    bool demanded_ = false;                // the rate is the peer's own until until_
    SlowDown reason_;
};

[[nodiscard]] std::string_view to_string(Throttle::Phase phase);     // "paused", "trial", "slow", "over"

}  // namespace posthorn::delivery
