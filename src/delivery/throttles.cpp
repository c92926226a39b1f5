// Hearing of refusals and of successes, and what each gate is to let through because of them.
#include "delivery/throttles.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/bound.hpp"
#include "base/utc.hpp"
#include "delivery/shaping.hpp"
#include "mail/organisational_domain.hpp"

namespace posthorn::delivery {
namespace {

constexpr Duration kMinute = std::chrono::minutes(1);

// What the peer said of the mail itself, or took: no word about how much of it comes.
bool is_answer(const Outcome& outcome) {
    if (outcome.result == Disposition::delivered) return true;
    if (!outcome.judgement) return false;   // no connection, or our own words
    switch (outcome.failure_class) {
        case Class::rcpt_perm:
        case Class::rcpt_full:
        case Class::mbr:
        case Class::size:
        case Class::content:
        case Class::rfc:
        case Class::relay:
        case Class::permanent: return true;
        default: return false;
    }
}

SlowDown slow_down_of(const Outcome& outcome) {
    const Judgement& judgement = *outcome.judgement;
    SlowDown what;
    what.pause = judgement.pause;
    what.pause_max = judgement.pause_max;
    what.connections = judgement.connections;
    what.rate = judgement.rate;
    what.alert = judgement.alert;
    what.rule = judgement.rule;
    what.meaning = judgement.meaning;
    what.reply = outcome.reply.joined();
    what.host = outcome.host;
    return what;
}

std::string what_next(const Throttle& throttle) {
    const std::string pace = std::to_string(throttle.connections()) + (throttle.connections() == 1 ? " connection" : " connections") + " and " +
                             std::to_string(throttle.rate()) + " recipients an hour at most";
    switch (throttle.phase()) {
        case Throttle::Phase::paused:
            return "nothing is sent until " + utc_text(throttle.until()) + ", then by one connection; when that goes well, more step by step";
        case Throttle::Phase::trial: return "one connection tries it; when it is refused again, another pause follows";
        case Throttle::Phase::slow: return pace + "; a little more each minute while it goes well";
        case Throttle::Phase::over: break;
    }
    return "no limit";
}

// Lines that belong together: one refusal may slow three gates, and their pauses end together.
ShapingNotice notice(std::string scope, const Throttle& throttle, bool warning) {
    ShapingNotice line;
    line.event = "throttle";
    line.warning = warning;
    line.fields = {{"scope", std::move(scope)}, {"state", std::string(to_string(throttle.phase()))}};
    return line;
}

}  // namespace

std::vector<GateKind> throttled_kinds(const Whose& whose) {
    // PR-13: "if the text does not say whether IP, DKIM or SPF quota, assume all three".
    if (whose.empty()) return {GateKind::ip, GateKind::dkim, GateKind::spf};
    std::vector<GateKind> kinds;
    // A quota of what the text links to cannot be told apart by the sender: all mail there goes slower (2.5).
    if (whose.has(Party::provider) || whose.has(Party::url)) kinds.push_back(GateKind::provider);
    if (whose.has(Party::source_ip)) kinds.push_back(GateKind::ip);
    if (whose.has(Party::dkim_domain)) kinds.push_back(GateKind::dkim);
    if (whose.has(Party::spf_domain)) kinds.push_back(GateKind::spf);
    if (whose.has(Party::sender_domain)) kinds.push_back(GateKind::sender);
    return kinds;
}

void Throttles::limits(const std::vector<ProviderOptions>& providers, std::uint32_t otherwise) {
    otherwise_ = std::max<std::uint32_t>(1, otherwise);
    std::map<std::string, Limit, std::less<>> before = std::exchange(limits_, {});
    for (const ProviderOptions& provider : providers) {
        Limit limit;
        limit.connections = provider.connections;
        limit.rate = provider.rate;
        limits_[provider.name] = limit;
        before[provider.name];
    }
    for (const auto& [name, limit] : before) changes_.gates.push_back("provider|" + name);
}

std::uint32_t Throttles::ceiling(std::string_view group) const {
    const auto limit = limits_.find(group);
    return limit == limits_.end() || limit->second.connections == 0 ? otherwise_ : limit->second.connections;
}

void Throttles::load(std::string_view key, std::string_view value, TimePoint) {
    if (throttles_.size() >= kMaxThrottles) return;
    std::optional<Throttle> throttle = Throttle::load(value);
    if (!throttle || throttle->phase() == Throttle::Phase::over) return;
    throttles_.insert_or_assign(std::string(key), std::move(*throttle));
    changes_.gates.emplace_back(key);
}

void Throttles::meet(const Flow&, TimePoint) {}

void Throttles::heed(const Flow& flow, const std::vector<Judged>& judged, TimePoint now) {
    const Judged* refused = nullptr;
    std::uint32_t answered = 0;
    for (const Judged& item : judged) {
        if (item.at_once) continue;
        if (item.outcome.failure_class == Class::throttle && item.outcome.judgement && item.outcome.result != Disposition::delivered) {
            // The widest of them: one recipient's own limit says less than the address's.
            if (refused == nullptr || throttled_kinds(refused->outcome.judgement->whose).empty()) refused = &item;
        } else if (is_answer(item.outcome)) {
            ++answered;
        }
    }
    if (answered == 0 && refused == nullptr) return;
    const std::vector<std::string> keys = gate_keys(flow);
    if (answered != 0)
        for (const std::string& key : keys) count(key, answered, now);
    if (refused != nullptr) {
        ++refusals_;
        refuse(flow, *refused, now);
        return;
    }
    if (throttles_.empty()) return;
    for (const std::string& key : keys) succeed(key, flow.group, answered, now);
}

void Throttles::refuse(const Flow& flow, const Judged& refused, TimePoint now) {
    const Outcome& outcome = refused.outcome;
    const std::vector<GateKind> kinds = throttled_kinds(outcome.judgement->whose);
    std::vector<std::string> keys;
    for (const GateKind kind : kinds)
        if (std::string key = gate_key(flow, kind); !key.empty()) keys.push_back(std::move(key));
    // What the text names and this mail has not (a signature, say): then it is the machine that is slowed.
    if (keys.empty() && !kinds.empty()) keys.push_back(gate_key(flow, GateKind::ip));
    const SlowDown what = slow_down_of(outcome);
    std::string scope;
    const Throttle* begun = nullptr;
    for (const std::string& key : keys) {
        if (key.empty()) continue;
        if (throttles_.find(key) == throttles_.end()) make_room(now);
        Throttle& throttle = throttles_[key];
        if (throttle.refuse(what, pace(key, now), now)) {
            scope += (scope.empty() ? "" : ", ") + in_words(key);
            begun = &throttle;
        }
        changed(key, throttle);
        look_for_alarm(key, throttle, now);
    }
    if (begun == nullptr) return;
    ShapingNotice line = notice(std::move(scope), *begun, true);
    line.fields.emplace_back("host", what.host);
    line.fields.emplace_back("rule", what.rule);
    line.fields.emplace_back("reply", what.reply);
    if (!what.meaning.empty()) line.fields.emplace_back("meaning", what.meaning);
    line.fields.emplace_back("pauses", std::to_string(begun->pauses()));
    line.fields.emplace_back("until", utc_text(begun->until()));
    line.fields.emplace_back("next", what_next(*begun));
    changes_.notices.push_back(std::move(line));
}

void Throttles::succeed(const std::string& key, const std::string& group, std::uint32_t recipients, TimePoint now) {
    const auto at = throttles_.find(key);
    if (at == throttles_.end()) return;
    const Throttle::Phase before = at->second.phase();
    if (!at->second.succeed(recipients, ceiling(group), now)) return;
    if (at->second.phase() == Throttle::Phase::over) {
        drop(key, now, "mail is taken at its old pace again");
        return;
    }
    if (before == Throttle::Phase::trial) {
        ShapingNotice line = notice(in_words(key), at->second, false);
        line.fields.emplace_back("next", what_next(at->second));
        changes_.notices.push_back(std::move(line));
    }
    changed(key, at->second);
    look_for_alarm(key, at->second, now);
}

void Throttles::tick(TimePoint now) {
    std::vector<std::string> over;
    for (auto& [key, throttle] : throttles_) {
        look_for_alarm(key, throttle, now);
        if (!throttle.tick(now)) continue;
        if (throttle.phase() == Throttle::Phase::over) {
            over.push_back(key);
            continue;
        }
        ShapingNotice line = notice(in_words(key), throttle, false);
        line.fields.emplace_back("next", what_next(throttle));
        changes_.notices.push_back(std::move(line));
        changed(key, throttle);
    }
    for (const std::string& key : over) drop(key, now, "nothing was heard of it for a day");
    if (paces_.size() > kMaxPaces / 2) forget_paces(now);
}

// Of what nobody sends through any more; at most once a minute, as it looks at all of them.
void Throttles::forget_paces(TimePoint now) {
    if (now >= paces_looked_at_ && now - paces_looked_at_ < kMinute) return;
    paces_looked_at_ = now;
    std::erase_if(paces_, [now](const auto& entry) { return now - entry.second.minute > 2 * kMinute; });
}

// A known provider, or a relay of the operator's.
bool Throttles::is_kept(std::string_view group) const { return limits_.find(group) != limits_.end() || group.starts_with("relay:"); }

std::optional<TimePoint> Throttles::next_change() const {
    std::optional<TimePoint> next;
    const auto by = [&next](TimePoint when) {
        if (!next || when < *next) next = when;
    };
    for (const auto& [key, throttle] : throttles_) {
        if (const auto when = throttle.next_change()) by(*when);
        if (throttle.phase() != Throttle::Phase::slow && alarmed_.find(key) == alarmed_.end()) by(throttle.since() + kAlarmAfter);
    }
    return next;
}

queue::GateSettings Throttles::wish(std::string_view key) const {
    queue::GateSettings settings;
    if (const auto at = throttles_.find(key); at != throttles_.end()) settings = at->second.wish();
    const GateName name = gate_name(key);
    if (name.kind != GateKind::provider) return settings;
    const auto limit = limits_.find(name.group);
    if (limit == limits_.end() || !limit->second.rate) return settings;
    queue::GateSettings always;
    const Rate& rate = *limit->second.rate;
    always.rate = rate;
    // PR-14: evenly; what was not used in a second is not made up for.
    const auto second = static_cast<std::uint64_t>(rate.count) * 1000 / static_cast<std::uint64_t>(std::max<Duration::rep>(1, rate.per.count()));
    always.burst = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(second, 1, 1'000'000));
    return strictest(settings, always);
}

