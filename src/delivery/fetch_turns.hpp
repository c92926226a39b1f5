// Who may fetch an MTA-STS policy next: a bounded number at once, and always some places for policies that are in force.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

namespace posthorn::delivery {

enum class Fetch : std::uint8_t {
    refresh,   // of a policy in force, whose server answered the last time
    other,     // a first one, or one that failed: its server may hold its place for a whole minute
};

// Pure. Refreshes have every place, the others kPlacesForOthers of them, and only when no refresh waits: whatever number of
// policy servers is silent, those of policies that protect mail now are asked in time (RFC 8461 s3.3, s10.2). Waiter is what the
// caller wakes whoever waits by; it stays the caller's.
template <class Waiter>
class FetchTurns {
public:
    static constexpr std::size_t kPlaces = 16;
    static constexpr std::size_t kPlacesForOthers = 12;
    static constexpr std::size_t kMaxWaiting = 1000;     // of each kind

    // True: it may begin, and counts. False: wait(), or later.
    [[nodiscard]] bool take(Fetch kind) {
        const bool free = kind == Fetch::refresh ? refreshing_ + others_ < kPlaces : has_room_for_others();
        if (free) ++count_of(kind);
        return free;
    }
    // False: too many wait already.
    [[nodiscard]] bool wait(Fetch kind, Waiter* waiter) {
        std::deque<Waiter*>& line = line_of(kind);
        if (line.size() >= kMaxWaiting) return false;
        line.push_back(waiter);
        return true;
    }
    // One of this kind has ended. Whoever begins in its place, and counts already; or null.
    [[nodiscard]] Waiter* give(Fetch kind) {
        --count_of(kind);
        for (const Fetch next : {Fetch::refresh, Fetch::other}) {
            std::deque<Waiter*>& line = line_of(next);
            if (line.empty() || !take(next)) continue;
            Waiter* const waiter = line.front();
            line.pop_front();
            return waiter;
        }
        return nullptr;
    }
    // Nobody waits any more; each of them is told.
    template <class Tell>
    void dismiss(Tell tell) {
        for (std::deque<Waiter*>* line : {&refreshes_waiting_, &others_waiting_}) {
            for (Waiter* waiter : *line) tell(waiter);
            line->clear();
        }
    }

private:
    [[nodiscard]] bool has_room_for_others() const {
        return others_ < kPlacesForOthers && refreshing_ + others_ < kPlaces && refreshes_waiting_.empty();
    }
    std::size_t& count_of(Fetch kind) { return kind == Fetch::refresh ? refreshing_ : others_; }
    std::deque<Waiter*>& line_of(Fetch kind) { return kind == Fetch::refresh ? refreshes_waiting_ : others_waiting_; }

    std::size_t refreshing_ = 0, others_ = 0;            // under way
    std::deque<Waiter*> refreshes_waiting_, others_waiting_;
};

}  // namespace posthorn::delivery
