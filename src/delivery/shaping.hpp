// Shaping: all that holds mail back, combined into the settings of the scheduler's gates, and kept over a restart.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "delivery/restraint.hpp"

namespace posthorn::delivery {

// The stricter of two wishes, field by field: fewer connections, the slower rate, the smaller allowance.
[[nodiscard]] queue::GateSettings strictest(const queue::GateSettings& a, const queue::GateSettings& b);

// Where Shaping hands over what it decided. Each may be empty (tests). Called within meet(), heed(), tick() and settle().
struct ShapingOutlets {
    std::function<void(const std::string& key, const queue::GateSettings& settings)> set_gate;    // Scheduler::set_gate
    std::function<void(std::string_view kind, const SavedState& state)> save;                     // DeliveryMemory
    std::function<void(const ShapingNotice& notice)> say;                                         // the log
    std::function<void(const Alarm& alarm)> raise;
    std::function<void(const std::string& kind, const std::string& subject)> clear;
};

// Pure but for the outlets. The agent's; on the home shard. The restraints are lent by the agent's state and outlive this.
class Shaping {
public:
    void use(ShapingOutlets outlets) { outlets_ = std::move(outlets); }
    // One more reason to hold mail back. Before start().
    void add(Restraint& restraint) { restraints_.push_back(&restraint); }
    // What to read of delivery's memory at the start, and each record of it to the restraint of that kind; then tick(), which sets the
    // gates that were closed before the restart.
    [[nodiscard]] std::vector<std::string_view> kinds() const;
    void load(std::string_view kind, std::string_view key, std::string_view value, TimePoint now);

    // Call before Scheduler::resolved() with gate_keys(flow).
    void meet(const Flow& flow, TimePoint now);
    // Call before Scheduler::finished() of the same delivery, so that a gate it closes lets nothing more through.
    void heed(const Flow& flow, const std::vector<Judged>& judged, TimePoint now);
    void tick(TimePoint now);
    [[nodiscard]] std::optional<TimePoint> next_change() const;
    // After a restraint was changed from outside (an operator's command, a diagnosis, a reload): carries the changes out.
    void settle();

    // What all of them together want of a gate.
    [[nodiscard]] queue::GateSettings wish(std::string_view key) const;

private:
    std::vector<Restraint*> restraints_;
    ShapingOutlets outlets_;
};

}  // namespace posthorn::delivery
