// The state machine of one slowed gate.
#include "delivery/throttle.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>

namespace posthorn::delivery {
namespace {

constexpr std::array<std::string_view, 4> kPhases = {"paused", "trial", "slow", "over"};
constexpr std::size_t kMaxWords = 1000;    // of a reply, kept for people
constexpr Duration kHour = std::chrono::hours(1);

std::uint32_t per_hour(const Rate& rate) {
    const auto count = static_cast<std::uint64_t>(rate.count) * static_cast<std::uint64_t>(kHour.count()) /
                       static_cast<std::uint64_t>(std::max<Duration::rep>(rate.per.count(), 1));
    return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(count, 1, 100'000'000));
}

// What a peer said, as text that JSON can hold: octets that are no printable ASCII become '?'.
std::string short_words(const std::string& text) {
    std::string words = text.substr(0, kMaxWords);
    std::replace_if(words.begin(), words.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return words;
}

std::int64_t milliseconds(TimePoint at) { return at.time_since_epoch().count(); }
TimePoint time_of(const boost::json::object& json, std::string_view name) { return TimePoint(Duration(json.at(name).to_number<std::int64_t>())); }

}  // namespace

std::string_view to_string(Throttle::Phase phase) { return kPhases[static_cast<std::size_t>(phase)]; }

bool Throttle::refuse(const SlowDown& what, std::uint32_t pace, TimePoint now) {
    last_ = now;
    if (phase_ == Phase::paused && now < until_) {
        // Another answer to what had begun before: the same refusal. The pause counts from the last of them (PR-13: "stop").
        until_ = std::max(until_, now + pause_);
        return false;
    }
    if (phase_ == Phase::over) {
        *this = Throttle();
        last_ = since_ = now;
        pace_ = std::max(pace, kLeastPace);
        rate_ = pace_;
    }
    const Duration first = what.pause.value_or(kFirstPause);
    // What names no pause doubles our own; a rule's pause doubles where the rule says so (Gmail: "another ten minutes").
    const Duration longest = what.pause ? what.pause_max.value_or(first) : what.pause_max.value_or(kLongestOwnPause);
    pause_ = pauses_ == 0 ? first : std::clamp(pause_ * 2, first, std::max(first, longest));
    pauses_ += 1;
    reason_ = what;
    reason_.reply = short_words(what.reply);
    reason_.meaning = what.meaning.substr(0, kMaxWords);
    reason_.host = short_words(what.host);
    connections_ = 1;
    answered_ = 0;
    stepped_ = until_ = now + pause_;
    demanded_ = what.rate.has_value() && pause_ > Duration(0);
    rate_ = demanded_ ? per_hour(*what.rate) : std::max(rate_ / 2, kSlowest);
    phase_ = demanded_ ? Phase::slow : Phase::paused;
    return true;
}

bool Throttle::succeed(std::uint64_t recipients, std::uint32_t ceiling, TimePoint now) {
    if (phase_ == Phase::over || recipients == 0) return false;
    last_ = now;
    // A delivery that had begun before the pause, or an operator's: it opens nothing.
    if (phase_ == Phase::paused || (demanded_ && now < until_)) return false;
    const bool first = phase_ == Phase::trial;
    if (first) {
        phase_ = Phase::slow;
        pauses_ = 0;
        stepped_ = now;
        answered_ = 0;
        return true;
    }
    demanded_ = false;
    pauses_ = 0;
    answered_ += recipients;
    if (now - stepped_ < kRecoveryStep || answered_ < connections_) return false;
    answered_ = 0;
    stepped_ = now;
    const std::uint32_t allowed = std::max<std::uint32_t>(1, ceiling);
    connections_ = std::min(connections_ + 1, allowed);
    rate_ = std::min(rate_ + pace_ / 10, 2 * pace_);
    if (connections_ >= allowed && rate_ >= 2 * pace_) phase_ = Phase::over;
    return true;
}

bool Throttle::tick(TimePoint now) {
    if (phase_ == Phase::paused && now >= until_) {
        phase_ = Phase::trial;
        last_ = now;
        return true;
    }
    if (phase_ != Phase::over && phase_ != Phase::paused && now >= std::max(last_, until_) + kThrottleLapse) {
        phase_ = Phase::over;
        return true;
    }
    return false;
}

std::optional<TimePoint> Throttle::next_change() const {
    switch (phase_) {
        case Phase::paused: return until_;
        case Phase::trial:
        case Phase::slow: return std::max(last_, until_) + kThrottleLapse;
        case Phase::over: break;
    }
    return std::nullopt;
}

queue::GateSettings Throttle::wish() const {
    queue::GateSettings settings;
    if (phase_ == Phase::over) return settings;
    if (phase_ == Phase::paused) settings.allowance = 0;
    settings.concurrency = connections_;
    if (reason_.connections != 0 && phase_ != Phase::slow) settings.concurrency = std::min(connections_, reason_.connections);
    settings.rate = Rate{rate_, kHour};
    // PR-14: a constant stream. What was not used in ten seconds is not made up for.
    settings.burst = std::max<std::uint32_t>(1, rate_ / 360);
    return settings;
}

bool Throttle::alarming(TimePoint now) const {
    if (phase_ == Phase::over) return false;
    return reason_.alert || pauses_ >= kAlarmAfterPauses || (phase_ != Phase::slow && now - since_ >= kAlarmAfter);
}

std::string Throttle::save() const {
    boost::json::object json;
    json["phase"] = std::string(to_string(phase_));
    json["since"] = milliseconds(since_);
    json["until"] = milliseconds(until_);
    json["last"] = milliseconds(last_);
    json["stepped"] = milliseconds(stepped_);
    json["pause"] = pause_.count();
    json["pauses"] = pauses_;
    json["connections"] = connections_;
    json["rate"] = rate_;
    json["pace"] = pace_;
    json["answered"] = answered_;
    json["demanded"] = demanded_;
    json["most"] = reason_.connections;
    json["alert"] = reason_.alert;
    json["rule"] = reason_.rule;
    json["meaning"] = reason_.meaning;
    json["reply"] = reason_.reply;
    json["host"] = reason_.host;
    return boost::json::serialize(json);
}

std::optional<Throttle> Throttle::load(std::string_view text) try {
    const boost::json::value value = boost::json::parse(boost::json::string_view(text.data(), text.size()));
    const boost::json::object& json = value.as_object();
    const auto words = [&json](std::string_view name) { return std::string(json.at(name).as_string()); };
    Throttle throttle;
    const auto phase = std::find(kPhases.begin(), kPhases.end(), words("phase"));
    if (phase == kPhases.end()) return std::nullopt;
    throttle.phase_ = static_cast<Phase>(phase - kPhases.begin());
    throttle.since_ = time_of(json, "since");
    throttle.until_ = time_of(json, "until");
    throttle.last_ = time_of(json, "last");
    throttle.stepped_ = time_of(json, "stepped");
    throttle.pause_ = Duration(json.at("pause").to_number<std::int64_t>());
    throttle.pauses_ = json.at("pauses").to_number<std::uint32_t>();
    throttle.connections_ = std::max<std::uint32_t>(1, json.at("connections").to_number<std::uint32_t>());
    throttle.rate_ = std::max<std::uint32_t>(1, json.at("rate").to_number<std::uint32_t>());
    throttle.pace_ = std::max(kLeastPace, json.at("pace").to_number<std::uint32_t>());
    throttle.answered_ = json.at("answered").to_number<std::uint64_t>();
    throttle.demanded_ = json.at("demanded").as_bool();
    throttle.reason_.connections = json.at("most").to_number<std::uint32_t>();
    throttle.reason_.alert = json.at("alert").as_bool();
    throttle.reason_.rule = words("rule");
    throttle.reason_.meaning = words("meaning");
    throttle.reason_.reply = words("reply");
    throttle.reason_.host = words("host");
    return throttle;
} catch (const std::exception&) {
    return std::nullopt;
}

}  // namespace posthorn::delivery
