// Sites that take nothing from us directly, so that their mail goes by the fallback relay for a while.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.hpp"
#include "delivery/outcome.hpp"

namespace posthorn::delivery {

// How long mail goes by the fallback before one message tries the direct way again.
inline constexpr Duration kFallbackHold = std::chrono::hours(1);
inline constexpr std::size_t kMaxBlockedSites = 10000;

// Whom a peer of direct delivery refuses.
enum class Refused : std::uint8_t {
    nobody,   // it is about the recipient, the content, or a passing trouble
    sender,   // mail of this sender's domain, which is not authenticated (SPF, DKIM, DMARC)
    host,     // this machine: its address' reputation, listing or name (PTR record)
};
[[nodiscard]] Refused refused_by(const Outcome& outcome);   // pure
[[nodiscard]] inline bool refuses_us(const Outcome& outcome) { return refused_by(outcome) != Refused::nobody; }

// Pure. True when no host of the site could be connected to.
[[nodiscard]] bool found_nobody(const Outcome& outcome);

// Owned by the delivery agent, on the home shard; keeps at most kMaxBlockedSites. Only sites of routes with a fallback. A site
// is blocked for everybody, or for one sender's domain: one whose SPF is wrong must not send the others' mail by the relay.
class BlockedSites {
public:
    // A delivery to the site, made directly for that domain's mail, ended so. A refusal of us blocks at once, for this sender or
    // for all; no connection to any host blocks when it has been so for `after`; anything else that the site said ends the
    // blockade, for all and for this sender. True: one has just begun.
    bool note(const std::string& site_key, const std::string& sender_domain, const Outcome& outcome, Duration after, TimePoint now);
    // Such mail for the site goes by the fallback relay now. `why` gets a sentence.
    [[nodiscard]] bool blocked(const std::string& site_key, const std::string& sender_domain, TimePoint now,
                               std::string* why = nullptr) const;
    [[nodiscard]] std::size_t size() const { return sites_.size(); }

private:
    struct Site {
        TimePoint failing_since{};
        TimePoint blocked_until{};       // before now: the direct way is tried
        std::string words;               // why
    };
    std::unordered_map<std::string, Site> sites_;   // by site, or by site, NUL and sender's domain
};

}  // namespace posthorn::delivery
