// Connects, reads and hands out replies; writes are gathered while one is under way.
#include "smtp/server/dovecot_link.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "base/log.hpp"
#include "net/connect.hpp"
#include "net/deadline.hpp"
#include "net/stream.hpp"

namespace posthorn::smtp::server {
namespace {

auth::DovecotReply unavailable(std::string why) {
    auth::DovecotReply reply;
    reply.reason = std::move(why);
    return reply;
}

std::string advice(const net::error_code& error, const std::string& socket) {
    std::string text = "cannot connect to " + socket + ": " + error.message();
    if (error == boost::system::errc::permission_denied) {
        text += "; in Dovecot's 10-master.conf the unix_listener needs a mode, user or group that lets posthorn in";
    } else if (error == boost::system::errc::no_such_file_or_directory) {
        text += "; Dovecot's 10-master.conf makes it: service auth { unix_listener PATH { mode = 0660 } }";
    } else if (error == boost::system::errc::connection_refused) {
        text += "; Dovecot does not run";
    }
    return text;
}

}  // namespace

struct DovecotConnection {
    struct Waiter {
        explicit Waiter(const net::asio::any_io_executor& executor) : answered(executor) {}
        net::Signal answered;
        std::optional<auth::DovecotReply> reply;
    };

    explicit DovecotConnection(net::Stream connected) : stream(std::move(connected)) {}

    void answer(auth::DovecotReply reply) {
        const auto waiter = waiting.find(reply.id);
        if (waiter == waiting.end()) return;  // too late, or cancelled
        waiter->second->reply = std::move(reply);
        waiter->second->answered.notify();
    }
    void end(const std::string& why) {
        dead = true;
        stream.close();
        for (auto& [id, waiter] : waiting) {
            waiter->reply = unavailable(why);
            waiter->answered.notify();
        }
    }

