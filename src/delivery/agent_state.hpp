// The inside of the delivery agent, shared by its source files only.
#pragma once

#include <array>
#include <list>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "base/queue_id.hpp"
#include "delivery/agent.hpp"
#include "delivery/dialler.hpp"
#include "delivery/pool.hpp"
#include "delivery/signing.hpp"
#include "delivery/verdict.hpp"
#include "mail/dsn.hpp"
#include "net/task_group.hpp"
#include "net/wait_event.hpp"
#include "queue/scheduler.hpp"

namespace posthorn::delivery {

// The text above a message, being made or made. Shared by deliveries of one message to several destinations, so that it is
// signed once.
struct Prefix {
    explicit Prefix(boost::asio::any_io_executor executor) : ready(std::move(executor)) {}
    net::Event ready;
    const SteadyTime made = std::chrono::steady_clock::now();
    std::string text;
    std::string hold_reason;               // not empty: the message must not leave now
};

struct DeliveryAgent::State {
    State(boost::asio::io_context& context, queue::QueueStore& queue_store, dns::Resolver& dns_resolver,
          boost::asio::thread_pool& crypto_pool, std::shared_ptr<const Settings> current);

    // --- agent.cpp: what the scheduler wants ---
    void wake();                           // call after any event: runs pump() soon, once
    void pump();
    void arm_timer(std::optional<TimePoint> when);
    void say_goodbye(ConnectionPool::ConnectionPtr connection);
    void claim(queue::ClaimDue action);
    net::awaitable<void> resolve(queue::ResolveSite action);
    net::awaitable<void> load_destinations();
    net::awaitable<void> retry_local();    // after a reload: what waited for a repair of ours
    void made_due(const std::vector<queue::DestinationDue>& due);
    net::awaitable<void> sweep();          // idle connections and expired mail
    net::awaitable<void> expire();
    net::awaitable<mail::MessagePtr> remains_of(QueueId id);
    // Recipients that were claimed and are not tried now after all; the scheduler asks for them again.
    void give_back(const std::vector<queue::Recipient>& rows, const std::string& domain, TimePoint again);
    Admission admit(queue::NewMessage& message);
    void on_added(Admission admission, const queue::Added& added);

    // --- attempt.cpp: one delivery ---
    net::awaitable<void> deliver(queue::StartDelivery start);
    net::awaitable<void> attempt(queue::StartDelivery start, bool& finished);
    void finish(queue::SiteId site, queue::DestinationId destination, queue::DeliveryFeedback::Reach reach);
    net::awaitable<std::shared_ptr<Prefix>> prefix_of(mail::MessagePtr message, std::string recipient,
                                                      std::shared_ptr<const Settings> current);

    // --- settling.cpp: recording what became of it ---
    net::awaitable<void> settle(mail::MessagePtr message, std::vector<Judged> judged, std::shared_ptr<const Settings> current,
                                bool peer_sends_dsn);
    void add_bounces(const mail::MessagePtr& message, const std::vector<Judged>& judged, const Settings& current,
                     bool peer_sends_dsn, queue::Settlement& settlement, TimePoint now);
    // Gives the DSNs new ids: the store refused the settlement, and an id that exists is the one reason there can be.
    void rename_bounces(queue::Settlement& settlement, std::vector<Admission>& admissions, TimePoint now);
    void log_outcomes(const mail::Message& message, const std::vector<Judged>& judged,
                      const std::vector<queue::Verdict>& verdicts, TimePoint now);
    [[nodiscard]] std::string bounce_domain(const mail::Message& message, const Settings& current) const;

    boost::asio::any_io_executor home;
    queue::QueueStore& store;
    boost::asio::thread_pool& crypto;
    std::shared_ptr<const Settings> settings;
    const auth::Suspensions* suspensions = nullptr;
    queue::Scheduler scheduler;
    Dialler dialler;
    ConnectionPool pool;
    net::TaskGroup tasks;                  // deliveries and what they need
    net::TaskGroup chores;                 // the sweep and the start
    boost::asio::steady_timer timer;       // the scheduler's next look
    std::optional<TimePoint> timer_at;
    net::Signal sweep_now;
    // Deliveries begun whose end is not on disk yet: what a crash may deliver twice, so never more than delivery.connections.
    std::size_t unrecorded = 0;
    bool pump_posted = false;
    bool stopping = false;
    QueueIdSource ids;                     // of DSNs
    std::minstd_rand random;
    AgentFigures counted;

    // Signatures of messages under way, by message and, for list mail, recipient; the oldest is forgotten first.
    std::unordered_map<std::string, std::shared_ptr<Prefix>> prefixes;
    std::list<std::string> prefix_order;
};

inline constexpr std::size_t kMaxPrefixes = 512;
// A retry is signed anew: with an old signature its x= may have passed, and its key may not be the published one any more.
inline constexpr Duration kPrefixAge = std::chrono::minutes(5);
inline constexpr Duration kClaimLease = std::chrono::hours(24);

queue::SchedulerOptions scheduler_options(const Settings& settings);

}  // namespace posthorn::delivery
