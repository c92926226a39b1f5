// Decides what is delivered next: which destination, over which site's connection budget, and when to look
// again.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "queue/gate.hpp"
#include "queue/store.hpp"

namespace posthorn::queue {

struct SchedulerOptions {
    std::uint32_t connections_per_site = 5;  // deliveries of one site under way at once
    std::uint32_t deliveries = 200;          // under way at once, all sites
    std::uint32_t recipients_per_transaction = 100;
    std::size_t claim_batch = 50;                // rows asked of the store at once for one destination
    std::uint64_t hot_memory = 8 * 1024 * 1024;  // octets of ready mail that may stay in memory
    Duration destination_backoff_first =
        std::chrono::seconds(60);  // after a failure of the whole destination or site
    Duration destination_backoff_max = std::chrono::minutes(30);
    Duration slow = std::chrono::seconds(10);  // a site whose deliveries take this long is slow
};

// The MX set a domain resolves to. Equal sets are one site, however many domains share them.
using SiteId = std::uint32_t;

// A recipient that is claimed and waits for its turn; `hot` is its message when that is still in memory.
struct ReadyRecipient {
    Recipient recipient;
    mail::MessagePtr hot;
};

// Where the mail of a destination goes.
struct SitePlace {
    std::string_view key;           // equal for all that share it: the sorted MX host names, a relay's name
    std::string_view provider;      // several sites of one owner, whose connections are counted together; empty: none
    std::uint32_t connections = 0;  // at once to the site, and to all sites of the provider together; 0: connections_per_site
    // Keys of the gates its mail passes, from wide to narrow: a delivery starts when all of them let it. The provider's is
    // "provider|NAME", also when it is not named here: its `connections` are a bound of that gate.
    std::span<const std::string> gates;
};

// What a delivery has passed, which counts it until its end.
struct Passage {
    std::uint32_t gates = 0;  // a set of them; 0: none
    std::uint32_t recipients = 0;
};

// What the caller is to do. Each is answered by exactly one event, named beside it.
struct StartDelivery {  // -> finished()
    SiteId site = 0;
    DestinationId destination = 0;
    std::string domain;
    std::string lane;
    QueueId message;
    std::vector<ReadyRecipient> recipients;  // of one message; exactly one when personal
    Passage passage;                         // to be handed back with the feedback
};
struct ClaimDue {  // -> claimed()
    DestinationId destination = 0;
    std::size_t limit = 0;
};
struct ResolveSite {  // -> resolved() or unresolved()
    DestinationId destination = 0;
    std::string domain;
    std::string lane;
};
// Nothing to do before this time unless an event comes; no value: nothing is waiting at all.
struct WaitUntil {
    std::optional<TimePoint> when;
};
// Claimed recipients that are not to be tried now after all (their site backs off, or is slow and has enough): unclaim them
// before anything else is asked of the store. Not answered.
struct GiveBack {
    std::vector<RecipientId> recipients;
};
using SchedulerAction = std::variant<StartDelivery, ClaimDue, ResolveSite, GiveBack, WaitUntil>;

// What a delivery taught about its site and destination; the verdicts on the recipients go to the store.
struct DeliveryFeedback {
    enum class Reach : std::uint8_t {
        reached,      // the peer answered; whatever it said of this message
        host_failed,  // no connection, or the session was refused or lost before MAIL: when a whole window of
                      // deliveries fails so, the site backs off
        closed,       // no other message fares better there now (a relay that refuses our login): the site backs
                      // off at once
        throttled,    // the peer asked for less (421 and kin): fewer at once
        abandoned,    // we gave up for our own reasons (shutdown, store unhealthy, missing key): says nothing
                      // of the site
        shortage,     // we are short of something ourselves (EMFILE, ENOBUFS, no local port): says nothing of the
                      // site, and nothing is started for a second
    };
    Reach reach = Reach::reached;
    Duration took{};  // from start to end; a site whose deliveries take long is kept from using up the connections
    Passage passage;  // StartDelivery's
};

// Where a destination stands, for the operator; its gates apart.
struct DestinationFigures {
    std::string site;                         // SitePlace::key; empty: not known yet
    bool resolving = false;                   // DNS is being asked
    std::uint32_t active = 0;                 // deliveries of it under way
    std::size_t ready = 0;                    // its recipients in memory, waiting for their turn
    std::uint32_t site_active = 0;            // deliveries of its site under way
    std::uint32_t site_window = 0;            // and how many there may be now
    std::optional<TimePoint> unresolved_until;  // DNS did not say where its mail goes, so often in a row:
    std::uint32_t unresolved = 0;
    std::optional<TimePoint> backoff_until;   // of its site, after so many back-offs in a row
    std::uint32_t backoffs = 0;
    bool closed = false;                      // the site backs off because no other mail would fare better there
    std::vector<std::string> gates;           // all that its mail passes, by key
};

// Pure: no clock, no I/O, no threads; owned by the home shard.
//
// Memory is per destination with something to do, not per message: a destination holds at most a bounded
// number of ready recipients (hot_memory and 2 x claim_batch); the rest stays in the store. Destinations with
// nothing waiting are forgotten. Fair: among destinations of a site, and among sites, by turns. Work per call
// is O(log destinations). A destination that backs off keeps its rows in the store untouched; only the
// recipients that were tried are re-timed.
class Scheduler {
public:
    explicit Scheduler(SchedulerOptions options);
    ~Scheduler();
    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;

