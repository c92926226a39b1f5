// What a relay's refusal says about us, not about the message: such mail is kept, and the operator is told once.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "delivery/outcome.hpp"

namespace posthorn::delivery {

struct Relay;

enum class RelayFault : std::uint8_t {
    login,      // our name or password is not taken, or no mechanism fits (530, 534, 535, 538, 454)
    relaying,   // we may not relay there (5.7.1 "relay access denied")
    sender,     // we may not send as this sender ("sender address rejected: not owned by user")
    quota,      // we have sent too much for now, or have not paid
    host,       // it has no address that we could connect to
    identity,   // the relay does not prove that it is itself: the password is not said to it
};
[[nodiscard]] std::string_view to_string(RelayFault fault);

// Pure. What the reply of a relay says about us; nothing: it is about the recipient, the message, or a passing trouble.
[[nodiscard]] std::optional<RelayFault> relay_fault(smtp::protocol::Stage stage, const smtp::protocol::Reply& reply);

// Pure. The outcome of mail given to a relay, or that could not be, for want of a host: where the fault is ours the mail waits (class local: not counted, tried again
// every retry.local_interval and at each reload), whatever the code said. Anything else stays as it is. Gives the fault.
std::optional<RelayFault> heed_relay(Outcome& outcome);

// Relays in trouble. Owned by the delivery agent, on the home shard.
class RelayTroubles {
public:
    struct Trouble {
        std::string relay;
        RelayFault fault = RelayFault::login;
        std::string words;               // the relay's, whole
        TimePoint since{};
    };
    // Logged as an error, "relay-trouble", the first time of each relay and fault.
    void note(const std::string& relay, RelayFault fault, const Outcome& outcome, TimePoint now);
    // Mail was taken by the relay (a login alone proves nothing about the rest).
    void clear(const std::string& relay);
    // Relays that are configured no longer are forgotten.
    void keep_only(const std::vector<std::string>& names);
    [[nodiscard]] std::vector<Trouble> list() const;

private:
    std::map<std::pair<std::string, RelayFault>, Trouble> troubles_;
};

}  // namespace posthorn::delivery
