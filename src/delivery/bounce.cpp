// How a DSN is made into a message of our own queue.
#include "delivery/bounce.hpp"

#include <algorithm>

#include "auth/dkim/canonical.hpp"
#include "mail/address.hpp"
#include "mail/body_scanner.hpp"
#include "mail/message_id.hpp"

namespace posthorn::delivery {

bool owes_dsn(mail::DsnAction action, const mail::Message& message, const queue::Recipient& recipient) {
    if (message.reverse_path.empty()) return false;   // SMTP-21: never a DSN about a DSN
    const std::uint8_t notify = recipient.notify;
    switch (action) {
        case mail::DsnAction::failed: return notify == mail::Notify::unset || (notify & mail::Notify::failure) != 0;  // DSN-5
        case mail::DsnAction::delayed: return (notify & mail::Notify::delay) != 0;                                   // DSN-6
        case mail::DsnAction::relayed:
        case mail::DsnAction::delivered: return (notify & mail::Notify::success) != 0;                               // DSN-4
    }
    return false;
}

queue::NewMessage make_bounce(mail::DsnAction action, const mail::Message& message, const std::vector<Settling>& settled,
                              const BounceFacts& facts) {
    mail::DsnReport report;
    report.kind = action;
    report.reporting_mta = facts.hostname;
    report.arrival_date = message.accepted_at;
    report.envid = message.envid;
    report.from = "MAILER-DAEMON@" + facts.from_domain;
    report.to = message.reverse_path;
    report.message_id = mail::make_message_id(facts.id, facts.from_domain);
    report.boundary_seed = facts.id.to_string();
    report.now = facts.now;
    report.original_id = message.id.to_string();
    report.smtputf8 = message.smtputf8;
    for (const Settling& item : settled) {
        mail::DsnRecipient recipient;
        recipient.final_address = item.recipient->address;
        recipient.orcpt = item.recipient->orcpt;
        recipient.action = action;
        // RFC 3464 s2.3.4: the status is of the class of the action, whatever digit the peer put first (PR-36).
        if (item.outcome->reply.enhanced) {
            auto status = item.outcome->reply.enhanced;
            status.status = action == mail::DsnAction::failed ? 5 : action == mail::DsnAction::delayed ? 4 : 2;
            recipient.status = status.to_string();
        }
        recipient.remote_mta = item.outcome->host;
        recipient.diagnostic = item.outcome->reply.code != 0 ? item.outcome->reply.verbatim() : std::string();
        recipient.explanation = item.explanation;
        recipient.last_attempt = facts.now;
        if (action == mail::DsnAction::delayed) recipient.will_retry_until = item.recipient->expires_at;
        report.recipients.push_back(std::move(recipient));
    }
    report.original_header = message.header;
    report.original_body = facts.original_body;
    // RFC 8689 s5: of a message that required TLS only the header goes back, and under the same option.
    report.return_full = message.ret == mail::DsnReturn::full && !message.require_tls && action == mail::DsnAction::failed &&
                         (!facts.original_body.empty() || message.body.facts.size == 0);
    mail::DsnText text = mail::make_dsn(report);

    auto bounce = std::make_shared<mail::Message>();
    bounce->id = facts.id;
    bounce->accepted_at = facts.now;
    bounce->expires_at = facts.now + facts.lifetime;
    bounce->body_type = text.has_8bit ? mail::BodyType::eight_bit_mime : mail::BodyType::unset;
    bounce->smtputf8 = text.needs_smtputf8;
    bounce->require_tls = message.require_tls;
    bounce->header_has_8bit = std::any_of(text.header.begin(), text.header.end(), [](char c) { return (c & 0x80) != 0; });
    bounce->source = "dsn for=" + message.id.to_string();
    bounce->header = std::move(text.header);
    mail::BodyScanner scanner;
    scanner.feed(text.body);
    bounce->body.facts = scanner.facts();
    bounce->relaxed_body_hash = auth::dkim::hash_body(text.body, auth::Canonical::relaxed);
    bounce->body.bytes = std::make_shared<const std::string>(std::move(text.body));

    queue::NewMessage added;
    added.message = std::move(bounce);
    queue::NewRecipient recipient;
    recipient.recipient.address = message.reverse_path;
    recipient.recipient.notify = mail::Notify::never;   // DSN-7
    recipient.domain = mail::destination_of(message.reverse_path);
    recipient.due_at = facts.now;
    added.recipients.push_back(std::move(recipient));
    return added;
}

}  // namespace posthorn::delivery
