// One loop over the core's actions; every wait has a deadline, every turn one write.
#include "smtp/server/session.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>


namespace posthorn::smtp::server {
namespace {

using Kind = protocol::ServerAction::Kind;

constexpr Duration kFarewell = std::chrono::seconds(5);
// Of a message: less than this within timeouts.data is as slow as nothing. An octet now and then would otherwise hold a place
// and memory for as long as its sender likes.
constexpr std::uint64_t kDataStep = 16 * 1024;
constexpr std::string_view kNoSpace = "Insufficient system storage, try again later";

// Puts the message into the postbox. A plain function, since g++ 12 breaks lambdas in co_await expressions (docs/COROUTINES.md).
auto put(Postbox& postbox, queue::NewMessage message, SteadyTime deadline) {
    return net::asio::async_initiate<const net::asio::deferred_t&, void(queue::StoreResult<queue::Added>)>(
        [&postbox, deadline](auto handler, queue::NewMessage mail) {
            auto guard = net::asio::prefer(net::asio::get_associated_executor(handler),
                                           net::asio::execution::outstanding_work.tracked);
            postbox.put(std::move(mail), deadline,
                        [handler = std::move(handler), guard = std::move(guard)](
                            queue::StoreResult<queue::Added> added) mutable {
                            auto resume = std::move(handler);
                            std::move(resume)(std::move(added));
                        });
        },
        net::asio::deferred, std::move(message));
}

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
                action = core_.on_verdict(check_mail());
                break;
            case Kind::check_recipient:
                action = core_.on_verdict(check_recipient());
                break;
            case Kind::begin_data:
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
    // An idle session holds no buffer: it is borrowed when there is something to read.
    const net::error_code readable = co_await stream_.wait_readable();
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
        tag(log::info("tls")).kv("version", facts.version).kv("cipher", facts.cipher);
        co_return true;
    }
    if (stopping_) {
        end_ = "shutdown";
        co_return false;
    }
    if (end_.empty()) end_ = timed_out_ ? "tls_timeout" : "tls_failed";
    tag(log::info("tls")).kv("result", "failed").kv("client", client_.text).kv("error", result.detail);
    co_return false;
}

protocol::TlsFacts Session::tls_facts() const {
    const net::TlsFacts tls = stream_.tls_facts();
    return protocol::TlsFacts(tls.version, tls.cipher, tls.tls_exporter + tls.tls_unique + tls.server_end_point);
}

AuthContext Session::auth_context() const {
    AuthContext context;
    if (core_.tls() && !core_.tls()->channel_binding.empty()) {
        const net::TlsFacts tls = stream_.tls_facts();
        const auto add = [&](const char* type, const std::string& octets) {
            if (!octets.empty()) context.channel_bindings.push_back({type, octets});
        };
        add("tls-exporter", tls.tls_exporter);
        add("tls-unique", tls.tls_unique);
        add("tls-server-end-point", tls.server_end_point);
    }
    if (client_.address) context.peer.remote_ip = client_.address->to_string();
    if (const net::SocketAddress& local = stream_.local(); local.ip) {
        context.peer.local_ip = local.ip->to_string();
        context.peer.local_port = local.port;
    }
    context.peer.no_penalty = client_.local();
    context.peer.session = number_text_;
    return context;
}

net::awaitable<protocol::SaslAnswer> Session::authenticate() {
    const protocol::SaslTurn& turn = core_.sasl_turn();
    if (turn.first) {
        AuthContext context = auth_context();
        context.forestall = [this](std::string_view user) { return forestall(user); };
        exchange_ = authenticator_->begin(turn.mechanism, std::move(context));
    }
    protocol::SaslAnswer answer = co_await exchange_->step(turn.response);
    if (answer.kind == protocol::SaslAnswer::Kind::challenge) co_return answer;
    log_auth(answer);
    if (answer.kind == protocol::SaslAnswer::Kind::rejected) answer.user = exchange_->user();
    exchange_.reset();
    co_return answer;
}

