// Two rings of counts for each user and script.
#include "auth/sender_tally.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

#include "base/bound.hpp"

namespace posthorn::auth {
namespace {

constexpr std::chrono::minutes kShort(5);
constexpr std::chrono::hours kLong(1);

template <class Length>
std::int64_t interval_of(SteadyTime now, Length length) {
    return now.time_since_epoch() / length;
}

void add_to(std::uint32_t& count, std::uint64_t more) {
    count = static_cast<std::uint32_t>(std::min<std::uint64_t>(count + more, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

template <std::size_t Slots>
void SenderTally::Window<Slots>::add(std::int64_t interval, std::uint64_t recipients) {
    // What lies between is emptied: at most the whole ring, however long ago it was.
    for (std::int64_t next = std::max(latest + 1, interval - static_cast<std::int64_t>(Slots) + 1); next <= interval; ++next) {
        counts[static_cast<std::size_t>(next) % Slots] = {};
    }
    latest = std::max(latest, interval);
    auto& [messages, sent] = counts[static_cast<std::size_t>(latest) % Slots];
    add_to(messages, 1);
    add_to(sent, recipients);
}

template <std::size_t Slots>
std::pair<std::uint64_t, std::uint64_t> SenderTally::Window<Slots>::sum(std::int64_t interval) const {
    std::pair<std::uint64_t, std::uint64_t> sum;
    for (std::int64_t at = interval - static_cast<std::int64_t>(Slots) + 1; at <= latest; ++at) {
        if (at < 0 || at <= latest - static_cast<std::int64_t>(Slots)) continue;
        const auto& [messages, recipients] = counts[static_cast<std::size_t>(at) % Slots];
        sum.first += messages;
        sum.second += recipients;
    }
    return sum;
}

void SenderTally::count(std::string_view source, std::string_view user, std::string_view means, std::uint64_t recipients,
                        SteadyTime now) {
    auto found = sources_.find(source);
    if (found == sources_.end()) {
        if (sources_.size() >= kMostSources) {
            note_reached(Bound::sender_sources);
            sources_.erase(std::min_element(sources_.begin(), sources_.end(),
                                            [](const auto& a, const auto& b) { return a.second.last < b.second.last; }));
        }
        found = sources_.emplace(std::string(source), Source()).first;
    }
    Source& who = found->second;
    if (!user.empty()) who.user = user;
    who.last = now;
    auto use = who.means.find(means);
    if (use == who.means.end()) {
        // A day later the place of one that was not used again is free.
        if (who.means.size() >= kMostMeans)
            std::erase_if(who.means, [&](const auto& one) { return now - one.second.last > 24 * kLong; });
        use = who.means.try_emplace(std::string(who.means.size() >= kMostMeans ? kOtherMeans : means)).first;
    }
    use->second.last = now;
    use->second.hour.add(interval_of(now, kShort), recipients);
    use->second.day.add(interval_of(now, kLong), recipients);
}

std::vector<SenderUse> SenderTally::ranking(SteadyTime now) const {
    std::vector<SenderUse> all;
    for (const auto& [source, who] : sources_) {
        for (const auto& [means, use] : who.means) {
            SenderUse one;
            std::tie(one.hour_messages, one.hour_recipients) = use.hour.sum(interval_of(now, kShort));
            std::tie(one.day_messages, one.day_recipients) = use.day.sum(interval_of(now, kLong));
            if (one.day_messages == 0) continue;
            one.source = source;
            one.user = who.user;
            one.means = means;
            one.last = use.last;
            all.push_back(std::move(one));
        }
    }
    std::sort(all.begin(), all.end(), [](const SenderUse& a, const SenderUse& b) {
        return std::tie(b.hour_messages, b.day_messages, b.last) < std::tie(a.hour_messages, a.day_messages, a.last);
    });
    return all;
}

}  // namespace posthorn::auth
