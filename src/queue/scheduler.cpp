// Who is next: destinations wait in a timer, in the claim queue, for their site, or in their site's ring.
#include "queue/scheduler.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "queue/fifo.hpp"

namespace posthorn::queue {

namespace {

constexpr TimePoint kNever = TimePoint::max();
// What a ready recipient costs besides its message's octets.
constexpr std::uint64_t kReadyWeight = 512;
// The store could not be asked, or said "due now" and gave nothing.
constexpr Duration kAskAgain = std::chrono::seconds(1);
// A site keeps its id for this long after its last mail (open connections are found by it), and its bad days
// for longer.
constexpr Duration kSiteMemory = std::chrono::minutes(1);
constexpr Duration kTroubleMemory = std::chrono::minutes(10);
// Ready recipients of all sites together, for each delivery that may be under way.
constexpr std::size_t kReadyPerDelivery = 20;

struct Entry {
    ReadyRecipient ready;
    std::uint64_t reserved = 0;  // hot memory given back when this one leaves
};

struct Destination {
    std::string domain;
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

Duration backoff(const SchedulerOptions& options, std::uint8_t failures) {
    Duration wait = options.destination_backoff_first;
    for (std::uint8_t i = 1; i < failures && wait < options.destination_backoff_max; ++i) {
        wait *= 2;
    }
    return std::min(wait, options.destination_backoff_max);
}

void count_failure(std::uint8_t& failures) {
    failures = static_cast<std::uint8_t>(std::min(failures + 1, 200));
}

}  // namespace

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

    Destination& get(DestinationId id, std::string_view domain) {
        const auto [it, inserted] = destinations.try_emplace(id);
        if (inserted) {
            it->second.domain = domain;
            by_name.insert_or_assign(it->second.domain, id);
        }
        return it->second;
    }

    // --- where a destination stands ---

    void set_wake(DestinationId id, Destination& destination, TimePoint when) {
        if (destination.wake == when) {
            return;
        }
        if (destination.wake != kNever) {
            timer.erase({destination.wake, id});
        }
        destination.wake = when;
        if (when != kNever) {
            timer.emplace(when, id);
        }
    }

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
    std::size_t site_bound(const Site& site) const {
        const std::size_t generous = 2 * options.claim_batch;
        const bool crowded = (ready + claiming) * 2 > total_bound();
        return crowded ? std::min<std::size_t>(generous, 2 * std::max<std::uint32_t>(1, site.window))
                       : generous;
    }
    std::size_t total_bound() const {
        return std::max(kReadyPerDelivery * options.deliveries, 2 * options.claim_batch);
    }

    // Puts the destination where its state says it belongs. May erase it: the reference is not to be used
    // afterwards.
    void consider(DestinationId id, Destination& destination, TimePoint now) {
        const TimePoint blocked = blocked_until(destination, now);
        const bool due = destination.next_due <= now;
        if (blocked > now) {
            // Also when nothing waits: to be forgotten when the back-off is over.
            set_wake(
                id, destination,
                destination.next_due == kNever || destination.next_due < blocked || !destination.ready.empty()
                    ? blocked
                    : destination.next_due);
            return;
        }
        if (!destination.ready.empty()) {
            if (site_known(destination, now)) {
                enter_ring(id, destination, now);
            } else if (!destination.resolving && !destination.in_resolves) {
                destination.in_resolves = true;
                resolves.push_back(id);
            }
        }
        if (due && destination.claiming == 0 && !destination.in_claims &&
            destination.ready.size() <= options.claim_batch / 2) {
            destination.in_claims = true;
            Site* site = site_of(destination);
            if (site != nullptr && site->ready >= site_bound(*site)) {
                site->parked.push_back(id);
            } else {
                claims.push_back(id);
            }
        }
        set_wake(id, destination, due ? kNever : destination.next_due);
        const bool idle = destination.ready.empty() && destination.next_due == kNever &&
                          destination.claiming == 0 && !destination.resolving && destination.active == 0;
        if (idle) {
            forget(id, destination, now);
        }
    }

    void enter_ring(DestinationId id, Destination& destination, TimePoint now) {
        if (destination.in_ring) {
            return;
        }
        destination.in_ring = true;
        Site& site = *site_of(destination);
        site.ring.push_back(id);
        consider_site(destination.site, site, now);
    }

    void consider_site(SiteId id, Site& site, TimePoint now) {
        if (!site.runnable && !site.ring.empty() && site.active < site.window && site.backoff_until <= now) {
            site.runnable = true;
            runnable.push_back(id);
        }
    }

