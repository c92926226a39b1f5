// Messages of `posthorn send-test`: how they are known, and what is told of them that is told of no other.
#pragma once

#include <string_view>

#include "mail/message.hpp"

namespace posthorn::delivery {

// What the envelope id (RFC 3461 s4.4) of a test begins with. It is in no header, and no receiver sees it but one that offers DSN. Whoever sets it
// has nothing of it but his own session in the journal.
inline constexpr std::string_view kSendTestEnvelopeId = "posthorn-send-test.";

// Its session is kept in the journal when it went well, too, and its header as it leaves is an event ("signed", in base64), so that the one who
// sent it can show the one and verify the other (SD-24).
[[nodiscard]] inline bool is_send_test(const mail::Message& message) {
    return message.envid.starts_with(kSendTestEnvelopeId);
}

}  // namespace posthorn::delivery
