// All gates that receivers slow down, told apart by what each refusal says it is about, and the rates that are configured.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "delivery/options.hpp"
#include "delivery/restraint.hpp"
#include "delivery/throttle.hpp"

namespace posthorn::delivery {

// One slowed gate, for `posthorn status`, `why` and the metrics.
struct ThrottleView {
    ThrottleView() = default;

    std::string key;             // "ip|192.0.2.1|google"
    GateKind kind = GateKind::ip;
    std::string group;           // empty for a site
    std::string what;            // in_words(key)
    Throttle::Phase phase = Throttle::Phase::paused;
    TimePoint since{}, until{};  // until: of a pause, or of a rate that was demanded; in the past: it is over
    std::uint32_t pauses = 0, connections = 0, per_hour = 0;
    std::string rule, meaning, reply, host;
    std::string next;            // one sentence: what happens now
};

// Pure. The parties a refusal of class throttle is about (PR-13: where the text does not tell, the address, the DKIM and the SPF
// domain alike). Empty: nothing but the message itself, or its recipient.
[[nodiscard]] std::vector<GateKind> throttled_kinds(const Whose& whose);

// Pure state; on the home shard. At most kMaxThrottles gates are slowed at once (beyond: what was heard of least recently is let
// go, hosts that are no provider's first), of at most kMaxPaces it is known how fast mail went lately.
class Throttles : public Restraint {
public:
    static constexpr std::size_t kMaxThrottles = 5000;
    static constexpr std::size_t kMaxPaces = 20000;

    Throttles() = default;
    // The providers' limits, at the start and at each reload: their connections are where a recovery ends (`otherwise`: of groups
    // that are no provider's), their rates hold always.
    void limits(const std::vector<ProviderOptions>& providers, std::uint32_t otherwise);

    [[nodiscard]] std::string_view kind() const override { return "throttle"; }
    void load(std::string_view key, std::string_view value, TimePoint now) override;
    void meet(const Flow& flow, TimePoint now) override;
    void heed(const Flow& flow, const std::vector<Judged>& judged, TimePoint now) override;
    void tick(TimePoint now) override;
    [[nodiscard]] std::optional<TimePoint> next_change() const override;
    [[nodiscard]] queue::GateSettings wish(std::string_view key) const override;
    [[nodiscard]] RestraintChanges take_changes() override;

    // By key.
    [[nodiscard]] std::vector<ThrottleView> view(TimePoint now) const;
    [[nodiscard]] const Throttle* find(std::string_view key) const;
    [[nodiscard]] std::size_t size() const { return throttles_.size(); }
    // The operator knows better (`posthorn resume`): forgotten at once are the slow-downs of this organisational domain's mail to the
    // group, or with an empty domain those of the machine: by address, host or provider. What they were, in words.
    std::vector<std::string> forget(std::string_view organisation, std::string_view group, TimePoint now);
    [[nodiscard]] std::uint64_t refusals() const { return refusals_; }     // of class throttle, since the start

private:
    // Recipients answered through a gate, this minute and the one before.
    struct Pace {
        TimePoint minute{};
        std::uint32_t now = 0, before = 0;
    };
    struct Limit {
        std::uint32_t connections = 0;
        std::optional<Rate> rate;
    };
    void count(const std::string& key, std::uint32_t recipients, TimePoint now);
    [[nodiscard]] std::uint32_t pace(const std::string& key, TimePoint now) const;
    [[nodiscard]] std::uint32_t ceiling(std::string_view group) const;
    void refuse(const Flow& flow, const Judged& refused, TimePoint now);
    void succeed(const std::string& key, const std::string& group, std::uint32_t recipients, TimePoint now);
    void changed(const std::string& key, const Throttle& throttle);
    void look_for_alarm(const std::string& key, const Throttle& throttle, TimePoint now);
    void drop(const std::string& key, TimePoint now, const char* why);
    void make_room(TimePoint now);
    void forget_paces(TimePoint now);
    [[nodiscard]] bool is_kept(std::string_view group) const;

    std::map<std::string, Throttle, std::less<>> throttles_;
    std::set<std::string, std::less<>> alarmed_;
    std::unordered_map<std::string, Pace> paces_;
    TimePoint paces_looked_at_{};
    std::map<std::string, Limit, std::less<>> limits_;
    std::uint32_t otherwise_ = 5;
    std::uint64_t refusals_ = 0;
    RestraintChanges changes_;
};

}  // namespace posthorn::delivery
