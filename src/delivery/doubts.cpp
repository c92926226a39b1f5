// The agent's start: what the process before left in doubt is told to the log and the queue, and then mail is delivered.
#include "base/log.hpp"
#include "delivery/agent_state.hpp"
#include "net/callback.hpp"

namespace posthorn::delivery {

void DeliveryAgent::keep_doubts_in(const std::string& directory) { state_->left_in_doubt = state_->in_doubt.open(directory); }

// Before anything of the queue is claimed, so that nobody has the recipients in doubt. New mail does not wait for it.
net::awaitable<void> DeliveryAgent::State::begin() {
    co_await settle_doubts();
    if (stopping) co_return;
    chores.spawn(load_destinations());
    chores.spawn(sweep());
}

net::awaitable<void> DeliveryAgent::State::settle_doubts() {
    std::size_t next = 0;
    while (next < left_in_doubt.size() && !stopping) {
        const bool settled = co_await settle_doubt(left_in_doubt[next]);
        if (settled) {
            ++next;
            continue;
        }
        boost::asio::steady_timer pause(home, std::chrono::seconds(1));
        auto [ec] = co_await pause.async_wait(net::kAwait);
        (void)ec;
    }
    if (next < left_in_doubt.size()) co_return;   // stopped: the marks stay for the next start
    left_in_doubt.clear();
    in_doubt.forget_left();
}

net::awaitable<bool> DeliveryAgent::State::settle_doubt(const Doubt& doubt) {
    auto ask = [this, id = doubt.message](auto done) { store.show(id, std::move(done)); };
    auto entry = co_await net::callback_result<queue::StoreResult<queue::QueueEntry>>(std::move(ask));
    if (!entry) {
        if (entry.error().fault == queue::StoreFault::not_found) co_return true;   // recorded, and killed right after
        log::error("in-doubt").kv("id", doubt.message.to_string()).kv("error", entry.error().what)
            .kv("action", "looking again in a second");
        co_return false;
    }
    std::vector<Judged> judged = judge_doubt(doubt, *entry);
    if (judged.empty()) co_return true;
    for (const Judged& item : judged)
        log::warning("in-doubt").kv("id", doubt.message.to_string()).kv("from", entry->reverse_path)
            .kv("to", item.recipient.address.empty() ? "one at " + doubt.domain : item.recipient.address).kv("host", doubt.host).kv("meaning", "may have been delivered there; it is sent again when its time comes");

    auto load = [this, id = doubt.message](auto done) { store.message(id, std::move(done)); };
    auto loaded = co_await net::callback_result<queue::StoreResult<mail::MessagePtr>>(std::move(load));
    mail::MessagePtr message;
    if (loaded) message = std::move(*loaded);
    else message = co_await remains_of(doubt.message);
    if (!message) co_return false;
    const std::shared_ptr<const Settings> current = settings;
    const bool recorded = co_await settle(std::move(message), std::move(judged), current);
    co_return recorded;
}

}  // namespace posthorn::delivery
