// The DSNs a settlement owes: who is told what about recipients that failed, wait long, or were relayed (RFC 3461, RFC 3464).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/queue_id.hpp"
#include "delivery/outcome.hpp"
#include "mail/dsn.hpp"
#include "mail/message.hpp"
#include "queue/store.hpp"

namespace posthorn::delivery {

// One recipient and what became of it.
struct Settling {
    const queue::Recipient* recipient = nullptr;
    const Outcome* outcome = nullptr;
    std::string explanation;              // for a person, or empty
};

// Is a DSN of this action due for this recipient? RFC 3461 s5.2: never for the null reverse-path, `failed` unless NOTIFY
// says otherwise, `delayed` and `relayed` only when asked for.
[[nodiscard]] bool owes_dsn(mail::DsnAction action, const mail::Message& message, const queue::Recipient& recipient);

struct BounceFacts {
    std::string hostname;                 // Reporting-MTA
    std::string from_domain;              // DSN's From is MAILER-DAEMON at this domain
    TimePoint now{};
    Duration lifetime{};                  // of the DSN in the queue
    QueueId id;                           // of the DSN
    std::string_view original_body;       // where at hand and RET=FULL asks for it
};

// One DSN of one action about some recipients of one message, as a new message with the null reverse-path, due now.
// REQUIRES: message.reverse_path is not empty, settled is not empty.
[[nodiscard]] queue::NewMessage make_bounce(mail::DsnAction action, const mail::Message& message,
                                            const std::vector<Settling>& settled, const BounceFacts& facts);

}  // namespace posthorn::delivery