RestraintChanges Throttles::take_changes() { return std::exchange(changes_, RestraintChanges()); }

void Throttles::changed(const std::string& key, const Throttle& throttle) {
    changes_.gates.push_back(key);
    SavedState state;
    state.key = key;
    state.value = throttle.save();
    state.expires = std::max(throttle.last(), throttle.until()) + kThrottleLapse;
    changes_.saved.push_back(std::move(state));
}

void Throttles::look_for_alarm(const std::string& key, const Throttle& throttle, TimePoint now) {
    if (!throttle.alarming(now) || alarmed_.find(key) != alarmed_.end()) return;
    alarmed_.insert(key);
    const SlowDown& why = throttle.reason();
    Alarm alarm;
    alarm.kind = alarm_kind::kThrottled;
    alarm.subject = in_words(key);
    alarm.of_stranger = is_of_stranger(gate_name(key).group);
    alarm.text = in_words(key) + " is slowed down since " + utc_text(throttle.since()) + ": " + std::to_string(throttle.pauses()) +
                 " pauses in a row. " + (why.host.empty() ? std::string("The receiver") : why.host) + " said: " + why.reply +
                 (why.meaning.empty() ? std::string() : " That means: " + why.meaning);
    alarm.advice = "Mail waits and is sent as soon as it is taken; no attempt is used up. Send less, and more evenly; look whether an account "
                   "sends what nobody asked for (posthorn senders).";
    changes_.raised.push_back(std::move(alarm));
}

