// The server's dialogue: lines and content in order, questions one at a time, replies gathered.
#include "smtp/protocol/server_session.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace posthorn::smtp::protocol {

using Kind = ServerAction::Kind;

std::string_view to_string(ServerAction::Kind kind) {
    switch (kind) {
        case Kind::read:
            return "read";
        case Kind::write:
            return "write";
        case Kind::check_mail:
            return "check_mail";
        case Kind::check_recipient:
            return "check_recipient";
        case Kind::begin_data:
            return "begin_data";
        case Kind::store:
            return "store";
        case Kind::drop:
            return "drop";
        case Kind::abandon:
            return "abandon";
        case Kind::authenticate:
            return "authenticate";
        case Kind::change_client:
            return "change_client";
        case Kind::start_tls:
            return "start_tls";
        case Kind::close:
            return "close";
    }
    return "unknown";
}

std::string_view to_string(SessionEnd end) {
    switch (end) {
        case SessionEnd::open:
            return "open";
        case SessionEnd::quit:
            return "quit";
        case SessionEnd::eof:
            return "eof";
        case SessionEnd::timeout:
            return "timeout";
        case SessionEnd::shutdown:
            return "shutdown";
        case SessionEnd::too_many_errors:
            return "too_many_errors";
        case SessionEnd::too_many_auth_failures:
            return "too_many_auth_failures";
        case SessionEnd::bytes_after_starttls:
            return "bytes_after_starttls";
        case SessionEnd::other_protocol:
            return "other_protocol";
        case SessionEnd::bare_line_ends:
            return "bare_line_ends";
        case SessionEnd::unknown_chunk:
            return "unknown_chunk";
        case SessionEnd::turned_away:
            return "turned_away";
        case SessionEnd::early_talk:
            return "early_talk";
        case SessionEnd::account_disabled:
            return "account_disabled";
    }
    return "unknown";
}

ServerSession::ServerSession(ServerFacts facts) : facts_(std::move(facts)) {
    connection_.secure = facts_.tls == SessionTls::active;
}

// --- events ---

ServerAction ServerSession::start() {
    say("220 " + facts_.hostname + " ESMTP\r\n");
    answered();
    return act(Kind::read);
}

ServerAction ServerSession::on_bytes(std::string_view in) {
    ServerAction action = run(in);
    rest_.assign(in);
    rest_at_ = 0;
    return action;
}

ServerAction ServerSession::on_written() {
    return resume();
}

ServerAction ServerSession::resume() {
    std::string_view in = std::string_view(rest_).substr(rest_at_);
    ServerAction action = run(in);
    rest_at_ = rest_.size() - in.size();
    return action;
}

ServerAction ServerSession::on_verdict(Verdict verdict) {
    const Waiting asked = waiting_;
    answered();
    const bool chunked = asked == Waiting::data && transaction_.chunked;
    if (verdict.refusal && chunked && !verdict.disabled) {  // the chunk is on its way
        transaction_.chunked = false;
        chunk_.refusal = *std::move(verdict.refusal);
        auto action = begin_chunk();
        return action ? *std::move(action) : resume();
    }
    if (verdict.refusal) {
        say(*verdict.refusal);
        if (!verdict.disabled) return resume();
        say("421 4.7.0 " + facts_.hostname + " This account is disabled, closing the connection\r\n");
        return close(SessionEnd::account_disabled);
    }
    if (asked == Waiting::mail) {
        auto& envelope = transaction_.envelope;
        envelope.reverse_path = mail_.sender.to_string();
        envelope.body = mail_.body;
        envelope.smtputf8 = mail_.smtputf8;
        envelope.require_tls = mail_.require_tls;
        envelope.ret = mail_.ret;
        envelope.envid = mail_.envid;
        transaction_.failed = false;
        state_ = State::mail;
        say("250 2.1.0 Ok\r\n");
    } else if (asked == Waiting::rcpt) {
        mail::EnvelopeRecipient recipient;
        recipient.address = rcpt_.recipient.to_string();
        recipient.orcpt = rcpt_.orcpt;
        recipient.notify = rcpt_.notify;
        transaction_.envelope.recipients.push_back(std::move(recipient));
        state_ = State::rcpt;
        say("250 2.1.5 Ok\r\n");
    } else if (chunked) {
        auto action = begin_chunk();
        return action ? *std::move(action) : resume();
    } else {
        state_ = State::data;
        say("354 End data with <CR><LF>.<CR><LF>\r\n");
    }
    return resume();
}

