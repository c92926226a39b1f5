// Storms of mail by this machine's own programs to its own names: a cap on what one caller sends of one kind in a while (SM-51).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/queue_id.hpp"
#include "intake/intake.hpp"

namespace posthorn::intake {

inline constexpr std::size_t kMaxStormWindows = 1000;     // kinds of mail watched at once; more of them are not limited
inline constexpr std::size_t kMaxStormRecipients = 50;    // of one summary

// "Backup of 2026-11-22 failed: 3 errors" and that of the next day are of one kind: case, digits and blanks do not count.
[[nodiscard]] std::string storm_kind(std::string_view subject);

// One message to a local name, as far as it matters here.
struct StormMail {
    std::uint32_t uid = 0;
    std::string subject;                  // the field's value, unfolded
    std::string from;                     // the field's value, unfolded: aligned, since the message was about to be sent
    std::string reverse_path;
    std::string source;                   // mail::Message::source
    std::vector<std::string> to;          // final recipients
};

// What was held back in one window: to be told in one message.
struct StormSummary {
    StormMail last;
    std::uint64_t count = 0;
    TimePoint first_at{}, last_at{};
};

// On the home shard. What it knows is small and can be written down (text()), so that a restart forgets nothing.
class Storms {
public:
    // True: this message may go. limit 0: each may. Else it is counted, and will be in a summary. `limit` messages go within a
    // window, which begins with the first.
    [[nodiscard]] bool admit(StormMail mail, std::uint32_t limit, Duration window, TimePoint now);
    // Summaries of windows that are over. They stay in text() until settled: done() when stored; else they come again.
    [[nodiscard]] std::vector<StormSummary> due(TimePoint now);
    void done(const StormSummary& summary);
    // When there is something to be told next; TimePoint::max(): nothing is held back.
    [[nodiscard]] TimePoint next_due() const;

    // Windows with mail held back, one a line; and back. Lines that cannot be read are passed over.
    [[nodiscard]] std::string text() const;
    void restore(std::string_view text);
    [[nodiscard]] std::size_t size() const { return windows_.size(); }

private:
    struct Window {
        TimePoint ends{};
        std::uint32_t passed = 0;
        StormSummary held;                // count 0: nothing yet
    };
    using Key = std::pair<std::uint32_t, std::string>;   // uid, kind
    void forget_old(TimePoint now);
    std::map<Key, Window> windows_;
};

// The one message in place of those that were held back, through the same intake as all mail. RFC 3834: no automatic answer to it.
// REQUIRES: submission.id, now and source are set.
[[nodiscard]] Verdict make_storm_summary(const StormSummary& summary, std::shared_ptr<const Rules> rules, Submission submission);

}  // namespace posthorn::intake