    void unpark(Site& site) {
        while (!site.parked.empty() && site.ready < site_bound(site)) {
            const DestinationId id = site.parked.pop_front();
            if (const Destination* destination = find(id); destination != nullptr && destination->in_claims) {
                claims.push_back(id);
                break;  // each start makes room for one claim
            }
        }
    }

    void forget(DestinationId id, Destination& destination, TimePoint now) {
        leave_site(destination, now);
        set_wake(id, destination, kNever);
        if (const auto it = by_name.find(destination.domain); it != by_name.end() && it->second == id) {
            by_name.erase(it);
        }
        destinations.erase(id);  // queues that still name it skip it
    }

    // --- sites ---

    void leave_site(Destination& destination, TimePoint now) {
        if (destination.site == 0) {
            return;
        }
        const SiteId id = destination.site;
        Site& site = sites.at(id);
        site.ready -= destination.ready.size() + destination.claiming;
        site.members -= 1;
        destination.site = 0;
        destination.in_ring = false;  // its place in the ring is skipped
        if (site.members == 0) {
            unpark_all(site);  // nobody is left to do it later
        } else {
            unpark(site);
        }
        forget_site_if_idle(id, site, now);
    }

    void unpark_all(Site& site) {
        while (!site.parked.empty()) {
            const DestinationId id = site.parked.pop_front();
            if (const Destination* destination = find(id); destination != nullptr && destination->in_claims) {
                claims.push_back(id);
            }
        }
    }

    void forget_site_if_idle(SiteId id, Site& site, TimePoint now) {
        if (site.members != 0 || site.active != 0) {
            return;
        }
        const bool sound =
            site.failures == 0 && site.window >= options.connections_per_site && site.backoff_until <= now;
        if (site.forget_at == kNever) {
            site.forget_at = std::max(site.backoff_until, now) + (sound ? kSiteMemory : kTroubleMemory);
            site_timer.emplace(site.forget_at, id);
        }
    }

    void erase_site(SiteId id, Site& site) {
        if (site.forget_at != kNever) {
            site_timer.erase({site.forget_at, id});
        }
        by_key.erase(site.key);
        sites.erase(id);
    }

    void join_site(Destination& destination, std::string_view key, TimePoint now) {
        const auto known = by_key.find(key);
        if (known != by_key.end() && known->second == destination.site) {
            return;
        }
        leave_site(destination, now);
        SiteId id = 0;
        if (const auto it = by_key.find(key); it != by_key.end()) {
            id = it->second;
        } else {
            id = ++last_site;
            Site& site = sites[id];
            site.key = key;
            site.window = std::max<std::uint32_t>(1, options.connections_per_site);
            by_key.emplace(site.key, id);
        }
        Site& site = sites.at(id);
        if (site.forget_at != kNever) {
            site_timer.erase({site.forget_at, id});
            site.forget_at = kNever;
        }
        site.members += 1;
        site.ready += destination.ready.size() + destination.claiming;
        destination.site = id;
    }

    // --- ready recipients ---

    void add_ready(Destination& destination, Entry entry) {
        destination.ready.push_back(std::move(entry));
        ready += 1;
        if (Site* site = site_of(destination)) {
            site->ready += 1;
        }
    }

    ReadyRecipient take_ready(Destination& destination) {
        Entry entry = destination.ready.pop_front();
        ready -= 1;
        hot -= std::min(hot, entry.reserved);
        if (Site* site = site_of(destination)) {
            site->ready -= 1;
        }
        return std::move(entry.ready);
    }

    // All ready ones leave; they wait in the store again.
    std::vector<ReadyRecipient> drop_ready(Destination& destination) {
        std::vector<ReadyRecipient> dropped;
        dropped.reserve(destination.ready.size());
        while (!destination.ready.empty()) {
            dropped.push_back(take_ready(destination));
            note_due(destination, dropped.back().recipient.due_at);
        }
        return dropped;
    }

    static void note_due(Destination& destination, TimePoint due) {
        destination.next_due = std::min(destination.next_due, due);
        if (destination.claiming != 0) {
            destination.noted_due = std::min(destination.noted_due, due);
        }
    }

    void end_claim(Destination& destination) {
        claiming -= destination.claiming;
        if (Site* site = site_of(destination)) {
            site->ready -= destination.claiming;
        }
        destination.claiming = 0;
    }

