// Where users come from, as sessions see it: the mechanisms to offer, and exchanges that end with a user or without.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/dovecot_protocol.hpp"
#include "auth/scram.hpp"
#include "net/asio.hpp"
#include "smtp/protocol/sasl_turn.hpp"

namespace posthorn::smtp::server {

// The connection that an exchange belongs to.
struct AuthContext {
    std::vector<auth::ChannelBinding> channel_bindings;  // none: no -PLUS was offered
    auth::DovecotPeer peer;
    // Asked before a password is looked at, where the source learns of the user before: what may be answered at once,
    // because the client would not be told the outcome. Empty: nothing.
    std::function<std::optional<protocol::SaslAnswer>(std::string_view user)> forestall;
};

// One AUTH command, owned by its session. Cancelled by destroying it, not while a step is under way.
class Exchange {
public:
    virtual ~Exchange() = default;
    // The answer to what the client said; nothing: AUTH came without an initial response. Not called again after an answer
    // that is no challenge. Ends within a bound of the source's own.
    virtual net::awaitable<protocol::SaslAnswer> step(std::optional<std::string> response) = 0;

    // For the log, after an answer that is no challenge: who the client says he is (may be empty), and why it was no success.
    [[nodiscard]] const std::string& user() const { return user_; }
    [[nodiscard]] const std::string& reason() const { return reason_; }

protected:
    std::string user_, reason_;
};

// On the server's shard; outlives its exchanges, which the sessions see to. What sessions learn of a user is the name that the
// source knows him by, whatever form of it the client gave.
class Authenticator {
public:
    virtual ~Authenticator() = default;
    // Upper case, the best first (protocol::ServerFacts::mechanisms).
    [[nodiscard]] virtual std::vector<std::string> mechanisms() const = 0;
    // REQUIRES: mechanism is one of mechanisms() at some time.
    [[nodiscard]] virtual std::unique_ptr<Exchange> begin(std::string_view mechanism, AuthContext context) = 0;
};

}  // namespace posthorn::smtp::server
