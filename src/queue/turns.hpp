// Whose turn it is: among the submitters and lanes of a site, and among sites of different standing.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <unordered_map>
#include <utility>

#include "queue/fifo.hpp"
#include "queue/store.hpp"

namespace posthorn::queue {

using LaneId = std::uint32_t;
using SubmitterId = std::uint64_t;

// Destinations of one site: submitter by submitter in turn, of each of them lane by lane, and within a lane in the order they
// came. So whoever sends under a thousand domains, or to a thousand, has as many turns as one with a single domain. Of
// kBulkTurn turns one is for bulk lanes while there is other mail, so that a letter overtakes a newsletter and the newsletter
// still gets on. May hold ids that the caller no longer means; it skips them.
class LaneTurns {
public:
    static constexpr std::uint32_t kBulkTurn = 5;

    // A lane is one submitter's, and bulk or not, for ever.
    void push(SubmitterId submitter, LaneId lane, bool bulk, DestinationId id) {
        Fifo<DestinationId>& waiting = waiting_[lane];
        if (waiting.empty()) {
            (bulk ? bulk_ : letters_).push(submitter, lane);
        }
        waiting.push_back(id);
    }

    [[nodiscard]] bool empty() const { return waiting_.empty(); }

    // REQUIRES: not empty.
    DestinationId pop() {
        const bool bulk = letters_.empty() || (!bulk_.empty() && letters_since_bulk_ + 1 >= kBulkTurn);
        letters_since_bulk_ = bulk ? 0 : letters_since_bulk_ + 1;
        Submitters& kind = bulk ? bulk_ : letters_;
        const auto [submitter, lane] = kind.pop();
        const auto it = waiting_.find(lane);
        const DestinationId id = it->second.pop_front();
        if (it->second.empty()) {
            waiting_.erase(it);
        } else {
            kind.push(submitter, lane);
        }
        return id;
    }

private:
    // Lanes with something to do, by their submitters, who are in turn.
    class Submitters {
    public:
        void push(SubmitterId submitter, LaneId lane) {
            Fifo<LaneId>& theirs = lanes_[submitter];
            theirs.push_back(lane);
            if (theirs.size() == 1) {
                turns_.push_back(submitter);
            }
        }
        [[nodiscard]] bool empty() const { return turns_.empty(); }
        std::pair<SubmitterId, LaneId> pop() {
            const SubmitterId submitter = turns_.pop_front();
            const auto it = lanes_.find(submitter);
            const LaneId lane = it->second.pop_front();
            if (it->second.empty()) {
                lanes_.erase(it);
            } else {
                turns_.push_back(submitter);
            }
            return {submitter, lane};
        }

    private:
        std::unordered_map<SubmitterId, Fifo<LaneId>> lanes_;  // none is empty
        Fifo<SubmitterId> turns_;
    };
    std::unordered_map<LaneId, Fifo<DestinationId>> waiting_;  // none is empty
    Submitters letters_, bulk_;
    std::uint32_t letters_since_bulk_ = 0;
};

// What is known of a site's speed.
enum class Standing : std::uint8_t {
    slow,   // its last delivery took long or failed, or none has ended for long
    fresh,  // no delivery has ended yet
    quick,  // its last delivery was quick
};
inline constexpr std::size_t kStandings = 3;

// The one rule that keeps bad sites from the others' connections: slow sites may have a quarter of what there
// is, together with fresh ones three quarters, and the last quarter is for those that are known to be quick.
// So whatever others do, a quick site finds a connection free or soon free. Used for connections and for
// recipients that are loaded.
class Shares {
public:
    void add(Standing standing, std::size_t count) { used_[index(standing)] += count; }
    void remove(Standing standing, std::size_t count) { used_[index(standing)] -= count; }
    [[nodiscard]] std::size_t used() const { return used_[0] + used_[1] + used_[2]; }

    [[nodiscard]] bool has_room(Standing standing, std::size_t total) const {
        const std::size_t slow = used_[0];
        const std::size_t unproven = slow + used_[1];
        switch (standing) {
            case Standing::slow:
                return slow < std::max<std::size_t>(1, total / 4) && has_room(Standing::fresh, total);
            case Standing::fresh:
                return unproven < total - total / 4 && used() < total;
            case Standing::quick:
                return used() < total;
        }
        return false;
    }

    [[nodiscard]] static std::size_t index(Standing standing) { return static_cast<std::size_t>(standing); }

private:
    std::array<std::size_t, kStandings> used_{};
};

}  // namespace posthorn::queue
