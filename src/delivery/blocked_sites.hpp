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

// Pure. True when a peer of direct delivery refuses us as a sender: class auth, or words about the reputation or the listing
// of our address. Never for what is about the recipient or the content.
[[nodiscard]] bool refuses_us(const Outcome& outcome);

// Pure. True when no host of the site could be connected to.
[[nodiscard]] bool found_nobody(const Outcome& outcome);

// Owned by the delivery agent, on the home shard; keeps at most kMaxBlockedSites. Only sites of routes with a fallback.
class BlockedSites {
public:
    // A delivery to the site, made directly, ended so. A refusal of us blocks at once; no connection to any host blocks when
    // it has been so for `after`; anything else that the site said ends the blockade. True: the site has just become blocked.
    bool note(const std::string& site_key, const Outcome& outcome, Duration after, TimePoint now);
    // Mail for the site goes by the fallback relay now. `why` gets a sentence.
    [[nodiscard]] bool blocked(const std::string& site_key, TimePoint now, std::string* why = nullptr) const;
    [[nodiscard]] std::size_t size() const { return sites_.size(); }

private:
    struct Site {
        TimePoint failing_since{};
        TimePoint blocked_until{};       // before now: the direct way is tried
        std::string words;               // why
    };
    std::unordered_map<std::string, Site> sites_;
};

}  // namespace posthorn::delivery
