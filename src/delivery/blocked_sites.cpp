// When a site counts as blocked, and when it is tried again.
#include "delivery/blocked_sites.hpp"

#include <algorithm>

#include "base/bound.hpp"
#include "delivery/judgement.hpp"

namespace posthorn::delivery {

bool found_nobody(const Outcome& outcome) {
    return outcome.result != Disposition::delivered && outcome.stage == smtp::protocol::Stage::connect &&
           outcome.reply.code == 0;
}

namespace {

std::string key_of(const std::string& site, const std::string& sender_domain) {
    return site + std::string(1, '\0') + sender_domain;
}

}  // namespace

Refused refused_by(const Outcome& outcome) {
    if (outcome.result == Disposition::delivered || outcome.reply.code < 400) return Refused::nobody;
    static const Judgement nothing_known;
    const Judgement& judgement = outcome.judgement ? *outcome.judgement : nothing_known;
    // The machine's name, whoever's mail it is (RFC 7372 s3.3).
    if (outcome.failure_class == Class::auth) return judgement.causes.of_machine() ? Refused::host : Refused::sender;
    if (outcome.failure_class != Class::rep || judgement.whose.has(Party::recipient)) return Refused::nobody;
    const bool domain = judgement.whose.has(Party::sender_domain) || judgement.whose.has(Party::dkim_domain) || judgement.whose.has(Party::spf_domain);
    return domain && !judgement.whose.has(Party::source_ip) ? Refused::sender : Refused::host;
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
    if (sites_.size() >= kMaxBlockedSites && !sites_.contains(key)) {
        note_reached(Bound::blocked_sites);
        return false;
    }
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
