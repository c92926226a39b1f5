// A pair of a sender and a group of receivers that does not take his mail now: what is known of it, as `status` and `why` show it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/queue_id.hpp"
#include "delivery/judgement.hpp"

namespace posthorn::delivery {

struct Diagnosis;

// The class of the refusal (providers.md 2.7 and 2.8), or somebody's order.
enum class SuspensionReason : std::uint8_t { auth, rep, by_operator };
// held: nothing passes. probing: one chosen recipient is under way. trial: there was no mail to probe with, so the next that comes is
// the probe. releasing: slow start after a probe that was taken, or after an operator's word.
enum class SuspensionPhase : std::uint8_t { held, probing, trial, releasing };
[[nodiscard]] std::string_view to_string(SuspensionReason reason);   // "auth", "rep", "operator"
[[nodiscard]] std::string_view to_string(SuspensionPhase phase);     // "held", ...

// A plain value. Texts of peers are as they came (with what is no printable text replaced), up to kMostWords octets.
struct SuspendedPair {
    static constexpr std::size_t kMostWords = 1500;

    SuspendedPair() = default;

    std::string key;                          // of the gate: "sender|example.com|google", "ip|192.0.2.1|google"
    std::string sender;                       // organisational domain; empty: everybody's mail from `source`
    std::string source;                       // local address, or "default"; of pairs of an address
    std::string group;                        // DeliveryPlan::group
    SuspensionReason reason = SuspensionReason::auth;
    SuspensionPhase phase = SuspensionPhase::held;
    TimePoint since{};
    std::string reply;                        // that began it, in one line; the operator's words where he did it
    std::string verbatim;                     // the same with its line ends
    std::string host;                         // who said it
    std::string rule, meaning, advice, link;  // of the rule that told it
    Causes causes;
    std::string from_domain;                  // of the mail that was refused, as far as known
    std::string mail_from_domain;
    std::string dkim_domain;
    std::string ip;                           // our public address, where the reply names it
    QueueId first_message;
    std::shared_ptr<const Diagnosis> diagnosis;   // the latest; null: none yet
    bool unexplained = false;                 // the diagnosis finds nothing wrong of what they need
    bool until_resumed = false;               // they say that no repetition will help
    std::optional<TimePoint> next_poll;       // of the diagnosis
    std::optional<TimePoint> next_probe;      // nothing: it waits for DNS, or for the operator
    std::optional<TimePoint> until;           // ends by itself then: suspended by an operator for a time
    std::uint32_t probes = 0;                 // sent
    std::uint32_t connections = 0;            // at once, while releasing

    // "example.com at google", "192.0.2.1 at google": the subject of its alarm.
    [[nodiscard]] std::string name() const;
    // One sentence for lists: "google refuses mail of example.org until its SPF is repaired".
    [[nodiscard]] std::string sentence() const;
    // DNS, which accounted for the refusal, is in order now: nothing is left to do but to wait for the probe.
    [[nodiscard]] bool repair_seen() const;
    // DNS did not answer, or could not be asked, about something the refusal is about (PR-51).
    [[nodiscard]] bool undecided() const;
    // Of the latest diagnosis what the refusal is about, each failing fact with its repair; several lines, or empty.
    [[nodiscard]] std::string what_dns_shows() const;
    [[nodiscard]] bool holds() const { return phase != SuspensionPhase::releasing; }
};

}  // namespace posthorn::delivery
