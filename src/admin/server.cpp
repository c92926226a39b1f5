// Accepts admin connections by both doors, and serves the requests of each one after the other.
#include "admin/server.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>
#include <list>
#include <optional>

#include "admin/access.hpp"
#include "admin/endpoint.hpp"
#include "admin/event_feed.hpp"
#include "admin/http.hpp"
#include "base/log.hpp"
#include "base/seldom.hpp"
#include "base/text.hpp"
#include "net/asio.hpp"
#include "net/deadline.hpp"
#include "net/listener.hpp"
#include "net/system_users.hpp"

namespace posthorn::admin {

using net::kAwait;
using net::asio::steady_timer;

namespace {

// One connection. Shared with an answer that is still to come from the store.
struct Session {
    Session(boost::asio::io_context& io, net::Stream connected)
        : stream(std::move(connected)), deadline(stream), answered(io) {}
    net::Stream stream;
    net::Deadline deadline;
    steady_timer answered;  // cancelled when `answer` is there, or at stop
    std::optional<Answer> answer;
    bool waiting = false;  // an answer that comes after its time is not wanted
    std::uint64_t questions = 0;  // nor is it the next one's
    Visitor visitor;           // by the kernel's word alone; each request may show a token
    bool turned_away = false;  // there are too many of his kind
    bool by_socket = true;
    bool near = true;          // the peer is on this machine
    bool known = false;        // over TCP: it has shown a token or the cookie of a session
    bool listening = true;     // waits for a request, and would be no loss where it is a stranger's
};
using SessionPtr = std::shared_ptr<Session>;

// Where connections come in.
struct Door {
    Door(boost::asio::io_context& io, net::Listener opened, bool unix_socket) : listener(std::move(opened)), room(io), by_socket(unix_socket) {}
    net::Listener listener;
    steady_timer room;         // cancelled when a connection ends, or at stop
    bool by_socket;
};

}  // namespace

struct AdminServer::State : std::enable_shared_from_this<AdminServer::State> {
    State(boost::asio::io_context& context, AdminOptions given, queue::QueueStore& store, Daemon daemon,
          ServerBounds limits)
        : io(context),
          options(std::move(given)),
          bounds(limits),
          core(std::make_shared<Core>(Core{context, store, std::move(daemon), false})) {
        core->events = std::make_shared<EventFeed>(context, std::to_string(wall_now().time_since_epoch().count()));
    }

    boost::asio::io_context& io;
    AdminOptions options;
    ServerBounds bounds;
    CorePtr core;
    std::list<Door> doors;
    std::list<SessionPtr> sessions;   // in the order of their coming
    Seldom refusals{std::chrono::minutes(1)};
    std::vector<std::uint32_t> operators;  // uids, beside root's and our own

