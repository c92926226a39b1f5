// What a receiver's answer means for the batch that it was sent, and when the next try is: pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "events/options.hpp"

namespace posthorn::delivery {
struct HttpsAnswer;
}

namespace posthorn::events {

// How a request was received.
struct Reception {
    enum class Kind : std::uint8_t {
        taken,    // 2xx
        later,    // 408, 425, 429, 5xx, no connection, no valid certificate, no answer in time: the same again, for ever
        refused,  // any other answer, redirects among them: more tries will hardly help
        too_much, // 413: a smaller batch may do
    };
    Kind kind = Kind::later;
    std::optional<Duration> wait;   // Retry-After (RFC 9110 s10.2.3)
    std::string words;              // "answered 503", "no connection to ...": for the operator
};

[[nodiscard]] Reception reception_of(const delivery::HttpsAnswer& answer, TimePoint now);
// Seconds, or a date; nothing where it is neither, or in the past.
[[nodiscard]] std::optional<Duration> retry_after(std::string_view field, TimePoint now);

// One receiver's story.
//
//   taken                          -> the cursor goes on, the next batch at once
//   later                          -> the same again after retry_first, 2x, 4x, ... retry_max, spread by a fifth, not before Retry-After
//   refused, fewer than kTries     -> the same
//   refused for the kTries'th time -> put aside: the cursor goes on, the operator is told
//   too_much, more than one event  -> half as many, at once; it grows again with what is taken
class Courier {
public:
    static constexpr unsigned kTries = 6;
    static constexpr Duration kLongestRetryAfter = std::chrono::hours(1);

    struct Step {
        bool go_on = false;      // the cursor goes past the batch
        bool put_aside = false;  // though nobody took it
        Duration wait{};         // before the next request
    };
    // events: in the batch. random in [0, 1].
    Step heed(const Reception& reception, std::size_t events, const WebhookOptions& options, TimePoint now, double random);

    [[nodiscard]] std::size_t batch(const WebhookOptions& options) const;
    // Since when nothing was taken; nothing: all is well.
    [[nodiscard]] std::optional<TimePoint> failing_since() const { return failing_since_; }
    [[nodiscard]] const std::string& last_words() const { return words_; }

private:
    unsigned failures_ = 0;   // in a row
    unsigned refusals_ = 0;   // of this batch
    std::size_t most_ = 0;    // of a receiver with little room; 0: as the options say
    std::optional<TimePoint> failing_since_;
    std::string words_;
};

}  // namespace posthorn::events