void Throttles::drop(const std::string& key, TimePoint now, const char* why) {
    const auto at = throttles_.find(key);
    if (at == throttles_.end()) return;
    ShapingNotice line;
    line.event = "throttle";
    line.warning = false;
    line.fields = {{"scope", in_words(key)},
                   {"state", "over"},
                   {"after_s", std::to_string((now - at->second.since()).count() / 1000)},
                   {"why", why}};
    changes_.notices.push_back(std::move(line));
    alarmed_.erase(key);
    // Also where it was raised before a restart; clearing what was not raised is nothing.
    changes_.cleared.emplace_back(alarm_kind::kThrottled, in_words(key));
    changes_.gates.push_back(key);
    SavedState gone;
    gone.key = key;
    changes_.saved.push_back(std::move(gone));
    throttles_.erase(at);
}

// Nothing is heard of a gate that is closed, and hosts can be made up by the thousand: theirs are let go first, or refusals of
// strangers would end a provider's pause.
void Throttles::make_room(TimePoint now) {
    if (throttles_.size() < kMaxThrottles) return;
    note_reached(Bound::throttles);
    const auto rank = [this](const auto& one) { return std::pair(is_kept(gate_name(one.first).group), one.second.last()); };
    const auto least = std::min_element(throttles_.begin(), throttles_.end(),
                                        [&rank](const auto& a, const auto& b) { return rank(a) < rank(b); });
    drop(least->first, now, "too many gates are slowed at once: that of which least was heard is let go");
}

