// The commands of the server's dialogue: one table of what may come when, one function for each.
#include "base/text.hpp"
#include "smtp/protocol/server_session.hpp"

namespace posthorn::smtp::protocol {

using Kind = ServerAction::Kind;

// The order of a session (RFC 5321 s4.1.4), and what a client may say that has yet to authenticate (RFC 4954
// s6).
struct ServerSession::Row {
    Verb verb;
    unsigned states;   // bit set of State
    bool before_auth;  // also where AUTH is required and has not been done
    std::optional<ServerAction> (ServerSession::*proceed)(std::string_view arguments);

    static constexpr unsigned bit(State state) { return 1U << static_cast<unsigned>(state); }
    static constexpr unsigned kFresh = 1U << static_cast<unsigned>(State::fresh),
                              kGreeted = 1U << static_cast<unsigned>(State::greeted),
                              kMail = 1U << static_cast<unsigned>(State::mail),
                              kRcpt = 1U << static_cast<unsigned>(State::rcpt),
                              kChunks = 1U << static_cast<unsigned>(State::chunks);
    static constexpr unsigned kHello = kGreeted | kMail | kRcpt, kAny = kFresh | kHello | kChunks;
};

const ServerSession::Row ServerSession::kTable[] = {
    {Verb::ehlo, Row::kAny, true, &ServerSession::on_ehlo},
    {Verb::helo, Row::kAny, true, &ServerSession::on_helo},
    {Verb::starttls, Row::kHello, true, &ServerSession::on_starttls},
    {Verb::auth, Row::kGreeted, true, &ServerSession::on_auth_command},
    {Verb::mail, Row::kGreeted, false, &ServerSession::on_mail},
    {Verb::rcpt, Row::kMail | Row::kRcpt, false, &ServerSession::on_rcpt},
    {Verb::data, Row::kMail | Row::kRcpt, false, &ServerSession::on_data},
    {Verb::xclient, Row::kFresh | Row::kGreeted, true, &ServerSession::on_xclient},
    {Verb::rset, Row::kAny, true, &ServerSession::on_rset},
    {Verb::noop, Row::kAny, true, &ServerSession::on_noop},
    {Verb::vrfy, Row::kAny, false, &ServerSession::on_vrfy},
    {Verb::help, Row::kAny, false, &ServerSession::on_help},
    {Verb::quit, Row::kAny, true, &ServerSession::on_quit},
};

namespace {

// "GET / HTTP/1.1", whatever the method (RFC 9112 s3).
bool is_http_request(std::string_view line) {
    const std::size_t last = line.rfind(" HTTP/");
    return last != std::string_view::npos && line.size() - last <= std::string_view(" HTTP/1.1").size();
}

}  // namespace

std::optional<ServerAction> ServerSession::command(std::string_view line) {
    const CommandLine parsed = parse_command_line(line);
    if (parsed.verb == Verb::unknown && is_http_request(line)) {
        // Cross-protocol attack: the body of the request would be read as commands, with the trust its sender has.
        say("500 5.5.1 Command not recognized\r\n");
        return close(SessionEnd::other_protocol);
    }
    if (parsed.verb == Verb::unknown) return error("500 5.5.1 Command not recognized\r\n");
    // Before all else: what follows is a chunk, unless a CR that was no line end to us was one to somebody before us.
    if (parsed.verb == Verb::bdat)
        return on_bdat(line.find('\r') == std::string_view::npos ? parsed.arguments : std::string_view());
    // SMTP-37: a control character is part of no argument, and must not reach a log or a header field.
    if (text::has_control(parsed.arguments)) return error("501 5.5.2 Control character in a command\r\n");
    if (parsed.verb == Verb::refused) return error("502 5.5.1 Command not implemented\r\n");
    const Row* row = kTable;
    while (row->verb != parsed.verb) ++row;
    if ((row->states & Row::bit(state_)) == 0) {
        return error(state_ == State::fresh ? "503 5.5.1 Bad sequence of commands: send EHLO first\r\n"
                                            : "503 5.5.1 Bad sequence of commands\r\n");
    }
    if (facts_.auth == SessionAuth::required && !authenticated() && !row->before_auth) {
        return error(auth_allowed() ? "530 5.7.0 Authentication required\r\n"
                                   : "530 5.7.0 Must issue a STARTTLS command first\r\n");
    }
    return (this->*row->proceed)(parsed.arguments);
}

// RFC 8689 s3: never in the clear.
bool ServerSession::offers_require_tls() const {
    return facts_.require_tls && connection_.secure;
}

std::optional<ServerAction> ServerSession::on_ehlo(std::string_view arguments) {
    if (!acceptable_helo(arguments)) return error("501 5.5.4 Syntax: EHLO hostname\r\n");
    connection_.helo = arguments;
    connection_.extended = true;
    say("250-" + facts_.hostname + "\r\n");
    say("250-PIPELINING\r\n250-SIZE " + std::to_string(facts_.limits.max_message_size) + "\r\n");
    say("250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-CHUNKING\r\n");
    if (facts_.tls == SessionTls::starttls && !connection_.secure) say("250-STARTTLS\r\n");
    if (const std::string mechanisms = offered_mechanisms(); !mechanisms.empty())
        say("250-AUTH" + mechanisms + "\r\n");
    if (offers_require_tls()) say("250-REQUIRETLS\r\n");
    if (facts_.xclient) say("250-XCLIENT " + std::string(kXclientAttributes) + "\r\n");
    if (facts_.caller) say("250-XCALLER\r\n");
    say("250 ENHANCEDSTATUSCODES\r\n");
    return start_over(State::greeted);
}

std::optional<ServerAction> ServerSession::on_helo(std::string_view arguments) {
    if (!acceptable_helo(arguments)) return error("501 5.5.4 Syntax: HELO hostname\r\n");
    connection_.helo = arguments;
    connection_.extended = false;
    say("250 " + facts_.hostname + "\r\n");
    return start_over(State::greeted);
}

std::optional<ServerAction> ServerSession::on_starttls(std::string_view arguments) {
    if (!arguments.empty()) return error("501 5.5.4 STARTTLS takes no parameters\r\n");
    if (connection_.secure) return error("503 5.5.1 TLS is already active\r\n");
    if (facts_.tls != SessionTls::starttls) return error("502 5.5.1 STARTTLS is not offered\r\n");
    // RFC 3207 s6: what came with the command was sent in the clear and must never be read as if it came
    // under TLS.
    if (more_) {
        say("554 5.5.0 Bytes after STARTTLS, closing the connection\r\n");
        return close(SessionEnd::bytes_after_starttls);
    }
    say("220 2.0.0 Ready to start TLS\r\n");
    waiting_ = Waiting::tls;
    return act(Kind::start_tls);
}

std::optional<ServerAction> ServerSession::on_mail(std::string_view arguments) {
    // Everything we take is relayed: the right to send is the right to relay (RFC 6409 s4.3).
    if (!authenticated() && !facts_.trusted) {
        asked_to_relay_ = true;
        if (auth_allowed()) return error("530 5.7.0 Authentication required\r\n");
        if (facts_.auth != SessionAuth::none && facts_.tls == SessionTls::starttls && !connection_.secure)
            return error("530 5.7.0 Must issue a STARTTLS command first\r\n");
        return error("550 5.7.1 Relaying denied\r\n");
    }
    AcceptedParameters accepted;
    accepted.auth = auth_allowed();
    accepted.require_tls = offers_require_tls();
    accepted.caller = facts_.caller;
    auto parsed = parse_mail(arguments, accepted);
    if (const auto* refusal = std::get_if<Reply>(&parsed)) return error(*refusal);
    mail_ = std::move(std::get<MailCommand>(parsed));
    if (mail_.size >
        facts_.limits.max_message_size) {  // RFC 1870 s6.1; nothing compares less than any number
        say("552 5.3.4 Message is larger than the limit of " +
            std::to_string(facts_.limits.max_message_size) + " octets\r\n");
        return std::nullopt;
    }
    return ask(Waiting::mail, Kind::check_mail);
}

std::optional<ServerAction> ServerSession::on_rcpt(std::string_view arguments) {
    AcceptedParameters accepted;
    accepted.caller = facts_.caller;
    auto parsed = parse_rcpt(arguments, accepted, transaction_.envelope.smtputf8);
    if (const auto* refusal = std::get_if<Reply>(&parsed)) return error(*refusal);
    if (transaction_.envelope.recipients.size() >= facts_.limits.max_recipients) {
        say("452 4.5.3 Too many recipients, send the rest in another transaction\r\n");  // RFC 5321
                                                                                         // s4.5.3.1.10
        return std::nullopt;
    }
    rcpt_ = std::move(std::get<RcptCommand>(parsed));
    return ask(Waiting::rcpt, Kind::check_recipient);
}

std::optional<ServerAction> ServerSession::on_data(std::string_view arguments) {
    if (!arguments.empty()) return error("501 5.5.4 DATA takes no parameters\r\n");
    if (state_ == State::mail) {
        // The end of a pipelined group whose recipients were all refused (RFC 2920 s3.1): nobody's error.
        say("554 5.5.1 No valid recipients\r\n");
        return std::nullopt;
    }
    return ask(Waiting::data, Kind::begin_data);
}

std::optional<ServerAction> ServerSession::on_rset(std::string_view arguments) {
    if (!arguments.empty()) return error("501 5.5.4 RSET takes no parameters\r\n");
    say("250 2.0.0 Ok\r\n");
    return start_over(state_ == State::fresh ? State::fresh : State::greeted);
}

std::optional<ServerAction> ServerSession::on_noop(std::string_view) {
    say("250 2.0.0 Ok\r\n");
    return std::nullopt;
}

std::optional<ServerAction> ServerSession::on_vrfy(std::string_view arguments) {
    if (arguments.empty()) return error("501 5.5.4 Syntax: VRFY address\r\n");
    say("252 2.0.0 Cannot verify, but will take mail for it and try to deliver\r\n");  // RFC 5321 s7.3
    return std::nullopt;
}

std::optional<ServerAction> ServerSession::on_help(std::string_view) {
    say("214 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\r\n");
    return std::nullopt;
}

std::optional<ServerAction> ServerSession::on_quit(std::string_view arguments) {
    if (!arguments.empty()) return error("501 5.5.4 QUIT takes no parameters\r\n");
    say("221 2.0.0 " + facts_.hostname + " Goodbye\r\n");
    return close(SessionEnd::quit);
}

}  // namespace posthorn::smtp::protocol
