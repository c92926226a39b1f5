// A session's transactions: who may send to whom, the message as it arrives, and its way into the postbox.
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "mail/handoff.hpp"
#include "base/bound.hpp"
#include "smtp/server/session.hpp"

namespace posthorn::smtp::server {
namespace {

constexpr std::string_view kNoSpace = "Insufficient system storage, try again later";

}  // namespace

net::awaitable<void> Session::know_caller() {
    const auto peer = stream_.credentials();
    if (!peer) co_return;
    intake::Caller caller;
    caller.uid = peer->uid;
    caller.gid = peer->gid;
    caller.pid = peer->pid;
    caller.door = listener_.address.unix_path;
    deadline_.clear();
    sight_.begin(caller.pid, caller.uid);
    const net::SystemUserPtr user = co_await premises_.system_users.find(caller.uid);
    caller.user = user->name.empty() ? intake::nameless(caller.uid) : user->name;
    caller.full_name = user->full_name;
    caller.home = user->home;
    caller_ = std::move(caller);
}

protocol::Verdict Session::check_mail() {
    forget_message();
    if (const auto denial = may_send(client_, runtime_->relay, listener_.auth, core_.authenticated())) {
        return protocol::Verdict::refuse(refuse("mail", denial->code, denial->enhanced, denial->text));
    }
    if (const auto check = account()) {
        const auto now = std::chrono::steady_clock::now();
        if (auto no = refused_by_account("mail", check->at_mail(core_.mail_command().sender, now))) return *no;
    }
    if (!premises_.postbox.open()) return protocol::Verdict::refuse(refuse("mail", 452, "4.3.1", kNoSpace));
    id_ = premises_.ids.next(wall_now());
    id_text_ = id_.to_string();
    if (log::enabled(log::Level::info)) {
        const protocol::MailCommand& mail = core_.mail_command();
        log::Event event(log::Level::info, "mail");
        event.kv("session", number_text_).kv("id", id_text_).kv("from", mail.sender.to_string());
        if (mail.size) event.kv("size", *mail.size);
        if (core_.authenticated()) event.kv("user", core_.user());
        if (caller_) event.kv("uid", caller_->uid).kv("caller", caller_->user);
    }
    return protocol::Verdict::accept();
}

protocol::Verdict Session::check_recipient() {
    const mail::Address& recipient = core_.rcpt_command().recipient;
    const std::string address = recipient.to_string();
    if (recipient.domain.empty() || !runtime_->rules->is_local(address)) {   // root@localhost is a name of this machine (SM-45)
        if (const auto denial = may_receive(recipient.domain, caller_ || !runtime_->rules->postmaster.empty())) {
            return protocol::Verdict::refuse(refuse("rcpt", denial->code, denial->enhanced, denial->text));
        }
    }
    if (const auto check = account()) {
        const auto with_this = static_cast<std::uint32_t>(core_.envelope().recipients.size() + 1);
        const auto now = std::chrono::steady_clock::now();
        if (auto no = refused_by_account("rcpt", check->at_recipient(with_this, now))) return *no;
    }
    const std::uint64_t octets = address.size() + core_.rcpt_command().orcpt.size() + sizeof(mail::EnvelopeRecipient);
    count_memory();
    if (premises_.figures.intake_octets + octets > runtime_->limits.max_intake_memory) {
        note_reached(Bound::smtp_intake_memory);
        return protocol::Verdict::refuse(refuse("rcpt", 452, "4.3.1", kNoSpace));
    }
    envelope_octets_ += octets;
    if (log::enabled(log::Level::info)) log::Event(log::Level::info, "rcpt").kv("id", id_text_).kv("to", address);
    return protocol::Verdict::accept();
}

net::awaitable<protocol::Verdict> Session::look_up_name() {
    std::string name = core_.rcpt_command().recipient.to_string();
    const auto named = [&](const intake::Expansion& expansion) { return expansion.recipient == name; };
    if (std::any_of(expansions_.begin(), expansions_.end(), named)) co_return protocol::Verdict::accept();
    // RFC 5321 s4.5.3.1.10: the client sends the rest in another transaction.
    if (expansions_.size() >= intake::kMaxLocalNames) {
        co_return protocol::Verdict::refuse(refuse("rcpt", 452, "4.5.3", "Too many names of this machine in one message"));
    }
    deadline_.clear();
    intake::Expansion expansion = co_await premises_.desk.expand(runtime_->rules, std::move(name), id_);
    if (expansion.kind == intake::Expansion::Kind::refused) {
        co_return protocol::Verdict::refuse(refuse("rcpt", expansion.code, expansion.enhanced, expansion.text));
    }
    for (const intake::Target& target : expansion.targets) {
        envelope_octets_ += sizeof(intake::Target) + target.address.size() + target.via.size() + target.reverse_path.value_or("").size();
    }
    expansions_.push_back(std::move(expansion));
    co_return protocol::Verdict::accept();
}

intake::Submission Session::submission() const {
    intake::Submission submission;
    submission.id = id_;
    submission.now = wall_now();
    submission.helo = core_.helo();
    submission.client_ip = client_.address;
    submission.protocol = core_.with_protocol();
    submission.user = core_.user();
    if (core_.authenticated()) submission.senders = &runtime_->accounts->of(core_.user()).senders;
    if (core_.tls()) submission.tls_cipher = core_.tls()->cipher;
    if (core_.authenticated()) {
        submission.source = auth::source_of(core_.user());
    } else if (caller_) {
        const protocol::CallerClaims& claims = core_.mail_command().caller;
        submission.caller = caller_;
        intake::read_claim(claims.claim, *submission.caller);
        sight_.show(*submission.caller, !claims.claim.empty());
        submission.sender_asked = claims.sender_asked;
        if (!claims.handoff.empty()) {   // from the sendmail program; what it leaves in the spool says the same
            submission.helo.clear();
            submission.protocol = "local";
        }
        submission.full_name = claims.full_name.empty() ? caller_->full_name : claims.full_name;
        submission.sender_policy = runtime_->rules->sites.of(*caller_);
        submission.source = intake::source_of(*caller_);
    } else {
        submission.sender_policy = runtime_->rules->sites.of_clients();
        submission.source = "ip=" + client_.text;
    }
    return submission;
}

protocol::Verdict Session::begin_data() {
    // What a message holds in memory at most, so that those that are begun can be finished.
    const intake::Rules& rules = *runtime_->rules;
    const std::uint64_t declared = core_.mail_command().size.value_or(0);
    const std::uint64_t expected = std::min(declared, rules.max_header_size + rules.inline_body_limit);
    if (premises_.figures.intake_octets + envelope_octets_ + expected > runtime_->limits.max_intake_memory) {
        note_reached(Bound::smtp_intake_memory);
        return protocol::Verdict::refuse(refuse("data", 452, "4.3.1", kNoSpace));
    }
    if (const auto check = account()) {
        const auto recipients = static_cast<std::uint32_t>(core_.envelope().recipients.size() + intake::recipients_beyond(expansions_));
        const auto now = std::chrono::steady_clock::now();
        if (auto no = refused_by_account("data", check->at_data(recipients, now))) return *no;
    }
    reception_.emplace(premises_.disk, premises_.postbox, runtime_->rules, submission(), core_.envelope());
    reception_->use(premises_.desk, std::move(expansions_));
    data_deadline_.reset();
    return protocol::Verdict::accept();
}

std::uint64_t Session::held() const {
    // The core forgets the recipients at RSET and EHLO without asking. From DATA on the intake has a copy.
    const std::uint64_t envelope = core_.envelope().recipients.empty() ? 0 : envelope_octets_;
    return reception_ ? 2 * envelope + reception_->memory() : envelope;
}

void Session::count_memory() {
    const std::uint64_t octets = held();
    premises_.figures.intake_octets += octets - accounted_;  // modulo 2^64: also downwards
    accounted_ = octets;
}

void Session::forget_message() {
    reception_.reset();
    expansions_.clear();
    envelope_octets_ = 0;
    count_memory();
    over_budget_ = false;
    id_ = QueueId();
}

net::awaitable<void> Session::collect(std::string_view content) {
    content_octets_ += content.size();
    if (!reception_) co_return;  // over the budget: the rest is read and forgotten
    reception_->feed(content);
    count_memory();
    if (reception_->wants_spill()) {
        deadline_.clear();
        co_await reception_->spill();
        count_memory();
    }
    if (premises_.figures.intake_octets > runtime_->limits.max_intake_memory) {
        note_reached(Bound::smtp_intake_memory);
        reception_.reset();
        count_memory();
        over_budget_ = true;
    }
}

// The operator reads why; the stranger reads only that it is our trouble and for now.
protocol::StoreResult Session::not_stored(std::string_view trouble) {
    ++premises_.figures.messages_refused;
    tag(log::warning("refused")).kv("stage", "store").kv("client", client_.text).kv("reason", trouble);
    forget_message();
    return protocol::StoreResult::refused(protocol::make_reply(452, "4.3.1", kNoSpace));
}

net::awaitable<protocol::StoreResult> Session::store() {
    const SteadyTime complete = std::chrono::steady_clock::now();
    deadline_.clear();
    if (over_budget_) {
        ++premises_.figures.messages_refused;
        protocol::Reply reply = refuse("data", 452, "4.3.1", kNoSpace);
        forget_message();
        co_return protocol::StoreResult::refused(std::move(reply));
    }
    if (const auto check = account()) {
        if (auto no = refused_by_account("data", check->at_end_of_data())) {
            ++premises_.figures.messages_refused;
            forget_message();
            co_return protocol::StoreResult::refused(std::move(*no->refusal));
        }
    }
    std::string pickup;
    const std::string& handoff = core_.mail_command().caller.handoff;
    if (caller_ && !handoff.empty()) pickup = mail::handoff_key(caller_->uid, handoff);
    Reception::Outcome outcome = co_await reception_->store(std::move(pickup), runtime_->store_deadline);
    if (const auto* trouble = std::get_if<Reception::Trouble>(&outcome)) co_return not_stored(trouble->what);
    if (const auto* refusal = std::get_if<intake::Refusal>(&outcome)) {
        ++premises_.figures.messages_refused;
        if (refusal->of_sender) ++premises_.figures.senders_refused;
        protocol::Reply reply = refuse("data", refusal->code, refusal->enhanced, refusal->text);
        forget_message();
        co_return protocol::StoreResult::refused(std::move(reply));
    }
    if (std::holds_alternative<Reception::Known>(outcome)) {
        tag(log::info("known")).kv("source", intake::source_of(*caller_))
            .kv("meaning", "an earlier try to hand this message in had come through; it is in the queue once");
        forget_message();
        co_return protocol::StoreResult::stored_before();
    }
    const auto& stored = std::get<Reception::Stored>(outcome);
    const mail::MessagePtr& message = stored.message;
    ++messages_;
    ++premises_.figures.messages;
    premises_.figures.accept_seconds.observe(std::chrono::steady_clock::now() - complete);
    premises_.figures.octets += message->size();
    if (log::enabled(log::Level::info)) {
        log::Event event(log::Level::info, stored.recipients > 0 ? "stored" : "discarded");
        event.kv("id", id_text_).kv("from", message->reverse_path).kv("recipients", static_cast<std::uint64_t>(stored.recipients));
        event.kv("size", message->size()).kv("source", message->source);
        if (!message->origin.empty()) event.kv("origin", message->origin);
        if (!message->stream.empty()) event.kv("stream", message->stream);
        if (!stored.repaired.empty()) event.kv("repaired", fmt::format("{}", fmt::join(stored.repaired, ", ")));
    }
    for (const Reception::Copy& copy : stored.copies) {
        log::info("stored").kv("id", copy.message->id.to_string()).kv("copy_of", id_text_).kv("from", copy.message->reverse_path)
            .kv("recipients", static_cast<std::uint64_t>(copy.recipients)).kv("delivered_to", copy.delivered_to);
    }
    for (const std::string& warning : stored.warnings) {
        tag(log::warning("message")).kv("from", message->reverse_path).kv("reason", warning);
    }
    std::string name = std::move(id_text_);
    forget_message();
    co_return protocol::StoreResult::stored(std::move(name));
}

}  // namespace posthorn::smtp::server