    net::Stream stream;
    auth::DovecotReader reader;
    std::map<std::uint32_t, Waiter*> waiting;
    std::uint32_t last_id = 0;
    std::string outbox;
    bool writing = false;
    bool dead = false;
};

namespace {

// Writes what is in the outbox, also what is put there meanwhile. A Dovecot that does not read is as good as gone.
net::awaitable<void> flush(std::shared_ptr<DovecotConnection> connection) {
    connection->writing = true;
    net::Deadline limit(connection->stream);
    while (!connection->outbox.empty() && !connection->dead) {
        limit.set_after(DovecotLink::kStepLimit);  // of each write: a crowd of askers is no reason to hang up
        const std::string lines = std::exchange(connection->outbox, {});
        const net::IoResult written = co_await connection->stream.write(lines);
        if (!written.ok()) connection->stream.close();  // the reader finds out
    }
    connection->writing = false;
}

}  // namespace

DovecotLink::DovecotLink(net::asio::any_io_executor executor, std::string socket)
    : executor_(std::move(executor)),
      socket_(std::move(socket)),
      attempt_(std::make_shared<net::Event>(executor_)),
      wake_(executor_) {}

void DovecotLink::start(net::TaskGroup& tasks) { tasks.spawn(run(shared_from_this(), tasks)); }

void DovecotLink::close() {
    closed_ = true;
    if (connection_) connection_->end("the server ends, or has another source of users");
    wake_.notify();
}

net::awaitable<void> DovecotLink::run(std::shared_ptr<DovecotLink> self, net::TaskGroup& tasks) {
    const net::TaskGroup::StopCallback stop(tasks, [&self] { self->close(); }, {});
    Duration pause = kFirstPause;
    while (!self->closed_) {
        const SteadyTime begun = std::chrono::steady_clock::now();
        co_await self->converse();
        self->connection_.reset();
        self->attempt_ended(false);
        // One that lived is opened again at once: Dovecot was restarted.
        const bool lived = self->last_attempt_end_ - begun > kLongestPause;
        pause = lived ? kFirstPause : std::min(pause * 2, kLongestPause);
        co_await self->wake_.wait_until(self->last_attempt_end_ + pause);
        self->attempting_ = true;
    }
    self->attempt_ended(false);  // whoever asked meanwhile
}

void DovecotLink::attempt_ended(bool succeeded) {
    ready_ = succeeded;
    attempting_ = false;
    last_attempt_end_ = std::chrono::steady_clock::now();
    std::exchange(attempt_, std::make_shared<net::Event>(executor_))->set();
}

void DovecotLink::lost(const std::string& why) {
    if (closed_ || why == last_trouble_) return;
    last_trouble_ = why;
    log::warning("dovecot").kv("result", "unavailable").kv("socket", socket_).kv("reason", why)
        .kv("meaning", "AUTH is answered 454 until it is back; clients try again");
}

net::awaitable<void> DovecotLink::converse() {
    Endpoint endpoint;
    endpoint.unix_path = socket_;
    const SteadyTime limit = std::chrono::steady_clock::now() + kConnectLimit;
    net::ConnectResult connected = co_await net::connect(std::move(endpoint), limit);
    if (!connected.ok()) {
        lost(advice(connected.error, socket_));
        co_return;
    }
    if (closed_) co_return;
    const auto connection = std::make_shared<DovecotConnection>(std::move(*connected.stream));
    connection_ = connection;
    net::Deadline deadline(connection->stream);
    deadline.set(limit);
    connection->outbox = auth::dovecot_hello(static_cast<std::uint32_t>(::getpid()));
    co_await flush(connection);

    std::string why = "Dovecot closed the connection";
    std::array<char, 4096> buffer;
    std::vector<auth::DovecotEvent> events;
    while (!closed_) {
        const net::IoResult got = co_await connection->stream.read_some(buffer);
        if (!got.ok()) {
            if (deadline.expired()) why = "Dovecot did not greet in time";
            break;
        }
        events.clear();
        const Result<void> read = connection->reader.feed({buffer.data(), got.size}, events);
        for (auth::DovecotEvent& event : events) {
            if (auto* reply = std::get_if<auth::DovecotReply>(&event)) {
                connection->answer(std::move(*reply));
                continue;
            }
            deadline.clear();
            mechanisms_ = auth::smtp_mechanisms(std::get<auth::DovecotReady>(event).mechanisms);
            std::string names;
            for (const std::string& name : mechanisms_) names += (names.empty() ? "" : " ") + name;
            log::info("dovecot").kv("result", "connected").kv("socket", socket_).kv("mechanisms", names);
            last_trouble_.clear();
            attempt_ended(true);
        }
        if (!read) {
            why = read.error().what;
            break;
        }
    }
    connection->end(why);
    lost(why);
}

net::awaitable<std::shared_ptr<DovecotConnection>> DovecotLink::connection() {
    const auto self = shared_from_this();
    if (!ready_ && !closed_) {
        // A socket that failed a moment ago fails again; a crowd of clients must not make a storm of attempts.
        if (!attempting_ && std::chrono::steady_clock::now() - last_attempt_end_ < kLeastPause) co_return nullptr;
        const auto attempt = attempt_;
        wake_.notify();
        co_await attempt->wait();
    }
    if (!ready_) co_return nullptr;
    co_return connection_;
}

net::awaitable<auth::DovecotReply> DovecotLink::ask(std::shared_ptr<DovecotConnection> connection, std::uint32_t id,
                                                    std::string line) {
    if (connection->dead) co_return unavailable("the connection to Dovecot was lost in the middle of it");
    DovecotConnection::Waiter waiter(connection->stream.get_executor());
    connection->waiting[id] = &waiter;
    const SteadyTime limit = std::chrono::steady_clock::now() + kStepLimit;
    connection->outbox += line;
    if (!connection->writing) co_await flush(connection);
    while (!waiter.reply && std::chrono::steady_clock::now() < limit) {
        co_await waiter.answered.wait_until(limit);
    }
    connection->waiting.erase(id);
    if (!waiter.reply) {
        cancel(connection, id);
        co_return unavailable("Dovecot did not answer in time");
    }
    auth::DovecotReply reply = std::move(*waiter.reply);
    co_return reply;
}

void DovecotLink::cancel(const std::shared_ptr<DovecotConnection>& connection, std::uint32_t id) {
    // Without a hurry: it leaves with the next request. Dovecot forgets the request by itself after some minutes.
    if (!connection->dead) connection->outbox += auth::dovecot_cancel(id);
}

std::uint32_t DovecotLink::new_id(DovecotConnection& connection) { return ++connection.last_id; }

}  // namespace posthorn::smtp::server
