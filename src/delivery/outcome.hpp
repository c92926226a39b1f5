// What became of a recipient in one attempt: the result, what it concerns, where it happened, and the peer's words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "smtp/protocol/reply.hpp"
#include "smtp/protocol/stage.hpp"

namespace posthorn::delivery {

enum class Disposition : std::uint8_t { delivered, deferred, failed };

// The reply code decides whether there is a retry; the class decides how (docs/DELIVERY.md).
enum class Class : std::uint8_t { none, temp, grey, throttle, auth, local, dns, connection, recipient, content, expired, permanent };

// What a failure says something about: after smtp_trouble.c's session, site, message, recipient.
enum class Scope : std::uint8_t { recipient, message, session, host, site };

struct Outcome {
    Disposition result = Disposition::deferred;
    Class failure_class = Class::none;
    Scope scope = Scope::recipient;
    smtp::protocol::Stage stage = smtp::protocol::Stage::greeting;
    smtp::protocol::Reply reply;         // the peer's, or one we made from our own error (code 0: none)
    std::string host;                    // "mx.example.com[192.0.2.1]"
    std::string relay;                   // by which it was to go, where no plan could be made for that
    bool maybe_delivered = false;        // the connection was lost after the final dot
    // We are short of something ourselves (descriptors, memory, local ports): says nothing of the peer or the message, is no
    // attempt, and is not recorded.
    bool shortage = false;
};

// An outcome of our own, before or without any words of a peer; the reply's line is the enhanced code and the text.
[[nodiscard]] Outcome own_outcome(Disposition result, Class failure_class, Scope scope, std::uint16_t code,
                                  smtp::protocol::EnhancedCode enhanced, std::string text);

[[nodiscard]] std::string_view to_string(Disposition result);
[[nodiscard]] std::string_view to_string(Class failure_class);

}  // namespace posthorn::delivery
