// Suspended pairs as JSON in delivery's memory, so that a restart or a kill forgets none (PR-50).
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

#include "delivery/breaker_state.hpp"

namespace posthorn::delivery {
namespace {

namespace json = boost::json;

std::string text(const json::object& from, std::string_view name) {
    const json::value* value = from.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

std::int64_t number(const json::object& from, std::string_view name, std::int64_t otherwise = 0) {
    const json::value* value = from.if_contains(name);
    return value != nullptr && value->is_int64() ? value->as_int64() : otherwise;
}

bool flag(const json::object& from, std::string_view name) {
    const json::value* value = from.if_contains(name);
    return value != nullptr && value->is_bool() && value->as_bool();
}

std::optional<TimePoint> time(const json::object& from, std::string_view name) {
    if (!from.contains(name)) return std::nullopt;
    return TimePoint(Duration(number(from, name)));
}

void put(json::object& to, std::string_view name, const std::optional<TimePoint>& when) {
    if (when) to[name] = when->time_since_epoch().count();
}

// What a repair is told by, without the words.
Diagnosis bare(const Diagnosis& whole) {
    Diagnosis diagnosis;
    diagnosis.at = whole.at;
    diagnosis.facts = whole.facts;
    for (Fact& fact : diagnosis.facts) {
        fact.detail.clear();
        fact.repair.clear();
        fact.record.clear();
    }
    return diagnosis;
}

std::shared_ptr<const Diagnosis> diagnosis_of(std::string_view text) {
    if (text.empty()) return nullptr;
    Result<Diagnosis> read = diagnosis_from_json(text);
    return read ? std::make_shared<const Diagnosis>(std::move(*read)) : nullptr;
}

}  // namespace

std::string record_of(const BreakerPair& pair) {
    const SuspendedPair& shown = pair.shown;
    json::object out;
    out["sender"] = shown.sender;
    out["source"] = shown.source;
    out["group"] = shown.group;
    out["reason"] = to_string(shown.reason);
    out["phase"] = to_string(shown.phase);
    put(out, "since", shown.since);
    out["reply"] = shown.reply;
    if (shown.verbatim != shown.reply) out["verbatim"] = shown.verbatim;
    out["host"] = shown.host;
    out["rule"] = shown.rule;
    out["meaning"] = shown.meaning;
    out["advice"] = shown.advice;
    out["link"] = shown.link;
    std::int64_t causes = 0;
    for (const Cause cause : kCauses)
        if (shown.causes.has(cause)) causes |= static_cast<std::int64_t>(cause);
    out["causes"] = causes;
    out["all_needed"] = shown.causes.all_needed;
    out["from_domain"] = shown.from_domain;
    out["mail_from_domain"] = shown.mail_from_domain;
    out["dkim_domain"] = shown.dkim_domain;
    out["ip"] = shown.ip;
    out["first_message"] = shown.first_message.value();
    out["unexplained"] = shown.unexplained;
    out["until_resumed"] = shown.until_resumed;
    put(out, "next_poll", shown.next_poll);
    put(out, "next_probe", shown.next_probe);
    put(out, "until", shown.until);
    out["probes"] = shown.probes;
    out["permanent"] = pair.terms.permanent;
    if (pair.terms.pause) out["pause"] = pair.terms.pause->count();
    if (pair.terms.pause_max) out["pause_max"] = pair.terms.pause_max->count();
    out["stage"] = static_cast<int>(pair.stage);
    put(out, "changed", pair.changed);
    put(out, "clear_since", pair.clear_since);
    out["told"] = pair.told;
    if (pair.failing) {
        std::string failing = json::serialize(to_json(bare(*pair.failing)));
        if (failing.size() <= kMaxSavedValue / 4) out["failing"] = std::move(failing);
    }
    std::string record = json::serialize(out);
    // Words of peers and rules go before the record does.
    for (const char* name : {"verbatim", "advice", "meaning", "failing", "host", "link", "reply"}) {
        if (record.size() <= kMaxSavedValue) break;
        out.erase(name);
        record = json::serialize(out);
    }
    return record;
}

std::optional<BreakerPair> pair_of(std::string_view key, std::string_view record) {
    boost::system::error_code error;
    const json::value read = json::parse(record, error);
    if (error || !read.is_object()) return std::nullopt;
    const json::object& from = read.as_object();
    BreakerPair pair;
    SuspendedPair& shown = pair.shown;
    shown.key = key;
    shown.sender = text(from, "sender");
    shown.source = text(from, "source");
    shown.group = text(from, "group");
    if (shown.group.empty() || shown.sender.empty() == shown.source.empty()) return std::nullopt;
    for (const auto reason : {SuspensionReason::auth, SuspensionReason::rep, SuspensionReason::by_operator})
        if (text(from, "reason") == to_string(reason)) shown.reason = reason;
    for (const auto phase : {SuspensionPhase::held, SuspensionPhase::probing, SuspensionPhase::trial, SuspensionPhase::releasing})
        if (text(from, "phase") == to_string(phase)) shown.phase = phase;
    shown.since = time(from, "since").value_or(TimePoint());
    shown.reply = text(from, "reply");
    shown.verbatim = from.contains("verbatim") ? text(from, "verbatim") : shown.reply;
    shown.host = text(from, "host");
    shown.rule = text(from, "rule");
    shown.meaning = text(from, "meaning");
    shown.advice = text(from, "advice");
    shown.link = text(from, "link");
    for (const Cause cause : kCauses)
        if ((number(from, "causes") & static_cast<std::int64_t>(cause)) != 0) shown.causes.add(cause);
    shown.causes.all_needed = flag(from, "all_needed");
    shown.from_domain = text(from, "from_domain");
    shown.mail_from_domain = text(from, "mail_from_domain");
    shown.dkim_domain = text(from, "dkim_domain");
    shown.ip = text(from, "ip");
    shown.first_message = QueueId(number(from, "first_message"));
    shown.unexplained = flag(from, "unexplained");
    shown.until_resumed = flag(from, "until_resumed");
    shown.next_poll = time(from, "next_poll");
    shown.next_probe = time(from, "next_probe");
    shown.until = time(from, "until");
    shown.probes = static_cast<std::uint32_t>(std::clamp<std::int64_t>(number(from, "probes"), 0, 1'000'000));
    pair.terms.reputation = shown.reason == SuspensionReason::rep;
    pair.terms.permanent = flag(from, "permanent");
    pair.terms.until_resumed = shown.until_resumed;
    if (from.contains("pause")) pair.terms.pause = Duration(number(from, "pause"));
    if (from.contains("pause_max")) pair.terms.pause_max = Duration(number(from, "pause_max"));
    pair.stage = static_cast<smtp::protocol::Stage>(
        std::clamp<std::int64_t>(number(from, "stage", static_cast<int>(smtp::protocol::Stage::end_of_data)), 0,
                                 static_cast<int>(smtp::protocol::Stage::quit)));
    pair.changed = time(from, "changed").value_or(shown.since);
    pair.clear_since = time(from, "clear_since");
    pair.told = flag(from, "told");
    pair.failing = diagnosis_of(text(from, "failing"));
    return pair;
}

void Breaker::load(std::string_view key, std::string_view value, TimePoint now) {
    State& state = *state_;
    if (key.starts_with(kDiagnosisRecord)) {
        key.remove_prefix(kDiagnosisRecord.size());
        // Records come in no order: that of the pair takes it up, or has been here.
        std::shared_ptr<const Diagnosis> diagnosis = diagnosis_of(value);
        if (!diagnosis) return;
        if (BreakerPair* pair = state.find(key)) pair->shown.diagnosis = std::move(diagnosis);
        else if (state.early.size() < kMostPairs) state.early[std::string(key)] = std::move(diagnosis);
        return;
    }
    if (state.pairs.size() >= kMostPairs) return;
    std::optional<BreakerPair> pair = pair_of(key, value);
    if (!pair) return;
    if (const auto early = state.early.find(key); early != state.early.end()) {
        pair->shown.diagnosis = early->second;
        state.early.erase(early);
    }
    SuspendedPair& shown = pair->shown;
    switch (shown.phase) {
        case SuspensionPhase::held: break;
        // What became of the probe is not known, so it is no evidence; another follows.
        case SuspensionPhase::probing: shown.next_probe = now + state.options.auth_settle; break;
        case SuspensionPhase::trial: shown.next_probe = now; break;
        case SuspensionPhase::releasing: shown.connections = 1; break;
    }
    const bool other = shown.phase == SuspensionPhase::probing || shown.phase == SuspensionPhase::trial;
    if (other) shown.phase = SuspensionPhase::held;
    pair->changed = std::min(pair->changed, now);
    const std::string name = shown.key;
    state.pairs[name] = std::move(*pair);
    state.gates.insert(name);
    if (other) state.note(state.pairs[name], false);
    if (state.options.strict_5xx && state.pairs[name].shown.reason == SuspensionReason::auth && state.pairs[name].shown.holds())
        state.release(state.pairs[name], "retry.strict_5xx is set", now);
}

}  // namespace posthorn::delivery
