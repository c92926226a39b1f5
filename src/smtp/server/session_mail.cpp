// A session's transactions: who may send to whom, the message as it arrives, and its way into the postbox.
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "smtp/server/session.hpp"

namespace posthorn::smtp::server {
namespace {

constexpr std::string_view kNoSpace = "Insufficient system storage, try again later";

// Puts the message into the postbox. A plain function, since g++ 12 breaks lambdas in co_await expressions (docs/COROUTINES.md).
auto put(Postbox& postbox, queue::NewMessage message, SteadyTime deadline) {
    return net::asio::async_initiate<const net::asio::deferred_t&, void(queue::StoreResult<queue::Added>)>(
        [&postbox, deadline](auto handler, queue::NewMessage mail) {
            auto guard = net::asio::prefer(net::asio::get_associated_executor(handler),
                                           net::asio::execution::outstanding_work.tracked);
            postbox.put(std::move(mail), deadline,
                        [handler = std::move(handler), guard = std::move(guard)](
                            queue::StoreResult<queue::Added> added) mutable {
                            auto resume = std::move(handler);
                            std::move(resume)(std::move(added));
                        });
        },
        net::asio::deferred, std::move(message));
}

}  // namespace

protocol::Verdict Session::check_mail() {
    forget_message();
    if (const auto denial = may_send(client_, runtime_->relay, listener_.auth, core_.authenticated())) {
        return protocol::Verdict::refuse(refuse("mail", denial->code, denial->enhanced, denial->text));
    }
    if (core_.authenticated()) {
        const auto now = std::chrono::steady_clock::now();
        if (auto no = refused_by_account("mail", account().at_mail(core_.mail_command().sender, now))) return *no;
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
    }
    return protocol::Verdict::accept();
}

protocol::Verdict Session::check_recipient() {
    const mail::Address& recipient = core_.rcpt_command().recipient;
    if (const auto denial = may_receive(recipient.domain, !runtime_->rules->postmaster.empty())) {
        return protocol::Verdict::refuse(refuse("rcpt", denial->code, denial->enhanced, denial->text));
    }
    if (core_.authenticated()) {
        const auto with_this = static_cast<std::uint32_t>(core_.envelope().recipients.size() + 1);
        const auto now = std::chrono::steady_clock::now();
        if (auto no = refused_by_account("rcpt", account().at_recipient(with_this, now))) return *no;
    }
    const std::string address = recipient.to_string();
    const std::uint64_t octets = address.size() + core_.rcpt_command().orcpt.size() + sizeof(mail::EnvelopeRecipient);
    count_memory();
    if (premises_.figures.intake_octets + octets > runtime_->limits.max_intake_memory) {
        return protocol::Verdict::refuse(refuse("rcpt", 452, "4.3.1", kNoSpace));
    }
    envelope_octets_ += octets;
    if (log::enabled(log::Level::info)) log::Event(log::Level::info, "rcpt").kv("id", id_text_).kv("to", address);
    return protocol::Verdict::accept();
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
    } else if (const auto peer = client_.unix_socket ? stream_.credentials() : std::nullopt) {
        submission.source = "uid=" + std::to_string(peer->uid);
    } else {
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
        return protocol::Verdict::refuse(refuse("data", 452, "4.3.1", kNoSpace));
    }
    if (core_.authenticated()) {
        const auto recipients = static_cast<std::uint32_t>(core_.envelope().recipients.size());
        const auto now = std::chrono::steady_clock::now();
        if (auto no = refused_by_account("data", account().at_data(recipients, now))) return *no;
    }
    intake_.emplace(runtime_->rules, submission(), core_.envelope());
    data_deadline_.reset();
    return protocol::Verdict::accept();
}

std::uint64_t Session::held() const {
    // The core forgets the recipients at RSET and EHLO without asking. From DATA on the intake has a copy.
    const std::uint64_t envelope = core_.envelope().recipients.empty() ? 0 : envelope_octets_;
    return intake_ ? 2 * envelope + intake_->memory() : envelope;
}

void Session::count_memory() {
    const std::uint64_t octets = held();
    premises_.figures.intake_octets += octets - accounted_;  // modulo 2^64: also downwards
    accounted_ = octets;
}

void Session::forget_message() {
    intake_.reset();
    spool_.reset();
    envelope_octets_ = 0;
    count_memory();
    over_budget_ = false;
    id_ = QueueId();
}

