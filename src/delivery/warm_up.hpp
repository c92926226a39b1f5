// Warm-up: what a local address may send to a provider in a day, growing day by day until nobody need count any more (PR-14).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "delivery/options.hpp"
#include "delivery/restraint.hpp"

namespace posthorn::delivery {

// Where one plan stands, for `posthorn status` and the metrics.
struct WarmUpView {
    WarmUpView() = default;

    std::string key;                // "ip|192.0.2.1|google"
    std::string source, group;
    std::string what;               // in_words(key)
    TimePoint begun{};
    std::uint32_t cap = 0;          // recipients today (UTC)
    std::uint64_t sent = 0;         // of them
    bool slowed = false;            // the provider asked for less today: tomorrow's cap is the same
    bool done = false;              // no cap any more
    std::string next;               // one sentence: what comes tomorrow
};

// Pure state; on the home shard. A day is one of UTC. A plan begins with the first mail of an address to a provider, and a day makes
// the next cap larger by [warmup] growth when at least half of its own was used and the provider never asked for less: it is mail that
// makes a reputation, not the calendar. Counted are recipients whom the provider was asked about, taken or not. Within the day mail
// goes evenly: a third of a day for the whole cap, a tenth of it at once; a tenth is kept for letters, which bulk mail leaves alone.
// A plan that is over stays over, also when [warmup] changes.
class WarmUp : public Restraint {
public:
    static constexpr std::size_t kMaxPlans = 2000;     // beyond: no cap
    static constexpr Duration kRemembered = std::chrono::hours(24 * 400);

    // At the start and at each reload; options.start 0: no plans. Of `providers` the families count, which options may name.
    void configure(const WarmUpOptions& options, const std::vector<ProviderOptions>& providers, TimePoint now);

    [[nodiscard]] std::string_view kind() const override { return "warm-up"; }
    void load(std::string_view key, std::string_view value, TimePoint now) override;
    void meet(const Flow& flow, TimePoint now) override;
    void heed(const Flow& flow, const std::vector<Judged>& judged, TimePoint now) override;
    void tick(TimePoint now) override;
    [[nodiscard]] std::optional<TimePoint> next_change() const override;
    [[nodiscard]] queue::GateSettings wish(std::string_view key) const override;
    [[nodiscard]] RestraintChanges take_changes() override;

    [[nodiscard]] std::vector<WarmUpView> view() const;   // by key

private:
    using Day = std::chrono::sys_days;
    struct Plan {
        TimePoint begun{};
        Day day{};
        std::uint32_t cap = 0;
        std::uint64_t sent = 0;
        bool slowed = false, done = false;
    };
    [[nodiscard]] bool concerns(std::string_view source, std::string_view provider) const;
    [[nodiscard]] bool concerns(std::string_view key) const;
    [[nodiscard]] std::uint32_t cap_after(const Plan& plan) const;
    void begin_day(const std::string& key, Plan& plan, Day day);
    void changed(const std::string& key, const Plan& plan, TimePoint now);

    WarmUpOptions options_;
    std::map<std::string, std::string, std::less<>> families_;    // by provider
    std::map<std::string, Plan, std::less<>> plans_;
    RestraintChanges changes_;
};

}  // namespace posthorn::delivery
