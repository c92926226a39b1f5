// A recipient's row as statements of the readers select it.
#pragma once

#include "queue/sqlite/database.hpp"
#include "queue/sqlite/schema.hpp"

namespace posthorn::queue::sqlite {

// The order of columns that read_recipient expects; expires_at and flags are the message's.
#define POSTHORN_RECIPIENT_COLUMNS                                                                   \
    "r.id, r.message_id, r.destination_id, r.state, r.due_at, r.attempts, r.last_attempt, r.notify," \
    " r.delay_dsn_sent, r.address, r.orcpt, r.last_class, r.last_reply, r.last_host, m.expires_at, m.flags, r.in_doubt," \
    " (SELECT lane FROM destination WHERE id = r.destination_id)"
constexpr int kDueColumn = 4;

inline Recipient read_recipient(const Statement& row) {
    Recipient recipient;
    recipient.id = row.integer(0);
    recipient.message = QueueId(row.integer(1));
    recipient.destination = row.integer(2);
    recipient.state = static_cast<RecipientState>(row.integer(3));  // a row that is removed is read nowhere
    recipient.due_at = row.time(kDueColumn);
    recipient.attempts = static_cast<std::uint32_t>(row.integer(5));
    recipient.last_attempt = row.time(6);
    recipient.notify = static_cast<std::uint8_t>(row.integer(7));
    recipient.delay_dsn_sent = row.integer(8) != 0;
    recipient.address = row.text(9);
    recipient.orcpt = row.text(10);
    recipient.last_class = row.text(11);
    recipient.last_reply = row.text(12);
    recipient.last_host = row.text(13);
    recipient.expires_at = row.time(14);
    recipient.personal = (row.integer(15) & MessageFlags::personal) != 0;
    recipient.in_doubt = row.text(16);
    recipient.lane = row.text(17);
    return recipient;
}

}  // namespace posthorn::queue::sqlite
