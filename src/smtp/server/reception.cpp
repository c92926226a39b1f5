// Feed, spill, read again, store.
#include "smtp/server/reception.hpp"

#include <utility>

namespace posthorn::smtp::server {
namespace {

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

Reception::Reception(net::asio::thread_pool& disk, Postbox& postbox, std::shared_ptr<const intake::Rules> rules,
                     intake::Submission submission, mail::Envelope envelope)
    : disk_(disk), postbox_(postbox), id_(submission.id) {
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

net::awaitable<Reception::Outcome> Reception::store(std::string pickup, Duration limit) {
    if (spool_) {
        std::string trouble = co_await read_again();
        if (!trouble.empty()) co_return Trouble{std::move(trouble)};
    }
    intake::Verdict verdict = intake_->finish();
    if (auto* refusal = std::get_if<intake::Refusal>(&verdict)) co_return std::move(*refusal);
    auto& accepted = std::get<intake::AcceptedMail>(verdict);
    if (spool_) {
        co_await spill();
        Result<std::string> file = co_await spool_->finish();
        if (!file) co_return Trouble{file.error().what};
        accepted.message->body.spool_file = std::move(*file);
    }
    intake_.reset();
    Stored stored;
    stored.message = std::move(accepted.message);
    stored.recipients = accepted.recipients.size();
    stored.repaired = std::move(accepted.repaired);
    stored.warnings = std::move(accepted.warnings);
    queue::NewMessage mail;
    mail.message = stored.message;
    mail.recipients = std::move(accepted.recipients);
    mail.pickup = std::move(pickup);
    const SteadyTime deadline = std::chrono::steady_clock::now() + limit;
    queue::StoreResult<queue::Added> added = co_await put(postbox_, std::move(mail), deadline);
    if (added) co_return stored;
    if (spool_) spool_->remove();
    if (added.error().fault == queue::StoreFault::known) co_return Known{};
    co_return Trouble{added.error().what};
}

}  // namespace posthorn::smtp::server
