// The inside of the scheduler, shared by its source files only: destinations, sites, gates, and where each of
// them stands.
#pragma once

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "queue/concurrency_window.hpp"
#include "queue/fifo.hpp"
#include "queue/scheduler.hpp"
#include "queue/turns.hpp"
#include "queue/turnstile.hpp"

namespace posthorn::queue {

inline constexpr TimePoint kNever = TimePoint::max();
// What a ready recipient costs besides its message's octets.
inline constexpr std::uint64_t kReadyWeight = 512;
// The store could not be asked, or said "due now" and gave nothing.
inline constexpr Duration kAskAgain = std::chrono::seconds(1);
// While we are short of descriptors or ports ourselves.
inline constexpr Duration kShortageRest = std::chrono::seconds(1);
// A site keeps its id and what was learnt of it for this long after its last mail.
inline constexpr Duration kSiteMemory = std::chrono::minutes(10);
// Recipients loaded from the store for all sites together, for each delivery that may be under way.
inline constexpr std::size_t kReadyPerDelivery = 20;
// Of a destination that does not resolve, a few are enough to be told.
inline constexpr std::size_t kRowsUnresolved = 4;
// Questions to DNS at once.
inline constexpr std::size_t kMaxResolving = 256;

// The site of destinations whose site is not known (yet). It has rows to claim, but never deliveries.
inline constexpr SiteId kUnknownSite = 0;

struct Entry {
    ReadyRecipient ready;
    std::uint64_t reserved = 0;  // hot memory given back when this one leaves

    // Read from the store: counts against what may be loaded. The others count against hot memory.
    [[nodiscard]] bool loaded() const { return ready.hot == nullptr; }
};

// Neither a domain nor a lane has a NUL.
inline std::string name_of(std::string_view domain, std::string_view lane) {
    std::string name;
    name.reserve(domain.size() + 1 + lane.size());
    name.append(domain).push_back('\0');
    return name.append(lane);
}

struct Destination {
    std::string name;  // name_of
    Fifo<Entry> ready;
    TimePoint next_due = kNever;   // of what the store has, as far as is known
    TimePoint noted_due = kNever;  // became known while a claim was under way, which may not have seen it
    TimePoint backoff_until{};     // DNS did not say where its site is
    TimePoint site_valid_until{};
    TimePoint wake = kNever;  // its place in the timer
    GateSet* gates = nullptr;  // that its mail passes, as was last known; null: none
    SiteId site = kUnknownSite;
    LaneId lane_id = 0;
    SubmitterId submitter = 0;   // two with one hash only share their turns
    std::uint32_t loaded = 0;    // of the ready ones
    std::uint32_t active = 0;    // deliveries under way
    std::uint32_t claiming = 0;  // the limit of the claim under way
    std::uint8_t failures = 0;
    bool bulk = false;
    bool resolving = false;
    bool in_resolves = false;
    bool in_wants = false;  // of its site
    bool in_ring = false;   // of its site
    bool urgent = false;    // has rows that pass everything
    bool pardons = false;   // the back-off of the site it will be found at is forgotten

    [[nodiscard]] LineKey line() const { return {lane_id, gates == nullptr ? 0 : gates->id}; }
    [[nodiscard]] std::string domain() const { return name.substr(0, name.find('\0')); }
    [[nodiscard]] std::string lane() const { return name.substr(name.find('\0') + 1); }
};
// 10^5 destinations are to fit into a small machine.
static_assert(sizeof(Destination) <= 256);

struct Site {
    std::string key;
    LaneTurns ring;   // destinations with ready recipients
    LaneTurns wants;  // destinations with due recipients in the store, to be claimed
    ConcurrencyWindow window;
    TimePoint backoff_until{};
    TimePoint look_at = kNever;    // its place in the site timer
    TimePoint forget_at = kNever;  // nobody needs it any more
    TimePoint progress_at{};       // when a delivery last ended, or the first one began
    std::uint64_t start_turn = 0;  // its place among those that may start; 0: none
    std::uint64_t claim_turn = 0;  // its place among those that may claim; 0: none
    std::uint32_t limit = 0;       // SitePlace::connections
    std::uint32_t active = 0;
    std::uint32_t members = 0;  // destinations
    std::size_t ready = 0;      // and claims under way, in recipients
    std::size_t loaded = 0;     // of them those that came or come from the store
    std::uint8_t failures = 0;  // back-offs without a success between them
    Standing standing = Standing::fresh;
    bool closed = false;  // it backs off because it was closed to us
};

// Sites in turn, each in the line of its standing.
class SiteTurns {
public:
    struct Place {
        std::uint64_t turn = 0;
        SiteId site = kUnknownSite;
    };
    [[nodiscard]] std::uint64_t push(Standing standing, SiteId site) {
        lines_[Shares::index(standing)].push_back({++last_, site});
        return last_;
    }
    [[nodiscard]] Fifo<Place>& line(std::size_t standing) { return lines_[standing]; }

private:
    std::array<Fifo<Place>, kStandings> lines_;
    std::uint64_t last_ = 0;
};

inline Duration backoff(const SchedulerOptions& options, std::uint8_t failures) {
    Duration wait = options.destination_backoff_first;
    for (std::uint8_t i = 1; i < failures && wait < options.destination_backoff_max; ++i) {
        wait *= 2;
    }
    return std::min(wait, options.destination_backoff_max);
}

inline void count_failure(std::uint8_t& failures) {
    failures = static_cast<std::uint8_t>(std::min(failures + 1, 200));
}

struct Scheduler::State {
    explicit State(SchedulerOptions with) : options(with) { sites.try_emplace(kUnknownSite); }

