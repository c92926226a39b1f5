// Answers of receivers.
#include "events/courier.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "delivery/https_get.hpp"
#include "mail/date.hpp"

namespace posthorn::events {

using delivery::HttpsEnd;

std::optional<Duration> retry_after(std::string_view field, TimePoint now) {
    field = text::trim(field);
    if (const auto seconds = text::parse_unsigned(field, 1'000'000'000)) return std::chrono::seconds(*seconds);
    const std::optional<TimePoint> date = mail::parse_date(field);
    if (!date || *date <= now) return std::nullopt;
    return *date - now;
}

Reception reception_of(const delivery::HttpsAnswer& answer, TimePoint now) {
    using Kind = Reception::Kind;
    Reception reception;
    // A body that is longer than we read changes nothing of the status before it.
    if (answer.end != HttpsEnd::answered && answer.status == 0) {
        reception.words = answer.detail;
        return reception;
    }
    const unsigned status = answer.status;
    reception.words = "answered " + std::to_string(status);
    reception.wait = retry_after(answer.retry_after, now);
    if (status / 100 == 2) reception.kind = Kind::taken;
    else if (status == 413) reception.kind = Kind::too_much;
    else if (status / 100 == 5 || status == 408 || status == 425 || status == 429) reception.kind = Kind::later;
    else reception.kind = Kind::refused;
    if (status / 100 == 3) reception.words += ", a redirect, which is not followed";
    return reception;
}

std::size_t Courier::batch(const WebhookOptions& options) const {
    return most_ == 0 ? options.batch : std::min<std::size_t>(most_, options.batch);
}

Courier::Step Courier::heed(const Reception& reception, std::size_t events, const WebhookOptions& options, TimePoint now, double random) {
    Step step;
    if (reception.kind == Reception::Kind::taken) {
        failures_ = refusals_ = 0;
        failing_since_.reset();
        words_.clear();
        if (most_ != 0) most_ = most_ * 2 >= options.batch ? 0 : most_ * 2;
        step.go_on = true;
        return step;
    }
    words_ = reception.words;
    if (!failing_since_) failing_since_ = now;
    if (reception.kind == Reception::Kind::too_much && events > 1) {
        most_ = events / 2;
        return step;
    }
    failures_ = std::min(failures_ + 1, 32U);
    const bool refused = reception.kind != Reception::Kind::later;
    if (refused && ++refusals_ >= kTries) {
        // The next batch may be another story; if not, it is tried as patiently.
        refusals_ = 0;
        failures_ = 0;
        step.go_on = step.put_aside = true;
        return step;
    }
    double seconds = std::chrono::duration<double>(options.retry_first).count();
    const double longest = std::chrono::duration<double>(options.retry_max).count();
    for (unsigned i = 1; i < failures_ && seconds < longest; ++i) seconds *= 2;
    seconds = std::min(seconds, longest) * (0.8 + 0.4 * random);
    step.wait = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
    if (reception.wait) step.wait = std::max(step.wait, std::min(*reception.wait, kLongestRetryAfter));
    return step;
}

}  // namespace posthorn::events
