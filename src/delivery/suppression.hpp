// Addresses that were refused for good: which refusals put one on the list, and whose mail the list stops (docs/SUPPRESSION.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.hpp"
#include "delivery/options.hpp"
#include "delivery/outcome.hpp"
#include "mail/message.hpp"
#include "queue/journal.hpp"
#include "queue/store.hpp"

namespace posthorn::delivery {

// As the list knows an address: A-label domain and local part in lower case. Receivers that tell John from john are not known.
[[nodiscard]] std::string suppression_key(std::string_view address);

// How many refusals like this put the recipient on the list; 0: none ever. PR-54: only class rcpt-perm; Judgement::suppress_after says how
// often (5.4.1 of Microsoft: twice). A full mailbox is a mailbox: it is tried slowly, and never suppressed.
[[nodiscard]] std::uint32_t refusals_needed(const Outcome& outcome);
inline constexpr Duration kStrikeLifetime = std::chrono::hours(24 * 30);
inline constexpr std::string_view kStrikeKind = "strike";            // in delivery's memory: key the address, value the count
inline constexpr std::string_view kByOperator = "operator";          // the class of entries that no refusal made

// The list in memory, of what the store has on disk (queue::Suppression), and refusals that are not enough yet. Pure. On the home
// shard.
class SuppressionList {
public:
    // Addresses that refusals may fill it to, since who answers 550 to everything puts all there that are written to; beyond that a refusal
    // is only counted. What an operator puts there has the larger bound, which the endpoint holds.
    static constexpr std::size_t kMostByRefusal = 200'000;
    static constexpr std::size_t kMost = 1'000'000;

    void add(queue::Suppression entry);
    bool remove(std::string_view address);                    // false: it was not there
    [[nodiscard]] const queue::Suppression* find(std::string_view address) const;
    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    [[nodiscard]] std::uint64_t missed() const { return missed_; }   // refusals that found it full

    // Whether it stops this message to this address ([suppression] mail); null: it does not.
    [[nodiscard]] const queue::Suppression* stops(const mail::Message& message, std::string_view address, SuppressedMail mail) const;

    // Takes an outcome in. Something: it is enough for the list, and the store is to keep this; add() when it has.
    [[nodiscard]] std::optional<queue::Suppression> heed(const Outcome& outcome, const queue::Recipient& recipient, TimePoint now);
    // Refusals so far that were not enough.
    [[nodiscard]] std::uint32_t strikes(std::string_view address, TimePoint now) const;
    void restore_strikes(std::string key, std::uint32_t count, TimePoint until);

private:
    struct Strikes {
        std::uint32_t count = 0;
        TimePoint until{};
    };
    std::unordered_map<std::string, queue::Suppression> entries_;
    std::unordered_map<std::string, Strikes> strikes_;
    std::uint64_t missed_ = 0;
};

// Our own words to the sender of mail that the list stops.
[[nodiscard]] Outcome suppressed_outcome(const queue::Suppression& entry);

}  // namespace posthorn::delivery
