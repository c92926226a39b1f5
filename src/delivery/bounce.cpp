// How a DSN is made into a message of our own queue.
#include "delivery/bounce.hpp"

#include <algorithm>

#include "auth/dkim/canonical.hpp"
#include "delivery/verdict.hpp"
#include "mail/address.hpp"
#include "mail/body_scanner.hpp"
#include "mail/dsn_digest.hpp"
#include "mail/dsn_words.hpp"
#include "mail/message_id.hpp"

namespace posthorn::delivery {
namespace {

// DSN-7: the null reverse-path, one recipient, of whose failure nobody is told.
queue::NewMessage as_message(mail::DsnText text, const BounceFacts& facts, std::string source, bool require_tls) {
    auto bounce = std::make_shared<mail::Message>();
    bounce->id = facts.id;
    bounce->accepted_at = facts.now;
    bounce->expires_at = facts.now + facts.lifetime;
    bounce->body_type = text.has_8bit ? mail::BodyType::eight_bit_mime : mail::BodyType::unset;
    bounce->smtputf8 = text.needs_smtputf8;
    bounce->require_tls = require_tls;
    bounce->header_has_8bit = std::any_of(text.header.begin(), text.header.end(), [](char c) { return (c & 0x80) != 0; });
    bounce->source = std::move(source);
    bounce->header = std::move(text.header);
    mail::BodyScanner scanner;
    scanner.feed(text.body);
    bounce->body.facts = scanner.facts();
    bounce->relaxed_body_hash = auth::dkim::hash_body(text.body, auth::Canonical::relaxed);
    bounce->body.bytes = std::make_shared<const std::string>(std::move(text.body));

    queue::NewMessage added;
    added.message = std::move(bounce);
    queue::NewRecipient recipient;
    recipient.recipient.address = facts.to;
    recipient.recipient.notify = mail::Notify::never;
    recipient.domain = mail::destination_of(facts.to);
    recipient.due_at = facts.now;
    added.recipients.push_back(std::move(recipient));
    return added;
}

// The peer's last words, all of them; ours where there were none. What expired ends with the answer that kept it waiting.
std::string diagnostic_of(const Outcome& outcome, const queue::Recipient& recipient) {
    if (outcome.failure_class == Class::expired && !recipient.last_reply.empty()) return recipient.last_reply;
    return outcome.reply.verbatim();
}

// Refused for want of authentication, whether or not it is retried (retry.strict_5xx).
bool is_about_authentication(const Outcome& outcome, const queue::Recipient& recipient) {
    if (outcome.failure_class == Class::expired) return recipient.last_class == "auth";
    return outcome.failure_class == Class::auth;
}

}  // namespace

std::string explanation_of(const Outcome& outcome, const queue::Recipient& recipient, const std::string& hostname,
                           const std::string& sender_domain) {
    std::string words;
    if (recipient.last_class == "bounced" && outcome.failure_class == Class::expired) {
        words = "The operator of this mail system has given the message up. Ask there before you send it again.";
    } else if (is_about_authentication(outcome, recipient)) {
        const auto status = outcome.reply.enhanced;
        words = std::string(mail::explain_status(status ? status.to_string() : "5.7.26"));
        words += " The sender's domain is " + sender_domain + ", the sending server " + hostname +
                 ": whoever runs the DNS of that domain can repair it. The recipient can do nothing about it.";
    } else if (outcome.failure_class == Class::local || (outcome.failure_class == Class::expired && recipient.last_class == "local")) {
        words = "The message was held by our own server, " + hostname + "; its operator must act.";
    } else if (outcome.failure_class == Class::suppressed) {
        words = "This address was refused for good before, or the operator of " + hostname +
                " has struck it off, so nothing more is sent to it. If it is right all the same, ask him to take it off his "
                "suppression list, and send the message again.";
    }
    const auto general = [&] { return std::string(mail::explain_status(outcome.reply.enhanced ? outcome.reply.enhanced.to_string() : "")); };
    if (outcome.failure_class == Class::expired && recipient.last_class != "bounced") {
        // What waited behind a suspension was not tried, and the reply was to other mail (providers.md 2.7).
        const bool never_tried = recipient.last_attempt == TimePoint{} && !recipient.last_reply.empty();
        words = (never_tried ? "It waited until its time was over and was not sent at all, as the receiving servers refused other mail of the "
                               "same sender with the reply below. "
                             : "It was tried again and again until its time was over. ") +
                (words.empty() ? general() : words);
    }
    const std::string& doubt = outcome.maybe_delivered ? outcome.host : recipient.in_doubt;
    if (!doubt.empty() && outcome.result == Disposition::failed) {
        if (words.empty()) words = general();
        words += " It may have been delivered all the same: an earlier connection to " + doubt +
                 " ended after the whole message was sent and before the answer came. Ask the recipient before you send it again.";
    }
    return words;
}

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
    report.to = facts.to;
    if (facts.to != message.reverse_path) report.about_sender = message.reverse_path;
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
        recipient.diagnostic = diagnostic_of(*item.outcome, *item.recipient);
        const bool of_ours = item.outcome->stage == smtp::protocol::Stage::connect && item.outcome->failure_class != Class::expired;
        recipient.own_words = of_ours || !is_reply(recipient.diagnostic);
        recipient.explanation = item.explanation;
        recipient.last_attempt = facts.now;
        if (action == mail::DsnAction::delayed) recipient.will_retry_until = item.recipient->expires_at;
        report.recipients.push_back(std::move(recipient));
    }
    report.original_header = message.header;
    report.original_body = facts.original_body;
    report.full_limit = static_cast<std::size_t>(facts.returned_size);
    // RFC 8689 s5: of a message that required TLS only the header goes back, and under the same option.
    report.return_full = message.ret == mail::DsnReturn::full && !message.require_tls && action == mail::DsnAction::failed &&
                         (!facts.original_body.empty() || message.body.facts.size == 0);
    mail::DsnText text = mail::make_dsn(report);

    return as_message(std::move(text), facts, "dsn for=" + message.id.to_string(), message.require_tls);
}

queue::NewMessage make_summary(const BounceBudget::Summary& summary, const BounceFacts& facts) {
    mail::DigestReport report;
    report.reporting_mta = facts.hostname;
    report.from = "MAILER-DAEMON@" + facts.from_domain;
    report.to = facts.to;
    report.message_id = mail::make_message_id(facts.id, facts.from_domain);
    report.now = facts.now;
    report.count = summary.count;
    report.lines = summary.lines;
    return as_message(mail::make_digest(report), facts, "dsn summary", false);
}

}  // namespace posthorn::delivery
