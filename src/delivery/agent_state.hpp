// The inside of the delivery agent, shared by its source files only.
#pragma once

#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "base/queue_id.hpp"
#include "base/seldom.hpp"
#include "delivery/agent.hpp"
#include "delivery/alarm.hpp"
#include "delivery/attempt.hpp"
#include "delivery/bounce.hpp"
#include "delivery/breaker.hpp"
#include "delivery/bulk_mark.hpp"
#include "delivery/delivery_tally.hpp"
#include "delivery/diagnosis.hpp"
#include "delivery/dialler.hpp"
#include "delivery/pool.hpp"
#include "delivery/prefix_cache.hpp"
#include "delivery/quirks.hpp"
#include "delivery/recording.hpp"
#include "delivery/shaping.hpp"
#include "delivery/signing.hpp"
#include "delivery/source_watch.hpp"
#include "delivery/suspending.hpp"
#include "delivery/throttles.hpp"
#include "delivery/suppression.hpp"
#include "delivery/verdict.hpp"
#include "delivery/warm_up.hpp"
#include "delivery/ways.hpp"
#include "mail/dsn.hpp"
#include "net/task_group.hpp"
#include "net/wait_event.hpp"
#include "queue/scheduler.hpp"

namespace posthorn::delivery {

// What a signature is kept under; `form` names the octets that were signed where they are not the message's own.
[[nodiscard]] std::string prefix_key(const mail::Message& message, std::string_view recipient, std::string_view form);

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
    net::awaitable<void> retry(QueueId id);
    void made_due(const std::vector<queue::DestinationDue>& due);
    net::awaitable<void> sweep();          // idle connections and expired mail
    net::awaitable<void> expire();
    net::awaitable<void> look_for_the_oldest();
    net::awaitable<mail::MessagePtr> remains_of(QueueId id);
    // Recipients that were claimed and are not tried now after all; the scheduler asks for them again.
    void give_back(const std::vector<queue::Recipient>& rows, const std::string& domain, TimePoint again);

    // admission.cpp: between intake and the store
    Admission admit(queue::NewMessage& message);
    void on_added(Admission admission, const queue::Added& added);

    // attempt.cpp: one delivery. The steps answer whether it goes on; where it does not, all is given back.
    net::awaitable<void> deliver(queue::StartDelivery start);
    net::awaitable<bool> load(Attempt& attempt);                                             // loading.cpp
    net::awaitable<bool> sign(Attempt& attempt);                                             // signing_turn.cpp
    net::awaitable<bool> transmit(Attempt& attempt);                                         // transmission.cpp
    net::awaitable<ConnectionPool::ConnectionPtr> connect(Attempt& attempt, bool fresh, const smtp::protocol::Transcript::Follower& live);
    net::awaitable<void> send(Attempt& attempt, smtp::client::Connection& connection);
    // converting.cpp: chooses the form that this server can take; false: there is none, and attempt.judged says why.
    net::awaitable<bool> choose_form(Attempt& attempt, const smtp::client::Connection& connection);
    net::awaitable<std::shared_ptr<Conversion>> seven_bit_of(mail::MessagePtr message);
    void mend(Attempt& attempt);           // mending.cpp: what another connection can do about it
    void note_end_of_connection(const Attempt& attempt, const smtp::protocol::ClientSession& session);
    void recall_quirks();                  // at the start
    net::awaitable<void> recall_suppressions();                                              // suppressing.cpp
    net::awaitable<bool> stop_suppressed(Attempt& attempt);                                  // false: nobody is left
    void note_suppressions(Recording& recording);
    void try_ipv6_again();
    void learn(Attempt& attempt);          // about the way it went, which may correct what became of it
    net::awaitable<void> conclude(Attempt& attempt);
    net::awaitable<void> release(Attempt& attempt, bool recorded);
    void finish(Attempt& attempt, queue::DeliveryFeedback::Reach reach);
    void abandon(Attempt& attempt, Duration wait);   // nothing was tried: finished, and the recipients given back until then
    net::awaitable<std::shared_ptr<Prefix>> prefix_of(mail::MessagePtr message, std::string recipient,
                                                      std::shared_ptr<const Settings> current, std::string form = {});

    // shaping_turn.cpp: what holds mail back
    void join_shaping();                   // once, when this is made
    void recall_shaping();                 // what held mail back before the restart
    void configure_shaping();              // at the start and at each reload
    void shape(const Attempt& attempt);    // hears what became of it; before the scheduler has its slot back
    void shape_in_time();                  // each second or so

