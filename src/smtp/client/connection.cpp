// The driver of the client session: one switch over its actions, each with its deadline; the content is sent in sending.cpp.
#include "smtp/client/connection.hpp"

#include <boost/asio/error.hpp>

#include <algorithm>
#include <utility>

#include "net/connect.hpp"
#include "net/offload.hpp"

namespace posthorn::smtp::client {
namespace {

using protocol::ClientAction;
using protocol::Stage;

protocol::ClientOptions session_options(const ConnectionOptions& options) {
    protocol::ClientOptions out;
    out.hostname = options.hostname;
    out.tls = options.tls;
    out.pipelining = options.pipelining;
    out.chunking = options.chunking;
    out.smtputf8 = options.smtputf8;
    out.helo = options.helo;
    out.login_in_clear = options.login_in_clear;
    out.implicit_tls = options.implicit_tls;
    return out;
}

std::string transcript_of_no_connection(std::string_view words, SteadyTime began, const protocol::Transcript::Follower& live) {
    protocol::Transcript transcript;
    transcript.follow(live);
    transcript.note(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - began), words);
    return transcript.text();
}

std::string_view proof_of(const net::TlsFacts& facts) {
    if (facts.verified && facts.verified_by == net::TlsCheck::dane) return ", certificate verified by DANE";
    if (facts.verified) return ", certificate verified";
    return ", certificate not verified";
}

// Whether the peer itself ended the connection, in whatever way.
bool hung_up(const net::error_code& error) {
    return error == net::asio::error::eof || error == net::asio::error::connection_reset ||
           error == net::asio::error::broken_pipe;
}

}  // namespace

Duration limit_of(const ClientTimeouts& timeouts, Stage stage) {
    switch (stage) {
        case Stage::connect: return timeouts.connect;
        case Stage::greeting: return timeouts.greeting;
        case Stage::tls: return timeouts.tls_handshake;
        case Stage::data: return timeouts.data;
        case Stage::end_of_data: return timeouts.end_of_data;
        case Stage::quit: return timeouts.quit;
        default: return timeouts.command;
    }
}

Connection::Connection(net::Stream stream, Target target, ConnectionOptions options, net::ClientTls& tls,
                       net::asio::thread_pool& files)
    : stream_(std::move(stream)),
      deadline_(stream_),
      target_(std::move(target)),
      options_(std::move(options)),
      tls_(tls),
      files_(files),
      session_(session_options_with_login()) {}

protocol::ClientOptions Connection::session_options_with_login() {
    protocol::ClientOptions out = session_options(options_);
    if (options_.login)
        out.login = [this](const std::vector<std::string>& offered) { return options_.login(offered, tls_facts_); };
    return out;
}

net::awaitable<Opened> Connection::open(Target target, ConnectionOptions options, net::ClientTls& tls,
                                        net::asio::thread_pool& files) {
    Target first = target;   // named, as docs/COROUTINES.md has it
    ConnectionOptions with_ehlo = options;
    Opened opened = co_await open_once(std::move(first), std::move(with_ehlo), tls, files);
    // RFC 5321 s3.2: some servers of old end the connection where they do not know EHLO. Nothing that is asked of this
    // connection must need EHLO.
    const bool may_be_plain = options.tls != protocol::TlsUse::required && !options.login && !options.helo;
    const bool stopping = options.stop_with != nullptr && options.stop_with->stopping();
    if (opened.hung_up_at_ehlo && may_be_plain && !stopping) {
        options.helo = true;
        opened = co_await open_once(std::move(target), std::move(options), tls, files);
    }
    co_return opened;
}