    SchedulerOptions options;
    std::unordered_map<DestinationId, Destination> destinations;
    std::unordered_map<std::string_view, DestinationId> by_name;  // views into destinations
    std::unordered_map<SiteId, Site> sites;                       // with kUnknownSite always
    std::unordered_map<std::string_view, SiteId> by_key;          // views into sites
    Gates gates;
    struct Lane {
        LaneId id = 0;
        std::uint32_t members = 0;  // destinations
    };
    std::unordered_map<std::string, Lane> lanes;
    std::set<std::pair<TimePoint, DestinationId>> timer;
    std::set<std::pair<TimePoint, SiteId>> backoffs;    // their ends
    std::set<std::pair<TimePoint, SiteId>> site_timer;  // sites that may have stalled or may be forgotten
    std::unordered_map<DestinationId, Fifo<ReadyRecipient>> urgents;  // rows that pass everything; none is empty
    Fifo<DestinationId> urgent_line;                                  // of them those whose site is known
    LaneTurns resolves;
    SiteTurns starts, claims;
    Shares deliveries;                 // under way
    Shares loaded;                     // recipients that came or come from the store
    std::vector<RecipientId> dropped;  // to be given back
    TimePoint rest_until{};            // nothing starts before: we are short of something ourselves
    SiteId last_site = kUnknownSite;
    LaneId last_lane = 0;
    std::size_t resolving = 0;
    std::size_t ready = 0;
    std::uint64_t tries = 0;  // of lines to start, which may leave something to claim to others
    std::uint64_t hot = 0;
    bool paused = false;
    bool places_forgotten = false;  // who waits at a gate may pass others from now on: next() looks

    // destinations: scheduler_state.cpp
    Destination* find(DestinationId id) {
        const auto it = destinations.find(id);
        return it == destinations.end() ? nullptr : &it->second;
    }
    Destination& get(DestinationId id, std::string_view domain, std::string_view lane);
    void set_wake(DestinationId id, Destination& destination, TimePoint when);
    // Puts the destination where its state says it belongs. May erase it: the reference is not to be used
    // afterwards.
    void consider(DestinationId id, Destination& destination, TimePoint now);
    void forget(DestinationId id, Destination& destination, TimePoint now);
    // Its place in the site's turns stays behind and is skipped.
    void move_to(Destination& destination, SiteId to, TimePoint now);
    void add_ready(Destination& destination, Entry entry);
    ReadyRecipient take_ready(Destination& destination);
    // All ready ones leave; they wait in the store again.
    std::vector<ReadyRecipient> take_all(Destination& destination);
    void drop_ready(Destination& destination, TimePoint now);
    static void note_due(Destination& destination, TimePoint due);
    void end_resolve(Destination& destination);
    void begin_claim(Destination& destination, std::size_t limit);
    void end_claim(Destination& destination, TimePoint next_due);

    // sites: scheduler_sites.cpp
    [[nodiscard]] std::uint32_t ceiling(const Site& site) const;
    [[nodiscard]] std::uint32_t window(const Site& site) const {
        return std::min(site.window.size(), ceiling(site));
    }
    // At most so many ready recipients a site may have before its destinations claim more: only what its
    // window can use soon when it is slow, or when half of all that may be loaded is; slow sites must not
    // keep the others' mail out.
    [[nodiscard]] std::size_t site_bound(const Site& site) const;
    [[nodiscard]] bool is_tight(const Site& site) const;
    [[nodiscard]] std::size_t total_bound() const {
        return std::max(kReadyPerDelivery * options.deliveries, 2 * options.claim_batch);
    }
    SiteId site_at(const SitePlace& place);
    // In line for starting, or for claiming, when it may.
    void consider_starts(SiteId id, Site& site, TimePoint now);
    void consider_claims(SiteId id, Site& site, TimePoint now);
    void set_standing(SiteId id, Site& site, Standing standing, TimePoint now);
    void count_loaded(Site& site, std::size_t more, std::size_t fewer);
    void begin_delivery(SiteId id, Site& site, TimePoint now);
    void end_delivery(Site& site, TimePoint now);
    void learn(SiteId id, Site& site, DeliveryFeedback feedback, TimePoint now);
    // before: deliveries under way that began before and whose end is to change nothing.
    void back_off(SiteId id, Site& site, std::uint32_t before, TimePoint now);
    // Destinations in line for a start are looked at again: those that may not keep their rows give them
    // back.
    void reconsider_ring(SiteId id, Site& site, TimePoint now);
    void end_backoff(SiteId id, Site& site, TimePoint now);
    // As if it had never failed.
    void pardon(SiteId id, Site& site, TimePoint now);
    void look_at(SiteId id, Site& site, TimePoint when);
    void look(SiteId id, Site& site, TimePoint now);
    void forget_if_idle(SiteId id, Site& site, TimePoint now);

