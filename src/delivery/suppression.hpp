// Addresses that were refused for good: which refusals put one on the list, and whose mail the list stops (docs/SUPPRESSION.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.hpp"
#include "delivery/options.hpp"
#include "delivery/outcome.hpp"
#include "mail/message.hpp"
#include "queue/journal.hpp"

namespace posthorn::delivery {

// As the list knows an address: A-label domain and local part in lower case. Receivers that tell John from john are not known.
[[nodiscard]] std::string suppression_key(std::string_view address);

// How often a recipient must be refused like this before he is on the list; 0: this never puts anybody there. PR-54: only class
// rcpt-perm does, and a full mailbox where that goes on (PR 2.5); the text 5.4.1, which Microsoft uses for more than unknown users, counts
// when it comes twice.
[[nodiscard]] std::uint32_t refusals_needed(const Outcome& outcome);
inline constexpr std::uint32_t kFullMailboxes = 5;
inline constexpr Duration kStrikeLifetime = std::chrono::hours(24 * 30);

// The list in memory, of what the store has on disk (queue::Suppression), and refusals that are not enough yet. Pure. On the home
// shard.
class SuppressionList {
public:
    void add(queue::Suppression entry);
    bool remove(std::string_view address);                    // false: it was not there
    [[nodiscard]] const queue::Suppression* find(std::string_view address) const;
    [[nodiscard]] std::size_t size() const { return entries_.size(); }

    // Whether it stops this message to this address ([suppression] mail); null: it does not.
    [[nodiscard]] const queue::Suppression* stops(const mail::Message& message, std::string_view address, SuppressedMail mail) const;

    // Takes a refusal in. True: it is enough for the list, `of` is what the store is to keep.
    bool heed(const Outcome& outcome, std::string_view address, QueueId message, TimePoint now, queue::Suppression& of);
    // Refusals so far, over a restart: under the address, in delivery's memory.
    [[nodiscard]] std::uint32_t strikes(std::string_view address, TimePoint now) const;
    void restore_strikes(std::string address, std::uint32_t count, TimePoint until);

private:
    struct Strikes {
        std::uint32_t count = 0;
        TimePoint until{};
    };
    std::unordered_map<std::string, queue::Suppression> entries_;
    std::unordered_map<std::string, Strikes> strikes_;
};

// Our own words to the sender of mail that the list stops.
[[nodiscard]] Outcome suppressed_outcome(const queue::Suppression& entry);

}  // namespace posthorn::delivery
