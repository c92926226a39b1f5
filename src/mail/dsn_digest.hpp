// One message in place of many delivery reports: what became of mail whose single reports were too many to be sent.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "mail/dsn.hpp"

namespace posthorn::mail {

// One recipient of whom no report of his own was sent.
struct DigestLine {
    std::string queue_id;     // of the original message
    std::string recipient;
    DsnAction action = DsnAction::failed;
    std::string diagnostic;   // the peer's reply, lines separated by "\n"
};

struct DigestReport {
    std::string reporting_mta;
    std::string from;         // "MAILER-DAEMON@example.com"
    std::string to;
    std::string message_id;
    TimePoint now{};
    std::uint64_t count = 0;  // recipients in all; more than lines where those had a bound
    std::vector<DigestLine> lines;
};

// text/plain, Auto-Submitted: auto-replied (RFC 3834 s5.2). `body` has CRLF line ends and no line over 998 octets.
[[nodiscard]] DsnText make_digest(const DigestReport& report);

}  // namespace posthorn::mail
