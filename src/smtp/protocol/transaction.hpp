// One message for the recipients of one domain: what a client session is asked to send, and what became of
// it.
#pragma once

#include <cstdint>
#include <vector>

#include "mail/envelope.hpp"
#include "smtp/protocol/reply.hpp"
#include "smtp/protocol/stage.hpp"

namespace posthorn::smtp::protocol {

struct Transaction {
    mail::Envelope envelope;
    std::uint64_t size = 0;  // octets of header and body as they will be sent, without dot-stuffing
    bool header_has_8bit =
        false;  // then, and with UTF-8 addresses, the peer must offer SMTPUTF8 (RFC 6531 s3.4)
    bool body_has_8bit = false;  // then the peer must offer 8BITMIME (RFC 6152 s3)
};

enum class Fate : std::uint8_t {
    delivered,  // `reply` is the peer's 2xx to the end of data
    refused,    // `reply` says why, the peer's words or ours
    split,  // the peer takes no more recipients in one transaction: try the rest at once in another (SMTP-9)
};

[[nodiscard]] std::string_view to_string(Fate fate);

struct RecipientResult {
    Fate fate = Fate::refused;
    Stage stage = Stage::mail;  // where it was decided
    Reply reply;                // code 0: the connection was lost or the dialogue broke; its words are ours
    bool local = false;         // our own decision, nothing the peer said (e.g. 552 5.3.4 from its SIZE)
    bool maybe_delivered =
        false;  // the connection was lost after the final dot (RFC 5321 s4.5.3.2.6, RFC 1047)

    friend bool operator==(const RecipientResult&, const RecipientResult&) = default;
};

}  // namespace posthorn::smtp::protocol
