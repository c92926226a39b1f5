// Turns what the scheduler decides into deliveries, and what peers answer into settlements of the queue.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/options.hpp"
#include "base/result.hpp"
#include "base/unique_function.hpp"
#include "delivery/learnt.hpp"
#include "delivery/bounce_rules.hpp"
#include "delivery/options.hpp"
#include "delivery/own_address.hpp"
#include "delivery/provider_rules.hpp"
#include "delivery/relay_trouble.hpp"
#include "queue/options.hpp"
#include "queue/store.hpp"

namespace posthorn::auth::dkim {
class KeyTable;
}
namespace posthorn::auth {
class Suspensions;
class UnsubscribeTokens;
}
namespace posthorn::dns {
class Resolver;
}
namespace posthorn::net {
class Certificate;
}

namespace posthorn::delivery {

class DeliveryTally;
class Relays;
struct Diagnosis;
struct Explained;
struct ShapingView;
struct PairOrder;
struct PairOutcome;
struct SuspendedPair;
struct WayNow;
struct WayQuestion;
struct WhyFacts;

// Everything about delivery that a reload may change. Immutable; a delivery keeps the one it began with.
struct Settings {
    std::string hostname;
    DeliveryOptions delivery;
    queue::RetryOptions retry;
    queue::QueueOptions queue;                            // lifetimes and hot memory
    auth::DkimOptions dkim;
    std::vector<auth::StreamOptions> streams;
    std::shared_ptr<const auth::dkim::KeyTable> keys;     // never null
    std::shared_ptr<const auth::UnsubscribeTokens> unsubscribe;      // null: no streams
    BounceRules bounces;
    std::shared_ptr<const ProviderRules> rules = ProviderRules::built_in();   // never null
    std::shared_ptr<const Relays> relays;                 // null: no [[relay]]
    std::shared_ptr<const net::Certificate> client_certificate;      // shown to peers that ask for one; null: none
    OwnAddresses own;                                     // where a delivery would come back to us
};
// A [[domain]] or below one.
[[nodiscard]] bool is_own_domain(const Settings& settings, std::string_view domain);

// Between admit() and on_added()/on_not_added(): what the agent must remember of a message that is being stored.
struct Admission {
    struct Entry {
        std::string domain;
        queue::Recipient row;                             // id and destination are filled in by on_added
        std::uint64_t reserved = 0;                       // octets of hot memory
        bool claimed = false;
    };
    mail::MessagePtr message;
    std::vector<Entry> entries;
};

struct AgentFigures {
    std::size_t destinations = 0, sites = 0, deliveries = 0, ready = 0, connections = 0;
    std::uint64_t hot_octets = 0;
    std::uint64_t attempts = 0, delivered = 0, deferred = 0, failed = 0, bounced = 0, bounces_put_off = 0;
    Duration oldest{};                                    // the age of the message that waits longest; looked for every five seconds
    std::size_t suppressed = 0;                           // addresses on the suppression list
    std::uint64_t suppressions_missed = 0;                // refusals for good that found the list full
    std::size_t blocked_sites = 0;                        // whose mail goes, or will soon go, by a fallback
};

// Owned by app, lives on the home shard: every method is called on that shard's thread. References outlive it.
class DeliveryAgent {
public:
    DeliveryAgent(boost::asio::io_context& home, queue::QueueStore& store, dns::Resolver& resolver,
                  boost::asio::thread_pool& crypto, std::shared_ptr<const Settings> settings);
    ~DeliveryAgent();
    DeliveryAgent(const DeliveryAgent&) = delete;
    DeliveryAgent& operator=(const DeliveryAgent&) = delete;

    // Users whose mail is not sent for now: looked at before each delivery. Changed on this shard, outlives the agent; before
    // start(). Without it nobody is suspended.
    void heed(const auth::Suspensions& suspensions);
    // What deliveries may ask and add to; before start(). Without it there is no MTA-STS and nothing is counted.
    void use(const Learnt& learnt);

    // Where marks of deliveries in doubt are kept, over kills of the process (in_doubt.hpp): the queue's directory. Before
    // start(), which tells the log and the queue what was left in doubt. Without it nothing is marked.
    void keep_doubts_in(const std::string& directory);

