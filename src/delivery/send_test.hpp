// Messages of `posthorn send-test`: how they are known, and what is told of them that is told of no other.
#pragma once

#include <string_view>

#include "mail/message.hpp"

namespace posthorn::delivery {

// What the envelope id (RFC 3461 s4.4) of a test begins with. It is in no header, and no receiver sees it but one that offers DSN. Whoever sets it
// has nothing of it but his own session in journal and log, at most some kilobytes of each attempt.
inline constexpr std::string_view kSendTestEnvelopeId = "posthorn-send-test.";

// Its session is kept in the journal when it went well, too, each line of it is an event ("session") as it happens, and its header as it leaves
// is one ("signed", in base64), so that the one who sent it can show the one and verify the other (SD-24).
[[nodiscard]] inline bool is_send_test(const mail::Message& message) {
    return message.envid.starts_with(kSendTestEnvelopeId);
}

}  // namespace posthorn::delivery
