// The submission server: its listening sockets, the bounds on connections, and the end of all sessions.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/allowance.hpp"
#include "auth/suspension.hpp"
#include "base/queue_id.hpp"
#include "base/histogram.hpp"
#include "base/result.hpp"
#include "base/seldom.hpp"
#include "net/asio.hpp"
#include "net/listener.hpp"
#include "net/system_users.hpp"
#include "net/task_group.hpp"
#include "smtp/server/account_check.hpp"
#include "smtp/server/caller_sight.hpp"
#include "smtp/server/door_guard.hpp"
#include "smtp/protocol/reply_tally.hpp"
#include "smtp/server/options.hpp"
#include "smtp/server/policy.hpp"
#include "smtp/server/authenticator.hpp"
#include "smtp/server/dovecot_authenticator.hpp"
#include "smtp/server/local_desk.hpp"
#include "smtp/server/postbox.hpp"
#include "smtp/server/read_buffers.hpp"
#include "smtp/server/runtime.hpp"
#include "smtp/server/strangers.hpp"

namespace posthorn::smtp::server {

// Counted since start, but for `sessions` and `intake_octets`, which are now.
struct ServerFigures {
    std::uint64_t sessions = 0;
    std::uint64_t connections = 0;
    std::uint64_t connections_refused = 0;    // over a bound on sessions
    std::uint64_t connections_banned = 0;     // refused: from a banned address
    std::uint64_t connections_too_fast = 0;   // refused: more than guard.connections_per_minute
    std::uint64_t connections_unannounced = 0;  // closed where only proxies are served: no proxy, or no PROXY header
    std::uint64_t bans = 0;                   // begun
    std::uint64_t logins_delayed = 0;         // wrong passwords whose answer was held back
    std::uint64_t logins_untold = 0;          // answered 454 or 421 whatever the password was: too many guesses
    std::uint64_t connections_displaced = 0;  // of strangers, to make room for a newcomer
    std::uint64_t messages = 0;               // answered 250
    std::uint64_t messages_refused = 0;       // answered 4xx or 5xx after DATA
    std::uint64_t auth_failures = 0;
    std::uint64_t users_over_limit = 0;       // answers 450 and 452 for a user's own limit
    std::uint64_t senders_refused = 0;        // envelopes and From fields with an address that is not the user's to send from
    std::uint64_t users_suspended = 0;        // answers to users who are suspended
    std::uint64_t system_users_over_limit = 0;   // of users_over_limit: to system users who did not log in
    std::uint64_t system_users_suspended = 0;    // of users_suspended, likewise
    std::uint64_t octets = 0;                 // of the bodies and headers accepted
    std::uint64_t intake_octets = 0;          // of messages being received, held in memory
    std::map<std::string_view, std::uint64_t> ended;   // sessions by the reason of the "disconnect" line; static words
    protocol::ReplyTally replies;             // what was refused, by code
    Histogram accept_seconds{kDialogueSeconds};   // of `messages`: from the end of DATA, when all octets are here, to the word of the store
    std::map<std::string, std::uint64_t> tls;     // handshakes that succeeded, by version as OpenSSL calls it
    std::uint64_t tls_failures = 0;
};

// What all sessions of the shard share. Owned by Server; only its thread touches it.
struct Premises {
    Premises(net::asio::io_context& home, net::asio::thread_pool& crypto_pool, net::asio::thread_pool& disk_pool,
             Postbox& queue, std::uint32_t id_seed)
        : context(home), crypto(crypto_pool), disk(disk_pool), postbox(queue), ids(id_seed) {}

    net::asio::io_context& context;
    net::asio::thread_pool& crypto;           // password hashes
    net::asio::thread_pool& disk;             // spool files of large bodies
    Postbox& postbox;
    QueueIdSource ids;
    LocalDesk desk{context, disk, postbox, ids};   // mail to names of this machine
    net::SystemUsers system_users{disk};      // whose programs come through unix sockets
    ReadBuffers buffers;
    Strangers strangers;
    Strangers waiting;                        // trusted ones, while nothing comes from them
    ServerFigures figures;
    auth::Allowances allowances;              // what users have sent of late
    Sights sights;
    const auth::Suspensions* suspensions = nullptr;  // who may not; null: nobody
    DoorGuard guard;
    std::shared_ptr<Authenticator> authenticator;    // for sessions that begin now; null: nobody can log in
    std::uint64_t last_session = 0;           // names sessions in the log
    std::atomic<bool> closing{false};         // passwords that still wait for the crypto pool are not looked at any more
};

// Lives on one shard; every method is called on its thread, or before that runs. What it is given by reference outlives it.
class Server {
public:
    Server(net::asio::io_context& context, net::asio::thread_pool& crypto, net::asio::thread_pool& disk, Postbox& postbox,
           std::shared_ptr<const Runtime> runtime, std::uint32_t id_seed);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Binds one address; nothing is accepted yet. The error names the address and what to do.
    // bound: the same address's socket, where it was bound before.
    [[nodiscard]] Result<void> listen(const ListenerOptions& options, std::optional<net::BoundSocket> bound = {});
    // As bound, in the order of the calls to listen().
    [[nodiscard]] std::vector<Endpoint> addresses() const;

