// When a site counts as blocked, and when it is tried again.
#include "delivery/blocked_sites.hpp"

#include <algorithm>
#include <array>

#include "delivery/classify.hpp"

namespace posthorn::delivery {

bool found_nobody(const Outcome& outcome) {
    return outcome.result != Disposition::delivered && outcome.stage == smtp::protocol::Stage::connect &&
           outcome.reply.code == 0;
}

bool refuses_us(const Outcome& outcome) {
    if (outcome.result == Disposition::delivered || outcome.reply.code < 400) return false;
    if (outcome.failure_class == Class::auth) return true;
    if (outcome.failure_class == Class::recipient || outcome.failure_class == Class::content ||
        outcome.failure_class == Class::grey)
        return false;
    static constexpr std::array<std::string_view, 17> kWords = {
        "spamhaus",           "barracuda",         "blocked using",  "block list",
        "blocklist",          "blacklist",         "black list",     "dnsbl",
        "poor reputation",    "bad reputation",    "low reputation", "reputation of",
        "listed in",          "banned sending ip", "your ip",        "your network is on our",
        "client host blocked"};
    const std::string words = telling_words(outcome.reply);
    return std::any_of(kWords.begin(), kWords.end(),
                       [&](std::string_view word) { return words.find(word) != std::string::npos; });
}

bool BlockedSites::note(const std::string& site_key, const Outcome& outcome, Duration after, TimePoint now) {
    const bool refused = refuses_us(outcome);
    if (!refused && !found_nobody(outcome)) {
        sites_.erase(site_key);
        return false;
    }
    if (sites_.size() >= kMaxBlockedSites && !sites_.contains(site_key))
        std::erase_if(sites_, [&](const auto& entry) { return entry.second.blocked_until <= now; });
    if (sites_.size() >= kMaxBlockedSites && !sites_.contains(site_key)) return false;
    const auto [at, fresh] = sites_.try_emplace(site_key);
    Site& site = at->second;
    if (fresh) site.failing_since = now;
    const bool was_blocked = now < site.blocked_until;
    if (!refused && now - site.failing_since < after) return false;
    site.blocked_until = now + kFallbackHold;
    site.words =
        refused ? "it refuses us: " + outcome.reply.joined() : "no connection to it has been possible";
    return !was_blocked;
}

bool BlockedSites::blocked(const std::string& site_key, TimePoint now, std::string* why) const {
    const auto at = sites_.find(site_key);
    if (at == sites_.end() || at->second.blocked_until <= now) return false;
    if (why != nullptr) *why = at->second.words;
    return true;
}

}  // namespace posthorn::delivery