net::awaitable<Opened> Connection::open_once(Target target, ConnectionOptions options, net::ClientTls& tls,
                                             net::asio::thread_pool& files) {
    Opened opened;
    const SteadyTime began = std::chrono::steady_clock::now();
    const SteadyTime limit = began + options.timeouts.connect;
    net::ConnectResult connected = co_await net::connect(target.address, target.port, options.source, limit, options.stop_with);
    if (!connected.ok()) {
        opened.failure.stage = Stage::connect;
        opened.failure.reply.lines.push_back("connecting to " + target.to_string() + " port " +
                                             std::to_string(target.port) + " failed: " + connected.error.message());
        opened.failure.local = true;
        opened.connect_error = connected.error;
        opened.transcript = transcript_of_no_connection(opened.failure.reply.lines.back(), began, options.live);
        co_return opened;
    }
    auto connection = std::make_unique<Connection>(std::move(*connected.stream), std::move(target), std::move(options), tls, files);
    connection->begun_ = began;
    connection->follow(std::exchange(connection->options_.live, nullptr));
    connection->note("connected to " + connection->target_.to_string() + " port " + std::to_string(connection->target_.port) +
                     (connection->stream_.local().ip ? " from " + connection->stream_.local().ip->to_string() : std::string()));
    std::optional<net::TaskGroup::StopCallback> on_stop;
    if (connection->options_.stop_with != nullptr)
        on_stop.emplace(*connection->options_.stop_with, [&connection] { connection->abort(); }, nullptr);
    std::string broken;
    if (connection->options_.implicit_tls) broken = co_await connection->shake_hands();
    if (broken.empty()) {
        ClientAction first = connection->session_.start();
        co_await connection->run(std::move(first));
    } else {
        opened.failure.stage = Stage::tls;
        opened.failure.reply.lines.push_back(broken);
        opened.failure.local = true;
    }
    on_stop.reset();
    const net::SocketAddress& local = connection->stream_.local();
    if (local.ip) opened.local_address = local.ip->to_string();
    if (const auto& lines = connection->session_.greeting().lines; !lines.empty())
        opened.greeting = lines.front().substr(0, lines.front().find(' '));
    opened.shook_hands = connection->shook_hands_;
    if (connection->usable_) {
        opened.connection = std::move(connection);
        co_return opened;
    }
    opened.transcript = connection->transcript();
    if (connection->session_.failure()) opened.failure = *connection->session_.failure();
    opened.untrusted = connection->untrusted_;
    opened.hung_up_at_ehlo = connection->hung_up_ && opened.failure.stage == Stage::ehlo && opened.failure.reply.code == 0 &&
                             !connection->session_.secure();
    opened.fault = connection->fault_;
    // Also when it failed between STARTTLS and the handshake: the peer hung up, or what is not TLS came with its 220.
    opened.tls_failed = connection->tls_failed_ || opened.failure.stage == Stage::starttls;
    co_return opened;
}

net::awaitable<void> Connection::send(protocol::Transaction transaction, Content content) {
    content_ = std::move(content);
    transcript_.begin_transaction();
    above_.clear();
    above_sent_ = body_sent_ = tail_sent_ = 0;
    body_error_ = 0;
    ClientAction action = session_.begin(std::move(transaction));
    co_await run(std::move(action));
    content_ = Content();
    body_file_.reset();
    body_piece_ = {};
}

net::awaitable<void> Connection::quit() {
    if (usable_) {
        ClientAction action = session_.quit();
        co_await run(std::move(action));
    }
    stream_.close();
}

// Of what is awaited next; never beyond the bound of the whole.
void Connection::wait_for(Duration limit) { deadline_.set(std::min(std::chrono::steady_clock::now() + limit, session_limit_)); }

net::awaitable<void> Connection::run(ClientAction action) {
    usable_ = false;
    session_limit_ = std::chrono::steady_clock::now() + options_.timeouts.session;
    waited_for_ = kNothing;
    for (;;) {
        switch (action.kind) {
            case ClientAction::Kind::read: action = co_await read_reply(std::move(action.output)); break;
            case ClientAction::Kind::start_tls: action = co_await start_tls(); break;
            case ClientAction::Kind::log_in: action = co_await log_in(std::move(action.output)); break;
            case ClientAction::Kind::send_message: action = co_await send_content(); break;
            case ClientAction::Kind::send_chunk: action = co_await send_chunk(std::move(action.output), action.chunk); break;
            case ClientAction::Kind::ready:
                deadline_.clear();
                usable_ = session_.may_begin();
                co_return;
            case ClientAction::Kind::close:
                if (!action.output.empty() && stream_.is_open()) {
                    transcript_.said(elapsed(), action.output);
                    deadline_.set_after(options_.timeouts.quit);
                    co_await stream_.write(action.output);
                }
                stream_.close();
                deadline_.clear();
                co_return;
        }
    }
}