    void start();                             // begins to accept on all of them
    // For sessions that begin from now on; listeners stay as they are.
    void reload(std::shared_ptr<const Runtime> runtime);
    // Users who may not log in or send for now; the list is changed on this shard and outlives the server. Before start().
    void heed(const auth::Suspensions& suspensions) { premises_.suspensions = &suspensions; }
    [[nodiscard]] const ServerFigures& figures() const { return premises_.figures; }
    // Who was turned away within the last hour for having sent too much.
    [[nodiscard]] std::vector<std::string> users_at_limit(SteadyTime now) const { return premises_.allowances.at_limit(now); }
    // How much a system user may still send: for mail that comes in by other ways than a session, on this shard. `name` is
    // needed for the call only.
    [[nodiscard]] AccountCheck system_account(std::uint32_t uid, std::string_view name) {
        return AccountCheck(*runtime_->accounts, premises_.allowances, premises_.suspensions, SystemUser{uid, name});
    }
    // For the same: names of system users, and ids of messages, which are unique for all of the server's ways in.
    [[nodiscard]] net::SystemUsers& system_users() { return premises_.system_users; }
    [[nodiscard]] QueueIdSource& ids() { return premises_.ids; }
    [[nodiscard]] LocalDesk& desk() { return premises_.desk; }
    // What is known of addresses that misbehaved; for the operator, who may forgive them.
    [[nodiscard]] DoorGuard& guard() { return premises_.guard; }

    // Takes over a connected stream as if it had been accepted; for tests.
    void serve(net::Stream stream, const ListenerOptions& listener);

    // Stops accepting; idle sessions hear 421, those that are sending a message may finish it within shutdown_grace, then
    // all are closed. Returns when the last one has ended.
    net::awaitable<void> stop();
    // Ends the waiting of stop() at once.
    void abort() { sessions_.abort(); }

private:
    struct Door {                             // one listening socket
        Door(net::Listener bound, ListenerOptions settings)
            : listener(std::move(bound)), options(std::move(settings)) {}
        net::Listener listener;
        ListenerOptions options;
        Seldom out_of_descriptors{std::chrono::minutes(1)};
    };

    net::awaitable<void> accept_loop(Door& door);
    net::awaitable<void> announced(net::Stream stream, ListenerOptions listener);
    net::awaitable<void> session(net::Stream stream, Client client, ListenerOptions listener);
    // Begins a session with this client, or turns it away.
    void admit(net::Stream stream, Client client, const ListenerOptions& listener);
    void turn_away(net::Stream stream, const Client& client, const ListenerOptions& listener, const char* why);
    // Why there is no place for this client, or null; a stranger may have made room for it.
    [[nodiscard]] const char* why_full(const Client& client);
    // Counts the connection, and its refusal.
    [[nodiscard]] const char* why_guarded(const Client& client);
    void choose_authenticator();              // by the runtime in force
    void log_unannounced(Seldom& seldom, const net::Stream& stream, const ListenerOptions& listener, std::string_view why);

    std::shared_ptr<const Runtime> runtime_;
    Premises premises_;
    std::shared_ptr<DovecotAuthenticator> dovecot_;  // null: another source, or none
    std::map<std::array<std::uint8_t, 16>, std::uint32_t> per_client_;   // sessions of each address (IPv6: /64) that is not local
    std::size_t announcing_ = 0;              // connections of proxies whose header is awaited
    // Strangers must not be able to fill the log: a line a second of each kind, with the number of them.
    Seldom turned_away_{std::chrono::seconds(1)};
    Seldom no_proxy_{std::chrono::seconds(1)};
    Seldom no_header_{std::chrono::seconds(1)};
    std::vector<std::unique_ptr<Door>> doors_;
    net::TaskGroup acceptors_;
    net::TaskGroup sessions_;
    net::TaskGroup sources_;                  // what keeps the source of users at hand
    bool started_ = false;
};

}  // namespace posthorn::smtp::server
