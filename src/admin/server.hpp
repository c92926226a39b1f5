// The admin interface: HTTP with JSON bodies over a unix socket and over TCP, for the command line, the dashboard and the operator's own
// tools.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/access.hpp"
#include "admin/options.hpp"
#include "auth/sender_tally.hpp"
#include "base/clock.hpp"
#include "base/metric.hpp"
#include "base/result.hpp"
#include "base/unique_function.hpp"
#include "queue/store.hpp"

namespace posthorn::auth {
class Suspensions;
}

namespace posthorn::admin {

struct SuspensionChange {
    std::string user;
    std::optional<std::uint32_t> uid;  // of the system user of that name
    bool suspend = true;  // false: resume
    std::string reason;
};
struct SuspensionOutcome {
    bool changed = false;          // he was not so already
    std::uint64_t recipients = 0;  // queued ones that were stopped or released so far
    bool finished = false;         // false: the queue is long, and the rest follows
    std::string trouble;           // not empty: in force, but only until the daemon ends; why it could not be written
};

// A pair of a sender and a provider is to be suspended, or to go on (docs/SUSPENSIONS.md).
struct PairChange {
    bool suspend = true;               // false: resume
    std::string sender;                // a domain, one of our addresses, or "ip"
    std::string provider;              // a provider's name, a mail host, or a recipient domain
    std::optional<Duration> duration;  // nothing: until it is resumed
    std::string reason;
};

// Whose mail is tried again at once: all of it, or that to one domain.
struct FlushOrder {
    std::string source;  // mail::Message::source; empty: of everybody
    std::string domain;  // A-labels; empty: to everybody
};

// An address that the submission server's guard remembers.
struct GuardedAddress {
    std::string address;  // "192.0.2.1", "2001:db8::/64"
    double failures = 0;
    std::uint32_t bans = 0;
    std::uint64_t turned_away = 0;  // connections, during the ban under way or the last one
    Duration banned_for{};          // from now; zero: not banned
    std::string_view reason;        // of the last failure; of static storage
};

// domain: of From; sender_domain: of MAIL FROM, empty for the null sender; ip: text, or empty for what is known of our own address.
struct DiagnosisRequest {
    std::string domain;
    std::string sender_domain;
    std::string ip;
};

// Domains as A-labels, or an address literal; sender_domain may be empty.
struct RouteQuestion {
    std::string domain;
    std::string sender_domain;
};

// What is counted of TLS with one domain on one day.
struct TlsDomainDay {
    std::string day;                // "2026-11-22", UTC
    std::string domain;
    std::uint64_t sessions = 0, failures = 0;
};
struct TlsReportRun {
    std::uint64_t sent = 0, unwanted = 0, later = 0;   // reports; domains
    bool finished = false;          // false: it goes on
};

// What came of an examination: JSON with 200, or in words why there was none.
struct Examined {
    unsigned status = 200;
    std::string body;
};

// What the daemon lends to the endpoints. All are called on the server's io_context; none may block.
struct Daemon {
    // Destinations whose mail an operator has just made due: the delivery agent forgets their back-off.
    // Optional.
    std::function<void(const std::vector<queue::DestinationDue>&)> on_revised;
    // One JSON object with the daemon's own figures, shown as "daemon" in GET /v1/status. Optional.
    std::function<std::string()> status;
    // Writes to the queue's disk, and answers why mail could not be stored there now; empty: it could. Optional.
    std::function<void(UniqueFunction<void(std::string)>)> try_disk;
    // The daemon's figures for GET /metrics, which adds the store's. Optional.
    std::function<std::vector<Metric>()> metrics;
    // Reads the configuration again; the error says why the old one was kept. Without it POST /v1/reload
    // answers 501.
    std::function<Result<void>()> reload;
    // The settings in force as TOML, secrets masked. Optional.
    std::function<std::string()> config;
    // The guard's list; forgetting one address (false: nothing was known; the error: it is none) or all. Optional.
    std::function<std::vector<GuardedAddress>()> guarded;
    std::function<Result<bool>(const std::string& address)> forgive;
    std::function<void()> forgive_all;
    // Suspends or resumes a user; `done` is called on the io_context, in less than ServerBounds::answer. Optional.
    std::function<void(SuspensionChange, UniqueFunction<void(Result<SuspensionOutcome>)> done)> change_suspension;
    const auth::Suspensions* suspensions = nullptr;  // the present list; outlives the server
    // Suspended pairs as a JSON array; a change, answered by the names of the pairs that it changed; both optional. `done` is called on the
    // io_context, in less than ServerBounds::answer.
    std::function<std::string()> pairs;
    std::function<void(PairChange, UniqueFunction<void(Result<std::vector<std::string>>)> done)> change_pair;
    // Why a recipient waits though it is due: "google refuses mail of example.org until its SPF is repaired", or empty. Optional.
    std::function<std::string(const queue::Recipient&)> why_held;
    // When such a recipient is given up, where that is sooner than its message's own time (retry.auth_lifetime). Optional.
    std::function<std::optional<TimePoint>(const queue::Recipient&)> given_up;
    // Tries a message's waiting recipients past all suspensions, once; `done` gets their number. Optional.
    std::function<void(QueueId, UniqueFunction<void(std::uint64_t)> done)> retry_now;
    // How many addresses are on the suppression list. Optional.
    std::function<std::size_t()> suppressed;
    // What was put on the suppression list, or taken off it, in the store; by their keys. Optional.
    std::function<void(std::vector<queue::Suppression>)> on_suppressed;
    std::function<void(const std::vector<std::string>&)> on_unsuppressed;
    // Makes waiting mail due, in the background. The error says why not now. Optional.
    std::function<Result<void>(FlushOrder)> flush;
    // How many files stay in spool directories. Optional.
    std::function<std::uint64_t()> spooled;
    // Who has sent how much of late. Optional.
    std::function<std::vector<auth::SenderUse>()> senders;
    // What is wrong with the proofs that such mail carries, as JSON: `done` as below. Optional.
    std::function<void(DiagnosisRequest, UniqueFunction<void(std::string)> done)> diagnose;
    // What would happen to such mail, as JSON: `done` is called on the io_context, in less than ServerBounds::answer. Optional.
    std::function<void(RouteQuestion, UniqueFunction<void(std::string)> done)> explain_route;
    // What confines the daemon and what it could not do when it tried just now, as JSON: `done` as for explain_route. Optional.
    std::function<void(UniqueFunction<void(std::string)> done)> sandbox;
    // Of recipient domains with mail whose way is known: the provider, or the first of their mail hosts. Optional.
    std::function<std::map<std::string, std::string>()> groups;
    // Why mail waits or what became of it, as JSON (docs/WHY.md): `done` as for explain_route. Optional.
    std::function<void(std::string what, UniqueFunction<void(std::string)> done)> why;
    // What TLS reports will be made of, oldest first; one report as JSON; sending those of days that are over (or of one, of this
    // form: "2026-11-22"): `done` is called on the io_context, in less than ServerBounds::answer. Optional.
    std::function<std::vector<TlsDomainDay>()> tls_days;
    std::function<Result<std::string>(const std::string& day, const std::string& domain)> tls_report;
    std::function<void(const std::string& day, UniqueFunction<void(Result<TlsReportRun>)> done)> send_tls_reports;
    // What is raised, and how far webhooks are, each as one JSON object; telling a webhook everything from this number on once more; a test
    // alarm, whose `done` gets what came of it as JSON (on the io_context, in less than ServerBounds::answer). Optional.
    std::function<std::string()> alarms, webhooks;
    std::function<Result<void>(const std::string& name, std::uint64_t from)> replay_webhook;
    std::function<void(UniqueFunction<void(std::string)> done)> test_alarms;
    // What the dashboard shows (docs/DASHBOARD.md), as JSON: figures of the last `span` in steps of so many minutes; our domains and how their last
    // examination ended. Optional.
    std::function<std::string(Duration span, std::uint32_t minutes)> history;
    std::function<std::string()> domains;
    // The doctor's report about one of our domains; the records that it must publish. `done` is called on the io_context; it may take half a
    // minute, and one is made at a time. Optional.
    std::function<void(std::string domain, UniqueFunction<void(Examined)> done)> examine, records;
    std::function<TimePoint()> now = wall_now;
};

// Bounds of one server; they keep a mistaken script from using up the daemon, and ordinary users from keeping operators out.
struct ServerBounds {
    std::size_t connections = 32;  // further ones wait in the listen backlog
    std::size_t visitors = 16;     // of them, of users who may see their own mail only; further ones are answered 503
    std::size_t per_visitor = 4;   // and of one of these users
    std::size_t tcp_connections = 32;  // beside those of the socket, so that no stranger keeps the command line out
    std::size_t strangers = 16;    // of them, of those who have shown no token yet; a further one takes the place of the oldest who only waits
    Duration stranger_read = std::chrono::seconds(10);   // as read
    std::size_t header_octets = 8 * 1024;
    std::size_t body_octets = 64 * 1024;
    Duration read = std::chrono::seconds(30);    // a whole request, also the idle time between two
    Duration answer = std::chrono::seconds(60);  // the store's answer; then 504
    Duration write = std::chrono::seconds(30);
};

// What can be asked is in the table of endpoints (places.hpp) and in docs/API.md. Answers are JSON but where a row says otherwise; errors
// are {"error": "..."}.
//
// WHO MAY: by the unix socket root, the daemon's own user and admin.operators everything, and every other user of the machine may ask for
// the queue and finds his own mail in it, handed in under his uid without a login. Over TCP nobody may anything who shows no token; nor,
// by the socket, a browser or a web server (access.hpp).
//
// THREADS: everything, the destructor included, on the io_context's one thread. The store must outlive the
// server, and the io_context must outlive the store's last callback (stop the store first).
class AdminServer {
public:
    AdminServer(boost::asio::io_context& io, AdminOptions options, queue::QueueStore& store, Daemon daemon,
                ServerBounds bounds = {});
    ~AdminServer();  // as stop()
    AdminServer(const AdminServer&) = delete;
    AdminServer& operator=(const AdminServer&) = delete;

    // Tokens and names from now on. Before start() and at each reload.
    void use(AccessRules rules);
    // Binds the socket and the address of TCP, each where it is not empty, and starts to accept. A socket file left behind by a dead
    // process is replaced; one that a living process answers on is an error.
    [[nodiscard]] Result<void> start();
    // As bound: with the port that the kernel chose for 0. Nothing where there is none.
    [[nodiscard]] std::optional<Endpoint> tcp_endpoint() const;
    // Closes the listeners and all connections, removes the socket file. Idempotent.
    void stop();

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace posthorn::admin
