// The steps of suspended pairs from phase to phase.
#include "delivery/breaker.hpp"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <utility>

#include "base/bound.hpp"
#include "base/text.hpp"
#include "delivery/breaker_state.hpp"
#include "delivery/flow.hpp"

namespace posthorn::delivery {
namespace {

// A probe of which nothing is heard: longer than any delivery takes.
constexpr Duration kProbeLost = std::chrono::hours(1);
constexpr Duration kKept = std::chrono::hours(24 * 60);

std::string cut(std::string text) {
    if (!text::is_utf8(text)) text = text::safe_for_log(text, SuspendedPair::kMostWords * 4);
    if (text.size() <= SuspendedPair::kMostWords) return text;
    std::size_t end = SuspendedPair::kMostWords;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text.resize(end);
    return text + " ...";
}

}  // namespace

Breaker::Breaker() : state_(std::make_unique<State>()) {}
Breaker::~Breaker() = default;

BreakerPair* Breaker::State::find(std::string_view key) {
    const auto at = pairs.find(key);
    return at == pairs.end() ? nullptr : &at->second;
}

const BreakerPair* Breaker::State::find(std::string_view key) const {
    const auto at = pairs.find(key);
    return at == pairs.end() ? nullptr : &at->second;
}

void Breaker::State::note(const BreakerPair& pair, bool turns) {
    gates.insert(pair.shown.key);
    unsaved.insert(pair.shown.key);
    if (turns) turned.insert(pair.shown.key);
}

void Breaker::State::say(std::string_view event, bool warning, const BreakerPair& pair,
                         std::vector<std::pair<std::string, std::string>> more) {
    ShapingNotice notice;
    notice.event = event;
    notice.warning = warning;
    notice.fields = {{"pair", pair.shown.name()}, {"reason", std::string(to_string(pair.shown.reason))}};
    notice.fields.insert(notice.fields.end(), more.begin(), more.end());
    said.notices.push_back(std::move(notice));
}

void Breaker::State::enter(BreakerPair& pair, SuspensionPhase phase, TimePoint now) {
    pair.shown.phase = phase;
    pair.changed = now;
}

BreakerPair* Breaker::State::begin(const std::string& key, std::size_t most, TimePoint now) {
    if (pairs.size() >= most) {
        note_reached(Bound::suspended_pairs);
        ++refused;
        return nullptr;
    }
    BreakerPair& pair = pairs[key];
    const GateName name = gate_name(key);
    pair.shown.key = key;
    (name.kind == GateKind::ip ? pair.shown.source : pair.shown.sender) = name.subject;
    pair.shown.group = name.group;
    enter(pair, SuspensionPhase::held, now);
    return &pair;
}

// What the refusal says: of the first one, or of another that came to a probe.
void Breaker::State::describe(BreakerPair& pair, const Flow& flow, const Judged& item) {
    const Outcome& outcome = item.outcome;
    SuspendedPair& shown = pair.shown;
    shown.reason = outcome.failure_class == Class::rep ? SuspensionReason::rep : SuspensionReason::auth;
    shown.reply = cut(outcome.reply.joined());
    shown.verbatim = cut(outcome.reply.verbatim());
    shown.host = cut(outcome.host);
    shown.dkim_domain = flow.dkim_domain;
    shown.mail_from_domain = flow.spf_domain;
    shown.from_domain = flow.author_domain.empty() ? flow.sender_org : flow.author_domain;
    if (!shown.first_message) shown.first_message = item.recipient.message;
    pair.stage = outcome.stage;
    pair.terms = RefusalTerms();
    pair.terms.reputation = shown.reason == SuspensionReason::rep;
    pair.terms.permanent = outcome.reply.permanent();
    if (!outcome.judgement) return;
    const Judgement& judgement = *outcome.judgement;
    shown.causes = judgement.causes;
    shown.rule = judgement.rule;
    shown.meaning = judgement.meaning;
    shown.advice = judgement.advice;
    shown.link = judgement.link;
    // A stranger's word for our address would be in the SPF record that we ask the operator to publish.
    if (!judgement.ip.empty() && !flow.provider.empty()) shown.ip = judgement.ip;
    shown.until_resumed = judgement.until_resumed;
    pair.terms.until_resumed = judgement.until_resumed;
    pair.terms.pause = judgement.pause;
    pair.terms.pause_max = judgement.pause_max;
}

// Once for each pair and cause: the sink remembers the name, and clear() forgets it.
void Breaker::State::tell(BreakerPair& pair) {
    const SuspendedPair& shown = pair.shown;
    Alarm alarm;
    alarm.kind = alarm_kind::kSuspended;
    alarm.subject = shown.name();
    alarm.of_stranger = is_of_stranger(shown.group);
    const std::string whose = shown.sender.empty() ? "all mail from this machine" : "all mail of " + shown.sender;
    alarm.text = fmt::format("{} refused mail{} with: {}. So {} to {} waits here and is not tried; other mail goes on.", shown.group,
                             shown.sender.empty() ? "" : " of " + shown.sender, shown.reply, whose, shown.group);
    if (!shown.meaning.empty()) alarm.text += " It means: " + shown.meaning;
    if (shown.reason == SuspensionReason::auth) {
        if (shown.unexplained)
            alarm.text += shown.undecided() ? " Whether DNS is the cause could not be found out."
                                            : " DNS shows nothing wrong of what they ask for: their resolvers may still have old records, or "
                                              "the cause is another.";
        if (shown.diagnosis) {
            alarm.text += "\n" + shown.what_dns_shows();
            alarm.detail = boost::json::serialize(to_json(*shown.diagnosis));
        }
        alarm.advice = shown.advice.empty() ? "Repair what is said to fail." : shown.advice;
        alarm.advice += " Mail goes on by itself then; `posthorn resume` makes it go on now.";
    } else {
        alarm.advice = shown.advice;
        if (!shown.link.empty()) alarm.advice += alarm.advice.empty() ? "Ask to be taken off their list: " + shown.link : " See " + shown.link;
        if (shown.until_resumed && alarm.advice.find("`posthorn resume`") == std::string::npos)
            alarm.advice += (alarm.advice.empty() ? "" : " ") + std::string("Then `posthorn resume`.");
    }
    pair.told = true;
    said.raised.push_back(std::move(alarm));
}

void Breaker::State::release(BreakerPair& pair, std::string_view why, TimePoint now) {
    pair.probe = 0;
    pair.choosing = false;
    pair.shown.next_poll.reset();
    pair.shown.next_probe.reset();
    pair.shown.until.reset();
    pair.shown.connections = 1;
    pair.taken = 0;
    enter(pair, SuspensionPhase::releasing, now);
    say("released", false, pair, {{"why", std::string(why)}, {"after_s", std::to_string((now - pair.shown.since).count() / 1000)}});
    said.cleared.emplace_back(std::string(alarm_kind::kSuspended), pair.shown.name());
    pair.told = false;
    note(pair, true);
}

void Breaker::State::forget(const std::string& key) {
    pairs.erase(key);
    gates.insert(key);
    unsaved.insert(key);
}

void Breaker::State::count_taken(BreakerPair& pair, TimePoint now) {
    pair.changed = now;
    if (++pair.taken < pair.shown.connections) return;
    pair.taken = 0;
    pair.shown.connections *= 2;
    if (pair.shown.connections > kReleased) {
        forget(std::string(pair.shown.key));
        return;
    }
    note(pair, false);
}

// A probe, or a message of the slow start: what DNS shows now counts from here on, and the next probe is a step further.
void Breaker::State::refused_again(BreakerPair& pair, const Flow& flow, const Judged& item, TimePoint now) {
    const bool other_cause = !(pair.shown.causes == (item.outcome.judgement ? item.outcome.judgement->causes : pair.shown.causes));
    const bool released = pair.shown.phase == SuspensionPhase::releasing;
    describe(pair, flow, item);
    pair.probe = 0;
    pair.choosing = false;
    pair.failing = nullptr;
    pair.clear_since.reset();
    enter(pair, SuspensionPhase::held, now);
    pair.shown.connections = 0;
    if (released) pair.shown.since = now;
    pair.shown.next_poll = now;
    pair.shown.next_probe = now + probe_interval(options, pair.terms, pair.shown.probes);
    if (other_cause || released) {
        said.cleared.emplace_back(std::string(alarm_kind::kSuspended), pair.shown.name());
        pair.told = false;
    }
    say(released ? "suspended" : "probe", true, pair, {{"reply", pair.shown.reply}, {"probes", std::to_string(pair.shown.probes)}});
    if (pair.shown.reason == SuspensionReason::rep && !pair.told) tell(pair);
    note(pair, true);
}

void Breaker::configure(const queue::RetryOptions& options, TimePoint now) {
    state_->options = options;
    if (!options.strict_5xx) return;
    std::vector<std::string> ended;
    for (auto& [key, pair] : state_->pairs)
        if (pair.shown.reason == SuspensionReason::auth && pair.shown.phase != SuspensionPhase::releasing) ended.push_back(key);
    for (const std::string& key : ended) state_->release(*state_->find(key), "retry.strict_5xx is set", now);
}

void Breaker::tick(TimePoint now) {
    State& state = *state_;
    std::vector<std::string> over;
    for (auto& [key, pair] : state.pairs) {
        SuspendedPair& shown = pair.shown;
        if (shown.until && *shown.until <= now && shown.phase != SuspensionPhase::releasing) {
            state.release(pair, "its time is over", now);
        } else if (shown.phase == SuspensionPhase::releasing) {
            if (now - pair.changed >= state.options.auth_settle * kQuietRelease) over.push_back(key);
        } else if (shown.phase == SuspensionPhase::probing && now - pair.changed >= kProbeLost) {
            pair.probe = 0;
            pair.choosing = false;
            shown.next_probe = now;
            state.enter(pair, SuspensionPhase::held, now);
            state.note(pair, false);
        } else if (shown.phase == SuspensionPhase::trial && now - pair.changed >= kProbeLost) {
            pair.changed = now;
            state.gates.insert(key);   // what was let through was never heard of: another may
        }
        if (now < pair.changed) pair.changed = now;   // the clock was set back
    }
    for (const std::string& key : over) state.forget(key);
}

std::optional<TimePoint> Breaker::next_change() const {
    std::optional<TimePoint> next;
    const auto sooner = [&](TimePoint at) { next = next ? std::min(*next, at) : at; };
    for (const auto& [key, pair] : state_->pairs) {
        if (pair.shown.until && pair.shown.phase != SuspensionPhase::releasing) sooner(*pair.shown.until);
        if (pair.shown.phase == SuspensionPhase::releasing) sooner(pair.changed + state_->options.auth_settle * kQuietRelease);
        if (pair.shown.phase == SuspensionPhase::probing || pair.shown.phase == SuspensionPhase::trial) sooner(pair.changed + kProbeLost);
    }
    return next;
}

std::optional<TimePoint> Breaker::next_round() const {
    std::optional<TimePoint> next;
    const auto sooner = [&](const std::optional<TimePoint>& at) {
        if (at) next = next ? std::min(*next, *at) : *at;
    };
    for (const auto& [key, pair] : state_->pairs) {
        if (!pair.diagnosing) sooner(pair.shown.next_poll);
        if (pair.shown.phase == SuspensionPhase::held) sooner(pair.shown.next_probe);
    }
    return next;
}

queue::GateSettings Breaker::wish(std::string_view key) const {
    queue::GateSettings settings;
    const BreakerPair* pair = state_->find(key);
    if (pair == nullptr) return settings;
    switch (pair->shown.phase) {
        case SuspensionPhase::held:
        case SuspensionPhase::probing: settings.allowance = 0; break;
        case SuspensionPhase::trial:
            settings.concurrency = 1;
            settings.allowance = 1;
            break;
        case SuspensionPhase::releasing: settings.concurrency = pair->shown.connections; break;
    }
    return settings;
}

RestraintChanges Breaker::take_changes() {
    State& state = *state_;
    RestraintChanges changes = std::exchange(state.said, {});
    changes.gates.assign(state.gates.begin(), state.gates.end());
    state.gates.clear();
    for (const std::string& key : state.unsaved) {
        changes.saved.push_back(state.saved(key));
        SavedState diagnosis;
        diagnosis.key = std::string(kDiagnosisRecord) + key;
        diagnosis.expires = changes.saved.back().expires;
        if (const BreakerPair* pair = state.find(key); pair != nullptr && pair->shown.diagnosis)
            diagnosis.value = boost::json::serialize(to_json(*pair->shown.diagnosis));
        if (diagnosis.value.size() > kMaxSavedValue) diagnosis.value.clear();
        changes.saved.push_back(std::move(diagnosis));
    }
    state.unsaved.clear();
    return changes;
}

SavedState Breaker::State::saved(const std::string& key) const {
    SavedState saved;
    saved.key = key;
    if (const BreakerPair* pair = find(key)) {
        saved.value = record_of(*pair);
        saved.expires = pair->changed + kKept;
    }
    return saved;
}

std::vector<SavedState> Breaker::take_turns() {
    std::vector<SavedState> turns;
    for (const std::string& key : std::exchange(state_->turned, {})) turns.push_back(state_->saved(key));
    return turns;
}

bool Breaker::suspend(const std::string& sender, const std::string& source, const std::string& group, std::optional<Duration> duration,
                      const std::string& reason, TimePoint now) {
    Flow flow;
    flow.sender_org = sender;
    flow.source = source;
    flow.group = group;
    const std::string key = gate_key(flow, sender.empty() ? GateKind::ip : GateKind::sender);
    if (key.empty()) return false;
    BreakerPair* pair = state_->find(key);
    if (pair == nullptr) pair = state_->begin(key, kMostPairs, now);
    if (pair == nullptr) return false;
    if (pair->told) state_->said.cleared.emplace_back(std::string(alarm_kind::kSuspended), pair->shown.name());
    const std::string name = pair->shown.key;
    BreakerPair fresh;
    fresh.shown.key = pair->shown.key;
    fresh.shown.sender = pair->shown.sender;
    fresh.shown.source = pair->shown.source;
    fresh.shown.group = pair->shown.group;
    fresh.shown.reason = SuspensionReason::by_operator;
    fresh.shown.since = now;
    fresh.shown.reply = cut(reason);
    fresh.shown.verbatim = fresh.shown.reply;
    if (duration) fresh.shown.until = now + *duration;
    fresh.changed = now;
    *pair = std::move(fresh);
    state_->say("suspended", true, *pair, {{"words", pair->shown.reply}});
    state_->note(*pair, true);
    return true;
}

std::size_t Breaker::resume(std::string_view sender, std::string_view source, std::string_view group, TimePoint now) {
    std::vector<std::string> found;
    for (const auto& [key, pair] : state_->pairs) {
        const bool named = sender.empty() ? !source.empty() && pair.shown.source == source : pair.shown.sender == sender;
        if (named && pair.shown.group == group) found.push_back(key);
    }
    for (const std::string& key : found) {
        BreakerPair& pair = *state_->find(key);
        if (pair.shown.phase == SuspensionPhase::releasing) state_->forget(key);
        else state_->release(pair, "the operator resumed it", now);
    }
    return found.size();
}

const SuspendedPair* Breaker::holding(const Flow& flow) const {
    for (const GateKind kind : {GateKind::ip, GateKind::sender}) {
        const std::string key = gate_key(flow, kind);
        const BreakerPair* pair = key.empty() ? nullptr : state_->find(key);
        if (pair != nullptr && pair->shown.holds()) return &pair->shown;
    }
    return nullptr;
}

const SuspendedPair* Breaker::find(std::string_view key) const {
    const BreakerPair* pair = state_->find(key);
    return pair == nullptr ? nullptr : &pair->shown;
}

std::vector<SuspendedPair> Breaker::view() const {
    std::vector<SuspendedPair> pairs;
    pairs.reserve(state_->pairs.size());
    for (const auto& [key, pair] : state_->pairs) pairs.push_back(pair.shown);
    return pairs;
}

std::size_t Breaker::size() const { return state_->pairs.size(); }
std::uint64_t Breaker::refused_pairs() const { return state_->refused; }

}  // namespace posthorn::delivery
