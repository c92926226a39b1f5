// The submission server: its listening sockets, the bounds on connections, and the end of all sessions.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/queue_id.hpp"
#include "base/result.hpp"
#include "net/asio.hpp"
#include "net/listener.hpp"
#include "net/task_group.hpp"
#include "smtp/server/options.hpp"
#include "smtp/server/policy.hpp"
#include "smtp/server/postbox.hpp"
#include "smtp/server/read_buffers.hpp"
#include "smtp/server/runtime.hpp"

namespace posthorn::smtp::server {

// Counted since start, but for `sessions` and `intake_octets`, which are now.
struct ServerFigures {
    std::uint64_t sessions = 0;
    std::uint64_t connections = 0;
    std::uint64_t connections_refused = 0;    // over a bound
    std::uint64_t messages = 0;               // answered 250
    std::uint64_t messages_refused = 0;       // answered 4xx or 5xx after DATA
    std::uint64_t auth_failures = 0;
    std::uint64_t octets = 0;                 // of the bodies and headers accepted
    std::uint64_t intake_octets = 0;          // of messages being received, held in memory
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
    ReadBuffers buffers;
    ServerFigures figures;
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
    [[nodiscard]] Result<void> listen(const ListenerOptions& options);
    // As bound, in the order of the calls to listen().
    [[nodiscard]] std::vector<Endpoint> addresses() const;

    void start();                             // begins to accept on all of them
    // For sessions that begin from now on; listeners stay as they are.
    void reload(std::shared_ptr<const Runtime> runtime) { runtime_ = std::move(runtime); }
    [[nodiscard]] const ServerFigures& figures() const { return premises_.figures; }

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
    };

    net::awaitable<void> accept_loop(Door& door);
    net::awaitable<void> session(net::Stream stream, Client client, ListenerOptions listener);
    [[nodiscard]] const char* why_full(const Client& client) const;

    std::shared_ptr<const Runtime> runtime_;
    Premises premises_;
    std::map<std::array<std::uint8_t, 16>, std::uint32_t> per_client_;   // sessions of each address (IPv6: /64) that is not local
    std::vector<std::unique_ptr<Door>> doors_;
    net::TaskGroup acceptors_;
    net::TaskGroup sessions_;
};

}  // namespace posthorn::smtp::server
