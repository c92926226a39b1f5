// Whether a message must become 7-bit MIME for a server, and its 7-bit form (RFC 6152 s3, RFC 6531 s3.2, EXT-8, EXT-10).
#pragma once

#include <memory>
#include <string>

#include "base/queue_id.hpp"
#include "delivery/outcome.hpp"
#include "mail/message.hpp"
#include "smtp/protocol/extensions.hpp"

namespace posthorn::delivery {

enum class ConversionNeed : std::uint8_t {
    none,       // it may go as it is, or nothing that could be done to it would help
    seven_bit,  // the server lacks 8BITMIME for its body, or SMTPUTF8 for its header
};

// Pure. What RCPT says is not looked at: a UTF-8 recipient is refused by the session, alone.
[[nodiscard]] ConversionNeed conversion_need(const mail::Message& message, const smtp::protocol::Extensions& offered);

// Message is null when there is no 7-bit form: then `refusal` says why, of scope message (5.6.3, 5.6.7), or for now (the disk).
struct Converted {
    mail::MessagePtr message;
    Outcome refusal;
};

// The same message, id and all, in 7 bits: header, body, facts, body hash. Done before signing, at each attempt anew; the
// original is never touched. What is signed by anybody is not changed (RFC 6376 s5.3, RFC 1847 s2.1).
//
// A body in a spool file is read piece by piece from spool_directory and written to a file there of the name spool_name(file_id),
// which goes when the last owner of the result does. Reads twice and blocks: run it in a pool.
[[nodiscard]] Converted to_seven_bit(const mail::Message& message, const std::string& spool_directory, QueueId file_id);

}  // namespace posthorn::delivery