void Throttles::count(const std::string& key, std::uint32_t recipients, TimePoint now) {
    auto at = paces_.find(key);
    if (at == paces_.end()) {
        if (paces_.size() >= kMaxPaces) forget_paces(now);
        if (paces_.size() >= kMaxPaces) {
            note_reached(Bound::throttle_paces);
            return;
        }
        at = paces_.emplace(key, Pace()).first;
        at->second.minute = now;
    }
    Pace& pace = at->second;
    if (now - pace.minute >= kMinute || now < pace.minute) {
        pace.before = now - pace.minute < 2 * kMinute ? pace.now : 0;
        pace.now = 0;
        pace.minute = now;
    }
    pace.now += recipients;
}

// Recipients an hour, by the fuller of the last two minutes: the pace that was too fast is that of the burst.
std::uint32_t Throttles::pace(const std::string& key, TimePoint now) const {
    const auto at = paces_.find(key);
    if (at == paces_.end() || now - at->second.minute >= 2 * kMinute) return 0;
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>(std::uint64_t{60} * std::max(at->second.now, at->second.before), std::numeric_limits<std::uint32_t>::max() / 4));
}

std::vector<ThrottleView> Throttles::view(TimePoint) const {
    std::vector<ThrottleView> all;
    for (const auto& [key, throttle] : throttles_) {
        ThrottleView one;
        one.key = key;
        const GateName name = gate_name(key);
        one.kind = name.kind;
        one.group = std::string(name.group);
        one.what = in_words(key);
        one.phase = throttle.phase();
        one.since = throttle.since();
        one.until = throttle.until();
        one.pauses = throttle.pauses();
        one.connections = throttle.connections();
        one.per_hour = throttle.rate();
        one.rule = throttle.reason().rule;
        one.meaning = throttle.reason().meaning;
        one.reply = throttle.reason().reply;
        one.host = throttle.reason().host;
        one.next = what_next(throttle);
        all.push_back(std::move(one));
    }
    return all;
}

const Throttle* Throttles::find(std::string_view key) const {
    const auto at = throttles_.find(key);
    return at == throttles_.end() ? nullptr : &at->second;
}

std::vector<std::string> Throttles::forget(std::string_view organisation, std::string_view group, TimePoint now) {
    std::vector<std::string> keys, words;
    for (const auto& [key, throttle] : throttles_) {
        const GateName name = gate_name(key);
        const bool of_mail = name.kind == GateKind::dkim || name.kind == GateKind::spf || name.kind == GateKind::sender;
        const bool of_group = name.group == group || (name.kind == GateKind::site && name.subject == group);
        if (of_group && (of_mail ? !organisation.empty() && mail::organisational_domain(name.subject) == organisation : organisation.empty()))
            keys.push_back(key);
    }
    for (const std::string& key : keys) {
        drop(key, now, "by an operator's order");
        words.push_back(in_words(key));
    }
    return words;
}

}  // namespace posthorn::delivery