    // gates: scheduler_gates.cpp
    // It passes these from now on; what is under way has passed the former ones.
    void pass(Destination& destination, GateSet* set);
    // The gate that keeps the line from its next step, or null: then the step follows, or the line is put back untouched.
    [[nodiscard]] Turnstile* barrier(Step step, SiteId site, const LaneTurns::Line& line, DestinationId id,
                                     const GateSet& set, TimePoint now);
    [[nodiscard]] bool has_room(Step step, const Turnstile& gate, bool bulk, TimePoint now) const;
    // The line is in turn and has its try soon.
    [[nodiscard]] bool has_turn(Step step, const ParkedLine& of) const;
    // Rows that this gate let be claimed are on their way.
    [[nodiscard]] bool is_claiming(const Turnstile& gate) const;
    // The line that this gate called last, or whose claim it let through, has not had its try yet.
    [[nodiscard]] bool is_outstanding(Step step, const Turnstile& gate) const;
    // The line waits there, out of turn.
    void park(Step step, Turnstile& gate, SiteId site, LaneTurns& turns, LaneTurns::Line& line, TimePoint now);
    // With more ready rows than these it claims no more. Where gates count recipients that is none: what is claimed is cut to what
    // they let through soon, and more of it would only be given back.
    [[nodiscard]] std::size_t enough(const Destination& destination) const;
    // A gate it passes, as was last known, is closed.
    [[nodiscard]] static bool is_held(const Destination& destination);
    // Whether rows of the destination may wait in memory for this gate.
    [[nodiscard]] bool may_wait(const Turnstile& gate, const Destination& destination, TimePoint now) const;
    // The next line in turn at a gate with room is in turn at its site again. all: at any gate; else at the next one only.
    bool call_next(Step step, bool all, TimePoint now);
    bool back_in_turn(Step step, const ParkedLine& parked, TimePoint now);
    // Whoever waits there may have a chance now.
    void offer(Turnstile& gate);
    void release(Turnstile& gate, Step step, TimePoint now);  // all of its lines, to be tried again
    // Whether new mail of the destination is worth having in memory, as far as its gates are concerned.
    [[nodiscard]] bool may_load(const Destination& destination, TimePoint now) const;
    // The most recipients that may start, or be claimed, together; at least one.
    [[nodiscard]] static std::size_t cut(Step step, const Destination& destination, std::size_t limit, TimePoint now);
    void arm(Turnstile& gate, TimePoint now);
    void set_bounds(std::string_view key, const GateSettings* settings, const std::uint32_t* connections, TimePoint now);
    // A delivery begins; ends.
    [[nodiscard]] static Passage count_begin(Destination& destination, std::size_t recipients, TimePoint now);
    void count_end(const Passage& passage);
    [[nodiscard]] static std::vector<GateFigures> figures_of(const Destination& destination, TimePoint now);

    // actions: scheduler_next.cpp
    void tick(TimePoint now);
    std::optional<SchedulerAction> next_resolve(TimePoint now);
    std::optional<SchedulerAction> next_claim(TimePoint now);
    std::optional<SchedulerAction> claim_of(SiteId id, Site& site, TimePoint now);
    std::optional<SchedulerAction> next_start(TimePoint now);
    std::optional<SchedulerAction> next_urgent(TimePoint now);
    void ask_for_start(DestinationId id, Destination& destination, TimePoint now);
    std::vector<ReadyRecipient> take_urgent(DestinationId id, Destination& destination);
    // The first of the line that it means; null: the line is empty now.
    Destination* first_of(LaneTurns::Line& line, SiteId site, bool Destination::*in_line);
    std::optional<SchedulerAction> start_of(SiteId id, Site& site, TimePoint now);
    SchedulerAction start(SiteId site_id, Site& site, DestinationId id, Destination& destination,
                          TimePoint now);
    // The first in line among those whose standing has room; null: there is none.
    Site* take_turn(SiteTurns& turns, std::uint64_t Site::*turn, const Shares& shares, std::size_t total,
                    SiteId& id);
};

}  // namespace posthorn::queue
