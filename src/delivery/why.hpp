// Why mail has not gone, or what became of it: the answer made out of facts. Pure; docs/WHY.md describes it.
#pragma once

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <vector>

#include "delivery/why_facts.hpp"

namespace posthorn::delivery {

// Something that keeps mail back. Ordered by weight: the first is what has to end first.
struct Obstacle {
    // "store", "given-up", "hold", "user-suspended", "no-way", "relay", "suspension", "throttle", "warm-up", "limit", "site-back-off",
    // "dns", "hosts", "unrecorded", "schedule"
    std::string kind;
    std::string words;                  // what it is, without its end
    std::optional<TimePoint> since;
    std::optional<TimePoint> until;     // when it ends, or is looked at again, by itself
    std::string end;                    // what ends it
    bool of_auth = false;               // a suspension that lasts until SPF, DKIM, DMARC, PTR or our name is repaired
    bool by_itself = true;              // false: only somebody's word or repair does
    std::string advice;                 // what the operator can do; empty: nothing, or nothing needs to be done
    std::string detail;                 // lines: a diagnosis, with the records to publish
    std::string key;                    // of the gate; empty: none
};

struct NextAttempt {
    std::optional<TimePoint> at;        // nothing: not by itself
    // Who set it: "under-way", "now", "retry-schedule", "peer", "greylisting", "provider-pause", "suspension", "warm-up", "limit",
    // "site-back-off", "dns-back-off", "local-interval", "expiry", "operator", "user-suspension", "store"
    std::string by;
    std::string words;                  // "in 5 minutes (2026-11-22T10:05:00Z): the retry schedule"
};

// What keeps this recipient back now. `way`: of its destination; null: not known.
[[nodiscard]] std::vector<Obstacle> obstacles_of(const queue::QueueEntry& entry, const queue::Recipient& recipient, const WayNow* way,
                                                 const WhyFacts& facts);
[[nodiscard]] NextAttempt next_attempt_of(const queue::QueueEntry& entry, const queue::Recipient& recipient,
                                          const std::vector<Obstacle>& obstacles, const WhyFacts& facts);

// The providers of a family ("microsoft": outlook and m365), and whether a question for a provider is about this group of hosts.
[[nodiscard]] std::vector<std::string> members_of(const ProviderRules& rules, std::string_view family);
[[nodiscard]] bool is_asked_about(const WhyFacts& facts, std::string_view group);

// The whole answer; stable names (docs/WHY.md). "known": false where there is nothing. Texts are UTF-8 whatever peers said.
[[nodiscard]] boost::json::object why_json(const WhyFacts& facts);
// The same for people: why_text.cpp. The first line answers in one sentence. Safe for terminals.
[[nodiscard]] std::string why_text(const boost::json::object& answer);

}  // namespace posthorn::delivery
