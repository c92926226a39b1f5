// AUTH as the session sees it: order, coding and limits of the exchange; what a mechanism means is asked (RFC
// 4954).
#include <algorithm>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "smtp/protocol/server_session.hpp"

namespace posthorn::smtp::protocol {

using Kind = ServerAction::Kind;

// AUTH-3: no mechanism is named where a password would travel in the clear.
bool ServerSession::auth_allowed() const {
    return facts_.auth != SessionAuth::none && (connection_.secure || facts_.auth_without_tls);
}

// RFC 5802 s6: a -PLUS mechanism is named only by a server that can bind the channel.
bool ServerSession::offers(std::string_view mechanism) const {
    if (!mechanism.ends_with("-PLUS")) return true;
    return connection_.tls && !connection_.tls->channel_binding.empty();
}

std::string ServerSession::offered_mechanisms() const {
    std::string names;
    if (!auth_allowed()) return names;
    for (const auto& name : facts_.mechanisms)
        if (offers(name)) names.append(" ").append(name);
    return names;
}

std::optional<ServerAction> ServerSession::on_auth_command(std::string_view arguments) {
    if (facts_.auth == SessionAuth::none) return error("502 5.5.1 AUTH is not offered\r\n");
    if (authenticated()) return error("503 5.5.1 Already authenticated\r\n");
    if (!auth_allowed()) {
        return error(facts_.tls == SessionTls::starttls ? "530 5.7.0 Must issue a STARTTLS command first\r\n"
                                                        : "502 5.5.1 AUTH is not offered without TLS\r\n");
    }
    const auto blank = arguments.find_first_of(" \t");
    const std::string_view mechanism = arguments.substr(0, blank);
    const std::string_view initial = text::trim(arguments.substr(mechanism.size()));
    if (mechanism.empty() || initial.find_first_of(" \t") != std::string_view::npos)
        return error("501 5.5.4 Syntax: AUTH mechanism [initial-response]\r\n");
    if (facts_.mechanisms.empty()) {
        say("454 4.7.0 Temporary authentication failure, try again later\r\n");
        return std::nullopt;
    }
    const auto known = std::find_if(facts_.mechanisms.begin(), facts_.mechanisms.end(),
                                    [&](const std::string& name) { return text::iequals(name, mechanism); });
    if (known == facts_.mechanisms.end() || !offers(*known))
        return error("504 5.5.4 Unrecognized authentication mechanism\r\n");
    turn_ = {*known, true, std::nullopt};
    if (!initial.empty()) return sasl_response(initial);
    return ask(Waiting::sasl, Kind::authenticate);
}

std::optional<ServerAction> ServerSession::sasl_line(std::string_view line) {
    state_ = State::greeted;
    std::string user;
    std::swap(user, accepted_user_);
    if (line == "*") return error("501 5.7.0 Authentication cancelled\r\n");
    if (user.empty()) {
        turn_.first = false;
        return sasl_response(line);
    }
    // The mechanism has had its last word; all that may follow is the empty response to it.
    if (!line.empty()) return error("501 5.5.2 An empty response was expected\r\n");
    return sasl_accepted(std::move(user));
}

// RFC 4954 s4: "=" is the empty initial response, which nothing after the mechanism's name cannot be.
std::optional<ServerAction> ServerSession::sasl_response(std::string_view base64) {
    auto decoded = turn_.first && base64 == "=" ? std::string() : base64_decode(base64);
    if (!decoded) return error("501 5.5.2 Response is not base64\r\n");
    turn_.response = *std::move(decoded);
    return ask(Waiting::sasl, Kind::authenticate);
}

ServerAction ServerSession::on_sasl(SaslAnswer answer) {
    answered();
    turn_.response.reset();
    std::optional<ServerAction> end;
    switch (answer.kind) {
        case SaslAnswer::Kind::challenge:
            state_ = State::auth;
            say("334 " + base64_encode(answer.octets.value_or("")) + "\r\n");
            break;
        case SaslAnswer::Kind::accepted:
            if (answer.user.empty()) {  // somebody without a name could not be told from nobody
                end = auth_rejected();
            } else if (answer.octets) {
                accepted_user_ = std::move(answer.user);
                state_ = State::auth;
                say("334 " + base64_encode(*answer.octets) + "\r\n");
            } else {
                end = sasl_accepted(std::move(answer.user));
            }
            break;
        case SaslAnswer::Kind::rejected:
            end = auth_rejected();
            break;
        case SaslAnswer::Kind::disabled:
            end = auth_rejected("525 5.7.13 This account is disabled; ask its administrator\r\n");
            break;
        case SaslAnswer::Kind::malformed:
            end = error("501 5.5.2 Malformed authentication response\r\n");
            break;
        case SaslAnswer::Kind::unavailable:
            // No failure of the client's, but one that asks without end costs us a look and a line of the log each time.
            say("454 4.7.0 Temporary authentication failure, try again later\r\n");
            end = auth_in_vain(connection_.auth_untold);
            break;
        case SaslAnswer::Kind::turned_away:
            say("421 4.7.0 " + facts_.hostname + " Too many failures from your address, try again later\r\n");
            end = close(SessionEnd::turned_away);
            break;
    }
    return end ? *std::move(end) : resume();
}

std::optional<ServerAction> ServerSession::sasl_accepted(std::string user) {
    connection_.user = std::move(user);
    say("235 2.7.0 Authentication successful\r\n");
    return std::nullopt;
}

std::optional<ServerAction> ServerSession::auth_rejected(std::string_view wire) {
    say(wire);
    return auth_in_vain(connection_.auth_failures);
}

std::optional<ServerAction> ServerSession::auth_in_vain(std::uint32_t& times) {
    if (++times < facts_.limits.max_auth_failures) return std::nullopt;
    say("421 4.7.0 " + facts_.hostname + " Too many failed authentications, closing the connection\r\n");
    return close(SessionEnd::too_many_auth_failures);
}

}  // namespace posthorn::smtp::protocol
