// Delivery status notifications: the report that tells a sender what became of the mail (RFC 3464, RFC 6522,
// RFC 6533).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"

namespace posthorn::mail {

// RFC 3464 s2.3.3.
enum class DsnAction : std::uint8_t { failed, delayed, delivered, relayed };

struct DsnRecipient {
    std::string final_address;  // "local@domain"
    std::string orcpt;          // "rfc822;user@example.com" as the client gave it (decoded); empty: none
    DsnAction action = DsnAction::failed;
    std::string status;       // "5.7.26"; empty or malformed: "5.0.0", "4.0.0" or "2.0.0" after the action
    std::string remote_mta;   // "mx.example.com" or "mx.example.com[192.0.2.1]"; empty: no server was reached
    std::string diagnostic;   // the peer's reply unshortened, lines separated by "\n"; empty: none
    bool own_words = false;   // the diagnostic is ours, though a server was reached: the connection was lost
    std::string explanation;  // what it means and what to do, for a person; empty: chosen from the status
    TimePoint last_attempt{};      // 1970: none
    TimePoint will_retry_until{};  // for delayed
};

// All that a DSN says. The caller decides whether one is due (NOTIFY, null sender) and stores it with the
// null reverse-path.
struct DsnReport {
    DsnAction kind = DsnAction::failed;  // chooses subject and opening words
    std::string reporting_mta;           // our host name
    TimePoint arrival_date{};
    std::string envid;          // decoded; empty: none
    std::string from;           // "MAILER-DAEMON@example.com": an address whose domain we sign for (DSN-12)
    std::string to;             // the envelope sender of the original
    std::string message_id;     // make_message_id() of the DSN
    std::string boundary_seed;  // the DSN's queue id
    TimePoint now{};
    std::string about_sender; // the sender of the original where the report goes to somebody else; else empty
    std::string original_id;  // queue id of the original, for the person who asks the operator
    // The original came with SMTPUTF8: its header is UTF-8 by RFC 6532, its sender's mail program reads it, and so RFC 6533's
    // UTF-8 forms are used in the report.
    bool smtputf8 = false;
    std::vector<DsnRecipient> recipients;
    std::string_view original_header;  // ends with CRLF
    std::string_view original_body;    // used when return_full is set and all fits into full_limit
    bool return_full = false;          // RET=FULL and kind failed (RFC 3461 s6.2); else headers only
    std::size_t full_limit = 50 * 1024;
};

struct DsnText {
    std::string header;     // From ... Auto-Submitted, ends with CRLF; no Received
    std::string body;       // CRLF line ends, no line over 998 octets
    bool has_8bit = false;  // in the body: send as BODY=8BITMIME
    bool needs_smtputf8 = false;  // the DSN's own sender or recipient is not ASCII
};

[[nodiscard]] DsnText make_dsn(const DsnReport& report);

}  // namespace posthorn::mail
