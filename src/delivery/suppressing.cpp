// The suppression list at work: read at the start, kept by refusals, and heeded before mail goes out.
#include <charconv>
#include <utility>

#include "base/log.hpp"
#include "delivery/agent_state.hpp"
#include "delivery/memory.hpp"
#include "net/callback.hpp"

namespace posthorn::delivery {
namespace {

constexpr std::size_t kListPage = 1000;

}  // namespace

// No delivery begins before: see stop_suppressed().
net::awaitable<void> DeliveryAgent::State::recall_suppressions() {
    if (learnt.memory != nullptr) {
        for (Remembered& item : learnt.memory->load(kStrikeKind)) {
            std::uint32_t count = 0;
            std::from_chars(item.value.data(), item.value.data() + item.value.size(), count);
            if (count != 0) suppressed.restore_strikes(std::move(item.key), count, item.expires);
        }
    }
    std::string after;
    while (!stopping) {
        auto ask = [this, after](auto done) { store.suppressions(after, kListPage, std::move(done)); };
        auto page = co_await net::callback_result<queue::StoreResult<std::vector<queue::Suppression>>>(std::move(ask));
        if (!page) {
            log::error("suppression").kv("error", page.error().what).kv("action", "reading the list again in a second; no mail leaves before");
            boost::asio::steady_timer pause(home, std::chrono::seconds(1));
            auto [ec] = co_await pause.async_wait(net::kAwait);
            (void)ec;
            continue;
        }
        if (!page->empty()) after = page->back().address;
        const bool last = page->size() < kListPage;
        for (queue::Suppression& entry : *page) suppressed.add(std::move(entry));
        if (last) break;
    }
    suppressions_known.set();
}

// Contract of the list: who is on it fails before any connection. False: nobody is left to deliver to.
net::awaitable<bool> DeliveryAgent::State::stop_suppressed(Attempt& attempt) {
    co_await suppressions_known.wait();
    std::vector<Judged> stopped;
    std::erase_if(attempt.recipients, [&](queue::Recipient& recipient) {
        const queue::Suppression* entry =
            suppressed.stops(*attempt.message, recipient.address, attempt.settings->delivery.suppression.mail);
        if (entry == nullptr) return false;
        Judged item;
        item.outcome = suppressed_outcome(*entry);
        item.recipient = std::move(recipient);
        stopped.push_back(std::move(item));
        return true;
    });
    if (stopped.empty()) co_return true;
    const bool nobody = attempt.recipients.empty();
    if (nobody) finish(attempt, queue::DeliveryFeedback::Reach::abandoned);
    (void)co_await settle(attempt.message, std::move(stopped), attempt.settings);
    co_return !nobody;
}

void DeliveryAgent::State::note_suppressions(Recording& recording) {
    if (recording.settings->delivery.suppression.mail == SuppressedMail::off) return;
    for (const Judged& item : recording.judged) {
        if (item.at_once) continue;
        const std::uint64_t missed = suppressed.missed();
        std::optional<queue::Suppression> entry = suppressed.heed(item.outcome, item.recipient, recording.now);
        if (suppressed.missed() != missed)
            if (const auto times = suppressions_full.happened(std::chrono::steady_clock::now()))
                log::error("suppression").kv("to", item.recipient.address).kv("addresses", suppressed.size()).kv("times", *times)
                    .kv("error", "the list is full: further addresses that are refused for good are not put on it, and are tried again when mail comes for them")
                    .kv("action", "look who writes to so many addresses that are not there (`posthorn senders`); `posthorn suppression remove` makes room");
        if (entry) {
            log::warning("suppression").kv("id", recording.message->id.to_string()).kv("to", entry->address).kv("class", entry->failure_class)
                .kv("reply", entry->reply).kv("action", "on the suppression list; `posthorn suppression remove` takes it off");
            suppressed.add(*entry);
            recording.settlement.suppressions.push_back(std::move(*entry));
        }
        if (learnt.memory == nullptr || refusals_needed(item.outcome) < 2) continue;
        const std::string key = suppression_key(item.recipient.address);
        const std::uint32_t strikes = suppressed.strikes(key, recording.now);
        if (strikes == 0) learnt.memory->erase(kStrikeKind, key);
        else learnt.memory->put(kStrikeKind, key, std::to_string(strikes), recording.now + kStrikeLifetime);
    }
}

void DeliveryAgent::on_suppressed(std::vector<queue::Suppression> entries) {
    for (queue::Suppression& entry : entries) state_->suppressed.add(std::move(entry));
}

void DeliveryAgent::on_unsuppressed(const std::vector<std::string>& addresses) {
    for (const std::string& address : addresses) {
        state_->suppressed.remove(address);
        if (state_->learnt.memory != nullptr) state_->learnt.memory->erase(kStrikeKind, suppression_key(address));
    }
}

std::size_t DeliveryAgent::suppressed() const { return state_->suppressed.size(); }

}  // namespace posthorn::delivery