    // --- before mail is stored: should its recipients be claimed as they are added, to be delivered from
    // memory? False when the destination backs off, is over its ready bound, or hot memory is used up.
    // Reserves `octets` until on_added/on_not_added. Also false while older mail of the destination waits in
    // the store: new mail does not overtake it.
    [[nodiscard]] bool wants_hot(std::string_view domain, std::string_view lane, std::uint64_t octets, TimePoint now);
    void on_not_added(std::uint64_t octets);  // the add failed: gives the reservation back

    // --- events
    // -------------------------------------------------------------------------------------------------------
    // Claimed recipients that are ready now, with their message in memory. `reserved` is what wants_hot
    // reserved for them.
    void on_added(DestinationId destination, std::string_view domain, std::string_view lane,
                  std::vector<ReadyRecipient> ready, std::uint64_t reserved, TimePoint now);
    // The store has waiting, unclaimed rows of this destination, one of them due then (new mail not claimed,
    // the start, an operator's retry, and each settlement that defers). Call it when the store has answered,
    // not before: a claim made in between would not see the row, and its answer would be taken for the whole
    // truth.
    void on_due(DestinationId destination, std::string_view domain, std::string_view lane, TimePoint due);
    // The answer of QueueStore::claim; next_due as in Claimed.
    void claimed(DestinationId destination, std::vector<Recipient> rows, std::optional<TimePoint> next_due,
                 TimePoint now);
    // The store could not be asked: look again after a short while.
    void claim_failed(DestinationId destination, TimePoint now);
    // valid_until: when to ask DNS again.
    void resolved(DestinationId destination, const SitePlace& place, TimePoint valid_until, TimePoint now);
    // Not resolved for now: the destination backs off and is looked at again afterwards; what else it has in
    // the store is left alone. Returns the ready recipients, no longer the scheduler's: the caller settles or
    // unclaims each. For an answer that is final (no such domain, null MX) call resolved() with a key of its
    // own and let the deliveries fail.
    [[nodiscard]] std::vector<ReadyRecipient> unresolved(DestinationId destination, TimePoint now);
    // DNS could not be asked, for reasons of our own: looked at again after a short while, without a back-off.
    void resolve_failed(DestinationId destination, TimePoint now);
    // The delivery is over and its slot free; its settlement may still be under way (then on_due(), see
    // there). Returns ready recipients a back-off has dropped, to be unclaimed by the caller before anything
    // else is asked of the store.
    [[nodiscard]] std::vector<RecipientId> finished(SiteId site, DestinationId destination,
                                                    DeliveryFeedback feedback, TimePoint now);
    // Operator or event: forget the back-off of a destination and its site ("queue retry", a route that works
    // again), also where that site is only found out later.
    void forget_backoff(DestinationId destination, TimePoint now);
    // Routes may have changed: each destination is resolved again before its next start.
    void forget_places();
    // The configuration is another one (reload): places are forgotten, and so are back-offs that may have been
    // of our own making: of sites that were closed to us, and of destinations for which there was no place.
    void configured_anew(TimePoint now);
    // What a gate lets through from now on; default settings: the gate is forgotten. Behind a closed gate (no allowance)
    // nothing is claimed nor kept in memory, wants_hot() is false and nothing starts; other mail of the same site goes on. When
    // it opens, what waits there comes by turns, letters before bulk mail. Only refilling by the rate is the
    // scheduler's own; every other change of a limit is made here.
    void set_gate(std::string_view key, const GateSettings& settings, TimePoint now);
    // Rows that the caller has claimed and that are to be tried now, through all gates, back-offs and the site's window, this
    // once (an operator's retry, a probe): they only wait for a free delivery, and for DNS. Gates count them.
    // All of one destination; several messages are several deliveries.
    void urgent(DestinationId destination, std::string_view domain, std::string_view lane, std::vector<Recipient> rows,
                TimePoint now);
    // New limits (reload); what is under way goes on.
    void set_options(const SchedulerOptions& options);
    // While paused (store unhealthy, shutdown) next() starts, claims and resolves nothing. Call next() after
    // pause(false).
    void pause(bool paused);
    // Drops all ready recipients for unclaiming (at shutdown).
    [[nodiscard]] std::vector<RecipientId> drain();

    // --- decision: call until it returns WaitUntil
    // -----------------------------------------------------------------------
    [[nodiscard]] SchedulerAction next(TimePoint now);

    // --- figures
    // ---------------------------------------------------------------------------------------------------------
    struct Figures {
        std::size_t destinations = 0, sites = 0, deliveries = 0, ready = 0;
        std::size_t backing_off = 0;   // sites and destinations
        std::uint64_t hot_octets = 0;  // reserved and ready
    };
    [[nodiscard]] Figures figures() const;
    // Destinations with mail that is due and waits because this gate is closed, at most `limit`, in no order.
    [[nodiscard]] std::vector<DestinationId> behind(std::string_view key, std::size_t limit) const;
    // The gates a destination passes that bound anything; empty also while it is not known where its mail goes.
    [[nodiscard]] std::vector<GateFigures> gates_of(DestinationId destination, TimePoint now) const;
    [[nodiscard]] std::vector<GateFigures> gates_of(std::string_view domain, std::string_view lane, TimePoint now) const;
    // Nothing: no mail of it is known here.
    [[nodiscard]] std::optional<DestinationFigures> standing_of(std::string_view domain, std::string_view lane, TimePoint now) const;
    // Of destinations with mail whose way is known: their domains, and the key of the first gate that they pass. In time
    // proportional to their number: for operators.
    [[nodiscard]] std::map<std::string, std::string> first_gates() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace posthorn::queue