net::awaitable<void> Session::collect(std::string_view content) {
    content_octets_ += content.size();
    if (!intake_) co_return;  // over the budget: the rest is read and forgotten
    intake_->feed(content);
    count_memory();
    if (intake_->wants_spill()) {
        if (!spool_) spool_.emplace(premises_.disk, premises_.postbox.spool_directory(), id_);
        std::string piece = intake_->take_spill();
        deadline_.clear();
        co_await spool_->write(std::move(piece));
        count_memory();
    }
    if (premises_.figures.intake_octets > runtime_->limits.max_intake_memory) {
        intake_.reset();
        spool_.reset();
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

// A body in its file whose lines are too long is read again and written anew (intake::Intake::next_pass).
net::awaitable<std::string> Session::read_again() {
    constexpr std::size_t kPiece = 256 * 1024;
    while (const auto pass = intake_->next_pass()) {
        SpoolWriter source = *spool_;
        if (*pass == intake::Intake::Pass::survey) {
            std::string last = intake_->take_spill();
            co_await spool_->write(std::move(last));
        } else {
            spool_.emplace(premises_.disk, premises_.postbox.spool_directory(), id_);
        }
        for (std::uint64_t offset = 0;;) {
            Result<std::string> piece = co_await source.read(offset, kPiece);
            if (!piece) co_return piece.error().what;
            if (piece->empty()) break;
            offset += piece->size();
            intake_->feed_again(*piece);
            count_memory();
            if (!intake_->wants_spill()) continue;
            std::string anew = intake_->take_spill();
            co_await spool_->write(std::move(anew));
        }
        intake_->end_pass();
    }
    co_return std::string();
}

net::awaitable<protocol::StoreResult> Session::store() {
    deadline_.clear();
    if (over_budget_) {
        ++premises_.figures.messages_refused;
        protocol::Reply reply = refuse("data", 452, "4.3.1", kNoSpace);
        forget_message();
        co_return protocol::StoreResult::refused(std::move(reply));
    }
    if (core_.authenticated()) {
        if (auto no = refused_by_account("data", account().at_end_of_data())) {
            ++premises_.figures.messages_refused;
            forget_message();
            co_return protocol::StoreResult::refused(std::move(*no->refusal));
        }
    }
    std::string trouble;
    if (spool_) trouble = co_await read_again();
    if (!trouble.empty()) co_return not_stored(trouble);
    intake::Verdict verdict = intake_->finish();
    if (const auto* refusal = std::get_if<intake::Refusal>(&verdict)) {
        ++premises_.figures.messages_refused;
        if (refusal->of_sender) ++premises_.figures.senders_refused;
        protocol::Reply reply = refuse("data", refusal->code, refusal->enhanced, refusal->text);
        forget_message();
        co_return protocol::StoreResult::refused(std::move(reply));
    }
    auto& accepted = std::get<intake::AcceptedMail>(verdict);
    if (spool_) {
        std::string piece = intake_->take_spill();
        co_await spool_->write(std::move(piece));
        Result<std::string> file = co_await spool_->finish();
        if (file) {
            accepted.message->body.spool_file = std::move(*file);
        } else {
            trouble = file.error().what;
        }
    }
    const mail::MessagePtr message = std::move(accepted.message);
    const std::size_t recipients = accepted.recipients.size();
    if (trouble.empty()) {
        queue::NewMessage mail;
        mail.message = message;
        mail.recipients = std::move(accepted.recipients);
        intake_.reset();
        const SteadyTime limit = std::chrono::steady_clock::now() + runtime_->store_deadline;
        queue::StoreResult<queue::Added> added = co_await put(premises_.postbox, std::move(mail), limit);
        if (!added) {
            trouble = added.error().what;
            if (spool_) spool_->remove();
        }
    }
    if (!trouble.empty()) co_return not_stored(trouble);
    ++messages_;
    ++premises_.figures.messages;
    premises_.figures.octets += message->size();
    if (log::enabled(log::Level::info)) {
        log::Event event(log::Level::info, "stored");
        event.kv("id", id_text_).kv("from", message->reverse_path).kv("recipients", static_cast<std::uint64_t>(recipients));
        event.kv("size", message->size()).kv("source", message->source);
        if (!message->stream.empty()) event.kv("stream", message->stream);
        if (!accepted.repaired.empty()) event.kv("repaired", fmt::format("{}", fmt::join(accepted.repaired, ", ")));
    }
    for (const std::string& warning : accepted.warnings) {
        tag(log::warning("message")).kv("from", message->reverse_path).kv("reason", warning);
    }
    std::string name = std::move(id_text_);
    forget_message();
    co_return protocol::StoreResult::stored(std::move(name));
}

}  // namespace posthorn::smtp::server
