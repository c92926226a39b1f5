// Writes a message into the spool, durably: the third way, and the one that is there when the daemon is not (SM-28, SM-31).
#pragma once

#include <cstdint>
#include <string>

#include "app/sendmail/content.hpp"
#include "mail/handoff.hpp"

namespace posthorn::app::sendmail {

struct Spooled {
    bool done = false;        // the file is in new/ and durable
    int exit_code = 0;        // when not: 73, no file could be made; 74, it could not be written (SM-29: never 75)
    std::string words;        // why not: "/var/spool/posthorn/tmp: No space left on device"
};

// tmp/NAME, sync, rename to new/NAME, sync. On any failure nothing stays behind. SIGHUP, SIGINT, SIGQUIT and SIGTERM remove the
// unfinished file (SM-26) and wait while it is moved.
[[nodiscard]] Spooled write_spool(const std::string& spool, const std::string& name, const mail::Handoff& handoff, Content& content);

// What waits in SPOOL/new, as far as this user may see it, as text for mailq; empty: nothing, or nothing that may be seen.
struct SpoolListing {
    int error = 0;            // errno: EACCES, its list is not for this user; ENOENT, there is none
    std::uint64_t messages = 0;
    std::string text;
};
[[nodiscard]] SpoolListing list_spool(const std::string& spool);

}  // namespace posthorn::app::sendmail
