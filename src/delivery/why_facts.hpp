// What is known, at one moment, of mail that somebody asks about: the facts out of which `posthorn why` makes its answer.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/suspension.hpp"
#include "base/clock.hpp"
#include "base/queue_id.hpp"
#include "delivery/bulk_mark.hpp"
#include "delivery/outcome.hpp"
#include "delivery/options.hpp"
#include "delivery/plan.hpp"
#include "delivery/relay_trouble.hpp"
#include "delivery/suspended_pair.hpp"
#include "delivery/throttles.hpp"
#include "delivery/warm_up.hpp"
#include "queue/journal.hpp"
#include "queue/scheduler.hpp"
#include "queue/store.hpp"

namespace posthorn::delivery {

class ProviderRules;

// What stands between mail of one lane for one recipient domain and its delivery. Made by the delivery agent (why_asking.cpp).
struct WayNow {
    WayNow() = default;

    std::string domain;
    std::string lane;
    std::string group;                              // DeliveryPlan::group; empty: not known
    std::string provider, relay;
    std::optional<Outcome> no_way;                  // there is no plan, and this is what that means
    std::vector<ExplainedHost> hosts;
    std::vector<RelayTroubles::Trouble> troubles;   // of its relay
    std::vector<SuspendedPair> pairs;               // of its gates, also those that are being released
    std::vector<ThrottleView> throttles;
    std::vector<WarmUpView> warm_ups;               // those that still have a cap
    std::vector<queue::GateFigures> gates;          // that bound anything
    std::optional<queue::DestinationFigures> schedule;   // nothing: the scheduler has no mail of it
    std::vector<std::string> quirks;                // sentences
    bool too_many_unrecorded = false;               // as many deliveries as may be under way have ended and are not on disk yet
};

// What one question found. A plain value.
struct WhyFacts {
    enum class Kind { message, recipient, domain, provider };

    WhyFacts() = default;

    Kind kind = Kind::message;
    std::string asked;                              // as it was asked; the queue id, address, domain or provider
    TimePoint now{};
    std::vector<queue::QueueEntry> entries;         // in the queue; of a message it alone, else some of the oldest
    std::optional<queue::LookedUp> waiting;         // of a recipient or domain: the figures (its entries are in `entries`)
    std::optional<queue::LookedUp> sent_from;       // of a domain of senders: the same
    std::map<std::string, auth::Suspension> suspended_users;   // by QueueEntry::source
    std::vector<WayNow> ways;                       // of the entries' recipients, each destination once; bounded
    std::vector<queue::JournalEntry> journal;       // newest first; of a message all, else some
    std::optional<TimePoint> journal_from;          // how far back it goes; nothing: it is empty, or not kept
    std::optional<queue::Suppression> suppressed;   // of a recipient
    SuppressedMail suppressed_mail = SuppressedMail::streams;   // which mail that stops
    Duration auth_lifetime{};                       // retry.auth_lifetime; zero: not known
    queue::StoreHealth health;
    std::shared_ptr<const ProviderRules> rules;     // never null
    // Of a domain or provider:
    bool own_domain = false;                        // a [[domain]] or below one
    std::vector<SuspendedPair> pairs;
    std::vector<ThrottleView> throttles;
    std::vector<WarmUpView> warm_ups;
    std::vector<BulkMarkView> marks;
    std::map<std::string, std::uint64_t> domains;   // of a provider: recipients that wait, by domain
    bool known_provider = false;                    // a rule, a gate or the journal knows it
    queue::TallyRow tally;                          // of a provider: the last hour and day
};

// What the pair of a destination needs to be asked about.
struct WayQuestion {
    std::string domain, lane;
    friend auto operator<=>(const WayQuestion&, const WayQuestion&) = default;
};

}  // namespace posthorn::delivery