net::awaitable<ClientAction> Connection::read_reply(std::string output) {
    // A reply has its time from the one before, however many pieces it comes in: silence is not all that can take for ever.
    if (!output.empty() || waited_for_ != session_.replies()) wait_for(limit_of(options_.timeouts, session_.stage()));
    waited_for_ = session_.replies();
    if (!output.empty()) {
        if (session_.stage() == Stage::auth) transcript_.said(elapsed(), protocol::without_secrets(output));
        else transcript_.said(elapsed(), output);
        const net::IoResult written = co_await stream_.write(output);
        if (!written.ok()) {
            hung_up_ = !deadline_.expired() && hung_up(written.error);
            co_return session_.on_lost(lost(written.error));
        }
    }
    const net::IoResult got = co_await stream_.read_some(buffer_);
    if (!got.ok()) {
        hung_up_ = !deadline_.expired() && hung_up(got.error);
        co_return session_.on_lost(lost(got.error));
    }
    transcript_.heard(elapsed(), std::string_view(buffer_.data(), got.size));
    co_return session_.on_bytes(std::string_view(buffer_.data(), got.size));
}

// SCRAM derives a key from the password by as many hashes as the server asks for.
net::awaitable<ClientAction> Connection::log_in(std::string challenge) {
    wait_for(options_.timeouts.command);
    auto work = [login = session_.login(), challenge = std::move(challenge)] {
        return std::make_shared<Result<std::string>>(login->step(challenge));
    };
    const std::shared_ptr<Result<std::string>> response = co_await net::offload(files_, std::move(work));
    co_return session_.on_login_step(std::move(*response));
}

net::awaitable<ClientAction> Connection::start_tls() {
    const std::string broken = co_await shake_hands();
    if (!broken.empty()) co_return session_.on_lost(broken);
    co_return session_.on_tls(tls_facts_.version, tls_facts_.cipher);
}

net::awaitable<std::string> Connection::shake_hands() {
    wait_for(options_.timeouts.tls_handshake);
    shook_hands_ = true;
    net::TlsTarget target = options_.handshake;
    if (target.host.empty()) target.host = target_.host;
    if (target.port == 0) target.port = target_.port;
    const net::HandshakeResult shaken = co_await stream_.handshake_client(tls_, std::move(target));
    if (!shaken.ok()) {
        tls_failed_ = true;
        untrusted_ = shaken.untrusted;
        fault_ = shaken.fault;
        std::string why = "TLS handshake failed: " + (shaken.detail.empty() ? why_lost(shaken.error) : shaken.detail);
        note(why);
        co_return why;
    }
    tls_facts_ = stream_.tls_facts();
    note(tls_facts_.version + " " + tls_facts_.cipher + std::string(proof_of(tls_facts_)) + (tls_facts_.resumed ? ", session resumed" : ""));
    co_return std::string();
}

std::string Connection::why_lost(const net::error_code& error) const {
    if (deadline_.expired())
        return "no answer from " + target_.to_string() + " in time, while waiting at " +
               std::string(protocol::to_string(session_.stage()));
    if (error == net::asio::error::eof) return "connection closed by " + target_.to_string();
    return "connection to " + target_.to_string() + " lost: " + error.message();
}

std::string Connection::lost(const net::error_code& error) {
    std::string why = why_lost(error);
    note(why);
    return why;
}

Duration Connection::elapsed() const { return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - begun_); }

void Connection::note_content(std::uint64_t octets) { note("the message goes out, " + std::to_string(octets) + " octets"); }

}  // namespace posthorn::smtp::client
