// Caps by day, and what was sent of them.
#include "delivery/warm_up.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/bound.hpp"
#include "base/utc.hpp"

namespace posthorn::delivery {
namespace {

using Day = std::chrono::sys_days;

Day utc_day(TimePoint now) { return std::chrono::floor<std::chrono::days>(now); }

bool is_meant(const std::vector<std::string>& names, std::string_view name) {
    return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
}

ShapingNotice notice(const std::string& key, std::string state) {
    ShapingNotice line;
    line.event = "warm-up";
    line.warning = false;
    line.fields = {{"scope", in_words(key)}, {"state", std::move(state)}};
    return line;
}

}  // namespace

void WarmUp::configure(const WarmUpOptions& options, const std::vector<ProviderOptions>& providers, TimePoint now) {
    options_ = options;
    families_.clear();
    for (const ProviderOptions& provider : providers)
        if (!provider.family.empty()) families_[provider.name] = provider.family;
    tick(now);
    for (const auto& [key, plan] : plans_) changes_.gates.push_back(key);
}

bool WarmUp::concerns(std::string_view source, std::string_view provider) const {
    if (options_.start == 0 || provider.empty() || !is_meant(options_.sources, source)) return false;
    const auto family = families_.find(provider);
    return is_meant(options_.providers, provider) || (family != families_.end() && is_meant(options_.providers, family->second));
}

bool WarmUp::concerns(std::string_view key) const {
    const GateName name = gate_name(key);
    return name.kind == GateKind::ip && concerns(name.subject, name.group);
}

std::uint32_t WarmUp::cap_after(const Plan& plan) const {
    const double grown = std::ceil(static_cast<double>(plan.cap) * std::max(1.0, options_.growth));
    return static_cast<std::uint32_t>(std::min(grown, static_cast<double>(UINT32_MAX)));
}

void WarmUp::begin_day(const std::string& key, Plan& plan, Day day) {
    if (day <= plan.day) return;           // a clock that was set back begins no day twice
    const bool earned = plan.sent * 2 >= plan.cap && !plan.slowed;
    plan.day = day;
    plan.sent = 0;
    plan.slowed = false;
    if (earned) plan.cap = cap_after(plan);
    plan.done = plan.cap >= options_.until;
    if (!earned) return;
    ShapingNotice line = notice(key, plan.done ? "over" : "grown");
    if (!plan.done) line.fields.emplace_back("recipients_today", std::to_string(plan.cap));
    changes_.notices.push_back(std::move(line));
}

void WarmUp::load(std::string_view key, std::string_view value, TimePoint now) try {
    if (plans_.size() >= kMaxPlans) return;
    const boost::json::value parsed = boost::json::parse(boost::json::string_view(value.data(), value.size()));
    const boost::json::object& json = parsed.as_object();
    Plan plan;
    plan.begun = TimePoint(Duration(json.at("begun").to_number<std::int64_t>()));
    plan.day = Day(std::chrono::days(json.at("day").to_number<std::int32_t>()));
    plan.cap = json.at("cap").to_number<std::uint32_t>();
    plan.sent = json.at("sent").to_number<std::uint64_t>();
    plan.slowed = json.at("slowed").as_bool();
    plan.done = json.at("done").as_bool();
    plans_.insert_or_assign(std::string(key), plan);
    changed(std::string(key), plan, now);  // remembered from now on again, so that a plan that is over does not begin anew
} catch (const std::exception&) {
    return;                                // of another version: it begins anew
}

void WarmUp::meet(const Flow& flow, TimePoint now) {
    if (!concerns(flow.source, flow.provider) || flow.group != flow.provider) return;
    const std::string key = gate_key(flow, GateKind::ip);
    if (plans_.find(key) != plans_.end()) return;
    if (plans_.size() >= kMaxPlans) {
        note_reached(Bound::warm_up_plans);
        return;
    }
    Plan plan;
    plan.begun = now;
    plan.day = utc_day(now);
    plan.cap = options_.start;
    plan.done = plan.cap >= options_.until;
    plans_.emplace(key, plan);
    ShapingNotice line = notice(key, "begun");
    line.fields.emplace_back("recipients_today", std::to_string(plan.cap));
    changes_.notices.push_back(std::move(line));
    changed(key, plan, now);
}

void WarmUp::heed(const Flow& flow, const std::vector<Judged>& judged, TimePoint now) {
    const auto at = plans_.find(gate_key(flow, GateKind::ip));
    if (at == plans_.end() || at->second.done || !concerns(at->first)) return;
    Plan& plan = at->second;
    begin_day(at->first, plan, utc_day(now));
    std::uint64_t asked = 0;
    bool slowed = false;
    for (const Judged& item : judged) {
        if (item.at_once) continue;
        slowed |= item.outcome.failure_class == Class::throttle;
        asked += item.outcome.result == Disposition::delivered || item.outcome.judgement != nullptr;
    }
    if (asked == 0) return;
    const bool used_up = plan.sent < plan.cap && plan.sent + asked >= plan.cap;
    plan.sent += asked;
    plan.slowed |= slowed;
    if (used_up && !plan.done) {
        ShapingNotice line = notice(at->first, "used up");
        line.fields.emplace_back("recipients_today", std::to_string(plan.cap));
        line.fields.emplace_back("next", "the rest waits for the next day, which begins at " +
                                             utc_text(std::chrono::time_point_cast<Duration>(plan.day + std::chrono::days(1))));
        changes_.notices.push_back(std::move(line));
    }
    changed(at->first, plan, now);
}

void WarmUp::tick(TimePoint now) {
    for (auto& [key, plan] : plans_) {
        if (plan.done || !concerns(key) || plan.day >= utc_day(now)) continue;
        begin_day(key, plan, utc_day(now));
        changed(key, plan, now);
    }
}

std::optional<TimePoint> WarmUp::next_change() const {
    std::optional<TimePoint> next;
    for (const auto& [key, plan] : plans_) {
        if (plan.done || !concerns(key)) continue;
        const TimePoint midnight = std::chrono::time_point_cast<Duration>(plan.day + std::chrono::days(1));
        if (!next || midnight < *next) next = midnight;
    }
    return next;
}

queue::GateSettings WarmUp::wish(std::string_view key) const {
    queue::GateSettings settings;
    const auto at = plans_.find(key);
    if (at == plans_.end() || at->second.done || !concerns(key)) return settings;
    const Plan& plan = at->second;
    settings.allowance = plan.sent >= plan.cap ? 0 : plan.cap - plan.sent;
    settings.allowance_for_letters = plan.cap / 10;
    settings.rate = Rate{plan.cap, std::chrono::hours(8)};
    settings.burst = std::max<std::uint32_t>(5, plan.cap / 10);
    return settings;
}

RestraintChanges WarmUp::take_changes() { return std::exchange(changes_, RestraintChanges()); }

void WarmUp::changed(const std::string& key, const Plan& plan, TimePoint now) {
    boost::json::object json;
    json["begun"] = plan.begun.time_since_epoch().count();
    json["day"] = plan.day.time_since_epoch().count();
    json["cap"] = plan.cap;
    json["sent"] = plan.sent;
    json["slowed"] = plan.slowed;
    json["done"] = plan.done;
    SavedState state;
    state.key = key;
    state.value = boost::json::serialize(json);
    state.expires = now + kRemembered;
    changes_.saved.push_back(std::move(state));
    changes_.gates.push_back(key);
}

std::vector<WarmUpView> WarmUp::view() const {
    std::vector<WarmUpView> all;
    for (const auto& [key, plan] : plans_) {
        if (!concerns(key)) continue;
        const GateName name = gate_name(key);
        WarmUpView one;
        one.key = key;
        one.source = std::string(name.subject);
        one.group = std::string(name.group);
        one.what = in_words(key);
        one.begun = plan.begun;
        one.cap = plan.cap;
        one.sent = plan.sent;
        one.slowed = plan.slowed;
        one.done = plan.done;
        if (plan.done) one.next = "the plan is over: no cap";
        else if (plan.slowed) one.next = "tomorrow the same, for they asked for less today";
        else if (plan.sent * 2 < plan.cap) one.next = "tomorrow the same, unless half of today's is used";
        else if (cap_after(plan) >= options_.until) one.next = "from tomorrow on no cap";
        else one.next = "tomorrow " + std::to_string(cap_after(plan));
        all.push_back(std::move(one));
    }
    return all;
}

}  // namespace posthorn::delivery