    void back_off_site(SiteId id, Site& site, std::vector<RecipientId>& dropped, TimePoint now) {
        if (site.backoff_until > now) {
            return;  // several deliveries met the same trouble: it counts once
        }
        count_failure(site.failures);
        site.backoff_until = now + backoff(options, site.failures);
        site.window = 1;  // then one tries first
        site.credit = 0;
        while (!site.ring.empty()) {
            const DestinationId member = site.ring.pop_front();
            Destination* destination = find(member);
            if (destination == nullptr || !destination->in_ring || destination->site != id) {
                continue;
            }
            destination->in_ring = false;
            for (const ReadyRecipient& recipient : drop_ready(*destination)) {
                dropped.push_back(recipient.recipient.id);
            }
            consider(member, *destination, now);
        }
        unpark_all(site);  // they meet the back-off in the claim queue and wait in the timer
    }

    // --- actions ---

    std::optional<SchedulerAction> next_resolve() {
        while (!resolves.empty()) {
            const DestinationId id = resolves.pop_front();
            Destination* destination = find(id);
            if (destination == nullptr || !destination->in_resolves) {
                continue;
            }
            destination->in_resolves = false;
            if (destination->ready.empty()) {
                continue;  // dropped meanwhile
            }
            destination->resolving = true;
            return ResolveSite{id, destination->domain};
        }
        return std::nullopt;
    }

    std::optional<SchedulerAction> next_claim(TimePoint now) {
        while (!claims.empty() && ready + claiming < total_bound()) {
            const DestinationId id = claims.pop_front();
            Destination* destination = find(id);
            if (destination == nullptr || !destination->in_claims) {
                continue;
            }
            destination->in_claims = false;
            if (destination->next_due > now || blocked_until(*destination, now) > now) {
                const SiteId site_id = destination->site;
                consider(id, *destination, now);
                if (const auto it = sites.find(site_id); it != sites.end()) {
                    unpark(it->second);  // its turn goes to the next one
                }
                continue;
            }
            Site* site = site_of(*destination);
            // Of a destination that may not resolve, a few are enough to find that out.
            std::size_t limit = site != nullptr ? options.claim_batch : (options.claim_batch + 4) / 5;
            if (site != nullptr) {
                const std::size_t bound = site_bound(*site);
                if (site->ready >= bound && site->ready > 0) {
                    destination->in_claims = true;
                    site->parked.push_back(id);
                    continue;
                }
                limit = std::min(limit, bound - site->ready);
            }
            limit = std::max<std::size_t>(1, limit);
            destination->claiming = static_cast<std::uint32_t>(limit);
            destination->noted_due = kNever;
            claiming += limit;
            if (site != nullptr) {
                site->ready += limit;
            }
            return ClaimDue{id, limit};
        }
        return std::nullopt;
    }

    std::optional<SchedulerAction> next_start(TimePoint now) {
        while (!runnable.empty() && deliveries < options.deliveries) {
            const SiteId site_id = runnable.pop_front();
            const auto it = sites.find(site_id);
            if (it == sites.end() || !it->second.runnable) {
                continue;
            }
            Site& site = it->second;
            site.runnable = false;
            if (site.active >= site.window || site.backoff_until > now) {
                continue;  // finished() or the timer brings it back
            }
            site.members += 1;  // stays while its destinations are looked at
            std::optional<SchedulerAction> action;
            while (!action && !site.ring.empty()) {
                const DestinationId id = site.ring.pop_front();
                Destination* destination = find(id);
                if (destination == nullptr || !destination->in_ring || destination->site != site_id) {
                    continue;
                }
                destination->in_ring = false;
                if (destination->ready.empty() || destination->site_valid_until <= now ||
                    destination->backoff_until > now) {
                    consider(id, *destination, now);
                    continue;
                }
                action = start(site_id, site, id, *destination, now);
            }
            site.members -= 1;
            if (action) {
                return action;
            }
            forget_site_if_idle(site_id, site, now);
        }
        return std::nullopt;
    }

