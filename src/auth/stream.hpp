// Which list stream a message belongs to, if any: the rules that decide who gets List-Unsubscribe fields.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "auth/options.hpp"

namespace posthorn::auth {

// The application's own choice, by the stream's name; a control field that intake removes before the message
// is stored.
inline constexpr std::string_view kStreamField = "X-Posthorn-Stream";

// Its value for mail that belongs to no stream, whatever the rules say.
inline constexpr std::string_view kNoStream = "none";

struct StreamFacts {
    std::string_view user;    // authenticated user, or empty
    std::string_view from;    // the From mailbox "local@domain", or empty
    std::string_view header;  // the header block as submitted, kStreamField included
    bool null_sender = false;
};

struct StreamChoice {
    const StreamOptions* stream = nullptr;  // null: transactional mail, gets no List-Unsubscribe
    std::string refusal;  // not empty: do not accept the message; text for the SMTP reply after "5.6.0 "
};

// First match of: kStreamField, authenticated user, From address (then its domain), List-Id, Precedence;
// never by default. Never for the null sender, Auto-Submitted other than no, or multipart/report (RFC 3834,
// RFC 8058 s3.1: only what somebody subscribed to). A message that has List-Unsubscribe keeps its own and
// gets none. Refused: an unknown or repeated stream name, and two List-Unsubscribe or List-Unsubscribe-Post
// fields (RFC 2369 s3, RFC 8058 s3.1). The pointer in the result points into `streams`.
[[nodiscard]] StreamChoice choose_stream(std::span<const StreamOptions> streams, const StreamFacts& facts);

}  // namespace posthorn::auth
