// Remembering what peers want, and for how long.
#include "delivery/quirks.hpp"

#include <algorithm>
#include <array>

#include "base/bound.hpp"

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

bool KnownQuirks::has(std::string_view host, Quirk quirk) const {
    return std::any_of(of_hosts.begin(), of_hosts.end(), [&](const auto& item) { return item.first == host && item.second == quirk; });
}

std::string KnownQuirks::text() const {
    std::string text;
    if (no_ipv6) text += " avoiding IPv6";
    for (const auto& [host, quirk] : of_hosts) text.append(" ").append(host).append(":").append(to_string(quirk));
    return text;
}

std::vector<std::string> KnownQuirks::sentences(std::string_view group, std::string_view domain) const {
    std::vector<std::string> out;
    const std::string name(group);
    if (tls) out.push_back(name + " has refused mail in clear text: TLS is demanded there");
    if (no_ipv6) out.push_back(name + " has refused mail over IPv6 from here: IPv4 is used for a day");
    for (const auto& [host, quirk] : of_hosts) {
        switch (quirk) {
            case Quirk::no_pipelining: out.push_back(host + " stumbled over PIPELINING: commands wait for their answers for a day"); break;
            case Quirk::no_chunking: out.push_back(host + " stumbled over BDAT: DATA is used for a day"); break;
            case Quirk::no_smtputf8: out.push_back(host + " stumbled over SMTPUTF8: it is not used there for a day"); break;
            case Quirk::no_relaying: out.push_back(host + " does not take mail for " + std::string(domain) + ": other hosts come first for a day"); break;
            case Quirk::tls:
            case Quirk::no_ipv6: break;
        }
    }
    return out;
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

std::vector<std::string> Quirks::forget_all(Quirk quirk) {
    std::vector<std::string> keys;
    const std::string prefix = key_of(quirk, {});
    for (auto at = until_.lower_bound(prefix); at != until_.end() && at->first.compare(0, prefix.size(), prefix) == 0; at = until_.erase(at))
        keys.push_back(at->first);
    return keys;
}

KnownQuirks Quirks::known(std::string_view group, const std::vector<std::string>& hosts, std::string_view domain, TimePoint now) const {
    KnownQuirks known;
    if (until_.empty()) return known;
    known.tls = holds(Quirk::tls, group, now);
    known.no_ipv6 = holds(Quirk::no_ipv6, group, now);
    for (const std::string& host : hosts) {
        for (const Quirk quirk : {Quirk::no_pipelining, Quirk::no_chunking, Quirk::no_smtputf8})
            if (holds(quirk, host, now)) known.of_hosts.emplace_back(host, quirk);
        if (holds(Quirk::no_relaying, host + ' ' + std::string(domain), now)) known.of_hosts.emplace_back(host, Quirk::no_relaying);
    }
    return known;
}

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
        note_reached(Bound::quirks);
        const auto first = std::min_element(until_.begin(), until_.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
        until_.erase(first);
    }
    until_.emplace(key, until);
}

void Quirks::note_end_after(std::string_view group, std::uint32_t messages, bool said, TimePoint now) {
    if (messages == 0) return;
    auto at = ends_.find(group);
    if (at == ends_.end()) {
        if (ends_.size() >= kMaxQuirks) note_reached(Bound::quirks);
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
