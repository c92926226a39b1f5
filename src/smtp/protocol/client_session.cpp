// The client's dialogue: commands go out as far ahead as the peer allows, replies are taken in the order of
// the commands.
#include "smtp/protocol/client_session.hpp"

namespace posthorn::smtp::protocol {
namespace {

using Kind = ClientAction::Kind;

bool is_2xx(const Reply& reply) {
    return reply.code >= 200 && reply.code < 300;
}

// After Postfix's smtp_state: a broken connection is worth little to the reader without what was being done.
std::string_view doing(Stage stage) {
    switch (stage) {
        case Stage::connect:
            return "while connecting";
        case Stage::greeting:
            return "while waiting for the greeting";
        case Stage::ehlo:
            return "after EHLO";
        case Stage::helo:
            return "after HELO";
        case Stage::starttls:
            return "after STARTTLS";
        case Stage::tls:
            return "during the TLS handshake";
        case Stage::auth:
            return "after AUTH";
        case Stage::mail:
            return "after MAIL";
        case Stage::rcpt:
            return "after RCPT";
        case Stage::data:
            return "during DATA";
        case Stage::end_of_data:
            return "after the end of data: the message may be delivered twice";
        case Stage::rset:
            return "after RSET";
        case Stage::quit:
            return "after QUIT";
    }
    return "";
}

Reply broken(std::string_view enhanced, std::string_view what, Stage stage) {
    std::string text(what);
    text.append(" ").append(doing(stage));
    return make_reply(0, enhanced, text);
}

}  // namespace

std::string_view to_string(ClientAction::Kind kind) {
    switch (kind) {
        case Kind::read:
            return "read";
        case Kind::start_tls:
            return "start_tls";
        case Kind::send_message:
            return "send_message";
        case Kind::ready:
            return "ready";
        case Kind::close:
            return "close";
    }
    return "unknown";
}

std::string_view to_string(Fate fate) {
    switch (fate) {
        case Fate::delivered:
            return "delivered";
        case Fate::refused:
            return "refused";
        case Fate::split:
            return "split";
    }
    return "unknown";
}

ClientSession::ClientSession(ClientOptions options) : options_(std::move(options)) {}

// --- events ---

ClientAction ClientSession::start() {
    Expected greeting{Stage::greeting, 0, 0};
    expected_.push_back(greeting);
    return act(Kind::read);
}

ClientAction ClientSession::on_bytes(std::string_view in) {
    // A reply to a command that is still in the output was not given to that command.
    while (!in.empty() && !expected_.empty() && output_.empty()) {
        const auto status = parser_.feed(in);
        if (status == ReplyParser::Status::need_more) return next();
        if (status == ReplyParser::Status::malformed) {
            fail(stage(), broken("4.5.0", "the peer sent what is no SMTP reply", stage()));
        } else {
            on_reply(parser_.take());
        }
        if (failure_) return next();
    }
    if (!in.empty()) on_unsolicited();
    return next();
}

ClientAction ClientSession::on_tls(std::string version, std::string cipher) {
    secure_ = true;
    tls_version_ = std::move(version);
    tls_cipher_ = std::move(cipher);
    extensions_ = Extensions{};  // RFC 3207 s4.2: what was said in the clear is forgotten
    phase_ = Phase::opening;
    hello(Stage::ehlo);
    return act(Kind::read);
}

ClientAction ClientSession::on_message_sent() {
    phase_ = Phase::envelope;
    send(Stage::end_of_data, {});
    return act(Kind::read);
}

ClientAction ClientSession::begin(Transaction transaction) {
    transaction_ = std::move(transaction);
    const std::size_t count = transaction_.envelope.recipients.size();
    results_.assign(count, RecipientResult{});
    settled_.assign(count, false);
    accepted_ = next_recipient_ = 0;
    recipients_end_ = static_cast<std::uint32_t>(count);
    mail_sent_ = data_sent_ = mail_refused_ = abandoned_ = false;
    if (const auto reply = objection()) {
        settle_open(Fate::refused, Stage::mail, *reply, true);
        return act(Kind::ready);
    }
    if (extensions_.rcpt_max > 0 && count > extensions_.rcpt_max) {  // RFC 9422 s4.2
        recipients_end_ = extensions_.rcpt_max;
        const Reply reply = make_reply(452, "4.5.3", "the server takes fewer recipients in one transaction");
        for (auto i = recipients_end_; i < count; ++i) settle(i, Fate::split, Stage::rcpt, reply, true);
    }
    ++transactions_;
    phase_ = Phase::envelope;
    if (reset_due_) send(Stage::rset, "RSET\r\n");
    return next();
}

ClientAction ClientSession::quit() {
    phase_ = Phase::closing;
    send(Stage::quit, "QUIT\r\n");
    return act(Kind::read);
}

ClientAction ClientSession::on_lost(std::string_view why) {
    const Stage where = stage();
    if (where == Stage::quit) {
        expected_.clear();
        return act(Kind::close);
    }
    fail(where, broken("4.4.2", why, where));
    return next();
}

Stage ClientSession::stage() const {
    if (!expected_.empty()) return expected_.front().stage;
    switch (phase_) {
        case Phase::tls:
            return Stage::tls;
        case Phase::sending:
            return Stage::data;
        default:
            return answered_;
    }
}

bool ClientSession::may_begin() const {
    return extensions_.mail_max == 0 || transactions_ < extensions_.mail_max;
}

// --- replies ---

ClientAction ClientSession::act(Kind kind) {
    ClientAction action(kind);
    action.output.swap(output_);
    return action;
}

ClientAction ClientSession::next() {
    if (phase_ == Phase::envelope) send_envelope();
    switch (phase_) {
        case Phase::tls:
            return act(Kind::start_tls);
        case Phase::ready:
            return act(Kind::ready);
        case Phase::sending:
            return act(Kind::send_message);
        case Phase::closing:
            return act(expected_.empty() ? Kind::close : Kind::read);
        case Phase::opening:
        case Phase::envelope:
            break;
    }
    return act(Kind::read);
}

void ClientSession::on_reply(Reply reply) {
    const Expected to = expected_.front();
    expected_.pop_front();
    unanswered_ -= to.octets;
    answered_ = to.stage;
    // RFC 5321 s3.8: the peer closes the connection, to whatever command it says so.
    if (reply.code == 421 && to.stage != Stage::quit) {
        fail(to.stage, reply);
        return;
    }
    switch (to.stage) {
        case Stage::greeting:
            on_greeting(std::move(reply));
            break;
        case Stage::ehlo:
            on_ehlo(reply);
            break;
        case Stage::helo:
            on_helo(reply);
            break;
        case Stage::starttls:
            on_starttls(reply);
            break;
        case Stage::mail:
            on_mail(reply);
            break;
        case Stage::rcpt:
            on_rcpt(reply, to.recipient);
            break;
        case Stage::data:
            on_data(reply);
            break;
        case Stage::end_of_data:
            on_end_of_data(reply);
            break;
        case Stage::rset:
            reset_due_ = false;
            if (!is_2xx(reply)) fail(Stage::rset, reply);
            break;
        case Stage::quit:
        case Stage::connect:
        case Stage::tls:
        case Stage::auth:
            break;
    }
}

void ClientSession::on_greeting(Reply reply) {
    greeting_ = std::move(reply);
    if (is_2xx(greeting_)) {
        hello(Stage::ehlo);
    } else {
        fail(Stage::greeting, greeting_);
    }
}

void ClientSession::on_ehlo(const Reply& reply) {
    if (is_2xx(reply)) {
        extensions_ = parse_extensions(reply);
        opened();
    } else if (reply.code == 500 || reply.code == 502 || reply.code == 504 || reply.code == 550) {
        hello(Stage::helo);  // RFC 5321 s3.2
    } else {
        fail(Stage::ehlo, reply);
    }
}

void ClientSession::on_helo(const Reply& reply) {
    if (is_2xx(reply)) {
        opened();
    } else {
        fail(Stage::helo, reply);
    }
}

void ClientSession::opened() {
    phase_ = Phase::ready;
    if (secure_ || options_.tls == TlsUse::never) return;
    if (extensions_.starttls) {
        phase_ = Phase::opening;
        send(Stage::starttls, "STARTTLS\r\n");
    } else if (options_.tls == TlsUse::required) {
        fail(Stage::starttls,
             make_reply(0, "4.7.10", "TLS is required, and the server does not offer STARTTLS"), true);
    }
}

void ClientSession::on_starttls(const Reply& reply) {
    if (is_2xx(reply)) {
        phase_ = Phase::tls;
    } else if (options_.tls == TlsUse::required) {
        fail(Stage::starttls, reply);
    } else {
        tls_refusal_ = reply;  // TLS-2: opportunistic TLS is never stricter than clear text
        phase_ = Phase::ready;
    }
}

void ClientSession::on_mail(const Reply& reply) {
    if (is_2xx(reply)) return;
    mail_refused_ = true;
    reset_due_ = true;
    settle_open(Fate::refused, Stage::mail, reply);
}

void ClientSession::on_rcpt(const Reply& reply, std::uint32_t recipient) {
    if (settled_[recipient]) return;  // MAIL was refused: this is its echo
    if (is_2xx(reply)) {
        ++accepted_;
        return;
    }
    // RFC 5321 s4.5.3.1.10: 452, or 552 from old servers, to a recipient too many. With another enhanced code
    // it is about this recipient's mailbox.
    const bool too_many = (reply.code == 452 || reply.code == 552) && accepted_ > 0 &&
                          (!reply.enhanced || (reply.enhanced.subject == 5 && reply.enhanced.detail == 3));
    if (!too_many) {
        settle(recipient, Fate::refused, Stage::rcpt, reply);
        return;
    }
    settle(recipient, Fate::split, Stage::rcpt, reply);
    for (auto i = next_recipient_; i < recipients_end_; ++i) settle(i, Fate::split, Stage::rcpt, reply);
    recipients_end_ = next_recipient_;
}

void ClientSession::on_data(const Reply& reply) {
    if (reply.code >= 300 && reply.code < 400) {
        if (accepted_ > 0) {
            phase_ = Phase::sending;
            return;
        }
        // RFC 2920 s3.1: all recipients were refused, and still it wants the message. A lone dot ends it.
        abandoned_ = true;
        send(Stage::end_of_data, ".\r\n");
        return;
    }
    if (is_2xx(reply)) {
        fail(Stage::data,
             broken("4.5.0", "the peer answered " + std::to_string(reply.code) + ", neither yes nor no,",
                    Stage::data));
        return;
    }
    reset_due_ = true;
    settle_open(Fate::refused, Stage::data, reply);
    phase_ = Phase::ready;
}

void ClientSession::on_end_of_data(const Reply& reply) {
    phase_ = Phase::ready;
    if (abandoned_) return;
    if (reply.code >= 300 && reply.code < 400) {
        fail(Stage::end_of_data,
             broken("4.5.0", "the peer answered " + std::to_string(reply.code) + ", neither yes nor no,",
                    Stage::end_of_data));
        return;
    }
    settle_open(is_2xx(reply) ? Fate::delivered : Fate::refused, Stage::end_of_data, reply);
}

// More came than was asked for: what follows would be taken for the reply to a command not yet sent.
void ClientSession::on_unsolicited() {
    const Stage where = phase_ == Phase::tls ? Stage::starttls : stage();
    // To TLS it is an injection (RFC 3207 s6): the handshake must not begin.
    fail(where, broken("4.5.0", "the peer sent more than it was asked for", where));
}

// --- commands ---

bool ClientSession::send(Stage stage, std::string_view command, std::uint32_t recipient) {
    if (!expected_.empty()) {
        // EXT-3: both sides could wait for the other to read, if what is under way did not fit the buffers
        // between them.
        if (!options_.pipelining || !extensions_.pipelining) return false;
        if (unanswered_ + command.size() > options_.max_unanswered) return false;
    }
    output_ += command;
    Expected expected{stage, recipient, static_cast<std::uint32_t>(command.size())};
    expected_.push_back(expected);
    unanswered_ += command.size();
    return true;
}

void ClientSession::hello(Stage stage) {
    send(stage, (stage == Stage::ehlo ? "EHLO " : "HELO ") + options_.hostname + "\r\n");
}

// --- results ---

void ClientSession::settle(std::uint32_t recipient, Fate fate, Stage stage, const Reply& reply, bool local) {
    RecipientResult& result = results_[recipient];
    result.fate = fate;
    result.stage = stage;
    result.reply = reply;
    result.local = local;
    settled_[recipient] = true;
}

void ClientSession::settle_open(Fate fate, Stage stage, const Reply& reply, bool local,
                                bool maybe_delivered) {
    for (std::uint32_t i = 0; i < results_.size(); ++i) {
        if (settled_[i]) continue;
        settle(i, fate, stage, reply, local);
        results_[i].maybe_delivered = maybe_delivered;
    }
}

void ClientSession::fail(Stage stage, const Reply& reply, bool local) {
    failure_ = SessionFailure{stage, reply, local};
    // RFC 5321 s4.5.3.2.6, RFC 1047: without an answer to the end of data nobody knows who has the message.
    const bool maybe_delivered = stage == Stage::end_of_data && reply.code == 0 && !abandoned_;
    settle_open(Fate::refused, stage, reply, local, maybe_delivered);
    expected_.clear();
    unanswered_ = 0;
    output_.clear();
    phase_ = Phase::closing;
}

}  // namespace posthorn::smtp::protocol