// RFC 3207 s4.2: nothing of what was said in the clear is still known. What was counted against the client
// is.
ServerAction ServerSession::on_tls(TlsFacts tls) {
    answered();
    Connection fresh;
    fresh.secure = true;
    fresh.tls = std::move(tls);
    fresh.errors = connection_.errors;
    fresh.auth_failures = connection_.auth_failures;
    fresh.auth_untold = connection_.auth_untold;
    connection_ = std::move(fresh);
    fresh_transaction(State::fresh);
    return act(Kind::read);
}

ServerAction ServerSession::on_stored(StoreResult result) {
    answered();
    if (result.refusal) {
        say(*result.refusal);
    } else {
        connection_.errors = 0;
        say(result.known ? "250 2.0.0 Ok: queued already, by an earlier try\r\n"
                         : "250 2.0.0 Ok: queued as " + result.queue_id + "\r\n");
    }
    fresh_transaction(State::greeted);
    return resume();
}

ServerAction ServerSession::on_dropped() {
    answered();
    say(refusal_);
    // Where the length was declared there is no doubt about the end.
    const bool chunked = transaction_.chunked, end = !chunked && bare_line_ends();
    fresh_transaction(State::greeted);
    transaction_.failed = chunked && !chunk_.last;
    return end ? close(SessionEnd::bare_line_ends) : resume();
}

ServerAction ServerSession::on_timeout() {
    say("421 4.4.2 " + facts_.hostname + " Timeout, closing the connection\r\n");
    return close(SessionEnd::timeout);
}

ServerAction ServerSession::on_shutdown() {
    say("421 4.3.2 " + facts_.hostname + " Service is shutting down, try again later\r\n");
    return close(SessionEnd::shutdown);
}

ServerAction ServerSession::on_eof() {
    return close(SessionEnd::eof);
}

std::string_view ServerSession::take_content() {
    taken_.clear();
    std::swap(taken_, content_);
    return taken_;
}

// --- the loop ---

ServerAction ServerSession::run(std::string_view& in) {
    while (!in.empty()) {
        if (output_.size() >= kMaxGathered) return act(Kind::write);
        auto action = state_ == State::data    ? take_content_from(in)
                      : state_ == State::chunk ? take_chunk_from(in)
                                               : take_line(in);
        if (action) return *std::move(action);
    }
    return act(Kind::read);
}

ServerAction ServerSession::act(Kind kind) {
    ServerAction action(kind);
    action.output.swap(output_);
    return action;
}

// The replies gathered so far stay: they leave with the next read, so that a group of commands costs one
// write (RFC 2920).
ServerAction ServerSession::ask(Waiting what, Kind kind) {
    waiting_ = what;
    return ServerAction(kind);
}

ServerAction ServerSession::close(SessionEnd end) {
    end_ = end;
    state_ = State::closing;
    waiting_ = Waiting::nothing;
    return act(Kind::close);
}

// RFC 4954 s4: AUTH lines, also the command with an initial response, may be much longer than others.
bool ServerSession::is_auth_line(std::string_view begin) const {
    return state_ == State::auth || text::istarts_with(begin, "AUTH ");
}

std::optional<ServerAction> ServerSession::take_line(std::string_view& in) {
    const auto newline = in.find('\n');
    const bool whole = newline != std::string_view::npos;
    const std::string_view piece = in.substr(0, whole ? newline + 1 : in.size());
    in.remove_prefix(piece.size());
    more_ = !in.empty();
    if (!discarding_ && (!whole || !line_.empty())) line_ += piece;
    const std::string_view line = line_.empty() ? piece : std::string_view(line_);
    if (!discarding_) {
        const bool auth = is_auth_line(line);
        const std::size_t limit = auth ? facts_.limits.max_auth_line : facts_.limits.max_command_line;
        discarding_ = line.size() > limit;
        discarding_auth_ = discarding_ && auth;
        // Of what is within the limit only: how much more is here by now depends on the slicing.
        discarding_bdat_ = discarding_ && state_ != State::auth &&
                           text::istarts_with(text::trim_left(line.substr(0, limit)), "BDAT");
    }
    if (!whole) {
        if (discarding_) line_.clear();
        return std::nullopt;
    }
    const bool overlong = discarding_;
    discarding_ = false;
    auto action = overlong ? on_overlong_line() : on_line(line.substr(0, line.size() - 1));
    line_.clear();
    return action;
}

