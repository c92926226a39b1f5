// One loop over the core's actions; every wait has a deadline, every turn one write.
#include "smtp/server/session.hpp"

#include <algorithm>
#include <utility>

namespace posthorn::smtp::server {
namespace {

using Kind = protocol::ServerAction::Kind;

constexpr Duration kFarewell = std::chrono::seconds(5);
// Of a message: less than this within timeouts.data is as slow as nothing. An octet now and then would otherwise hold a place
// and memory for as long as its sender likes.
constexpr std::uint64_t kDataStep = 16 * 1024;

protocol::SessionTls offered(const ListenerOptions& listener, const Runtime& runtime) {
    if (listener.tls == ListenerTls::implicit) return protocol::SessionTls::active;
    return listener.tls == ListenerTls::starttls && runtime.tls ? protocol::SessionTls::starttls
                                                                : protocol::SessionTls::none;
}

protocol::SessionAuth offered_auth(const ListenerOptions& listener, bool users) {
    if (listener.auth == ListenerAuth::required) return protocol::SessionAuth::required;
    return listener.auth == ListenerAuth::optional && users ? protocol::SessionAuth::optional
                                                            : protocol::SessionAuth::none;
}

}  // namespace

Session::Session(net::Stream stream, Client client, ListenerOptions listener,
                 std::shared_ptr<const Runtime> runtime, Premises& premises, net::TaskGroup& group)
    : stream_(std::move(stream)),
      client_(std::move(client)),
      listener_(std::move(listener)),
      runtime_(std::move(runtime)),
      premises_(premises),
      number_text_(std::to_string(++premises.last_session)),
      began_(std::chrono::steady_clock::now()),
      trusted_(trusted(client_, runtime_->relay)),
      authenticator_(premises.authenticator),
      core_(facts()),
      sight_(stream_.get_executor(), premises.disk, premises.sights),
      deadline_(stream_.get_executor(), [this] { on_deadline(); }),
      stop_(
          group,
          [this] {
              stopping_ = true;
              if (reading_ && !core_.in_data()) stream_.end_reading();
              if (in_handshake_) stream_.close();  // nothing can be said to it, and nothing of it is lost
              if (holding_back_) holding_back_->notify();
          },
          [this] { stream_.close(); }) {
    ++premises_.figures.sessions;
    ++premises_.figures.connections;
    take_seat();
}

void Session::take_seat() {
    seat_.reset();
    if (trusted_) return;
    const Strangers::Address address = client_.address ? client_.counted_as() : Strangers::Address{};
    seat_.emplace(premises_.strangers, address, [this] { give_way(); });
}

Session::~Session() {
    forget_message();
    --premises_.figures.sessions;
}

protocol::ServerFacts Session::facts() const {
    protocol::ServerFacts facts;
    facts.hostname = runtime_->hostname;
    const ServerLimits& limits = runtime_->limits;
    facts.limits.max_message_size = limits.max_message_size;
    facts.limits.max_recipients = limits.max_recipients;
    facts.limits.max_command_line = limits.max_command_line;
    facts.limits.max_auth_line = limits.max_auth_line;
    facts.limits.max_errors = limits.max_errors;
    facts.limits.max_auth_failures = limits.max_auth_failures;
    facts.tls = offered(listener_, *runtime_);
    facts.auth = offered_auth(listener_, authenticator_ != nullptr);
    if (authenticator_) facts.mechanisms = authenticator_->mechanisms();
    facts.auth_without_tls = listener_.auth_without_tls && client_.local();
    facts.trusted = trusted_;
    facts.replies = &premises_.figures.replies;
    facts.require_tls = true;
    facts.xclient = may_xclient(client_, runtime_->relay);
    facts.caller = client_.unix_socket;
    return facts;
}

log::Event& Session::tag(log::Event&& event) const {
    event.kv("session", number_text_);
    if (id_) event.kv("id", id_text_);
    return event;
}

net::awaitable<void> Session::run() {
    tag(log::info("connect")).kv("client", client_.text).kv("listener", listener_.name);
    co_await converse();
    std::string_view reason = end_;
    if (reason.empty()) reason = protocol::to_string(core_.end());
    ++premises_.figures.ended[reason];
    if (core_.end() == protocol::SessionEnd::too_many_errors) count_offence(DoorGuard::Offence::errors, {});
    if (core_.asked_to_relay() && !core_.authenticated()) count_offence(DoorGuard::Offence::relaying, core_.helo());
    tag(log::info("disconnect")).kv("reason", reason).kv("messages", messages_);
    stream_.close();
}

net::awaitable<void> Session::converse() {
    if (listener_.tls == ListenerTls::implicit) {
        if (!co_await handshake()) co_return;
        core_.set_tls(tls_facts());
    }
    std::optional<net::Deadline> last_words;
    const bool waits = listener_.tls == ListenerTls::implicit || co_await waits_for_greeting();
    if (!waits) count_offence(DoorGuard::Offence::early_talk, {});
    Action action = waits ? core_.start() : core_.on_early_talk();
    for (;;) {
        if (const std::string_view content = core_.take_content(); !content.empty()) co_await collect(content);
        if (!action.output.empty()) {
            set_deadline();
            // A deadline that has passed does not come again: the 421 that follows it has one of its own.
            if (timed_out_ && !last_words) {
                last_words.emplace(stream_);
                last_words->set_after(kFarewell);
            }
            const net::IoResult written = co_await stream_.write(action.output);
            if (!written.ok()) {
                if (end_.empty()) end_ = timed_out_ ? "write_timeout" : "connection_lost";
                co_return;
            }
        }
        switch (action.kind) {
            case Kind::read:
                action = co_await read();
                break;
            case Kind::write:
                action = core_.on_written();
                break;
            case Kind::check_mail:
                if (client_.unix_socket && !caller_) co_await know_caller();
                action = core_.on_verdict(check_mail());
                break;
            case Kind::check_recipient: {
                protocol::Verdict verdict = check_recipient();
                if (!verdict.refusal && runtime_->rules->is_local(core_.rcpt_command().recipient.to_string())) {
                    verdict = co_await look_up_name();
                }
                action = core_.on_verdict(std::move(verdict));
                break;
            }
            case Kind::begin_data:
                if (caller_) co_await sight_.wait();
                action = core_.on_verdict(begin_data());
                break;
            case Kind::store: {
                protocol::StoreResult stored = co_await store();
                action = core_.on_stored(std::move(stored));
                break;
            }
            case Kind::drop:
                ++premises_.figures.messages_refused;
                log_refused("data", core_.refusal());
                forget_message();
                action = core_.on_dropped();
                break;
            case Kind::abandon:
                forget_message();
                action = core_.on_abandoned();
                break;
            case Kind::authenticate: {
                protocol::SaslAnswer answer = co_await authenticate();
                answer = co_await guarded(std::move(answer));
                action = core_.on_sasl(unless_suspended(std::move(answer)));
                break;
            }
            case Kind::change_client:
                action = core_.on_client(change_client());
                break;
            case Kind::start_tls: {
                if (!co_await handshake()) co_return;
                action = core_.on_tls(tls_facts());
                break;
            }
            case Kind::close:
                co_await farewell();
                co_return;
        }
    }
}

void Session::on_deadline() {
    timed_out_ = true;
    if (reading_) {
        stream_.end_reading();  // the session wakes, says 421, and closes
    } else {
        stream_.close();
    }
}

// The same as if its time were over: it is told 421 4.4.2.
void Session::give_way() {
    ++premises_.figures.connections_displaced;
    end_ = "displaced";
    on_deadline();
}

void Session::set_deadline() {
    const SteadyTime now = std::chrono::steady_clock::now();
    if (core_.in_data()) {
        if (!data_deadline_ || content_octets_ >= kDataStep) {
            content_octets_ = 0;
            data_deadline_ = now + runtime_->timeouts.data;
        }
        deadline_.set(*data_deadline_);
        return;
    }
    data_deadline_.reset();
    const bool known = trusted_ || core_.authenticated();
    const Duration whole =
        known ? runtime_->timeouts.authenticated_session : runtime_->timeouts.unauthenticated_session;
    deadline_.set(std::min(now + runtime_->timeouts.command, began_ + whole));
}

net::awaitable<Session::Action> Session::read() {
    if (stopping()) co_return core_.on_shutdown();
    if (trusted_ || core_.authenticated()) seat_.reset();
    count_memory();
    set_deadline();
    reading_ = true;
    // While it is waited for what comes, and never between the end of a message and its reply.
    std::optional<Strangers::Seat> waits;
    if (trusted_) waits.emplace(premises_.waiting, client_.owner(), [this] { give_way(); });
    // An idle session holds no buffer: it is borrowed when there is something to read.
    const net::error_code readable = co_await stream_.wait_readable();
    waits.reset();
    if (!readable && !timed_out_ && !stopping()) {
        const ReadBuffers::Loan buffer(premises_.buffers);
        const net::IoResult got = co_await stream_.read_some(buffer.span());
        if (got.ok()) {
            reading_ = false;
            co_return core_.on_bytes(std::string_view(buffer.span().data(), got.size));
        }
    }
    reading_ = false;
    if (timed_out_) co_return core_.on_timeout();
    if (stopping()) co_return core_.on_shutdown();
    co_return core_.on_eof();
}

net::awaitable<bool> Session::waits_for_greeting() {
    // Programs of this machine and of known networks are not worth a wait, and whatever they do early is their habit.
    if (trusted_ || client_.local()) co_return true;
    if (runtime_->timeouts.greeting_delay > Duration::zero() && !stopping_) {
        holding_back_.emplace(stream_.get_executor());
        co_await holding_back_->wait_until(std::chrono::steady_clock::now() + runtime_->timeouts.greeting_delay);
        holding_back_.reset();
    }
    co_return !stream_.has_arrived();
}

protocol::ClientFacts Session::change_client() {
    const protocol::XclientCommand& said = core_.xclient_command();
    const Client client = client_of(said, client_);
    const SteadyTime now = std::chrono::steady_clock::now();
    protocol::ClientFacts facts;
    if (!exempt(client, runtime_->guard, runtime_->relay) && premises_.guard.banned(client.counted_as(), now)) {
        facts.refusal = protocol::make_reply(421, "4.7.0", "Too many failures from this address, try again later");
    } else if (!said.login.empty() &&
               AccountCheck(*runtime_->accounts, premises_.allowances, premises_.suspensions, said.login).suspended()) {
        ++premises_.figures.users_suspended;
        facts.refusal = protocol::make_reply(525, "5.7.13", "User account disabled");
    }
    log::Event event(log::Level::info, "xclient");
    tag(std::move(event)).kv("proxy", client_.text).kv("client", client.text);
    if (!said.login.empty()) event.kv("user", said.login);
    if (facts.refusal) {
        event.kv("reply", facts.refusal->joined());
        return facts;
    }
    client_ = client;
    trusted_ = trusted(client_, runtime_->relay);
    began_ = now;
    take_seat();
    facts.trusted = trusted_;
    facts.xclient = may_xclient(client_, runtime_->relay);
    facts.auth_without_tls = listener_.auth_without_tls && client_.local();
    return facts;
}

net::awaitable<bool> Session::handshake() {
    if (!runtime_->tls) {  // an implicit TLS listener whose certificate was taken away by a reload
        end_ = "no_certificate";
        co_return false;
    }
    if (stopping_) {
        end_ = "shutdown";
        co_return false;
    }
    deadline_.set_after(runtime_->timeouts.tls_handshake);
    in_handshake_ = true;
    const net::HandshakeResult result = co_await stream_.handshake_server(runtime_->tls);
    in_handshake_ = false;
    if (result.ok()) {
        const net::TlsFacts facts = stream_.tls_facts();
        ++premises_.figures.tls[facts.version];
        tag(log::info("tls")).kv("version", facts.version).kv("cipher", facts.cipher);
        co_return true;
    }
    if (stopping_) {
        end_ = "shutdown";
        co_return false;
    }
    ++premises_.figures.tls_failures;
    if (end_.empty()) end_ = timed_out_ ? "tls_timeout" : "tls_failed";
    tag(log::info("tls")).kv("result", "failed").kv("client", client_.text).kv("error", result.detail);
    co_return false;
}

protocol::TlsFacts Session::tls_facts() const {
    const net::TlsFacts tls = stream_.tls_facts();
    return protocol::TlsFacts(tls.version, tls.cipher, tls.tls_exporter + tls.tls_unique + tls.server_end_point);
}

protocol::Reply Session::refuse(std::string_view stage, std::uint16_t code, std::string_view enhanced,
                                std::string_view text) {
    protocol::Reply reply = protocol::make_reply(code, enhanced, text);
    log_refused(stage, reply);
    return reply;
}

void Session::log_refused(std::string_view stage, const protocol::Reply& reply) {
    tag(log::info("refused")).kv("stage", stage).kv("client", client_.text).kv("reply", reply.joined());
}

net::awaitable<void> Session::farewell() {
    // A TLS peer is told the end; whoever does not answer is not waited for (RFC 5246 s7.2.1 allows that to us, SMTP ends itself).
    if (core_.end() != protocol::SessionEnd::quit || !stream_.is_tls()) co_return;
    net::Deadline limit(stream_);
    limit.set_after(kFarewell);
    co_await stream_.shutdown_tls();
}

}  // namespace posthorn::smtp::server
