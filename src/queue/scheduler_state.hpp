// The inside of the scheduler, shared by its source files only: destinations, sites, and where each of them
// stands.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "queue/fifo.hpp"
#include "queue/scheduler.hpp"

namespace posthorn::queue {

inline constexpr TimePoint kNever = TimePoint::max();
// What a ready recipient costs besides its message's octets.
inline constexpr std::uint64_t kReadyWeight = 512;
// The store could not be asked, or said "due now" and gave nothing.
inline constexpr Duration kAskAgain = std::chrono::seconds(1);
// A site keeps its id for this long after its last mail (open connections are found by it), and its bad days
// for longer.
inline constexpr Duration kSiteMemory = std::chrono::minutes(1);
inline constexpr Duration kTroubleMemory = std::chrono::minutes(10);
// Ready recipients of all sites together, for each delivery that may be under way.
inline constexpr std::size_t kReadyPerDelivery = 20;

struct Entry {
    ReadyRecipient ready;
    std::uint64_t reserved = 0;  // hot memory given back when this one leaves
};

// Domains have no NUL, nor have lanes.
inline std::string name_of(std::string_view domain, std::string_view lane) {
    std::string name(domain);
    name += '\0';
    return name.append(lane);
}

struct Destination {
    std::string name;
    [[nodiscard]] std::string domain() const { return name.substr(0, name.find('\0')); }
    [[nodiscard]] std::string lane() const { return name.substr(name.find('\0') + 1); }

    Fifo<Entry> ready;
    TimePoint next_due = kNever;   // of what the store has, as far as is known
    TimePoint noted_due = kNever;  // became known while a claim was under way, which may not have seen it
    TimePoint backoff_until{};
    TimePoint site_valid_until{};
    TimePoint wake = kNever;     // its place in the timer
    SiteId site = 0;             // 0: not known yet
    std::uint32_t active = 0;    // deliveries under way
    std::uint32_t claiming = 0;  // the limit of the claim under way
    std::uint8_t failures = 0;
    bool resolving = false;
    bool in_claims = false;  // in the claim queue or parked at its site
    bool in_resolves = false;
    bool in_ring = false;
};
// 10^5 destinations are to fit into a small machine.
static_assert(sizeof(Destination) <= 256);

struct Site {
    std::string key;
    Fifo<DestinationId> ring;    // destinations with ready recipients, by turns
    Fifo<DestinationId> parked;  // destinations that may claim when the site's ready recipients are fewer
    TimePoint backoff_until{};
    TimePoint forget_at = kNever;
    std::uint32_t window = 0;
    std::uint32_t credit = 0;  // deliveries that went well since the window last grew
    std::uint32_t grace = 0;   // deliveries still under way from before the window last shrank
    std::uint32_t active = 0;
    std::uint32_t members = 0;  // destinations
    std::size_t ready = 0;      // and claims under way, in recipients
    std::uint8_t failures = 0;
    bool runnable = false;  // in the queue of sites
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
    explicit State(SchedulerOptions with) : options(with) {}

    SchedulerOptions options;
    std::unordered_map<DestinationId, Destination> destinations;
    std::unordered_map<std::string_view, DestinationId> by_name;  // views into destinations
    std::unordered_map<SiteId, Site> sites;
    std::unordered_map<std::string_view, SiteId> by_key;  // views into sites
    std::set<std::pair<TimePoint, DestinationId>> timer;
    std::set<std::pair<TimePoint, SiteId>> site_timer;  // sites to be forgotten
    Fifo<DestinationId> claims;
    Fifo<DestinationId> resolves;
    Fifo<SiteId> runnable;
    SiteId last_site = 0;
    std::size_t deliveries = 0;
    std::size_t ready = 0;
    std::size_t claiming = 0;
    std::uint64_t hot = 0;
    bool paused = false;

    Destination* find(DestinationId id) {
        const auto it = destinations.find(id);
        return it == destinations.end() ? nullptr : &it->second;
    }

    Site* site_of(const Destination& destination) {
        return destination.site == 0 ? nullptr : &sites.at(destination.site);
    }

    Destination& get(DestinationId id, std::string_view domain, std::string_view lane);

    // --- where a destination stands ---

    void set_wake(DestinationId id, Destination& destination, TimePoint when);

    bool site_known(const Destination& destination, TimePoint now) const {
        return destination.site != 0 && destination.site_valid_until > now;
    }

    // Until then nothing is done for the destination. An outdated site does not count: the domain may have
    // moved.
    TimePoint blocked_until(const Destination& destination, TimePoint now) {
        return site_known(destination, now)
                   ? std::max(destination.backoff_until, site_of(destination)->backoff_until)
                   : destination.backoff_until;
    }

    // At most so many ready recipients a site may have before its destinations claim more. When the whole is
    // half full, only what its window can use soon: slow sites must not keep the others' mail out.
    std::size_t site_bound(const Site& site) const;
    std::size_t total_bound() const {
        return std::max(kReadyPerDelivery * options.deliveries, 2 * options.claim_batch);
    }

    // Puts the destination where its state says it belongs. May erase it: the reference is not to be used
    // afterwards.
    void consider(DestinationId id, Destination& destination, TimePoint now);

    void enter_ring(DestinationId id, Destination& destination, TimePoint now);

    void consider_site(SiteId id, Site& site, TimePoint now);

    void unpark(Site& site);

    void forget(DestinationId id, Destination& destination, TimePoint now);

    // --- sites ---

    void leave_site(Destination& destination, TimePoint now);

    void unpark_all(Site& site);

    void forget_site_if_idle(SiteId id, Site& site, TimePoint now);

    void erase_site(SiteId id, Site& site);

    void join_site(Destination& destination, std::string_view key, TimePoint now);

    // --- ready recipients ---

    void add_ready(Destination& destination, Entry entry);

    ReadyRecipient take_ready(Destination& destination);

    // All ready ones leave; they wait in the store again.
    std::vector<ReadyRecipient> drop_ready(Destination& destination);

    static void note_due(Destination& destination, TimePoint due);

    void end_claim(Destination& destination);

    void back_off_site(SiteId id, Site& site, std::vector<RecipientId>& dropped, TimePoint now);

    // --- actions ---

    std::optional<SchedulerAction> next_resolve();

    std::optional<SchedulerAction> next_claim(TimePoint now);

    std::optional<SchedulerAction> next_start(TimePoint now);

    SchedulerAction start(SiteId site_id, Site& site, DestinationId id, Destination& destination,
                          TimePoint now);
};

}  // namespace posthorn::queue