    static net::awaitable<void> accept_all(std::shared_ptr<State> self, Door& door);
    static net::awaitable<void> serve(std::shared_ptr<State> self, SessionPtr session);
    static net::awaitable<Answer> answer_of(std::shared_ptr<State> self, SessionPtr session, UniqueFunction<void(Respond)> ask);
    static net::awaitable<bool> write(std::shared_ptr<State> self, SessionPtr session, std::string wire);
    void identify(Session& session) const;
    struct Places {
        std::size_t taken = 0, strangers = 0;
        SessionPtr oldest_waiting;   // of the strangers
    };
    [[nodiscard]] Places places_of(bool by_socket) const;
    [[nodiscard]] bool has_room(const Door& door) const;
    void wake_doors() {
        for (Door& door : doors) door.room.cancel();
    }
    void tell_refused(const Session& session, const Answer& answer);
    void spawn(SessionPtr session);
};

// Whether another may come. Over TCP strangers have some of the places only, and where these are taken, one who only waits can make room.
bool AdminServer::State::has_room(const Door& door) const {
    const Places places = places_of(door.by_socket);
    if (door.by_socket) return places.taken < bounds.connections;
    return places.taken < bounds.tcp_connections && (places.strangers < bounds.strangers || places.oldest_waiting);
}

AdminServer::State::Places AdminServer::State::places_of(bool by_socket) const {
    Places places;
    for (const SessionPtr& session : sessions) {
        if (session->by_socket != by_socket) continue;
        ++places.taken;
        if (by_socket || session->known) continue;
        ++places.strangers;
        if (!places.oldest_waiting && session->listening && session->stream.is_open()) places.oldest_waiting = session;
    }
    return places;
}

void AdminServer::State::tell_refused(const Session& session, const Answer& answer) {
    if (const auto times = refusals.happened(std::chrono::steady_clock::now())) {
        log::warning("admin_refused").kv("peer", session.by_socket ? "uid " + std::to_string(session.visitor.uid) : session.stream.peer().to_string())
            .kv("status", static_cast<std::uint64_t>(answer.status)).kv("reason", answer.body).kv("times", *times);
    }
}

net::awaitable<void> AdminServer::State::accept_all(std::shared_ptr<State> self, Door& door) {
    while (!self->core->stopped) {
        if (!self->has_room(door)) {
            door.room.expires_at(SteadyTime::max());
            auto [cancelled] = co_await door.room.async_wait(kAwait);
            static_cast<void>(cancelled);
            continue;
        }
        net::AcceptResult accepted = co_await door.listener.accept(self->io);
        if (self->core->stopped) {
            break;
        }
        if (accepted.ok()) {
            auto session = std::make_shared<Session>(self->io, std::move(*accepted.stream));
            session->by_socket = door.by_socket;
            self->spawn(std::move(session));
            continue;
        }
        if (accepted.error == boost::asio::error::operation_aborted) {
            break;
        }
        // Out of descriptors or memory: the connection stays in the kernel's queue until there are some
        // again.
        log::warning("admin_accept").kv("error", accepted.error.message());
        door.room.expires_after(std::chrono::milliseconds(200));
        auto [waited] = co_await door.room.async_wait(kAwait);
        static_cast<void>(waited);
    }
}

void AdminServer::State::identify(Session& session) const {
    if (!session.by_socket) {
        const auto& address = session.stream.peer().ip;
        session.near = address && address->is_loopback();
        return;
    }
    const auto peer = session.stream.credentials();
    session.visitor.uid = peer ? static_cast<std::uint32_t>(peer->uid) : UINT32_MAX;
    const bool operates = peer && (peer->uid == 0 || peer->uid == ::geteuid() ||
                                   std::find(operators.begin(), operators.end(), peer->uid) != operators.end());
    session.visitor.rights = operates ? Rights::all : Rights::own;
    if (operates) return;
    std::size_t visitors = 0, same = 0;
    for (const SessionPtr& other : sessions) {
        if (!other->by_socket || other->visitor.sees_all() || other->turned_away) continue;
        ++visitors;
        if (other->visitor.uid == session.visitor.uid) ++same;
    }
    session.turned_away = visitors >= bounds.visitors || same >= bounds.per_visitor;
}

void AdminServer::State::spawn(SessionPtr session) {
    identify(*session);
    if (const Places places = places_of(session->by_socket); !session->by_socket && places.strangers >= bounds.strangers && places.oldest_waiting)
        places.oldest_waiting->stream.close();
    sessions.push_back(session);
    auto self = shared_from_this();
    auto ended = [self, session](std::exception_ptr failed) {
        if (failed) {
            log::error("admin_session").kv("error", "an exception left it");
        }
        // An answer that is still to come keeps the session, and must not keep the connection open.
        session->deadline.clear();
        session->stream.close();
        self->sessions.remove(session);
        self->wake_doors();
    };
    boost::asio::co_spawn(io, serve(self, session), std::move(ended));
}

// What the endpoint answers, or 504 when that does not come in time.
net::awaitable<Answer> AdminServer::State::answer_of(std::shared_ptr<State> self, SessionPtr session,
                                                     UniqueFunction<void(Respond)> ask) {
    session->answer.reset();
    session->waiting = true;
    Respond respond = [session, question = ++session->questions](Answer given) {
        if (session->waiting && session->questions == question) {
            session->answer = std::move(given);
            session->answered.cancel();
        }
    };
    session->answered.expires_after(self->bounds.answer);
    ask(std::move(respond));
    if (!session->answer) {
        auto [waited] = co_await session->answered.async_wait(kAwait);
        static_cast<void>(waited);
    }
    session->waiting = false;
    Answer answer = failure(504, "no answer came in time: the queue's disk or a DNS server may be slow or stuck, or other examinations come first; try again");
    if (session->answer) {
        answer = std::move(*session->answer);
    }
    co_return answer;
}

net::awaitable<bool> AdminServer::State::write(std::shared_ptr<State> self, SessionPtr session, std::string wire) {
    session->deadline.set_after(self->bounds.write);
    const net::IoResult written = co_await session->stream.write(wire);
    session->deadline.clear();
    co_return written.ok() && !self->core->stopped;
}

net::awaitable<void> AdminServer::State::serve(std::shared_ptr<State> self, SessionPtr session) {
    const ServerBounds& bounds = self->bounds;
    if (session->turned_away) {
        const Answer full = plain_text(503, "too many are asking at the same time; try again in a moment");
        co_await write(self, session, to_wire(full, wall_now(), false));
        co_return;
    }
    RequestReader reader(bounds.header_octets, bounds.body_octets);
    std::string pending;
    std::array<char, 4096> block;
    bool keep_alive = true;
    while (keep_alive && !self->core->stopped) {
        session->listening = true;
        if (!session->by_socket && !session->known) self->wake_doors();   // he could make room now
        session->deadline.set_after(session->by_socket || session->known ? bounds.read : bounds.stranger_read);
        RequestReader::Progress progress = reader.feed(pending);
        while (progress == RequestReader::Progress::incomplete) {
            const net::IoResult read = co_await session->stream.read_some(block);
            if (!read.ok()) {
                co_return;
            }
            pending.append(block.data(), read.size);
            progress = reader.feed(pending);
        }
        session->listening = false;
        Answer answer;
        Credential credential;
        keep_alive = false;
        bool chunks = false;
        bool head = false;
        if (progress == RequestReader::Progress::refused) {
            answer = reader.refusal();
        } else {
            Request request = reader.take();
            request.visitor = session->visitor;
            request.by_socket = session->by_socket;
            request.near = session->near;
            request.answer_by = std::chrono::steady_clock::now() + bounds.answer;
            chunks = request.chunks;
            head = request.method == "HEAD";
            keep_alive = request.keep_alive;
            session->deadline.clear();
            Judgement judged = self->core->access.judge(request, std::chrono::steady_clock::now());
            credential = judged.credential;
            request.visitor = judged.visitor;
            if (judged.refusal) {
                answer = std::move(*judged.refusal);
                self->tell_refused(*session, answer);
            } else {
                session->known = session->known || judged.visitor.rights != Rights::none;
                UniqueFunction<void(Respond)> endpoint = [self, request = std::move(request)](Respond respond) {
                    route(self->core, request, std::move(respond));
                };
                answer = co_await answer_of(self, session, std::move(endpoint));
                if (answer.delay > Duration::zero()) self->tell_refused(*session, answer);
            }
        }
        if (answer.delay > Duration::zero() && !self->core->stopped) {
            // So that the places of strangers bound how many tokens can be tried in a second.
            session->answered.expires_after(answer.delay);
            auto [waited] = co_await session->answered.async_wait(kAwait);
            static_cast<void>(waited);
            keep_alive = false;
        }
        if (self->core->stopped) {
            co_return;
        }
        if (head) answer.more = nullptr;
        if (answer.more && !chunks) keep_alive = false;  // the connection's end is the answer's
        std::string wire = to_wire(answer, wall_now(), keep_alive, chunks, head);
        bool written = co_await write(self, session, std::move(wire));
        while (written && answer.more) {
            UniqueFunction<void(Respond)> rest = std::move(answer.more);
            answer = co_await answer_of(self, session, std::move(rest));
            // Who has logged out, or whose token is another one now, is told no more.
            if (answer.status != 200 || self->core->stopped || !self->core->access.holds(credential, std::chrono::steady_clock::now())) {
                co_return;
            }
            wire = piece_to_wire(answer.body, !answer.more, chunks);
            written = co_await write(self, session, std::move(wire));
        }
        if (!written) {
            co_return;
        }
    }
}

AdminServer::AdminServer(boost::asio::io_context& io, AdminOptions options, queue::QueueStore& store,
                         Daemon daemon, ServerBounds bounds)
    : state_(std::make_shared<State>(io, std::move(options), store, std::move(daemon), bounds)) {}

AdminServer::~AdminServer() {
    stop();
}

void AdminServer::use(AccessRules rules) { state_->core->access.use(std::move(rules)); }

std::optional<Endpoint> AdminServer::tcp_endpoint() const {
    for (const Door& door : state_->doors)
        if (!door.by_socket) return door.listener.endpoint();
    return std::nullopt;
}

Result<void> AdminServer::start() {
    State& state = *state_;
    for (const std::string& name : state.options.operators) {
        const auto uid = net::look_up_uid(name);
        if (!uid) {
            return Error{"admin.operators names " + text::safe_for_log(name, 100) +
                         ", and this machine has no such user; correct the name, or write his number"};
        }
        state.operators.push_back(*uid);
    }
    if (const std::string& path = state.options.socket; !path.empty()) {
        Endpoint endpoint;
        endpoint.unix_path = path;
        // /run is empty after each boot, and nobody but the socket lives in its directory there.
        if (const auto slash = path.rfind('/'); slash != std::string::npos && slash > 0) {
            const std::string folder = path.substr(0, slash);
            if (::mkdir(folder.c_str(), 0755) == 0) ::chmod(folder.c_str(), 0755);   // the umask is 077
        }
        auto listener = net::Listener::open(state.io, endpoint, state.options.socket_mode);
        if (!listener) return Error{"the admin socket: " + listener.error().what};
        state.doors.emplace_back(state.io, std::move(*listener), true);
    }
    if (!state.options.listen.host.empty()) {
        auto listener = net::Listener::open(state.io, state.options.listen);
        if (!listener) return Error{"admin.listen: " + listener.error().what};
        state.doors.emplace_back(state.io, std::move(*listener), false);
        log::info("admin_listening").kv("address", state.doors.back().listener.endpoint().to_string())
            .kv("dashboard", state.core->access.rules().dashboard).kv("read_only", state.core->access.rules().read_only);
    }
    for (Door& door : state.doors) boost::asio::co_spawn(state.io, State::accept_all(state_, door), boost::asio::detached);
    return {};
}

void AdminServer::stop() {
    State& state = *state_;
    if (state.core->stopped) {
        return;
    }
    state.core->stopped = true;
    state.core->events->stop();
    for (Door& door : state.doors) {
        door.listener.close();
        door.room.cancel();
    }
    for (const SessionPtr& session : state.sessions) {
        session->deadline.clear();
        session->stream.close();
        session->answered.cancel();
    }
    // The endpoints' callbacks hold the core; what the daemon lent must not be reached through it any more.
    state.core->daemon = {};
}

}  // namespace posthorn::admin
