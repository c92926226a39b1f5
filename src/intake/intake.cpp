// The stages of one message's way in: split, judge the header, measure and hash the body, put together what is stored.
#include "intake/intake.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/text.hpp"
#include "intake/header_rules.hpp"
#include "mail/address.hpp"
#include "mail/header.hpp"
#include "mail/mime_text.hpp"
#include "mail/received.hpp"

namespace posthorn::intake {
namespace {

constexpr std::size_t kReadStep = 16 * 1024;  // what a session reads at once: how far a body passes its limit

// RFC 2045 s4, s5, s6: what makes a body of some type and encoding one that readers understand.
constexpr std::string_view kMimeVersion = "MIME-Version: 1.0\r\n";

// SUB-18: the envelope's sender is aligned with From, or SPF and DMARC look at a name that nobody outside knows.
void replace_local_domain(std::string& reverse_path, const Rules& rules) {
    if (reverse_path.empty()) return;
    const std::string domain = mail::destination_of(reverse_path);
    for (const std::string& local : rules.options.local_domains) {
        if (!text::iequals(local, domain)) continue;
        const std::string wanted = qualify_domain(rules, reverse_path);
        if (!wanted.empty()) reverse_path.replace(reverse_path.size() - domain.size(), domain.size(), wanted);
        return;
    }
}

}  // namespace

bool Rules::is_local(std::string_view recipient) const {
    return local.is_local(recipient) && (postmaster.empty() || !text::iequals(recipient, "postmaster"));
}

Intake::Intake(std::shared_ptr<const Rules> rules, Submission submission, mail::Envelope envelope)
    : rules_(std::move(rules)),
      submission_(std::move(submission)),
      envelope_(std::move(envelope)),
      splitter_(rules_->max_header_size) {
    if (!submission_.sender_policy) replace_local_domain(envelope_.reverse_path, *rules_);
}

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
    if (!has_mime_version_) utf8_.feed(octets);
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
    // Names of this machine mean nothing to others.
    if (envelope_.recipients.size() == 1 && !rules_->is_local(envelope_.recipients.front().address)) {
        facts.for_address = envelope_.recipients.front().address;
    }
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
    auto judged = intake::judge_header(splitter_.take_header(), received_field(), *rules_, submission_, envelope_);
    if (auto* refusal = std::get_if<Refusal>(&judged)) {
        refuse(refusal->code, refusal->enhanced, std::move(refusal->text));
        refusal_->of_sender = refusal->of_sender;
        return;
    }
    auto& header = std::get<JudgedHeader>(judged);
    header_ = std::move(header.text);
    stream_ = std::move(header.stream);
    lifetime_ = header.lifetime;
    repaired_ = std::move(header.repaired);
    warnings_ = std::move(header.warnings);
    has_mime_version_ = header.has_mime_version;
    is_signed_ = header.is_signed;
    if (header.reverse_path) envelope_.reverse_path = std::move(*header.reverse_path);
    if (submission_.caller) submission_.caller->script = std::move(header.script);
}

// RFC 5321 s4.5.1: to others <postmaster> is the only local part without a domain. Programs of this machine have more of them,
// whose ways are others' business (intake/distribution.hpp).
void Intake::complete(std::string& recipient) const {
    if (recipient.find('@') == std::string::npos && !rules_->is_local(recipient)) recipient = rules_->postmaster;
}

