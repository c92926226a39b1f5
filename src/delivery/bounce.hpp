// The DSNs a settlement owes: who is told what about recipients that failed, wait long, or were relayed (RFC 3461, RFC 3464).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/queue_id.hpp"
#include "delivery/bounce_budget.hpp"
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

// What happened, what it means and what to do, for a person, where the status alone does not say it: refusals for want of
// authentication (with the fix), what our side held or gave up, what may have been delivered after all. Empty: nothing to add.
[[nodiscard]] std::string explanation_of(const Outcome& outcome, const queue::Recipient& recipient, const std::string& hostname,
                                         const std::string& sender_domain);

struct BounceFacts {
    std::string to;                       // bounce_address() of the sender
    std::string hostname;                 // Reporting-MTA
    std::string from_domain;              // DSN's From is MAILER-DAEMON at this domain
    TimePoint now{};
    Duration lifetime{};                  // of the DSN in the queue
    QueueId id;                           // of the DSN
    std::string_view original_body;       // where at hand and RET=FULL asks for it
    std::uint64_t returned_size = 50 * 1024;   // BounceRules
};

// One DSN of one action about some recipients of one message, as a new message with the null reverse-path, due now.
// REQUIRES: message.reverse_path is not empty, settled is not empty.
[[nodiscard]] queue::NewMessage make_bounce(mail::DsnAction action, const mail::Message& message,
                                            const std::vector<Settling>& settled, const BounceFacts& facts);
// The one message in place of DSNs that were too many.
[[nodiscard]] queue::NewMessage make_summary(const BounceBudget::Summary& summary, const BounceFacts& facts);

}  // namespace posthorn::delivery
