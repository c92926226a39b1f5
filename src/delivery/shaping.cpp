// Combining wishes and carrying changes out.
#include "delivery/shaping.hpp"

#include <algorithm>
#include <set>

namespace posthorn::delivery {
namespace {

// 0 is "no bound" of connections.
std::uint32_t fewer(std::uint32_t a, std::uint32_t b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

bool slower(const Rate& a, const Rate& b) {
    const auto scaled = [](std::uint32_t count, Duration per) { return static_cast<double>(count) / static_cast<double>(std::max<Duration::rep>(1, per.count())); };
    return scaled(a.count, a.per) < scaled(b.count, b.per);
}

}  // namespace

queue::GateSettings strictest(const queue::GateSettings& a, const queue::GateSettings& b) {
    queue::GateSettings both;
    both.concurrency = fewer(a.concurrency, b.concurrency);
    const queue::GateSettings& rated = !a.rate ? b : !b.rate ? a : slower(*a.rate, *b.rate) ? a : b;
    both.rate = rated.rate;
    both.burst = a.rate && b.rate ? std::min(a.burst, b.burst) : rated.burst;
    const queue::GateSettings& allowing = !a.allowance ? b : !b.allowance ? a : *a.allowance <= *b.allowance ? a : b;
    both.allowance = allowing.allowance;
    both.allowance_for_letters = allowing.allowance_for_letters;
    return both;
}

void Shaping::load(std::string_view kind, std::string_view key, std::string_view value, TimePoint now) {
    for (Restraint* restraint : restraints_)
        if (restraint->kind() == kind) restraint->load(key, value, now);
}

std::vector<std::string_view> Shaping::kinds() const {
    std::vector<std::string_view> all;
    for (const Restraint* restraint : restraints_) all.push_back(restraint->kind());
    return all;
}

void Shaping::meet(const Flow& flow, TimePoint now) {
    for (Restraint* restraint : restraints_) restraint->meet(flow, now);
    settle();
}

void Shaping::heed(const Flow& flow, const std::vector<Judged>& judged, TimePoint now) {
    for (Restraint* restraint : restraints_) restraint->heed(flow, judged, now);
    settle();
}

void Shaping::tick(TimePoint now) {
    for (Restraint* restraint : restraints_) restraint->tick(now);
    settle();
}

std::optional<TimePoint> Shaping::next_change() const {
    std::optional<TimePoint> next;
    for (const Restraint* restraint : restraints_)
        if (const auto when = restraint->next_change(); when && (!next || *when < *next)) next = when;
    return next;
}

queue::GateSettings Shaping::wish(std::string_view key) const {
    queue::GateSettings all;
    for (const Restraint* restraint : restraints_) all = strictest(all, restraint->wish(key));
    return all;
}

void Shaping::settle() {
    std::set<std::string> gates;
    for (Restraint* restraint : restraints_) {
        RestraintChanges changes = restraint->take_changes();
        gates.insert(changes.gates.begin(), changes.gates.end());
        if (outlets_.save)
            for (const SavedState& state : changes.saved) outlets_.save(restraint->kind(), state);
        if (outlets_.say)
            for (const ShapingNotice& notice : changes.notices) outlets_.say(notice);
        // An alarm that is over and raised anew in one step (another cause) is raised at the end.
        if (outlets_.clear)
            for (const auto& [kind, subject] : changes.cleared) outlets_.clear(kind, subject);
        if (outlets_.raise)
            for (const Alarm& alarm : changes.raised) outlets_.raise(alarm);
    }
    if (outlets_.set_gate)
        for (const std::string& key : gates) outlets_.set_gate(key, wish(key));
}

}  // namespace posthorn::delivery