// Whatever the reason, the client hears the same; the log says it all, in a form that fail2ban can read.
void Session::log_auth(const protocol::SaslAnswer& answer) {
    using Answer = protocol::SaslAnswer::Kind;
    const bool ok = answer.kind == Answer::accepted;
    if (answer.kind == Answer::rejected) ++premises_.figures.auth_failures;
    log::Event event(ok ? log::Level::info : log::Level::warning, "auth");
    // No name that anybody has is longer; an AUTH line may be.
    const std::string_view user = std::string_view(exchange_->user()).substr(0, 255);
    event.kv("session", number_text_).kv("user", user);
    switch (answer.kind) {
        case Answer::accepted: event.kv("result", "ok"); break;
        case Answer::rejected: event.kv("result", "failed"); break;
        case Answer::malformed: event.kv("result", "malformed"); break;
        default: event.kv("result", "unavailable"); break;
    }
    event.kv("client", client_.text).kv("mechanism", core_.sasl_turn().mechanism);
    if (!ok) event.kv("reason", exchange_->reason());
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

protocol::Verdict Session::check_mail() {
    forget_message();
    if (const auto denial = may_send(client_, runtime_->relay, listener_.auth, core_.authenticated())) {
        return protocol::Verdict::refuse(refuse("mail", denial->code, denial->enhanced, denial->text));
    }
    if (core_.authenticated()) {
        const auto now = std::chrono::steady_clock::now();
        if (auto no = refused_by_account("mail", account().at_mail(core_.mail_command().sender, now))) return *no;
    }
    if (!premises_.postbox.open()) return protocol::Verdict::refuse(refuse("mail", 452, "4.3.1", kNoSpace));
    id_ = premises_.ids.next(wall_now());
    id_text_ = id_.to_string();
    if (log::enabled(log::Level::info)) {
        const protocol::MailCommand& mail = core_.mail_command();
        log::Event event(log::Level::info, "mail");
        event.kv("session", number_text_).kv("id", id_text_).kv("from", mail.sender.to_string());
        if (mail.size) event.kv("size", *mail.size);
        if (core_.authenticated()) event.kv("user", core_.user());
    }
    return protocol::Verdict::accept();
}

protocol::Verdict Session::check_recipient() {
    const mail::Address& recipient = core_.rcpt_command().recipient;
    if (const auto denial = may_receive(recipient.domain, !runtime_->rules->postmaster.empty())) {
        return protocol::Verdict::refuse(refuse("rcpt", denial->code, denial->enhanced, denial->text));
    }
    if (core_.authenticated()) {
        const auto with_this = static_cast<std::uint32_t>(core_.envelope().recipients.size() + 1);
        const auto now = std::chrono::steady_clock::now();
        if (auto no = refused_by_account("rcpt", account().at_recipient(with_this, now))) return *no;
    }
    const std::string address = recipient.to_string();
    const std::uint64_t octets = address.size() + core_.rcpt_command().orcpt.size() + sizeof(mail::EnvelopeRecipient);
    count_memory();
    if (premises_.figures.intake_octets + octets > runtime_->limits.max_intake_memory) {
        return protocol::Verdict::refuse(refuse("rcpt", 452, "4.3.1", kNoSpace));
    }
    envelope_octets_ += octets;
    if (log::enabled(log::Level::info)) log::Event(log::Level::info, "rcpt").kv("id", id_text_).kv("to", address);
    return protocol::Verdict::accept();
}

intake::Submission Session::submission() const {
    intake::Submission submission;
    submission.id = id_;
    submission.now = wall_now();
    submission.helo = core_.helo();
    submission.client_ip = client_.address;
    submission.protocol = core_.with_protocol();
    submission.user = core_.user();
    if (core_.authenticated()) submission.senders = &runtime_->accounts->of(core_.user()).senders;
    if (core_.tls()) submission.tls_cipher = core_.tls()->cipher;
    if (core_.authenticated()) {
        submission.source = auth::source_of(core_.user());
    } else if (const auto peer = client_.unix_socket ? stream_.credentials() : std::nullopt) {
        submission.source = "uid=" + std::to_string(peer->uid);
    } else {
        submission.source = "ip=" + client_.text;
    }
    return submission;
}

protocol::Verdict Session::begin_data() {
    // What a message holds in memory at most, so that those that are begun can be finished.
    const intake::Rules& rules = *runtime_->rules;
    const std::uint64_t declared = core_.mail_command().size.value_or(0);
    const std::uint64_t expected = std::min(declared, rules.max_header_size + rules.inline_body_limit);
    if (premises_.figures.intake_octets + envelope_octets_ + expected > runtime_->limits.max_intake_memory) {
        return protocol::Verdict::refuse(refuse("data", 452, "4.3.1", kNoSpace));
    }
    if (core_.authenticated()) {
        const auto recipients = static_cast<std::uint32_t>(core_.envelope().recipients.size());
        const auto now = std::chrono::steady_clock::now();
        if (auto no = refused_by_account("data", account().at_data(recipients, now))) return *no;
    }
    intake_.emplace(runtime_->rules, submission(), core_.envelope());
    data_deadline_.reset();
    return protocol::Verdict::accept();
}

std::uint64_t Session::held() const {
    // The core forgets the recipients at RSET and EHLO without asking. From DATA on the intake has a copy.
    const std::uint64_t envelope = core_.envelope().recipients.empty() ? 0 : envelope_octets_;
    return intake_ ? 2 * envelope + intake_->memory() : envelope;
}

void Session::count_memory() {
    const std::uint64_t octets = held();
    premises_.figures.intake_octets += octets - accounted_;  // modulo 2^64: also downwards
    accounted_ = octets;
}

void Session::forget_message() {
    intake_.reset();
    spool_.reset();
    envelope_octets_ = 0;
    count_memory();
    over_budget_ = false;
    id_ = QueueId();
}

net::awaitable<void> Session::collect(std::string_view content) {
    content_octets_ += content.size();
    if (!intake_) co_return;  // over the budget: the rest is read and forgotten
    intake_->feed(content);
    count_memory();
    if (intake_->wants_spill()) {
        if (!spool_) spool_.emplace(premises_.disk, premises_.postbox.spool_directory(), id_);
        std::string piece = intake_->take_spill();
        deadline_.clear();
        co_await spool_->write(std::move(piece));
        count_memory();
    }
    if (premises_.figures.intake_octets > runtime_->limits.max_intake_memory) {
        intake_.reset();
        spool_.reset();
        count_memory();
        over_budget_ = true;
    }
}

// The operator reads why; the stranger reads only that it is our trouble and for now.
protocol::StoreResult Session::not_stored(std::string_view trouble) {
    ++premises_.figures.messages_refused;
    tag(log::warning("refused")).kv("stage", "store").kv("client", client_.text).kv("reason", trouble);
    forget_message();
    return protocol::StoreResult::refused(protocol::make_reply(452, "4.3.1", kNoSpace));
}

// A body in its file whose lines are too long is read again and written anew (intake::Intake::next_pass).
net::awaitable<std::string> Session::read_again() {
    constexpr std::size_t kPiece = 256 * 1024;
    while (const auto pass = intake_->next_pass()) {
        SpoolWriter source = *spool_;
        if (*pass == intake::Intake::Pass::survey) {
            std::string last = intake_->take_spill();
            co_await spool_->write(std::move(last));
        } else {
            spool_.emplace(premises_.disk, premises_.postbox.spool_directory(), id_);
        }
        for (std::uint64_t offset = 0;;) {
            Result<std::string> piece = co_await source.read(offset, kPiece);
            if (!piece) co_return piece.error().what;
            if (piece->empty()) break;
            offset += piece->size();
            intake_->feed_again(*piece);
            count_memory();
            if (!intake_->wants_spill()) continue;
            std::string anew = intake_->take_spill();
            co_await spool_->write(std::move(anew));
        }
        intake_->end_pass();
    }
    co_return std::string();
}

net::awaitable<protocol::StoreResult> Session::store() {
    deadline_.clear();
    if (over_budget_) {
        ++premises_.figures.messages_refused;
        protocol::Reply reply = refuse("data", 452, "4.3.1", kNoSpace);
        forget_message();
        co_return protocol::StoreResult::refused(std::move(reply));
    }
    if (core_.authenticated()) {
        if (auto no = refused_by_account("data", account().at_end_of_data())) {
            ++premises_.figures.messages_refused;
            forget_message();
            co_return protocol::StoreResult::refused(std::move(*no->refusal));
        }
    }
    std::string trouble;
    if (spool_) trouble = co_await read_again();
    if (!trouble.empty()) co_return not_stored(trouble);
    intake::Verdict verdict = intake_->finish();
    if (const auto* refusal = std::get_if<intake::Refusal>(&verdict)) {
        ++premises_.figures.messages_refused;
        if (refusal->of_sender) ++premises_.figures.senders_refused;
        protocol::Reply reply = refuse("data", refusal->code, refusal->enhanced, refusal->text);
        forget_message();
        co_return protocol::StoreResult::refused(std::move(reply));
    }
    auto& accepted = std::get<intake::AcceptedMail>(verdict);
    if (spool_) {
        std::string piece = intake_->take_spill();
        co_await spool_->write(std::move(piece));
        Result<std::string> file = co_await spool_->finish();
        if (file) {
            accepted.message->body.spool_file = std::move(*file);
        } else {
            trouble = file.error().what;
        }
    }
    const mail::MessagePtr message = std::move(accepted.message);
    const std::size_t recipients = accepted.recipients.size();
    if (trouble.empty()) {
        queue::NewMessage mail;
        mail.message = message;
        mail.recipients = std::move(accepted.recipients);
        intake_.reset();
        const SteadyTime limit = std::chrono::steady_clock::now() + runtime_->store_deadline;
        queue::StoreResult<queue::Added> added = co_await put(premises_.postbox, std::move(mail), limit);
        if (!added) {
            trouble = added.error().what;
            if (spool_) spool_->remove();
        }
    }
    if (!trouble.empty()) co_return not_stored(trouble);
    ++messages_;
    ++premises_.figures.messages;
    premises_.figures.octets += message->size();
    if (log::enabled(log::Level::info)) {
        log::Event event(log::Level::info, "stored");
        event.kv("id", id_text_).kv("from", message->reverse_path).kv("recipients", static_cast<std::uint64_t>(recipients));
        event.kv("size", message->size()).kv("source", message->source);
        if (!message->stream.empty()) event.kv("stream", message->stream);
        if (!accepted.repaired.empty()) event.kv("repaired", fmt::format("{}", fmt::join(accepted.repaired, ", ")));
    }
    for (const std::string& warning : accepted.warnings) {
        tag(log::warning("message")).kv("from", message->reverse_path).kv("reason", warning);
    }
    std::string name = std::move(id_text_);
    forget_message();
    co_return protocol::StoreResult::stored(std::move(name));
}

net::awaitable<void> Session::farewell() {
    // A TLS peer is told the end; whoever does not answer is not waited for (RFC 5246 s7.2.1 allows that to us, SMTP ends itself).
    if (core_.end() != protocol::SessionEnd::quit || !stream_.is_tls()) co_return;
    net::Deadline limit(stream_);
    limit.set_after(kFarewell);
    co_await stream_.shutdown_tls();
}

}  // namespace posthorn::smtp::server
