// Before a delivery begins: the message is read where it is not in memory, and looked at whether it may be tried now at all.
#include <algorithm>

#include "auth/suspension.hpp"
#include "base/log.hpp"
#include "delivery/agent_state.hpp"
#include "net/callback.hpp"

namespace posthorn::delivery {
namespace {

// When a message could not be read or recorded for a reason that is not its own.
constexpr Duration kLoadAgain = std::chrono::seconds(1);

}  // namespace

net::awaitable<bool> DeliveryAgent::State::load(Attempt& attempt) {
    if (!attempt.message) {
        auto load = [this, id = attempt.id](auto done) { store.message(id, std::move(done)); };
        auto loaded = co_await net::callback_result<queue::StoreResult<mail::MessagePtr>>(std::move(load));
        if (loaded) {
            attempt.message = std::move(*loaded);
        } else {
            // Gone (deleted meanwhile), or the disk fails: not this message's fault, nor the site's.
            const queue::StoreError& error = loaded.error();
            if (error.fault != queue::StoreFault::not_found)
                log::error("attempt").kv("id", attempt.id.to_string()).kv("error", error.what);
            if (error.fault == queue::StoreFault::corrupt) attempt.message = co_await remains_of(attempt.id);
            if (!attempt.message) {
                abandon(attempt, kLoadAgain);
                co_return false;
            }
            attempt.damage = error.what;   // to be seen by the operator, and told to the sender at its expiry
        }
    }
    if (stopping || !store.health().healthy) {
        // What is delivered now could not be recorded, or not in time.
        abandon(attempt, kLoadAgain);
        co_return false;
    }

    // Expiry holds in every state, here too.
    std::vector<Judged> expired;
    const TimePoint now = wall_now();
    std::erase_if(attempt.recipients, [&](queue::Recipient& recipient) {
        if (!has_expired(recipient, attempt.message->accepted_at, attempt.settings->retry, now)) return false;
        Judged item;
        item.outcome = expiry_of(recipient);
        item.recipient = std::move(recipient);
        expired.push_back(std::move(item));
        return true;
    });
    if (attempt.recipients.empty()) finish(attempt, queue::DeliveryFeedback::Reach::abandoned);
    if (!expired.empty()) co_await settle(attempt.message, std::move(expired), attempt.settings);
    if (attempt.recipients.empty()) co_return false;

    // Claimed before its user was suspended, or accepted at that moment: the queue learns of it here.
    if (suspensions != nullptr && suspensions->find_source(attempt.message->source) != nullptr) {
        finish(attempt, queue::DeliveryFeedback::Reach::abandoned);
        auto revise = [this, id = attempt.id](auto done) {
            store.revise(id, queue::Revision::suspend, wall_now(), std::move(done));
        };
        const auto revised = co_await net::callback_result<queue::StoreResult<queue::Revised>>(std::move(revise));
        log::info("suspended").kv("id", attempt.id.to_string()).kv("source", attempt.message->source)
            .kv("recipients", static_cast<std::uint64_t>(attempt.recipients.size()));
        give_back(attempt.recipients, attempt.domain, wall_now() + (revised ? Duration(0) : kLoadAgain));
        co_return false;
    }
    co_return co_await stop_suppressed(attempt);
}

}  // namespace posthorn::delivery
