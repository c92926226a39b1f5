// A ring of five-minute counts for each provider.
#include "events/provider_success.hpp"

#include <algorithm>

#include "base/bound.hpp"

namespace posthorn::events {
namespace {

constexpr auto kStep = std::chrono::minutes(5);

std::int64_t number_of(TimePoint when) { return when.time_since_epoch() / kStep; }

bool tells(const queue::JournalEntry& entry) {
    if (entry.group.empty() || entry.event == "suppressed") return false;
    for (const char* own : {"rcpt-perm", "rcpt-full", "mbr", "size", "expired", "local", "suppressed"})
        if (entry.failure_class == own) return false;
    return true;
}

}  // namespace

void ProviderSuccess::note(const queue::JournalEntry& entry) {
    if (!tells(entry)) return;
    if (groups_.size() >= kMostGroups && !groups_.contains(entry.group)) {
        note_reached(Bound::alarm_groups);
        return;
    }
    Group& group = groups_[entry.group];
    const std::int64_t number = number_of(entry.at);
    Step& step = group.steps[static_cast<std::size_t>(number) % kSteps];
    if (step.number > number) return;   // older than the hour
    if (step.number != number) {
        step = Step{};
        step.number = number;
    }
    step.tried += 1;
    if (entry.event == "delivered") step.delivered += 1;
    else group.last_reply = entry.reply;
}

std::vector<ProviderSuccess::Share> ProviderSuccess::shares(TimePoint now) {
    const std::int64_t last = number_of(now), first = last - static_cast<std::int64_t>(kSteps) + 1;
    std::vector<Share> all;
    for (auto at = groups_.begin(); at != groups_.end();) {
        Share share;
        share.group = at->first;
        share.last_reply = at->second.last_reply;
        for (const Step& step : at->second.steps) {
            if (step.number < first || step.number > last) continue;
            share.delivered += step.delivered;
            share.tried += step.tried;
        }
        if (share.tried == 0) {
            at = groups_.erase(at);
            continue;
        }
        all.push_back(std::move(share));
        ++at;
    }
    return all;
}

}  // namespace posthorn::events