    SchedulerAction start(SiteId site_id, Site& site, DestinationId id, Destination& destination,
                          TimePoint now) {
        StartDelivery action{
            site_id, id, destination.domain, destination.ready.front().ready.recipient.message, {}};
        do {
            action.recipients.push_back(take_ready(destination));
        } while (!action.recipients.back().recipient.personal && !destination.ready.empty() &&
                 destination.ready.front().ready.recipient.message == action.message &&
                 !destination.ready.front().ready.recipient.personal &&
                 action.recipients.size() < std::max<std::size_t>(1, options.recipients_per_transaction));
        destination.active += 1;
        site.active += 1;
        deliveries += 1;
        consider(id, destination, now);  // more ready, or more to claim; it is active, so it stays
        unpark(site);
        consider_site(site_id, site, now);
        return action;
    }
};

Scheduler::Scheduler(SchedulerOptions options) : state_(std::make_unique<State>(options)) {}

Scheduler::~Scheduler() = default;

bool Scheduler::wants_hot(std::string_view domain, std::uint64_t octets, TimePoint now) {
    State& s = *state_;
    if (s.paused || s.hot + octets + kReadyWeight > s.options.hot_memory) {
        return false;
    }
    if (const auto it = s.by_name.find(domain); it != s.by_name.end()) {
        Destination& destination = s.destinations.at(it->second);
        if (s.blocked_until(destination, now) > now || destination.claiming != 0 ||
            destination.next_due <= now || destination.ready.size() >= 2 * s.options.claim_batch) {
            return false;
        }
    }
    s.hot += octets + kReadyWeight;
    return true;
}

void Scheduler::on_not_added(std::uint64_t octets) {
    state_->hot -= std::min(state_->hot, octets + kReadyWeight);
}

void Scheduler::on_added(DestinationId id, std::string_view domain, std::vector<ReadyRecipient> ready,
                         std::uint64_t reserved, TimePoint now) {
    State& s = *state_;
    if (ready.empty()) {
        on_not_added(reserved);
        return;
    }
    Destination& destination = s.get(id, domain);
    for (ReadyRecipient& recipient : ready) {
        s.add_ready(destination, {std::move(recipient), 0});
    }
    // The last one to leave gives the memory back.
    destination.ready.back().reserved = reserved == 0 ? 0 : reserved + kReadyWeight;
    s.consider(id, destination, now);
}

void Scheduler::on_due(DestinationId id, std::string_view domain, TimePoint due) {
    State& s = *state_;
    Destination& destination = s.get(id, domain);
    State::note_due(destination, due);
    // Looked at by next(), which knows the time; a back-off is found there.
    s.set_wake(id, destination, std::min(destination.wake, due));
}

void Scheduler::claimed(DestinationId id, std::vector<Recipient> rows, std::optional<TimePoint> next_due,
                        TimePoint now) {
    State& s = *state_;
    Destination* destination = s.find(id);
    if (destination == nullptr || destination->claiming == 0) {
        return;
    }
    s.end_claim(*destination);
    destination->next_due =
        std::min(next_due.value_or(kNever), std::exchange(destination->noted_due, kNever));
    if (rows.empty() && destination->next_due <= now) {
        destination->next_due = now + kAskAgain;
    }
    for (Recipient& row : rows) {
        s.add_ready(*destination, {{std::move(row), nullptr}, 0});
    }
    if (Site* site = s.site_of(*destination)) {
        s.unpark(*site);  // when fewer came than were asked for
    }
    s.consider(id, *destination, now);
}

void Scheduler::claim_failed(DestinationId id, TimePoint now) {
    State& s = *state_;
    Destination* destination = s.find(id);
    if (destination == nullptr || destination->claiming == 0) {
        return;
    }
    s.end_claim(*destination);
    destination->next_due = now + kAskAgain;
    if (Site* site = s.site_of(*destination)) {
        s.unpark(*site);
    }
    s.consider(id, *destination, now);
}

void Scheduler::resolved(DestinationId id, std::string_view site_key, TimePoint valid_until, TimePoint now) {
    State& s = *state_;
    Destination* destination = s.find(id);
    if (destination == nullptr) {
        return;
    }
    destination->resolving = false;
    destination->failures = 0;
    s.join_site(*destination, site_key, now);
    // At least this one turn, or an answer with TTL 0 would be asked for without end.
    destination->site_valid_until = std::max(valid_until, now + kAskAgain);
    s.consider(id, *destination, now);
}

std::vector<ReadyRecipient> Scheduler::unresolved(DestinationId id, TimePoint now) {
    State& s = *state_;
    Destination* destination = s.find(id);
    if (destination == nullptr) {
        return {};
    }
    destination->resolving = false;
    count_failure(destination->failures);
    destination->backoff_until = now + backoff(s.options, destination->failures);
    std::vector<ReadyRecipient> dropped = s.drop_ready(*destination);
    s.leave_site(*destination, now);
    s.consider(id, *destination, now);
    return dropped;
}

std::vector<RecipientId> Scheduler::finished(SiteId site_id, DestinationId id, DeliveryFeedback feedback,
                                             TimePoint now) {
    State& s = *state_;
    std::vector<RecipientId> dropped;
    s.deliveries -= 1;
    if (const auto it = s.sites.find(site_id); it != s.sites.end()) {
        Site& site = it->second;
        site.members += 1;  // stays until we are done with it
        site.active -= 1;
        const bool from_before = site.grace > 0;
        site.grace -= from_before ? 1 : 0;
        switch (feedback.reach) {
            case DeliveryFeedback::Reach::reached:
                site.failures = site.backoff_until > now ? site.failures : 0;
                // Grows by one for each window's worth of deliveries that went well (the 1/N of Postfix 2.5).
                if (!from_before && site.window < s.options.connections_per_site &&
                    ++site.credit >= site.window) {
                    site.window += 1;
                    site.credit = 0;
                }
                break;
            case DeliveryFeedback::Reach::host_failed:
                s.back_off_site(site_id, site, dropped, now);
                break;
            case DeliveryFeedback::Reach::throttled:
                // Those that were under way when the window shrank have been answered already.
                if (!from_before) {
                    if (site.window <= 1) {
                        s.back_off_site(site_id, site, dropped, now);
                    } else {
                        site.window = std::max<std::uint32_t>(1, site.window / 2);
                        site.credit = 0;
                        site.grace = site.active;
                    }
                }
                break;
            case DeliveryFeedback::Reach::abandoned:
                break;
        }
        s.consider_site(site_id, site, now);
        site.members -= 1;
        s.forget_site_if_idle(site_id, site, now);
    }
    if (Destination* destination = s.find(id)) {
        destination->active -= 1;
        s.consider(id, *destination, now);
    }
    return dropped;
}

void Scheduler::forget_backoff(DestinationId id, TimePoint now) {
    State& s = *state_;
    Destination* destination = s.find(id);
    if (destination == nullptr) {
        return;
    }
    destination->backoff_until = {};
    destination->failures = 0;
    if (Site* site = s.site_of(*destination)) {
        site->backoff_until = {};
        site->failures = 0;
        s.consider_site(destination->site, *site, now);
    }
    s.consider(id, *destination, now);
}

void Scheduler::set_options(const SchedulerOptions& options) {
    State& s = *state_;
    for (auto& [id, site] : s.sites) {
        // A site in good standing follows the new limit at once, one in trouble grows towards it.
        const bool whole = site.window >= s.options.connections_per_site;
        const std::uint32_t limit = std::max<std::uint32_t>(1, options.connections_per_site);
        site.window = whole ? limit : std::min(site.window, limit);
        if (!site.runnable && !site.ring.empty()) {
            site.runnable = true;  // next_start() looks whether it may
            s.runnable.push_back(id);
        }
    }
    s.options = options;
}

void Scheduler::pause(bool paused) {
    state_->paused = paused;
}

std::vector<RecipientId> Scheduler::drain() {
    State& s = *state_;
    std::vector<RecipientId> dropped;
    for (auto& [id, destination] : s.destinations) {
        for (const ReadyRecipient& recipient : s.drop_ready(destination)) {
            dropped.push_back(recipient.recipient.id);
        }
        if (destination.next_due != kNever) {
            s.set_wake(id, destination, std::min(destination.wake, destination.next_due));
        }
    }
    for (auto& [id, site] : s.sites) {
        s.unpark_all(site);
    }
    return dropped;
}

SchedulerAction Scheduler::next(TimePoint now) {
    State& s = *state_;
    if (s.paused) {
        return WaitUntil{};
    }
    while (!s.timer.empty() && s.timer.begin()->first <= now) {
        const DestinationId id = s.timer.begin()->second;
        Destination& destination = s.destinations.at(id);
        s.set_wake(id, destination, kNever);
        s.consider(id, destination, now);
    }
    while (!s.site_timer.empty() && s.site_timer.begin()->first <= now) {
        const SiteId id = s.site_timer.begin()->second;
        s.erase_site(id, s.sites.at(id));
    }
    // Starts last: what is claimed and resolved meanwhile needs no slot, and keeps the slots busy later.
    if (auto action = s.next_resolve()) {
        return *std::move(action);
    }
    if (auto action = s.next_claim(now)) {
        return *std::move(action);
    }
    if (auto action = s.next_start(now)) {
        return *std::move(action);
    }
    if (s.timer.empty()) {
        return WaitUntil{};
    }
    return WaitUntil{s.timer.begin()->first};
}

Scheduler::Figures Scheduler::figures() const {
    const State& s = *state_;
    Figures figures;
    figures.destinations = s.destinations.size();
    figures.sites = s.sites.size();
    figures.deliveries = s.deliveries;
    figures.ready = s.ready;
    figures.hot_octets = s.hot;
    for (const auto& [id, destination] : s.destinations) {
        figures.backing_off += destination.failures != 0 ? 1 : 0;
    }
    for (const auto& [id, site] : s.sites) {
        figures.backing_off += site.failures != 0 ? 1 : 0;
    }
    return figures;
}

}  // namespace posthorn::queue
