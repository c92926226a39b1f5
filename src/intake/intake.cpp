// The stages of one message's way in: split, judge the header, measure and hash the body, put together what is stored.
#include "intake/intake.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "intake/header_rules.hpp"
#include "mail/address.hpp"
#include "mail/received.hpp"

namespace posthorn::intake {
namespace {

constexpr std::size_t kReadStep = 16 * 1024;  // what a session reads at once: how far a body passes its limit

}  // namespace

Intake::Intake(std::shared_ptr<const Rules> rules, Submission submission, mail::Envelope envelope)
    : rules_(std::move(rules)),
      submission_(std::move(submission)),
      envelope_(std::move(envelope)),
      splitter_(rules_->max_header_size) {}

void Intake::refuse(std::uint16_t code, std::string_view enhanced, std::string text) {
    refusal_ = Refusal{code, enhanced, std::move(text)};
    body_ = {};
}

void Intake::feed(std::string_view octets) {
    if (refusal_) return;
    if (judged_) {
        feed_body(octets);
        return;
    }
    const mail::MessageSplitter::BodyPart part = splitter_.feed(octets);
    if (splitter_.in_body()) judge_header();
    if (refusal_) return;
    feed_body(part.held);
    feed_body(part.fresh);
}

void Intake::feed_body(std::string_view octets) {
    if (octets.empty()) return;
    scanner_.feed(octets);
    hasher_.write(octets);
    // The last step of its growth is not a doubling: past the limit the body spills.
    const std::size_t size = body_.size() + octets.size(), limit = rules_->inline_body_limit;
    if (size > body_.capacity() && size > limit / 2) body_.reserve(limit + kReadStep);
    body_.append(octets);
}

std::string Intake::take_spill() {
    spilled_ = true;
    return std::exchange(body_, {});
}

std::string Intake::received_field() const {
    mail::ReceivedFacts facts;
    facts.helo = submission_.helo;
    facts.client_ip = submission_.client_ip;
    const ClientAddress hide = rules_->options.hide_client_address;
    if (hide != ClientAddress::show) {
        const bool always = hide == ClientAddress::hide;
        if (always || (facts.client_ip && facts.client_ip->is_private())) facts.client_ip.reset();
        if (!facts.helo.empty() && (always || !mail::is_public_helo(facts.helo))) facts.helo = mail::kHiddenHelo;
    }
    facts.by = rules_->hostname;
    facts.with = submission_.protocol;
    facts.id = submission_.id;
    // More than one would tell each recipient of the others, Bcc among them (RFC 5321 s7.2).
    if (envelope_.recipients.size() == 1) facts.for_address = envelope_.recipients.front().address;
    facts.tls = submission_.tls_cipher;
    facts.date = submission_.now;
    return mail::make_received(facts);
}

void Intake::judge_header() {
    judged_ = true;
    if (splitter_.too_long()) {
        refuse(552, "5.3.4",
               "The header is larger than " + std::to_string(rules_->max_header_size) + " octets");
        return;
    }
    auto judged = intake::judge_header(splitter_.take_header(), received_field(), *rules_, submission_,
                                       envelope_.reverse_path.empty());
    if (auto* refusal = std::get_if<Refusal>(&judged)) {
        refuse(refusal->code, refusal->enhanced, std::move(refusal->text));
        return;
    }
    auto& header = std::get<JudgedHeader>(judged);
    header_ = std::move(header.text);
    stream_ = std::move(header.stream);
    header_has_8bit_ = header.has_8bit;
}

std::vector<queue::NewRecipient> Intake::recipients() {
    std::vector<queue::NewRecipient> recipients;
    recipients.reserve(envelope_.recipients.size());
    // A client that names somebody twice does not want him to get two copies.
    std::unordered_set<std::string_view> seen;
    const bool several = envelope_.recipients.size() > 1;
    for (mail::EnvelopeRecipient& recipient : envelope_.recipients) {
        if (recipient.address.find('@') == std::string::npos && !rules_->postmaster.empty()) {
            recipient.address = rules_->postmaster;  // RFC 5321 s4.5.1: the only local part without a domain
        }
        if (several && !seen.insert(recipient.address).second) continue;
        queue::NewRecipient added;
        added.domain = mail::destination_of(recipient.address);
        added.due_at = submission_.now;
        // Moved from the envelope only after the loop: `seen` points into it.
        recipients.push_back(std::move(added));
        recipients.back().recipient.orcpt = std::move(recipient.orcpt);
        recipients.back().recipient.notify = recipient.notify;
        recipients.back().recipient.address = several ? recipient.address : std::move(recipient.address);
    }
    return recipients;
}

Verdict Intake::finish() {
    if (!judged_) {
        const std::string_view held = splitter_.finish();
        judge_header();
        if (!refusal_) feed_body(held);
    }
    if (refusal_) return std::move(*refusal_);

    auto message = std::make_shared<mail::Message>();
    message->id = submission_.id;
    message->accepted_at = submission_.now;
    message->expires_at =
        submission_.now + (envelope_.reverse_path.empty() ? rules_->dsn_lifetime : rules_->lifetime);
    message->reverse_path = std::move(envelope_.reverse_path);
    message->body_type = envelope_.body;
    message->smtputf8 = envelope_.smtputf8;
    message->require_tls = envelope_.require_tls;
    message->header_has_8bit = header_has_8bit_;
    message->ret = envelope_.ret;
    message->envid = std::move(envelope_.envid);
    message->stream = std::move(stream_);
    message->source = submission_.source;
    message->header = std::move(header_);
    message->body.facts = scanner_.facts();
    message->relaxed_body_hash = hasher_.finish();
    if (!spilled_) message->body.bytes = std::make_shared<const std::string>(std::move(body_));

    AcceptedMail accepted;
    accepted.message = std::move(message);
    accepted.recipients = recipients();
    return accepted;
}

}  // namespace posthorn::intake
