// Intervals by class: growing with jitter, never beyond the time of giving up.
#include "queue/retry.hpp"

#include <algorithm>
#include <cmath>

#include "mail/envelope.hpp"

namespace posthorn::queue {

namespace {

// A greylisting server lets the mail in soon or never: waiting hours between attempts gains nothing.
constexpr Duration kGreyMax = std::chrono::minutes(30);
constexpr Duration kShortest = std::chrono::seconds(1);

struct Curve {
    Duration first;
    Duration max;
    double factor;
    std::uint32_t step;  // how often it has grown
};

Curve curve_of(const RetryOptions& options, const Deferral& deferral) {
    const std::uint32_t step = deferral.attempts > 0 ? deferral.attempts - 1 : 0;
    if (deferral.failure_class == "auth") {
        // DNS is repaired in minutes to hours; each probe costs reputation.
        return {options.auth_first, options.auth_max, 2.0, step};
    }
    if (deferral.failure_class == "local") {
        return {options.local_interval, options.local_interval, 1.0, 0};
    }
    // The first attempt after 60-90 s is for greylisting, which most servers end by then; those that still refuse want 5
    // minutes (postgrey's default). So the second interval has one step of growth more: 75 s, 5 min, 10 min, ...
    const auto grown = [](std::uint32_t steps) { return steps == 0 ? 0 : steps + 1; };
    if (deferral.failure_class == "grey") return {options.grey, std::max(options.grey, kGreyMax), options.factor, step};
    if (deferral.failure_class == "rcpt-full") return {options.full_mailbox, options.full_mailbox, 1.0, 0};
    if (deferral.failure_class == "throttle") {
        // The peer asked for less: one step further from the start.
        return {options.first, options.max, options.factor, grown(step + 1)};
    }
    return {options.first, options.max, options.factor, grown(step)};
}

}  // namespace

TimePoint gives_up_at(const RetryOptions& options, std::string_view failure_class, TimePoint accepted_at,
                      TimePoint expires_at) {
    return failure_class == "auth" ? std::min(expires_at, accepted_at + options.auth_lifetime) : expires_at;
}

TimePoint next_attempt(const RetryOptions& options, const Deferral& deferral) {
    const Curve curve = curve_of(options, deferral);
    // In floating point, where a hundred doublings are large but not an overflow.
    const double grown =
        static_cast<double>(curve.first.count()) *
        std::pow(std::max(1.0, curve.factor), static_cast<double>(std::min(curve.step, 200U)));
    const double interval = std::min(grown, static_cast<double>(curve.max.count()));
    const double jitter = std::clamp(options.jitter, 0.0, 1.0);
    const double random = std::clamp(deferral.random, 0.0, 1.0);
    const double spread = deferral.failure_class == "grey" ? 1.0 + jitter * random : 1.0 + jitter * (2.0 * random - 1.0);
    const Duration wait = std::max(kShortest, Duration(static_cast<Duration::rep>(interval * spread)));
    const TimePoint end =
        gives_up_at(options, deferral.failure_class, deferral.accepted_at, deferral.expires_at);
    return std::min(deferral.now + wait, end);
}

bool delay_notice_due(const RetryOptions& options, std::uint8_t notify, bool already_sent,
                      TimePoint accepted_at, TimePoint now) {
    return !already_sent && (notify & mail::Notify::delay) != 0 && options.delay_notice.count() != 0 &&
           now - accepted_at >= options.delay_notice;
}

}  // namespace posthorn::queue
