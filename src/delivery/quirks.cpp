// Remembering what peers want, and for how long.
#include "delivery/quirks.hpp"

#include <algorithm>
#include <array>

namespace posthorn::delivery {
namespace {

constexpr Duration kDay = std::chrono::hours(24);
constexpr std::array<Quirk, 6> kAll = {Quirk::tls,         Quirk::no_ipv6,     Quirk::no_pipelining,
                                       Quirk::no_chunking, Quirk::no_smtputf8, Quirk::no_relaying};

}  // namespace

Duration lifetime_of(Quirk quirk) { return quirk == Quirk::tls ? 30 * kDay : kDay; }

std::string_view to_string(Quirk quirk) {
    switch (quirk) {
        case Quirk::tls: return "tls";
        case Quirk::no_ipv6: return "no-ipv6";
        case Quirk::no_pipelining: return "no-pipelining";
        case Quirk::no_chunking: return "no-chunking";
        case Quirk::no_smtputf8: return "no-smtputf8";
        case Quirk::no_relaying: return "no-relaying";
    }
    return "?";
}

std::string Quirks::key_of(Quirk quirk, std::string_view of) {
    std::string key(to_string(quirk));
    key += ' ';
    key += of;
    return key;
}

bool Quirks::holds(Quirk quirk, std::string_view of, TimePoint now) const {
    const auto at = until_.find(key_of(quirk, of));
    return at != until_.end() && at->second > now;
}

bool Quirks::note(Quirk quirk, std::string_view of, TimePoint now) {
    const bool known = holds(quirk, of, now);
    restore(key_of(quirk, of), now + lifetime_of(quirk));
    return !known;
}

void Quirks::forget(Quirk quirk, std::string_view of) { until_.erase(key_of(quirk, of)); }

// Words of a later version that this one does not know mean nothing here.
void Quirks::restore(std::string_view key, TimePoint until) {
    const std::string_view word = key.substr(0, key.find(' '));
    if (std::none_of(kAll.begin(), kAll.end(), [&](Quirk quirk) { return to_string(quirk) == word; })) return;
    const auto known = until_.find(key);
    if (known != until_.end()) {
        known->second = until;
        return;
    }
    if (until_.size() >= kMaxQuirks) {
        const auto first = std::min_element(until_.begin(), until_.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
        until_.erase(first);
    }
    until_.emplace(key, until);
}

void Quirks::note_end_after(std::string_view group, std::uint32_t messages, bool said, TimePoint now) {
    if (messages == 0) return;
    auto at = ends_.find(group);
    if (at == ends_.end()) {
        if (ends_.size() >= kMaxQuirks) ends_.clear();   // of so many groups, each learns it again in two connections
        at = ends_.emplace(group, Ends()).first;
    }
    Ends& ends = at->second;
    const bool again = ends.last == messages;
    if (!said) ends.last = messages;
    if (!said && !again) return;
    ends.limit = ends.until > now && ends.limit != 0 ? std::min(ends.limit, messages) : messages;
    ends.until = now + kDay;
}

std::uint32_t Quirks::messages_per_connection(std::string_view group, TimePoint now) const {
    const auto at = ends_.find(group);
    return at != ends_.end() && at->second.until > now ? at->second.limit : 0;
}

}  // namespace posthorn::delivery