std::vector<queue::NewRecipient> Intake::recipients() {
    std::vector<queue::NewRecipient> recipients;
    recipients.reserve(envelope_.recipients.size());
    // A client that names somebody twice does not want him to get two copies.
    std::unordered_set<std::string_view> seen;
    const bool several = envelope_.recipients.size() > 1;
    for (mail::EnvelopeRecipient& recipient : envelope_.recipients) {
        complete(recipient.address);
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

void Intake::end_of_input() {
    if (judged_) return;
    const std::string_view held = splitter_.finish();
    judge_header();
    if (!refusal_) feed_body(held);
}

void Intake::note_text_type() {
    if (!text_type_.empty()) return;
    // RFC 1428 s3 for text that is not UTF-8: better than a guess.
    text_type_ = !scanner_.facts().has_8bit ? "text/plain; charset=us-ascii"
                 : utf8_.good()             ? "text/plain; charset=utf-8"
                                            : "text/plain; charset=unknown-8bit";
}

bool Intake::must_repair_body() const {
    return !refusal_ && !repaired_body_ && scanner_.first_long_line() != 0 && !is_signed_ &&
           rules_->options.long_lines == LongLines::re_encode;
}

void Intake::begin_repair() {
    note_text_type();
    const mail::HeaderBlock header(header_);
    mail::ContentType type;
    if (const auto field = header.first("Content-Type")) type = mail::read_content_type(field->value);
    auto encoding = mail::TransferEncoding::identity;
    if (const auto field = header.first("Content-Transfer-Encoding")) encoding = mail::read_transfer_encoding(field->value);
    repair_.emplace(std::move(type), encoding);
}

std::optional<Intake::Pass> Intake::next_pass() {
    end_of_input();
    if (!spilled_ || !must_repair_body()) return std::nullopt;
    if (!pass_) {
        begin_repair();
        pass_ = Pass::survey;
    } else {
        pass_ = Pass::rewrite;
        scanner_ = {};
        hasher_ = auth::dkim::BodyHasher(auth::Canonical::relaxed);
    }
    return pass_;
}

void Intake::feed_again(std::string_view octets) {
    if (refusal_) return;
    if (pass_ == Pass::survey) {
        repair_->survey(octets);
    } else {
        std::string anew;
        repair_->rewrite(octets, anew);
        feed_anew(anew);
    }
}

// Quoted-printable makes three octets of one: what came in under the bound may pass it (RFC 1870 s6.3).
void Intake::feed_anew(std::string_view octets) {
    const std::uint64_t limit = rules_->max_message_size;
    if (limit != 0 && header_.size() + scanner_.facts().size + octets.size() > limit) {
        refuse(552, "5.3.4", "Re-encoded because of its long lines, the message is larger than " + std::to_string(limit) +
                                 " octets; send lines of at most " + std::to_string(mail::kMaxLineOctets));
        return;
    }
    feed_body(octets);
}

void Intake::end_pass() {
    if (refusal_) return;
    if (pass_ == Pass::survey) {
        if (const std::string_view why = repair_->end_of_survey(); !why.empty()) {
            refuse(554, "5.6.0", "Line " + std::to_string(scanner_.first_long_line()) + " of the body is longer than " +
                                     std::to_string(mail::kMaxLineOctets) + " octets, and it cannot be re-encoded: " +
                                     std::string(why));
        }
        return;
    }
    std::string anew;
    repair_->end_of_rewrite(anew);
    feed_anew(anew);
    if (refusal_) return;
    repaired_body_ = true;
    repaired_.emplace_back("re-encoded body");
}

void Intake::repair_body() {
    const std::string body = std::exchange(body_, {});
    begin_repair();
    pass_ = Pass::survey;
    feed_again(body);
    end_pass();
    if (refusal_) return;
    pass_ = Pass::rewrite;
    scanner_ = {};
    hasher_ = auth::dkim::BodyHasher(auth::Canonical::relaxed);
    feed_again(body);
    end_pass();
}

// Adds what is missing of the MIME fields; `content_type` is for a message that has none.
void Intake::say_mime(std::string_view content_type) {
    const mail::HeaderBlock header(header_);
    bool added = false;
    if (!has_mime_version_) {
        header_ += kMimeVersion;
        has_mime_version_ = added = true;
    }
    if (!header.contains("Content-Type")) {
        header_.append("Content-Type: ").append(content_type).append("\r\n");
        added = true;
    }
    if (scanner_.facts().has_8bit && !header.contains("Content-Transfer-Encoding")) {
        header_ += "Content-Transfer-Encoding: 8bit\r\n";
        added = true;
    }
    if (added) repaired_.emplace_back("added MIME fields");
}

// What can only be decided when all of the body was seen.
void Intake::finish_body() {
    const bool has_8bit = scanner_.facts().has_8bit;
    // RFC 6152 s3. Clients that never heard of 8BITMIME send 8-bit text all the same.
    const IntakeOptions& options = rules_->options;
    if (has_8bit && !options.accept_undeclared_8bit && envelope_.body != mail::BodyType::eight_bit_mime &&
        envelope_.body != mail::BodyType::binary_mime) {
        refuse(554, "5.6.3", "The body has octets above 127, and MAIL did not say BODY=8BITMIME");
        return;
    }
    if (const std::uint64_t line = scanner_.first_long_line(); line != 0 && !must_repair_body()) {
        refuse(554, "5.6.0", "Line " + std::to_string(line) + " of the body is longer than " +
                                 std::to_string(mail::kMaxLineOctets) + " octets" +
                                 (is_signed_ ? ", and the message is signed as it is" : ""));
        return;
    }
    note_text_type();
    const bool add_mime = has_8bit && !has_mime_version_ && options.add_mime_fields && !is_signed_;   // SUB-15
    if (must_repair_body()) repair_body();
    if (refusal_) return;
    if (add_mime || (repaired_body_ && !has_mime_version_)) say_mime(text_type_);
    if (!repaired_body_) return;
    if (const auto coding = repair_->own_coding()) {
        mail::HeaderBlock header(std::move(header_));
        header.remove("Content-Transfer-Encoding");
        header.append("Content-Transfer-Encoding: " + std::string(name_of(*coding)) + "\r\n");
        header_ = std::move(header).take_text();
    }
}

Verdict Intake::finish() {
    end_of_input();
    if (!refusal_) finish_body();
    if (refusal_) return std::move(*refusal_);

    auto message = std::make_shared<mail::Message>();
    message->id = submission_.id;
    message->accepted_at = submission_.now;
    const Duration lifetime = envelope_.reverse_path.empty() ? rules_->dsn_lifetime : rules_->lifetime;
    message->expires_at = submission_.now + std::min(lifetime, lifetime_.value_or(lifetime));
    message->reverse_path = std::move(envelope_.reverse_path);
    message->body_type = envelope_.body;
    // Undeclared 8-bit text is sent as what it is (RFC 6152 s3).
    if (scanner_.facts().has_8bit && envelope_.body != mail::BodyType::binary_mime) {
        message->body_type = mail::BodyType::eight_bit_mime;
    }
    message->smtputf8 = envelope_.smtputf8;
    message->require_tls = envelope_.require_tls;
    message->header_has_8bit = !text::is_ascii(header_);
    message->ret = envelope_.ret;
    message->envid = std::move(envelope_.envid);
    message->stream = std::move(stream_);
    message->source = submission_.source;
    if (submission_.caller) message->origin = origin_of(*submission_.caller);
    message->header = std::move(header_);
    message->body.facts = scanner_.facts();
    message->relaxed_body_hash = hasher_.finish();
    if (!spilled_) message->body.bytes = std::make_shared<const std::string>(std::move(body_));

    AcceptedMail accepted;
    accepted.message = std::move(message);
    accepted.recipients = recipients();
    accepted.repaired = std::move(repaired_);
    accepted.warnings = std::move(warnings_);
    return accepted;
}

}  // namespace posthorn::intake
