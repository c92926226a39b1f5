// Bulk marks: how close each domain of ours comes to the daily number from which a provider treats it as a bulk sender for ever.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "delivery/options.hpp"
#include "delivery/restraint.hpp"

namespace posthorn::delivery {

// For `posthorn status` and the metrics.
struct BulkMarkView {
    BulkMarkView() = default;

    std::string domain;                 // organisational domain of From: subdomains count with it (2.1)
    std::string provider;
    std::uint64_t sent = 0;             // recipients they took in the last 24 hours
    std::uint32_t mark = 0;             // 5000
    std::optional<TimePoint> reached;   // once it was there: "permanent", whatever is sent since
};

// Pure state; on the home shard. PR-8 and PR-26: warned of before the mark (ProviderOptions::daily_warning), and remembered for ever once
// it is reached. By MX, as providers count (PR-11). Hours are whole ones, so the window is 24 to 25 hours long: told rather too early.
// It holds nothing back; it is a Restraint for its memory and its alarms. At most kMaxMarks pairs: the least is let go first, never one
// that was reached.
class BulkMarks : public Restraint {
public:
    static constexpr std::size_t kMaxMarks = 5000;
    static constexpr Duration kRemembered = std::chrono::hours(24 * 3650);

    void configure(const std::vector<ProviderOptions>& providers);

    [[nodiscard]] std::string_view kind() const override { return "bulk-mark"; }
    void load(std::string_view key, std::string_view value, TimePoint now) override;
    void heed(const Flow& flow, const std::vector<Judged>& judged, TimePoint now) override;
    void tick(TimePoint now) override;
    [[nodiscard]] std::optional<TimePoint> next_change() const override;
    [[nodiscard]] queue::GateSettings wish(std::string_view) const override { return {}; }
    [[nodiscard]] RestraintChanges take_changes() override;

    // Most sent first, at most `limit`.
    [[nodiscard]] std::vector<BulkMarkView> view(std::size_t limit, TimePoint now) const;

private:
    static constexpr std::size_t kHours = 25;          // the present one and 24 before it
    struct Count {
        std::int64_t hour = 0;                         // since 1970, of the newest
        std::array<std::uint32_t, kHours> sent{};      // by hour modulo kHours
        std::optional<TimePoint> reached;
        bool warned = false;
        [[nodiscard]] std::uint64_t total() const;
        void move_to(std::int64_t now_hour);
    };
    struct Mark {
        std::uint32_t mark = 0, warning = 0;
    };
    void judge(const std::string& key, Count& count, TimePoint now);
    void save(const std::string& key, const Count& count, TimePoint now);

    std::map<std::string, Mark, std::less<>> marks_;   // by provider
    std::map<std::string, Count, std::less<>> counts_; // "example.com|google"
    std::set<std::string> unsaved_;
    TimePoint unsaved_since_{};
    std::int64_t swept_ = 0;                           // the hour in which all were looked at
    RestraintChanges changes_;
};

}  // namespace posthorn::delivery