    // suspending.cpp: suspended pairs
    net::awaitable<void> watch_suspensions();                    // a chore, from the start on
    void begin_rounds(TimePoint now);                            // the diagnoses and probes that are due
    net::awaitable<void> diagnose_pair(std::string key);
    net::awaitable<void> send_probe(std::string key);
    net::awaitable<void> expire_held();
    // Held recipients are marked in attempt.judged, and suspensions that began or ended with them are on disk.
    net::awaitable<void> hold(Attempt& attempt);
    net::awaitable<void> write(std::vector<SavedState> turns);
    void end_of_passes(const std::vector<queue::RecipientId>& passes);
    [[nodiscard]] const SuspendedPair* suspension_of(const queue::Recipient& row) const;   // that holds it back; null: none
    // Claimed rows whose time is over: settled as failed, message by message. False: the disk does not let us read them.
    net::awaitable<bool> give_up(std::vector<queue::Recipient> rows);
    net::awaitable<std::vector<std::string>> groups_named(std::string name);
    void look_into(const Attempt& attempt);                      // agent_diagnosis.cpp
    net::awaitable<void> explain_slow_down(Flow flow, std::string ip, Alarm alarm);
    [[nodiscard]] bool may_be_sender(const std::string& organisation) const;
    [[nodiscard]] std::string own_domains() const;               // in words
    net::awaitable<void> order(PairOrder order, UniqueFunction<void(Result<PairOutcome>)> done);
    net::awaitable<void> retry_now(QueueId id, UniqueFunction<void(std::uint64_t)> done);

    // settling.cpp: recording what became of it
    Recording recording_of(mail::MessagePtr message, std::vector<Judged> judged, std::shared_ptr<const Settings> current,
                           bool peer_sends_dsn, std::string transcript = {}, std::string group = {});
    net::awaitable<bool> record(Recording& recording);           // one try; says in the log what became of the recipients
    net::awaitable<bool> record_in_time(Recording& recording);   // after a failed one; false: the agent stops
    void note_due(const Recording& recording);
    // All of it; false: the agent stops before it is recorded.
    net::awaitable<bool> settle(mail::MessagePtr message, std::vector<Judged> judged, std::shared_ptr<const Settings> current);
    // Gives the DSNs new ids: the store refused the settlement, and an id that exists is the one reason there can be.
    void rename_bounces(Recording& recording);
    void log_outcomes(Recording& recording);

    // doubts.cpp: the start, which first settles what the process before left in doubt
    net::awaitable<void> begin();
    net::awaitable<void> settle_doubts();
    net::awaitable<bool> settle_doubt(const Doubt& doubt);             // false: the store could not

    net::awaitable<void> diagnose_for(DiagnosisQuestion question, std::chrono::seconds limit, UniqueFunction<void(Diagnosis)> done);   // agent_diagnosis.cpp
    net::awaitable<void> explain(std::string domain, std::string sender_domain, UniqueFunction<void(Explained)> done);   // explanation.cpp

    net::awaitable<void> stand(WayQuestion question, UniqueFunction<void(WayNow)> done);   // why_asking.cpp

    // bouncing.cpp: who is told
    void add_bounces(Recording& recording, bool peer_sends_dsn);
    void log_bounces(const Recording& recording);                // once they are stored, under the ids they have then
    void put_off(mail::DsnAction action, const mail::Message& message, const std::vector<Settling>& settled, const std::string& to,
                 SteadyTime now);
    void send_summaries(std::vector<BounceBudget::Summary> summaries);
    [[nodiscard]] std::string bounce_domain(const std::string& to, const Settings& current) const;

    boost::asio::any_io_executor home;
    queue::QueueStore& store;
    dns::Resolver& resolver;
    boost::asio::thread_pool& crypto;
    std::shared_ptr<const Settings> settings;
    const auth::Suspensions* suspensions = nullptr;
    Learnt learnt;
    queue::Scheduler scheduler;
    Ways ways;                             // what deliveries taught about relays and blocked sites
    Quirks quirks;                         // and about what peers want of connections
    SuppressionList suppressed;
    std::map<std::string, SteadyTime> looked_into;   // "example.com at yahoo": when look_into() asked DNS
    Seldom suppressions_full{std::chrono::hours(1)};
    net::Event suppressions_known;         // all of the store's are in the list
    Throttles throttles;                   // and who wants less of us
    WarmUp warm_up;
    BulkMarks bulk_marks;
    Breaker breaker;                       // and who refuses whom
    Shaping shaping;
    SourceWatch sources;
    Dialler dialler;
    ConnectionPool pool;
    net::TaskGroup tasks;                  // deliveries and what they need
    net::TaskGroup chores;                 // the sweep and the start
    boost::asio::steady_timer timer;       // the scheduler's next look
    std::optional<TimePoint> timer_at;
    net::Signal sweep_now;
    net::Signal rounds_due;                // of watch_suspensions()
    std::size_t diagnoses = 0;             // under way
    // Deliveries begun whose end is not on disk yet: what a crash may deliver twice, so never more than delivery.connections.
    std::size_t unrecorded = 0;
    bool pump_posted = false;
    bool stopping = false;
    QueueIdSource ids;                     // of DSNs
    std::minstd_rand random;
    AgentFigures counted;
    DeliveryTally tally;
    std::optional<TimePoint> oldest;       // when the message that waits longest was accepted

    PrefixCache<Prefix> prefixes;          // signatures of messages under way
    std::unordered_map<std::string, std::weak_ptr<Conversion>> conversions;   // of messages being sent, by id
    BounceBudget budget;
    InDoubtFile in_doubt;
    std::vector<Doubt> left_in_doubt;      // by the process before
};

inline constexpr Duration kClaimLease = std::chrono::hours(24);
// After a shortage of ours: long enough for a descriptor to come free, short enough for nobody to notice.
inline constexpr Duration kShortageWait = std::chrono::seconds(5);

queue::SchedulerOptions scheduler_options(const Settings& settings);

}  // namespace posthorn::delivery
