// Whose turn it is: among the submitters and lanes of a site, and among sites of different standing.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <iterator>
#include <unordered_map>
#include <utility>
#include <vector>

#include "queue/fifo.hpp"
#include "queue/store.hpp"

namespace posthorn::queue {

using LaneId = std::uint32_t;
using SubmitterId = std::uint64_t;

// Submitter by submitter in turn, and of each of them what he has in the order it came; of kBulkTurn turns one is for bulk mail
// while there is other mail, so that a letter overtakes a newsletter and the newsletter still gets on. A turn counts when it
// was used, took(): who finds a gate shut has had none.
template <class T>
class Turns {
public:
    static constexpr std::uint32_t kBulkTurn = 5;

    void push(SubmitterId submitter, bool bulk, T item) { (bulk ? bulk_ : letters_).push(submitter, std::move(item)); }
    [[nodiscard]] bool empty() const { return letters_.empty() && bulk_.empty(); }
    [[nodiscard]] bool has(bool bulk) const { return !(bulk ? bulk_ : letters_).empty(); }
    // So many letters had their turn that the next one is bulk mail's.
    [[nodiscard]] bool bulk_is_due() const { return letters_since_bulk_ + 1 >= kBulkTurn; }
    // REQUIRES: one of a kind that may be had.
    T pop(bool letters = true, bool bulk = true) {
        const bool take_bulk = bulk && !bulk_.empty() && (!letters || letters_.empty() || bulk_is_due());
        return (take_bulk ? bulk_ : letters_).pop();
    }
    void took(bool bulk) { letters_since_bulk_ = bulk ? 0 : letters_since_bulk_ + 1; }

private:
    class Submitters {
    public:
        void push(SubmitterId submitter, T item) {
            Fifo<T>& theirs = items_[submitter];
            theirs.push_back(std::move(item));
            if (theirs.size() == 1) {
                turns_.push_back(submitter);
            }
        }
        [[nodiscard]] bool empty() const { return turns_.empty(); }
        T pop() {
            const SubmitterId submitter = turns_.pop_front();
            const auto it = items_.find(submitter);
            T item = it->second.pop_front();
            if (it->second.empty()) {
                items_.erase(it);
            } else {
                turns_.push_back(submitter);
            }
            return item;
        }

    private:
        std::unordered_map<SubmitterId, Fifo<T>> items_;  // none is empty
        Fifo<SubmitterId> turns_;
    };
    Submitters letters_, bulk_;
    std::uint32_t letters_since_bulk_ = 0;
};

// A lane whose mail passes the same gates: they let all of it through or none.
struct LineKey {
    LaneId lane = 0;
    std::uint32_t gates = 0;  // the set of gates, 0: none

    friend bool operator==(const LineKey&, const LineKey&) = default;
};
struct LineKeyHash {
    std::size_t operator()(const LineKey& key) const {
        return std::hash<std::uint64_t>()((static_cast<std::uint64_t>(key.lane) << 32) | key.gates);
    }
};

// Destinations of one site: submitter by submitter in turn, of each of them line by line, and within a line in the order they
// came. So whoever sends under a thousand domains, or to a thousand, has as many turns as one with a single domain. A line
// that was parked at a gate has no turn until it is called, however many destinations are in it, and costs nothing
// meanwhile. May hold ids that the caller no longer means; it skips them.
class LaneTurns {
public:
    struct Line {
        LineKey key;
        SubmitterId submitter = 0;
        Fifo<DestinationId> ids;
        bool bulk = false;
        bool parked = false;
    };
    LaneTurns() = default;
    LaneTurns(LaneTurns&&) = default;  // lines stay where they are
    LaneTurns& operator=(LaneTurns&&) = default;

    // A lane is one submitter's, and bulk or not, for ever.
    void push(SubmitterId submitter, LineKey key, bool bulk, DestinationId id) {
        const auto [it, inserted] = lines_.try_emplace(key);
        Line& line = it->second;
        if (inserted) {
            line.key = key;
            line.submitter = submitter;
            line.bulk = bulk;
            turns_.push(submitter, bulk, &line);
        }
        line.ids.push_back(id);
    }

    [[nodiscard]] bool empty() const { return turns_.empty(); }  // of lines in turn
    [[nodiscard]] const Line* find(LineKey key) const {
        const auto it = lines_.find(key);
        return it == lines_.end() ? nullptr : &it->second;
    }

    // The line whose turn it is, never one without ids. It is out of turn until put_back() or park(), one of which must follow;
    // took() says that it has used its turn. REQUIRES: not empty.
    Line& next() { return *turns_.pop(); }
    void took(const Line& line) { turns_.took(line.bulk); }
    void put_back(Line& line) {
        if (line.ids.empty()) {
            lines_.erase(line.key);
        } else {
            turns_.push(line.submitter, line.bulk, &line);
        }
    }
    void park(Line& line) { line.parked = true; }
    // False: there is no such line, or it has nothing any more.
    bool unpark(LineKey key) {
        const auto it = lines_.find(key);
        if (it == lines_.end() || !it->second.parked) {
            return false;
        }
        it->second.parked = false;
        put_back(it->second);
        return lines_.contains(key);
    }
    // All ids; parked lines stay parked, so that a gate that calls one finds it.
    [[nodiscard]] std::vector<DestinationId> take_all() {
        std::vector<DestinationId> taken;
        turns_ = {};
        for (auto it = lines_.begin(); it != lines_.end();) {
            while (!it->second.ids.empty()) {
                taken.push_back(it->second.ids.pop_front());
            }
            it = it->second.parked ? std::next(it) : lines_.erase(it);
        }
        return taken;
    }

private:
    std::unordered_map<LineKey, Line, LineKeyHash> lines_;  // with ids, or parked
    Turns<Line*> turns_;                                    // the others
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
