// Who the client is: what a proxy says of it by XCLIENT, and those who speak before they are spoken to.
#include "smtp/protocol/server_session.hpp"

namespace posthorn::smtp::protocol {

using Kind = ServerAction::Kind;

std::optional<ServerAction> ServerSession::on_xclient(std::string_view arguments) {
    if (!facts_.xclient) return error("550 5.7.0 XCLIENT is not for you\r\n");
    auto parsed = parse_xclient(arguments);
    if (const auto* refusal = std::get_if<Reply>(&parsed)) return error(*refusal);
    xclient_ = std::move(std::get<XclientCommand>(parsed));
    return ask(Waiting::client, Kind::change_client);
}

// The session begins anew with somebody else: nothing of what was known about the one before is true of this
// one, neither the login nor the failures, and least of all the right to say XCLIENT.
ServerAction ServerSession::on_client(ClientFacts client) {
    answered();
    if (client.refusal) {
        say(*client.refusal);
        return client.refusal->code == 421 ? close(SessionEnd::turned_away) : resume();
    }
    facts_.trusted = client.trusted;
    facts_.xclient = client.xclient;
    facts_.auth_without_tls = client.auth_without_tls;
    Connection fresh;
    fresh.secure = connection_.secure;  // the way to us is the same
    fresh.tls = std::move(connection_.tls);
    fresh.helo = std::move(xclient_.helo);
    fresh.user = std::move(xclient_.login);
    fresh.extended = xclient_.extended.value_or(false);
    connection_ = std::move(fresh);
    fresh_transaction(State::fresh);
    say("220 " + facts_.hostname + " ESMTP\r\n");
    return resume();
}

// RFC 5321 s4.3.1: the client waits for the greeting. One that does not, sends without listening: it would
// send as much to a server that refuses. Not 521 (SUB-5).
ServerAction ServerSession::on_early_talk() {
    say("554 5.5.1 " + facts_.hostname + " You spoke before the greeting, closing the connection\r\n");
    return close(SessionEnd::early_talk);
}

}  // namespace posthorn::smtp::protocol