std::optional<ServerAction> ServerSession::on_overlong_line() {
    if (discarding_bdat_) return lose_step("500 5.5.2 Line too long; the end of the chunk is unknown\r\n");
    if (!discarding_auth_) return error("500 5.5.2 Line too long\r\n");
    if (state_ == State::auth) state_ = State::greeted;  // the exchange ends with it
    accepted_user_.clear();
    return error("500 5.5.6 Authentication exchange line is too long\r\n");
}

std::optional<ServerAction> ServerSession::on_line(std::string_view line) {
    // RFC 5321 s2.3.8: only CRLF ends a line. One that claims otherwise may be the inside of somebody's
    // message.
    if (!line.ends_with('\r')) {
        say("500 5.5.2 Lines must end in CRLF\r\n");
        return close(SessionEnd::bare_line_ends);
    }
    line.remove_suffix(1);
    if (state_ == State::auth) return sasl_line(line);
    return command(line);
}

std::optional<ServerAction> ServerSession::take_content_from(std::string_view& in) {
    auto& decoder = transaction_.decoder;
    const std::size_t before = content_.size();
    const std::uint64_t size_before = decoder.facts().size;
    const bool end = decoder.feed(in, content_);
    // Beyond the limit nothing is kept, but read on to the true end (RFC 1870 s6.3).
    const std::uint64_t limit = facts_.limits.max_message_size;
    if (decoder.facts().size > limit)
        content_.resize(before + (size_before < limit ? limit - size_before : 0));
    if (!end) return std::nullopt;
    more_ = !in.empty();
    return end_of_data();
}

bool ServerSession::bare_line_ends() const {
    return data_facts().bare_cr || data_facts().bare_lf;
}

ServerAction ServerSession::end_of_data() {
    if (auto refusal = content_refusal()) {
        refusal_ = *std::move(refusal);
        return ask(Waiting::dropped, Kind::drop);
    }
    return ask(Waiting::stored, Kind::store);
}

// Not 521 (RFC 6409 s7).
std::optional<Reply> ServerSession::content_refusal() const {
    const DataFacts& facts = data_facts();
    if (facts.bare_lf) return make_reply(550, "5.5.2", "Message has a bare LF; lines must end in CRLF");
    if (facts.bare_cr) return make_reply(550, "5.5.2", "Message has a bare CR; lines must end in CRLF");
    // By chunks it cannot come to that: their sizes are declared.
    if (!transaction_.chunked && facts.size > facts_.limits.max_message_size) return too_large();
    if (facts.nul) return make_reply(550, "5.6.0", "Message has a NUL octet");
    return std::nullopt;
}

Reply ServerSession::too_large() const {
    return make_reply(
        552, "5.3.4",
        "Message is larger than the limit of " + std::to_string(facts_.limits.max_message_size) + " octets");
}

// --- replies ---

void ServerSession::say(std::string_view wire) {
    if (facts_.replies != nullptr) facts_.replies->count(wire);
    output_ += wire;
}
void ServerSession::say(const Reply& reply) {
    if (facts_.replies != nullptr) facts_.replies->count(reply);
    append_wire(output_, reply);
}

std::optional<ServerAction> ServerSession::error(std::string_view wire) {
    say(wire);
    return count_error();
}

std::optional<ServerAction> ServerSession::error(const Reply& reply) {
    say(reply);
    return count_error();
}

std::optional<ServerAction> ServerSession::count_error() {
    if (++connection_.errors < facts_.limits.max_errors) return std::nullopt;
    say("421 4.7.0 " + facts_.hostname + " Too many errors, closing the connection\r\n");
    return close(SessionEnd::too_many_errors);
}

void ServerSession::fresh_transaction(State next) {
    transaction_ = Transaction{};
    state_ = next;
}

std::string_view ServerSession::with_protocol() const {
    if (!connection_.extended) return "SMTP";
    static constexpr std::string_view kNames[2][2][2] = {
        {{"ESMTP", "ESMTPA"}, {"ESMTPS", "ESMTPSA"}},
        {{"UTF8SMTP", "UTF8SMTPA"}, {"UTF8SMTPS", "UTF8SMTPSA"}},
    };
    return kNames[transaction_.envelope.smtputf8][connection_.secure][authenticated()];
}

}  // namespace posthorn::smtp::protocol
