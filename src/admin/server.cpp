// Accepts admin connections and serves their requests one after the other.
#include "admin/server.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <exception>
#include <list>
#include <optional>

#include "admin/endpoint.hpp"
#include "admin/http.hpp"
#include "base/log.hpp"
#include "net/asio.hpp"
#include "net/deadline.hpp"
#include "net/listener.hpp"

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
          room(context) {}

    boost::asio::io_context& io;
    AdminOptions options;
    ServerBounds bounds;
    CorePtr core;
    std::optional<net::Listener> listener;
    std::list<SessionPtr> sessions;
    steady_timer room;  // cancelled when a connection ends, or at stop

    static net::awaitable<void> accept_all(std::shared_ptr<State> self);
    static net::awaitable<void> serve(std::shared_ptr<State> self, SessionPtr session);
    static net::awaitable<Answer> ask(std::shared_ptr<State> self, SessionPtr session, Request request);
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

void AdminServer::State::spawn(SessionPtr session) {
    sessions.push_back(session);
    auto self = shared_from_this();
    auto ended = [self, session](std::exception_ptr failed) {
        if (failed) {
            log::error("admin_session").kv("error", "an exception left it");
        }
        self->sessions.remove(session);
        self->room.cancel();
    };
    boost::asio::co_spawn(io, serve(self, session), std::move(ended));
}

// The answer of the endpoint, or 504 when it does not come in time.
net::awaitable<Answer> AdminServer::State::ask(std::shared_ptr<State> self, SessionPtr session,
                                               Request request) {
    session->answer.reset();
    session->waiting = true;
    Respond respond = [session](Answer given) {
        if (session->waiting) {
            session->answer = std::move(given);
            session->answered.cancel();
        }
    };
    session->answered.expires_after(self->bounds.answer);
    route(self->core, request, std::move(respond));
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

net::awaitable<void> AdminServer::State::serve(std::shared_ptr<State> self, SessionPtr session) {
    const ServerBounds& bounds = self->bounds;
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
        if (progress == RequestReader::Progress::refused) {
            answer = reader.refusal();
        } else {
            Request request = reader.take();
            keep_alive = request.keep_alive;
            session->deadline.clear();
            answer = co_await ask(self, session, std::move(request));
        }
        if (self->core->stopped) {
            co_return;
        }
        session->deadline.set_after(bounds.write);
        const std::string wire = to_wire(answer, keep_alive);
        const net::IoResult written = co_await session->stream.write(wire);
        if (!written.ok()) {
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
