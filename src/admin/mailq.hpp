// The queue as text in the form that Postfix's mailq prints, which many scripts read (SM-6).
#pragma once

#include <cstdint>
#include <string>

#include "queue/store.hpp"

namespace posthorn::admin {

// The text of a listing, message by message: heading and entries with add(), then end(). Times are local. Everything that came from
// elsewhere is escaped: one entry has the lines that it has here.
class MailqListing {
public:
    // Three lines and more: id with `*` (a delivery has it) or `!` (held), size, time, sender; what was said at the last attempt in
    // parentheses, once for all that follow it; the recipients; an empty line.
    [[nodiscard]] std::string add(const queue::QueueEntry& entry);
    // "-- 12 Kbytes in 3 Requests." or "Mail queue is empty"; without it a listing is not whole. `spooled`: messages that stay in spool
    // directories, as those of suspended users do, and are not in the queue yet.
    [[nodiscard]] std::string end(std::uint64_t spooled = 0) const;

private:
    std::uint64_t messages_ = 0;
    std::uint64_t octets_ = 0;
};

}  // namespace posthorn::admin
