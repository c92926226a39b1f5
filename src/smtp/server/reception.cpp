// Feed, spill, read again, store.
#include "smtp/server/reception.hpp"

#include <algorithm>
#include <utility>

#include "mail/header.hpp"
#include "smtp/server/local_desk.hpp"

namespace posthorn::smtp::server {
namespace {

// A plain function, since g++ 12 breaks lambdas in co_await expressions (docs/COROUTINES.md).
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

net::awaitable<queue::StoreResult<queue::Added>> put_into(Postbox& postbox, queue::NewMessage message, SteadyTime deadline) {
    co_return co_await put(postbox, std::move(message), deadline);
}

Reception::Reception(net::asio::thread_pool& disk, Postbox& postbox, std::shared_ptr<const intake::Rules> rules,
                     intake::Submission submission, mail::Envelope envelope)
    : disk_(disk), postbox_(postbox), id_(submission.id), rules_(rules) {
    if (submission.caller) uid_ = submission.caller->uid;
    for (const mail::EnvelopeRecipient& recipient : envelope.recipients) {
        if (rules_->is_local(recipient.address)) {
            local_names_.push_back(recipient.address);
        } else {
            ++others_;
        }
    }
    intake_.emplace(std::move(rules), std::move(submission), std::move(envelope));
}

net::awaitable<void> Reception::spill() {
    if (!spool_) spool_.emplace(disk_, postbox_.spool_directory(), id_);
    std::string piece = intake_->take_spill();
    co_await spool_->write(std::move(piece));
}

// A body in its file whose lines are too long is read again and written anew (intake::Intake::next_pass).
net::awaitable<std::string> Reception::read_again() {
    constexpr std::size_t kPiece = 256 * 1024;
    while (const auto pass = intake_->next_pass()) {
        SpoolWriter source = *spool_;
        if (*pass == intake::Intake::Pass::survey) {
            std::string last = intake_->take_spill();
            co_await spool_->write(std::move(last));
        } else {
            spool_.emplace(disk_, postbox_.spool_directory(), id_);
        }
        for (std::uint64_t offset = 0;;) {
            Result<std::string> piece = co_await source.read(offset, kPiece);
            if (!piece) co_return piece.error().what;
            if (piece->empty()) break;
            offset += piece->size();
            intake_->feed_again(*piece);
            if (intake_->wants_spill()) co_await spill();
        }
        intake_->end_pass();
    }
    co_return std::string();
}

void Reception::use(LocalDesk& desk, std::vector<intake::Expansion> known) {
    desk_ = &desk;
    expansions_ = std::move(known);
}

net::awaitable<void> Reception::look_up_names() {
    if (desk_ == nullptr) co_return;
    for (const std::string& name : local_names_) {
        const bool known = std::any_of(expansions_.begin(), expansions_.end(),
                                       [&](const intake::Expansion& expansion) { return expansion.recipient == name; });
        if (known) continue;
        intake::Expansion expansion = co_await desk_->expand(rules_, name, id_);
        expansions_.push_back(std::move(expansion));
    }
}

// Programs of this machine that write to its own names, and to nobody else (SM-51).
bool Reception::is_storm(const std::vector<intake::Parcel>& parcels) const {
    if (desk_ == nullptr || !uid_ || others_ > 0 || parcels.empty()) return false;
    const mail::Message& message = *parcels.front().message;
    const mail::HeaderBlock header(message.header);
    intake::StormMail mail;
    mail.uid = *uid_;
    mail.subject = header.value("Subject").value_or("");
    mail.from = header.value("From").value_or("");
    mail.reverse_path = message.reverse_path;
    mail.source = message.source;
    for (const intake::Parcel& parcel : parcels)
        for (const queue::NewRecipient& recipient : parcel.recipients) mail.to.push_back(recipient.recipient.address);
    return !desk_->admit(std::move(mail), rules_->local.options, id_);
}

// Each message has an id of its own, and its own file where the body is in one.
net::awaitable<std::string> Reception::prepare_copies(std::vector<intake::Parcel>& parcels) {
    for (std::size_t i = 1; i < parcels.size(); ++i) {
        mail::Message& message = *parcels[i].message;
        message.id = desk_->next_id();
        if (!spool_) continue;
        Result<std::string> file = co_await spool_->link(message.id);
        if (!file) {
            parcels.resize(i);
            remove_files(parcels, 0);
            co_return file.error().what;
        }
        message.body.spool_file = std::move(*file);
    }
    co_return std::string();
}

void Reception::remove_files(const std::vector<intake::Parcel>& parcels, std::size_t from) {
    if (!spool_) return;
    for (std::size_t i = std::max<std::size_t>(from, 1); i < parcels.size(); ++i) spool_->remove(parcels[i].message->body.spool_file);
    if (from == 0) spool_->remove();
}

// The copies first, the message last: who comes again after a crash finds either none of the hand-over's name or all of it. Each
// copy has a name made of that, so that it is not stored twice either.
net::awaitable<Reception::Outcome> Reception::put_all(std::vector<intake::Parcel> parcels, std::string pickup, Duration limit,
                                                      Stored stored) {
    for (std::size_t left = parcels.size(); left-- > 0;) {
        intake::Parcel& parcel = parcels[left];
        const std::size_t recipients = parcel.recipients.size();
        queue::NewMessage mail;
        mail.message = parcel.message;
        mail.recipients = std::move(parcel.recipients);
        if (!pickup.empty()) mail.pickup = left == 0 ? pickup : pickup + "+" + std::to_string(left);
        const SteadyTime deadline = std::chrono::steady_clock::now() + limit;
        queue::StoreResult<queue::Added> added = co_await put(postbox_, std::move(mail), deadline);
        const bool known = !added && added.error().fault == queue::StoreFault::known;
        if (known && left > 0) {
            if (spool_) spool_->remove(parcel.message->body.spool_file);
            continue;
        }
        if (!added) {
            // Copies above this one are stored, and keep their files.
            parcels.resize(left + 1);
            remove_files(parcels, 0);
            if (known) co_return Known{};
            co_return Trouble{added.error().what};
        }
        if (left == 0) {
            stored.recipients = recipients;
            continue;
        }
        Copy copy;
        copy.message = parcel.message;
        copy.recipients = recipients;
        copy.delivered_to = std::move(parcel.delivered_to);
        stored.copies.push_back(std::move(copy));
    }
    co_return stored;
}

net::awaitable<Reception::Outcome> Reception::store(std::string pickup, Duration limit) {
    co_await look_up_names();
    Stored stored;
    for (const intake::Expansion& expansion : expansions_)
        if (expansion.kind == intake::Expansion::Kind::refused) stored.refused.push_back(expansion);
    if (others_ == 0 && !stored.refused.empty() && stored.refused.size() == expansions_.size()) {
        intake::Refusal refusal;
        refusal.code = stored.refused.front().code;
        refusal.enhanced = stored.refused.front().enhanced;
        refusal.text = stored.refused.front().text;
        co_return refusal;
    }
    if (spool_) {
        std::string trouble = co_await read_again();
        if (!trouble.empty()) co_return Trouble{std::move(trouble)};
    }
    intake::Verdict verdict = intake_->finish();
    if (auto* refusal = std::get_if<intake::Refusal>(&verdict)) co_return std::move(*refusal);
    auto& accepted = std::get<intake::AcceptedMail>(verdict);
    stored.message = accepted.message;
    stored.repaired = std::move(accepted.repaired);
    stored.warnings = std::move(accepted.warnings);
    auto distributed = intake::distribute(std::move(accepted), expansions_);
    if (auto* refusal = std::get_if<intake::Refusal>(&distributed)) co_return std::move(*refusal);
    auto& parcels = std::get<std::vector<intake::Parcel>>(distributed);
    stored.held_back = is_storm(parcels);
    if (parcels.empty() || stored.held_back) co_return stored;
    stored.message = parcels.front().message;
    if (spool_) {
        co_await spill();
        Result<std::string> file = co_await spool_->finish();
        if (!file) co_return Trouble{file.error().what};
        parcels.front().message->body.spool_file = std::move(*file);
    }
    intake_.reset();
    std::string trouble = co_await prepare_copies(parcels);
    if (!trouble.empty()) co_return Trouble{std::move(trouble)};
    Outcome outcome = co_await put_all(std::move(parcels), std::move(pickup), limit, std::move(stored));
    co_return outcome;
}

}  // namespace posthorn::smtp::server
