// A gate with those who wait at it, and the sets of gates that destinations pass.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "queue/fifo.hpp"
#include "queue/gate.hpp"
#include "queue/scheduler.hpp"
#include "queue/turns.hpp"

namespace posthorn::queue {

// What a destination does at its site: its rows are claimed, then they start.
enum class Step : std::uint8_t { claim, start };
inline constexpr std::size_t kSteps = 2;

struct Turnstile;

// The gates of all destinations that pass the same ones. A thousand destinations of one sender share one.
struct GateSet {
    std::uint32_t id = 0;  // not 0; never used again
    std::string name;      // its place in Gates
    std::vector<Turnstile*> all;
    std::vector<Turnstile*> bounding;  // those that bound anything; the others cost nothing
    std::uint32_t members = 0;         // destinations
    std::uint32_t active = 0;          // deliveries under way that have passed them
    std::uint64_t recipients = 0;      // in them
};

// A line of a site that waits at a gate.
struct ParkedLine {
    SiteId site = 0;
    LineKey key;

    friend bool operator==(const ParkedLine&, const ParkedLine&) = default;
};

// Lines wait at the first of their gates that does not let them through, and are called one by one, in turn,
// when it has room: so one more token among a thousand lines costs one try, and not a thousand.
struct Turnstile {
    struct Waiting {
        Turns<ParkedLine> lines;
        ParkedLine called;       // the last one; site 0: it has had its try
        bool overtaken = false;  // others that were called at other gates passed here before those that wait
        bool offered = false;    // in Gates::offered
    };

    std::string key;
    Gate gate;
    std::unordered_set<GateSet*> sets;  // that it is in
    std::array<Waiting, kSteps> waiting;
    DestinationId claimant = 0;         // the last one whose rows it let be claimed
    TimePoint wake = TimePoint::max();  // its place in the timer: a token for those that wait

    [[nodiscard]] Waiting& at(Step step) { return waiting[static_cast<std::size_t>(step)]; }
    [[nodiscard]] const Waiting& at(Step step) const { return waiting[static_cast<std::size_t>(step)]; }
};

// All gates and sets that anybody passes or that have settings.
class Gates {
public:
    // The set of these keys, one more time in use; null for none. Doubles count once.
    GateSet* enter(std::string_view provider, std::span<const std::string> keys);
    void leave(GateSet& set);
    [[nodiscard]] GateSet* find(std::uint32_t set);  // null: there is none
    void forget_if_unused(GateSet& set);
    [[nodiscard]] Turnstile* find(std::string_view key);
    [[nodiscard]] const Turnstile* find(std::string_view key) const {
        return const_cast<Gates*>(this)->find(key);
    }
    Turnstile& at(std::string_view key);
    void forget_if_unused(Turnstile& gate);
    static void rebuild(GateSet& set);
    template <class Visit>
    void for_each(Visit visit) {
        for (auto& [key, gate] : gates_) visit(*gate);
    }

    std::array<Fifo<Turnstile*>, kSteps> offered;      // gates that may have room for somebody who waits
    std::set<std::pair<TimePoint, Turnstile*>> timer;  // when there is a token for somebody who waits

private:
    std::unordered_map<std::string_view, std::unique_ptr<Turnstile>> gates_;  // views into themselves
    std::unordered_map<std::string_view, std::unique_ptr<GateSet>> sets_;
    std::unordered_map<std::uint32_t, GateSet*> by_id_;
    std::string name_;
    std::uint32_t last_set_ = 0;
};

}  // namespace posthorn::queue