    // Begins: asks the store what is waiting, page by page, while new mail is already taken.
    void start();
    void reload(std::shared_ptr<const Settings> settings);

    // --- intake: admit before store.add, then exactly one of the other two ------------------------------------------
    // Sets the claim flags of the recipients that will be delivered from memory.
    [[nodiscard]] Admission admit(queue::NewMessage& message);
    void on_added(Admission admission, const queue::Added& added);
    void on_not_added(const Admission& admission);

    // The report to the sender of mail that was taken over (from a spool) and is refused only now, to be stored like new mail. None
    // where nobody wants to hear of it: the null reverse-path, NOTIFY (RFC 3461 s5.2), or more reports than he may get in an hour.
    [[nodiscard]] std::optional<queue::NewMessage> report_refusal(const mail::Message& refused,
                                                                  const std::vector<mail::EnvelopeRecipient>& recipients,
                                                                  const smtp::protocol::Reply& reply);

    // Destinations that became due by an operator's revision: back-off is forgotten, they are tried at once.
    void on_revised(const std::vector<queue::DestinationDue>& due);
    // What an operator has put on the suppression list, or taken off it, in the store (queue::QueueStore::suppress, unsuppress).
    // Addresses as suppression_key() makes them.
    void on_suppressed(std::vector<queue::Suppression> entries);
    void on_unsuppressed(const std::vector<std::string>& addresses);
    [[nodiscard]] std::size_t suppressed() const;         // addresses on the list

    // Post here from the store's health observer: delivery pauses while outcomes cannot be recorded.
    void on_store_health(bool healthy);

    // Starts nothing more, waits for deliveries under way up to shutdown_grace, then closes their connections.
    boost::asio::awaitable<void> stop();
    // Ends the waiting of stop() at once: connections are closed, what they carried is tried again at the next start.
    void abort();

    // After stop(): deliveries that did not end although their connections were closed. Their frames refer to this object.
    [[nodiscard]] std::size_t unfinished() const;

    [[nodiscard]] AgentFigures figures() const;
    // Counts and times since the start; valid as long as the agent.
    [[nodiscard]] const DeliveryTally& tally() const;
    // Relays that will not work for us, until they take mail again.
    [[nodiscard]] std::vector<RelayTroubles::Trouble> relay_troubles() const;
    // What is slowed down, by plan or by refusals (docs/THROTTLING.md).
    [[nodiscard]] ShapingView shaping() const;
    // Pairs of sender and provider whose mail is held (docs/SUSPENSIONS.md), by key; what holds a recipient back, in one sentence.
    [[nodiscard]] std::vector<SuspendedPair> suspended_pairs() const;
    [[nodiscard]] std::string why_held(const queue::Recipient& recipient) const;
    // When it is given up, where a suspension makes that sooner than its message's own time (retry.auth_lifetime, PR-48).
    [[nodiscard]] std::optional<TimePoint> given_up(const queue::Recipient& recipient) const;
    // An operator's order. `done` is called on the home shard, but not within this call; the error says what was wrong with it.
    void order(PairOrder order, UniqueFunction<void(Result<PairOutcome>)> done);
    // Tries what waits of the message now, past all that holds it back, once; `done` as above, with the number of recipients.
    void retry_now(QueueId id, UniqueFunction<void(std::uint64_t)> done);
    // What DNS says of the proofs of such mail (diagnosing.hpp); `done` is called on the home shard, but not within this call.
    void diagnose(const std::string& from_domain, const std::string& mail_from_domain, const std::string& ip, std::chrono::seconds limit,
                  UniqueFunction<void(Diagnosis)> done);
    // What keeps mail of that destination back now; `done` as below. It asks DNS, as a delivery would.
    void stand(WayQuestion question, UniqueFunction<void(WayNow)> done);
    // For a question about a recipient, a domain or a provider: what limits it, and what is known of it beside its mail.
    void add_limits(WhyFacts& facts) const;
    // Of recipient domains with mail whose way is known: DeliveryPlan::group. For operators: it takes a look at each destination.
    [[nodiscard]] std::map<std::string, std::string> groups_of_domains() const;
    // What would happen to such mail now. `done` is called on the home shard, but not within this call.
    void explain(std::string domain, std::string sender_domain, UniqueFunction<void(Explained)> done);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace posthorn::delivery
