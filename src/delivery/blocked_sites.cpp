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

namespace {

std::string key_of(const std::string& site, const std::string& sender_domain) {
    return site + std::string(1, '\0') + sender_domain;
}

// RFC 7372 s3.3: X.7.25. The machine's name, whoever's mail it is.
bool misses_our_name(const Outcome& outcome, const std::string& words) {
    const auto& code = outcome.reply.enhanced;
    return (code.subject == 7 && code.detail == 25) || words.find("ptr record") != std::string::npos ||
           words.find("reverse dns") != std::string::npos;
}

}  // namespace

Refused refused_by(const Outcome& outcome) {
    if (outcome.result == Disposition::delivered || outcome.reply.code < 400) return Refused::nobody;
    const std::string words = telling_words(outcome.reply);
    if (outcome.failure_class == Class::auth) return misses_our_name(outcome, words) ? Refused::host : Refused::sender;
    if (outcome.failure_class == Class::rcpt_perm || outcome.failure_class == Class::content ||
        outcome.failure_class == Class::grey)
        return Refused::nobody;
    static constexpr std::array<std::string_view, 17> kWords = {
        "spamhaus",           "barracuda",         "blocked using",  "block list",
        "blocklist",          "blacklist",         "black list",     "dnsbl",
        "poor reputation",    "bad reputation",    "low reputation", "reputation of",
        "listed in",          "banned sending ip", "your ip",        "your network is on our",
        "client host blocked"};
    const bool us = std::any_of(kWords.begin(), kWords.end(),
                                [&](std::string_view word) { return words.find(word) != std::string::npos; });
    return us ? Refused::host : Refused::nobody;
}

bool BlockedSites::note(const std::string& site_key, const std::string& sender_domain, const Outcome& outcome, Duration after,
                        TimePoint now) {
    const Refused whom = refused_by(outcome);
    const bool refused = whom != Refused::nobody;
    if (whom != Refused::host && !found_nobody(outcome)) sites_.erase(site_key);   // it listens to this machine
    if (!refused && !found_nobody(outcome)) {
        sites_.erase(key_of(site_key, sender_domain));
        return false;
    }
    const std::string key = whom == Refused::sender ? key_of(site_key, sender_domain) : site_key;
    if (sites_.size() >= kMaxBlockedSites && !sites_.contains(key))
        std::erase_if(sites_, [&](const auto& entry) { return entry.second.blocked_until <= now; });
    if (sites_.size() >= kMaxBlockedSites && !sites_.contains(key)) return false;
    const auto [at, fresh] = sites_.try_emplace(key);
    Site& site = at->second;
    if (fresh) site.failing_since = now;
    const bool was_blocked = now < site.blocked_until;
    if (!refused && now - site.failing_since < after) return false;
    site.blocked_until = now + kFallbackHold;
    site.words = "no connection to it has been possible";
    if (whom == Refused::host) site.words = "it refuses us: " + outcome.reply.joined();
    if (whom == Refused::sender)
        site.words = "it refuses mail of " + (sender_domain.empty() ? "the null sender" : sender_domain) + ": " + outcome.reply.joined();
    return !was_blocked;
}

bool BlockedSites::blocked(const std::string& site_key, const std::string& sender_domain, TimePoint now, std::string* why) const {
    for (const std::string& key : {site_key, key_of(site_key, sender_domain)}) {
        const auto at = sites_.find(key);
        if (at == sites_.end() || at->second.blocked_until <= now) continue;
        if (why != nullptr) *why = at->second.words;
        return true;
    }
    return false;
}

}  // namespace posthorn::delivery
