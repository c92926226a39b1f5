// What holds mail back: the one interface behind throttling, warm-up and the breaker, which each say what they wish of a gate.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "delivery/alarm.hpp"
#include "delivery/flow.hpp"
#include "delivery/verdict.hpp"
#include "queue/gate.hpp"

namespace posthorn::delivery {

// A record for delivery's memory, which writes it in the background at once: a kill -9 in the same few milliseconds loses it, and costs
// one refusal more (PR-50). `value` is text, at most kMaxSavedValue octets; empty: the key is forgotten.
struct SavedState {
    std::string key;
    std::string value;
    TimePoint expires{};
};
inline constexpr std::size_t kMaxSavedValue = 8 * 1024;

// One line for the operator: event name, and fields in order. Restraints say what happened; Shaping logs it.
struct ShapingNotice {
    std::string event;             // "throttle", "suspended", ...
    bool warning = true;           // else info
    std::vector<std::pair<std::string, std::string>> fields;
};

// What became different since it was last taken.
struct RestraintChanges {
    std::vector<std::string> gates;                                // keys whose wish() may be another one now
    std::vector<SavedState> saved;
    std::vector<ShapingNotice> notices;
    std::vector<Alarm> raised;
    std::vector<std::pair<std::string, std::string>> cleared;      // {kind, subject} of alarms that are over
};

// A pure state machine: no clock, no I/O. Owned by the agent's state, called by Shaping alone, on the home shard. Its state is
// bounded, whatever it hears of. It opens and closes by tick() and heed() only, so wish() is good until take_changes() says otherwise.
class Restraint {
public:
    virtual ~Restraint() = default;

    // Its word in delivery's memory: "throttle", "breaker", "warm-up".
    [[nodiscard]] virtual std::string_view kind() const = 0;
    // At the start, once for each record of its kind, before anything else. What it cannot read it leaves alone. Then tick().
    virtual void load(std::string_view key, std::string_view value, TimePoint now) = 0;

    // Mail of this flow is about to pass the gates for the first time, or again after a while: what holds from the first message on
    // (a day's cap) has to be there before it. Call it when a destination's place is known.
    virtual void meet(const Flow&, TimePoint) {}
    // What became of one delivery of this flow: every recipient of it, delivered ones, too. Those with
    // `at_once` are skipped by all: something else is tried next.
    virtual void heed(const Flow& flow, const std::vector<Judged>& judged, TimePoint now) = 0;
    // Time has passed: call at next_change(), and as often besides as you like.
    virtual void tick(TimePoint now) = 0;
    [[nodiscard]] virtual std::optional<TimePoint> next_change() const = 0;

    // What it wants of the gate; default settings where it has nothing against the mail.
    [[nodiscard]] virtual queue::GateSettings wish(std::string_view key) const = 0;
    [[nodiscard]] virtual RestraintChanges take_changes() = 0;
};

}  // namespace posthorn::delivery
