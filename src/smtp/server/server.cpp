// Accept loops, bounds, and the staged end.
#include "smtp/server/server.hpp"

#include <utility>

#include "base/bound.hpp"
#include "base/log.hpp"
#include "net/deadline.hpp"
#include "smtp/server/proxied.hpp"
#include "smtp/server/session.hpp"
#include "smtp/server/users_authenticator.hpp"

namespace posthorn::smtp::server {
namespace {

constexpr Duration kAcceptPause = std::chrono::milliseconds(100);   // when the process has no descriptors left
constexpr Duration kTurnAway = std::chrono::seconds(5);
constexpr Duration kAbortGrace = std::chrono::seconds(5);
constexpr std::uint32_t kBearableCrowd = 4;                         // of a trusted client's: that part of all places
constexpr std::size_t kTurnedAwayAtOnce = 100;                      // beyond them connections are closed without a word

Client client_of(const net::Stream& stream) {
    Client client;
    const net::SocketAddress& peer = stream.peer();
    client.unix_socket = peer.is_unix();
    client.address = peer.ip;
    client.text = peer.ip ? peer.ip->to_string() : "unix";
    if (client.unix_socket) {
        const auto credentials = stream.credentials();
        client.uid = credentials ? static_cast<std::uint32_t>(credentials->uid) : UINT32_MAX;
    }
    return client;
}

// Somebody we have no room for. By value: it outlives the call.
net::awaitable<void> say_goodbye(net::Stream stream, std::string reply) {
    net::Deadline limit(stream);
    limit.set_after(kTurnAway);
    co_await stream.write(reply);
    stream.close();
}

}  // namespace

Server::Server(net::asio::io_context& context, net::asio::thread_pool& crypto, net::asio::thread_pool& disk,
               Postbox& postbox, std::shared_ptr<const Runtime> runtime, std::uint32_t id_seed)
    : runtime_(std::move(runtime)),
      premises_(context, crypto, disk, postbox, id_seed),
      acceptors_(context.get_executor(), "smtp acceptor"),
      sessions_(context.get_executor(), "smtp session"),
      sources_(context.get_executor(), "source of users") {
    choose_authenticator();
    premises_.guard.set_options(runtime_->guard);
}

void Server::reload(std::shared_ptr<const Runtime> runtime) {
    runtime_ = std::move(runtime);
    premises_.desk.use(runtime_->rules, runtime_->store_deadline);
    premises_.guard.set_options(runtime_->guard);  // what it knows it keeps: a reload lifts no ban
    choose_authenticator();
}

void Server::choose_authenticator() {
    const std::string& socket = runtime_->dovecot_socket;
    if (socket.empty()) {
        dovecot_.reset();
        premises_.authenticator.reset();
        if (runtime_->users) {
            premises_.authenticator =
                std::make_shared<UsersAuthenticator>(runtime_->users, premises_.crypto, premises_.closing);
        }
        return;
    }
    // The same Dovecot keeps its connection.
    if (!dovecot_ || dovecot_->socket() != socket) {
        dovecot_ = std::make_shared<DovecotAuthenticator>(premises_.context.get_executor(), socket);
    }
    if (started_) dovecot_->start(sources_);
    premises_.authenticator = dovecot_;
}

Result<void> Server::listen(const ListenerOptions& options, std::optional<net::BoundSocket> bound) {
    Result<net::Listener> listener =
        bound ? net::Listener::adopt(premises_.context, std::move(*bound))
              : net::Listener::open(premises_.context, options.address, static_cast<mode_t>(options.socket_mode));
    if (!listener) return listener.error();
    doors_.push_back(std::make_unique<Door>(std::move(*listener), options));
    Door& door = *doors_.back();
    if (door.options.name.empty()) door.options.name = door.listener.endpoint().to_string();
    return {};
}

std::vector<Endpoint> Server::addresses() const {
    std::vector<Endpoint> addresses;
    for (const auto& door : doors_) addresses.push_back(door->listener.endpoint());
    return addresses;
}

void Server::start() {
    started_ = true;
    choose_authenticator();
    premises_.desk.use(runtime_->rules, runtime_->store_deadline);
    sources_.spawn(premises_.desk.run());
    for (const auto& door : doors_) acceptors_.spawn(accept_loop(*door));
}

net::awaitable<void> Server::accept_loop(Door& door) {
    const net::TaskGroup::StopCallback stop(acceptors_, [&door] { door.listener.close(); }, {});
    for (;;) {
        net::AcceptResult accepted = co_await door.listener.accept(premises_.context);
        if (accepted.ok()) {
            // Gone already, and without an address: it must not be taken for somebody at the unix socket.
            if (accepted.stream->peer().is_unix() && !door.options.address.is_unix()) continue;
            serve(std::move(*accepted.stream), door.options);
            continue;
        }
        if (acceptors_.stopping() || accepted.error == net::asio::error::operation_aborted) co_return;
        // Out of descriptors: as when every place is taken.
        const bool room = premises_.strangers.displace();
        if (const auto times = door.out_of_descriptors.happened(std::chrono::steady_clock::now())) {
            log::warning("accept_failed")
                .kv("listener", door.options.name)
                .kv("error", accepted.error.message())
                .kv("times", *times)
                .kv("meaning", room ? "connections of strangers are ended to make room; others wait in the kernel's queue"
                                    : "no new connection can be taken for now; clients wait in the kernel's queue")
                .kv("action", "raise the limit of open files (LimitNOFILE=, ulimit -n) or lower submission.limits.max_connections");
        }
        net::asio::steady_timer pause(premises_.context, kAcceptPause);
        co_await pause.async_wait(net::kAwait);
    }
}

const char* Server::why_full(const Client& client) {
    const ServerLimits& limits = runtime_->limits;
    // One that may say XCLIENT brings the clients of many addresses.
    if (!client.local() && !may_xclient(client, runtime_->relay)) {
        const auto known = per_client_.find(client.counted_as());
        if (known != per_client_.end() && known->second >= limits.max_connections_per_client) {
            note_reached(Bound::smtp_sessions_of_client);
            return "Too many connections from your address, try again later";
        }
    }
    const bool full = premises_.figures.sessions >= places_for(client, limits);
    if (!full) return nullptr;
    note_reached(Bound::smtp_sessions);
    if (premises_.strangers.displace()) return nullptr;
    // One user of this machine, or one that is trusted, who opens connections and says nothing must not keep all others out.
    if (premises_.waiting.displace_crowd(client.owner(), limits.max_connections / kBearableCrowd)) return nullptr;
    return "Too many connections, try again later";
}

const char* Server::why_guarded(const Client& client) {
    if (exempt(client, runtime_->guard, runtime_->relay)) return nullptr;
    switch (premises_.guard.arrive(client.counted_as(), std::chrono::steady_clock::now())) {
        case DoorGuard::Admission::welcome: return nullptr;
        case DoorGuard::Admission::banned:
            ++premises_.figures.connections_banned;
            return "Too many failures from your address, try again later";
        case DoorGuard::Admission::too_fast:
            ++premises_.figures.connections_too_fast;
            return "Too many new connections from your address, try again later";
    }
    return nullptr;
}

void Server::serve(net::Stream stream, const ListenerOptions& listener) {
    if (listener.proxy_networks.empty()) {
        Client client = client_of(stream);
        admit(std::move(stream), std::move(client), listener);
        return;
    }
    // Where proxies are believed, nobody else is served: who comes by himself would escape what the proxy does for us.
    const net::SocketAddress& peer = stream.peer();
    if (!peer.ip || !is_proxy(*peer.ip, listener.proxy_networks, runtime_->relay)) {
        log_unannounced(no_proxy_, stream, listener, "only proxies of listener.proxy_networks are served here");
        return;
    }
    if (premises_.figures.sessions + announcing_ >= runtime_->limits.max_connections) {
        ++premises_.figures.connections_refused;
        return;
    }
    sessions_.spawn(announced(std::move(stream), listener));
}

net::awaitable<void> Server::announced(net::Stream stream, ListenerOptions listener) {
    ++announcing_;
    const auto done = [](std::size_t* counted) { --*counted; };
    std::unique_ptr<std::size_t, decltype(done)> awaited(&announcing_, done);
    Announced client = co_await read_proxy_header(stream, sessions_);
    awaited.reset();
    if (client.client) {
        admit(std::move(stream), std::move(*client.client), listener);
    } else if (!sessions_.stopping()) {
        log_unannounced(no_header_, stream, listener, client.problem);
    }
}

void Server::log_unannounced(Seldom& seldom, const net::Stream& stream, const ListenerOptions& listener, std::string_view why) {
    ++premises_.figures.connections_unannounced;
    if (const auto times = seldom.happened(std::chrono::steady_clock::now())) {
        log::warning("refused").kv("stage", "proxy").kv("peer", stream.peer().to_string()).kv("listener", listener.name)
            .kv("reason", why).kv("times", *times);
    }
}

void Server::admit(net::Stream stream, Client client, const ListenerOptions& listener) {
    const char* why = why_guarded(client);
    if (why == nullptr && (why = why_full(client)) != nullptr) ++premises_.figures.connections_refused;
    if (why != nullptr) {
        turn_away(std::move(stream), client, listener, why);
        return;
    }
    sessions_.spawn(session(std::move(stream), std::move(client), listener));
}

void Server::turn_away(net::Stream stream, const Client& client, const ListenerOptions& listener, const char* why) {
    if (const auto times = turned_away_.happened(std::chrono::steady_clock::now())) {
        log::warning("refused").kv("stage", "connect").kv("client", client.text).kv("listener", listener.name)
            .kv("reason", why).kv("times", *times);
    }
    const std::size_t turned_away = sessions_.size() - premises_.figures.sessions - announcing_;
    // In front of an implicit TLS handshake nothing can be said.
    if (listener.tls != ListenerTls::implicit && turned_away < kTurnedAwayAtOnce) {
        std::string reply = std::string("421 4.7.0 ") + why + "\r\n";
        sessions_.spawn(say_goodbye(std::move(stream), std::move(reply)));
    }
}

net::awaitable<void> Server::session(net::Stream stream, Client client, ListenerOptions listener) {
    // The count per address lasts exactly as long as the session.
    class Place {
    public:
        Place(std::map<std::array<std::uint8_t, 16>, std::uint32_t>& counts, const Client& client) : counts_(counts) {
            if (!client.local()) place_ = counts_.try_emplace(client.counted_as(), 0).first;
            if (place_ != counts_.end()) ++place_->second;
        }
        ~Place() {
            if (place_ != counts_.end() && --place_->second == 0) counts_.erase(place_);
        }
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;

    private:
        std::map<std::array<std::uint8_t, 16>, std::uint32_t>& counts_;
        std::map<std::array<std::uint8_t, 16>, std::uint32_t>::iterator place_ = counts_.end();
    };
    const Place place(per_client_, client);
    Session session(std::move(stream), std::move(client), std::move(listener), runtime_, premises_, sessions_);
    co_await session.run();
}

net::awaitable<void> Server::stop() {
    premises_.closing = true;
    acceptors_.request_stop();
    sessions_.request_stop();
    premises_.desk.stop();
    sources_.request_stop();                         // whoever waits for an answer to AUTH hears 454, then 421
    const SteadyTime grace = std::chrono::steady_clock::now() + runtime_->timeouts.shutdown_grace;
    if (!co_await sessions_.wait_idle(grace)) {
        log::warning("sessions_cut_off")
            .kv("sessions", static_cast<std::uint64_t>(sessions_.size()))
            .kv("meaning", "they were still sending when server.timeouts.shutdown_grace ended; nothing of theirs was accepted");
        sessions_.abort();
        co_await sessions_.wait_idle(std::chrono::steady_clock::now() + kAbortGrace);
    }
    co_await acceptors_.wait_idle(std::chrono::steady_clock::now() + kAbortGrace);
    co_await sources_.wait_idle(std::chrono::steady_clock::now() + kAbortGrace);
    doors_.clear();
}

}  // namespace posthorn::smtp::server
