// When a deferred recipient is tried next, and when Posthorn gives up.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/clock.hpp"
#include "queue/options.hpp"

namespace posthorn::queue {

// What is known of a recipient at the moment its attempt has failed.
struct Deferral {
    // Delivery's word for the outcome, as kept in Recipient::last_class: "temp", "grey", "throttle", "auth",
    // "local", ...
    std::string_view failure_class;
    std::uint32_t attempts = 1;  // that counted, with the one that just failed
    TimePoint accepted_at{};
    TimePoint expires_at{};
    TimePoint now{};
    // In [0, 1]. Give all recipients of one delivery the same, so that they are tried together again.
    double random = 0.5;
};

// GUARANTEE: after `now` and never after gives_up_at(), except that it is gives_up_at() when that has passed
// already.
[[nodiscard]] TimePoint next_attempt(const RetryOptions& options, const Deferral& deferral);

// The message's expiry, or for class "auth" the end of auth_lifetime when that is earlier.
[[nodiscard]] TimePoint gives_up_at(const RetryOptions& options, std::string_view failure_class,
                                    TimePoint accepted_at, TimePoint expires_at);

// Whether the sender is to be told now that the message is late (RFC 3461 s4.1 NOTIFY=DELAY, s6.2): once for
// each recipient, only when it was asked for, and after delay_notice.
[[nodiscard]] bool delay_notice_due(const RetryOptions& options, std::uint8_t notify, bool already_sent,
                                    TimePoint accepted_at, TimePoint now);

}  // namespace posthorn::queue
