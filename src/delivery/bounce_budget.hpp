// How many DSNs one address gets in an hour, and what it would have got beyond them: to be told in one message. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "mail/dsn_digest.hpp"

namespace posthorn::delivery {

inline constexpr Duration kBounceWindow = std::chrono::hours(1);
inline constexpr std::size_t kMaxBounceWindows = 10000;   // addresses watched at once; more of them are not limited
inline constexpr std::size_t kMaxDigestLines = 1000;      // of one summary; the rest is counted
inline constexpr std::size_t kMaxDigestWords = 500;       // octets of a peer's words in one of them; the log has all

// A window begins with an address's first DSN. On the home shard, in memory: see docs/DELIVERY.md for what a kill costs.
class BounceBudget {
public:
    // True: this DSN may go. per_hour 0: each may.
    [[nodiscard]] bool take(const std::string& to, std::uint32_t per_hour, SteadyTime now);
    // A recipient whose DSN may not go.
    void put_off(const std::string& to, mail::DigestLine line, SteadyTime now);

    struct Summary {
        std::string to;
        std::uint64_t count = 0;                    // recipients
        std::vector<mail::DigestLine> lines;        // the first of them
    };
    // The summaries of windows that are over.
    [[nodiscard]] std::vector<Summary> due(SteadyTime now);
    // All of them: the agent stops.
    [[nodiscard]] std::vector<Summary> drain();
    // One that could not be stored: it comes again with the next window.
    void give_back(Summary summary, SteadyTime now);
    [[nodiscard]] std::size_t size() const { return windows_.size(); }

private:
    struct Window {
        SteadyTime begun{};
        std::uint32_t taken = 0;
        std::uint64_t put_off = 0;
        std::vector<mail::DigestLine> lines;
    };
    std::unordered_map<std::string, Window> windows_;
};

}  // namespace posthorn::delivery
