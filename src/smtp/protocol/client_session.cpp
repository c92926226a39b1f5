// The client's dialogue: commands go out as far ahead as the peer allows, replies are taken in the order of
// the commands.
#include "smtp/protocol/client_session.hpp"

#include <algorithm>

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

// RFC 5321 s4.2.1: the first digit. 3yz is an answer to DATA and to AUTH alone.
bool asks_for_more(const Reply& reply) {
    return reply.code >= 300 && reply.code < 400;
}

}  // namespace

ClientSession::ClientSession(ClientOptions options)
    : options_(std::move(options)), secure_(options_.implicit_tls) {}

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
    hello();
    return next();
}

ClientAction ClientSession::on_message_sent() {
    phase_ = Phase::envelope;
    send(Stage::end_of_data, {});
    return act(Kind::read);
}

ClientAction ClientSession::on_chunk_sent() {
    phase_ = Phase::envelope;
    content_sent_ += chunk_;
    send(content_sent_ < transaction_.size ? Stage::data : Stage::end_of_data, {});
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
    by_chunks_ = options_.chunking && extensions_.chunking;
    content_sent_ = 0;
    if (const auto reply = objection()) {
        settle_open(Fate::refused, Stage::mail, *reply, true);
        return act(Kind::ready);
    }
    refuse_hopeless();
    const auto to_send = static_cast<std::uint64_t>(std::count(settled_.begin(), settled_.end(), false));
    if (to_send == 0) return act(Kind::ready);
    if (extensions_.rcpt_max > 0 && to_send > extensions_.rcpt_max) {  // RFC 9422 s4.2
        std::uint32_t room = extensions_.rcpt_max;
        for (recipients_end_ = 0; room > 0; ++recipients_end_) room -= settled_[recipients_end_] ? 0 : 1;
        const Reply reply = make_reply(452, "4.5.3", "the server takes fewer recipients in one transaction");
        for (auto i = recipients_end_; i < count; ++i)
            if (!settled_[i]) settle(i, Fate::split, Stage::rcpt, reply, true);
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
    if (where == Stage::helo && ehlo_refusal_.code != 0) {
        // Its last word was no (RFC 7504 s3: a server that takes no mail may hang up behind it).
        const Reply no = ehlo_refusal_;
        fail(Stage::ehlo, no);
        return next();
    }
    fail(where, broken("4.4.2", why, where));
    return next();
}

Stage ClientSession::stage() const {
    if (!expected_.empty()) return expected_.front().stage;
    switch (phase_) {
        case Phase::tls:
            return Stage::tls;
        case Phase::login:
            return Stage::auth;
        case Phase::sending:
        case Phase::chunk:
            return Stage::data;
        default:
            return answered_;
    }
}

bool ClientSession::may_begin() const {
    return extensions_.mail_max == 0 || transactions_ < extensions_.mail_max;
}

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
        case Phase::login: {
            ClientAction action(Kind::log_in);
            action.output = std::move(*challenge_);
            challenge_.reset();
            return action;
        }
        case Phase::sending:
            return act(Kind::send_message);
        case Phase::chunk: {
            ClientAction action = act(Kind::send_chunk);
            action.chunk = chunk_;
            return action;
        }
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
    ++replies_;
    // RFC 5321 s3.8: the peer closes the connection, to whatever command it says so.
    if (reply.code == 421 && to.stage != Stage::quit) {
        fail(to.stage, reply);
        return;
    }
    if (asks_for_more(reply) && to.stage != Stage::data && to.stage != Stage::auth) {
        out_of_step(to.stage, reply);
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
        case Stage::auth:
            on_auth(reply);
            break;
        case Stage::data:
            if (by_chunks_) {
                on_chunk(reply);
            } else {
                on_data(reply);
            }
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
            break;
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
    // RFC 5321 s4.5.3.1.10: 452, or 552 from old servers, to a recipient too many; or whatever says so by RFC
    // 3463 s3.6 (X.5.3). With another enhanced code it is about this recipient's mailbox. Behind an accepted
    // one only: each transaction gets somebody out of the way, so that the splitting ends.
    const bool says_so = reply.enhanced.subject == 5 && reply.enhanced.detail == 3;
    const bool may_say_so = !reply.enhanced && (reply.code == 452 || reply.code == 552);
    if (accepted_ == 0 || (!says_so && !may_say_so)) {
        settle(recipient, Fate::refused, Stage::rcpt, reply);
        return;
    }
    settle(recipient, Fate::split, Stage::rcpt, reply);
    for (auto i = next_recipient_; i < recipients_end_; ++i)
        if (!settled_[i]) settle(i, Fate::split, Stage::rcpt, reply);
    recipients_end_ = next_recipient_;
}

void ClientSession::on_data(const Reply& reply) {
    if (asks_for_more(reply)) {
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
        out_of_step(Stage::data, reply);
        return;
    }
    reset_due_ = true;
    settle_open(Fate::refused, Stage::data, reply);
    phase_ = Phase::ready;
}

// Of a chunk that is not the last. RFC 3030 s2: a refusal of one is of the whole message.
void ClientSession::on_chunk(const Reply& reply) {
    if (is_2xx(reply)) {
        next_chunk();
    } else if (asks_for_more(reply)) {
        out_of_step(Stage::data, reply);
    } else {
        reset_due_ = true;
        settle_open(Fate::refused, Stage::data, reply);
        phase_ = Phase::ready;
    }
}

void ClientSession::on_end_of_data(const Reply& reply) {
    phase_ = Phase::ready;
    if (abandoned_) return;
    reset_due_ = by_chunks_ && !is_2xx(reply);  // RFC 3030 s2
    settle_open(is_2xx(reply) ? Fate::delivered : Fate::refused, Stage::end_of_data, reply);
}

void ClientSession::out_of_step(Stage stage, const Reply& reply) {
    const std::string said = "the peer answered " + std::to_string(reply.code) + ", neither yes nor no,";
    fail(stage, broken("4.5.0", said, stage));
}

// More came than was asked for: what follows would be taken for the reply to a command not yet sent.
void ClientSession::on_unsolicited() {
    const Stage where = phase_ == Phase::tls ? Stage::starttls : stage();
    // To TLS it is an injection (RFC 3207 s6): the handshake must not begin.
    fail(where, broken("4.5.0", "the peer sent more than it was asked for", where));
}

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
