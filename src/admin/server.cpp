// Accepts admin connections and serves their requests one after the other.
#include "admin/server.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>
#include <list>
#include <optional>

#include "admin/endpoint.hpp"
#include "admin/event_feed.hpp"
#include "admin/http.hpp"
#include "base/log.hpp"
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
    Visitor visitor;
    bool turned_away = false;  // there are too many of his kind
};
using SessionPtr = std::shared_ptr<Session>;

}  // namespace

struct AdminServer::State : std::enable_shared_from_this<AdminServer::State> {
    State(boost::asio::io_context& context, AdminOptions given, queue::QueueStore& store, Daemon daemon,
          ServerBounds limits)
        : io(context),
          options(std::move(given)),
          bounds(limits),
          core(std::make_shared<Core>(Core{context, store, std::move(daemon), false})),
          room(context) {
        core->events = std::make_shared<EventFeed>(context);
    }

    boost::asio::io_context& io;
    AdminOptions options;
    ServerBounds bounds;
    CorePtr core;
    std::optional<net::Listener> listener;
    std::list<SessionPtr> sessions;
    steady_timer room;  // cancelled when a connection ends, or at stop
    std::vector<std::uint32_t> operators;  // uids, beside root's and our own

    static net::awaitable<void> accept_all(std::shared_ptr<State> self);
    static net::awaitable<void> serve(std::shared_ptr<State> self, SessionPtr session);
    static net::awaitable<Answer> answer_of(std::shared_ptr<State> self, SessionPtr session, UniqueFunction<void(Respond)> ask);
    static net::awaitable<bool> write(std::shared_ptr<State> self, SessionPtr session, std::string wire);
    void identify(Session& session) const;
    void spawn(SessionPtr session);
};

net::awaitable<void> AdminServer::State::accept_all(std::shared_ptr<State> self) {
    while (!self->core->stopped) {
        if (self->sessions.size() >= self->bounds.connections) {
            self->room.expires_at(SteadyTime::max());
            auto [cancelled] = co_await self->room.async_wait(kAwait);
            static_cast<void>(cancelled);
            continue;
        }
        net::AcceptResult accepted = co_await self->listener->accept(self->io);
        if (self->core->stopped) {
            break;
        }
        if (accepted.ok()) {
            self->spawn(std::make_shared<Session>(self->io, std::move(*accepted.stream)));
            continue;
        }
        if (accepted.error == boost::asio::error::operation_aborted) {
            break;
        }
        // Out of descriptors or memory: the connection stays in the kernel's queue until there are some
        // again.
        log::warning("admin_accept").kv("error", accepted.error.message());
        self->room.expires_after(std::chrono::milliseconds(200));
        auto [waited] = co_await self->room.async_wait(kAwait);
        static_cast<void>(waited);
    }
}

void AdminServer::State::identify(Session& session) const {
    const auto peer = session.stream.credentials();
    session.visitor.uid = peer ? static_cast<std::uint32_t>(peer->uid) : UINT32_MAX;
    const bool operates = peer && (peer->uid == 0 || peer->uid == ::geteuid() ||
                                   std::find(operators.begin(), operators.end(), peer->uid) != operators.end());
    session.visitor.rights = operates ? Rights::all : Rights::own;
    if (operates) return;
    std::size_t visitors = 0, same = 0;
    for (const SessionPtr& other : sessions) {
        if (other->visitor.sees_all() || other->turned_away) continue;
        ++visitors;
        if (other->visitor.uid == session.visitor.uid) ++same;
    }
    session.turned_away = visitors >= bounds.visitors || same >= bounds.per_visitor;
}

void AdminServer::State::spawn(SessionPtr session) {
    identify(*session);
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
        self->room.cancel();
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
    Answer answer = failure(504, "the queue did not answer in time; its disk may be slow or stuck");
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
        co_await write(self, session, to_wire(full, false));
        co_return;
    }
    RequestReader reader(bounds.header_octets, bounds.body_octets);
    std::string pending;
    std::array<char, 4096> block;
    bool keep_alive = true;
    while (keep_alive && !self->core->stopped) {
        session->deadline.set_after(bounds.read);
        RequestReader::Progress progress = reader.feed(pending);
        while (progress == RequestReader::Progress::incomplete) {
            const net::IoResult read = co_await session->stream.read_some(block);
            if (!read.ok()) {
                co_return;
            }
            pending.append(block.data(), read.size);
            progress = reader.feed(pending);
        }
        Answer answer;
        keep_alive = false;
        bool chunks = false;
        if (progress == RequestReader::Progress::refused) {
            answer = reader.refusal();
        } else {
            Request request = reader.take();
            request.visitor = session->visitor;
            request.answer_by = std::chrono::steady_clock::now() + bounds.answer;
            chunks = request.chunks;
            keep_alive = request.keep_alive;
            session->deadline.clear();
            UniqueFunction<void(Respond)> endpoint = [self, request = std::move(request)](Respond respond) {
                route(self->core, request, std::move(respond));
            };
            answer = co_await answer_of(self, session, std::move(endpoint));
        }
        if (self->core->stopped) {
            co_return;
        }
        if (answer.more && !chunks) keep_alive = false;  // the connection's end is the answer's
        std::string wire = to_wire(answer, keep_alive, chunks);
        bool written = co_await write(self, session, std::move(wire));
        while (written && answer.more) {
            UniqueFunction<void(Respond)> rest = std::move(answer.more);
            answer = co_await answer_of(self, session, std::move(rest));
            if (answer.status != 200 || self->core->stopped) {
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

Result<void> AdminServer::start() {
    if (state_->options.socket.empty()) {
        return {};
    }
    for (const std::string& name : state_->options.operators) {
        const auto uid = net::look_up_uid(name);
        if (!uid) {
            return Error{"admin.operators names " + text::safe_for_log(name, 100) +
                         ", and this machine has no such user; correct the name, or write his number"};
        }
        state_->operators.push_back(*uid);
    }
    Endpoint endpoint;
    endpoint.unix_path = state_->options.socket;
    // /run is empty after each boot, and nobody but the socket lives in its directory there.
    if (const auto slash = endpoint.unix_path.rfind('/'); slash != std::string::npos && slash > 0) {
        ::mkdir(endpoint.unix_path.substr(0, slash).c_str(), 0755);
    }
    auto listener = net::Listener::open(state_->io, endpoint, state_->options.socket_mode);
    if (!listener) {
        return Error{"the admin socket: " + listener.error().what};
    }
    state_->listener.emplace(std::move(*listener));
    boost::asio::co_spawn(state_->io, State::accept_all(state_), boost::asio::detached);
    return {};
}

void AdminServer::stop() {
    State& state = *state_;
    if (state.core->stopped) {
        return;
    }
    state.core->stopped = true;
    state.core->events->stop();
    if (state.listener) {
        state.listener->close();
    }
    state.room.cancel();
    for (const SessionPtr& session : state.sessions) {
        session->deadline.clear();
        session->stream.close();
        session->answered.cancel();
    }
    // The endpoints' callbacks hold the core; what the daemon lent must not be reached through it any more.
    state.core->daemon = {};
}

}  // namespace posthorn::admin
