// Pages of messages, revised a few at a time.
#include "app/queue_flush.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/bound.hpp"
#include "base/log.hpp"
#include "net/callback.hpp"
#include "net/wait_event.hpp"

namespace posthorn::app {
namespace {

constexpr std::size_t kPage = 2000;       // messages looked at together, where only who submitted them is asked
constexpr std::size_t kDomainPage = 200;  // where recipients are
constexpr std::size_t kBatch = 200;       // messages revised together: some milliseconds of the writer
constexpr std::size_t kMostRemembered = 10'000;

struct Batch {
    explicit Batch(net::asio::any_io_executor executor) : done(std::move(executor)) {}
    std::size_t missing = 0;
    std::vector<queue::Revised> revised;
    net::Event done;
};

}  // namespace

QueueFlush::QueueFlush(net::asio::io_context& home, queue::QueueStore& store, OnDue on_due)
    : home_(home), store_(store), on_due_(std::move(on_due)), tasks_(home.get_executor(), "queue flush") {}

Result<void> QueueFlush::order(admin::FlushOrder order, SteadyTime now) {
    if (tasks_.stopping()) return Error{"the daemon is shutting down; mail is tried again when it starts"};
    const bool waits = std::any_of(waiting_.begin(), waiting_.end(), [&](const admin::FlushOrder& other) {
        return other.source == order.source && other.domain == order.domain;
    });
    if (waits) return {};
    if (!order.source.empty()) {
        const auto before = ordered_.find(order.source);
        if (before != ordered_.end() && now - before->second < kPause) {
            const auto left = std::chrono::ceil<std::chrono::seconds>(kPause - (now - before->second)).count();
            return Error{fmt::format("your mail was tried less than a minute ago; again in {} seconds", left)};
        }
        if (ordered_.size() >= kMostRemembered)
            std::erase_if(ordered_, [&](const auto& one) { return now - one.second >= kPause; });
    }
    if (waiting_.size() >= kMostWaiting || ordered_.size() >= kMostRemembered) {
        note_reached(Bound::flush_orders);
        return Error{"too many want the queue flushed at the same time; try again in a minute"};
    }
    if (!order.source.empty()) ordered_[order.source] = now;
    waiting_.push_back(std::move(order));
    if (!running_) {
        running_ = true;
        tasks_.spawn(carry_out());
    }
    return {};
}

net::awaitable<void> QueueFlush::carry_out() {
    while (!waiting_.empty() && !tasks_.stopping()) {
        admin::FlushOrder order = std::move(waiting_.front());
        waiting_.pop_front();
        log::info("flush").kv("source", order.source).kv("domain", order.domain).kv("result", "begun");
        const std::string source = order.source;
        const std::uint64_t recipients = co_await pass(std::move(order));
        log::info("flush").kv("source", source).kv("recipients", recipients).kv("result", "done");
    }
    running_ = false;
}

net::awaitable<std::uint64_t> QueueFlush::pass(admin::FlushOrder order) {
    std::uint64_t recipients = 0;
    QueueId after;
    bool last = false;
    while (!last && !tasks_.stopping()) {
        std::vector<QueueId> page = co_await next_page(order, after, last);
        for (std::size_t at = 0; at < page.size() && !tasks_.stopping(); at += kBatch) {
            std::vector<QueueId> batch(page.begin() + static_cast<std::ptrdiff_t>(at),
                                       page.begin() + static_cast<std::ptrdiff_t>(std::min(at + kBatch, page.size())));
            recipients += co_await flush(std::move(batch));
        }
    }
    co_return recipients;
}

// The order's messages of one page; `after` moves on, `last` says that there is no further one.
net::awaitable<std::vector<QueueId>> QueueFlush::next_page(const admin::FlushOrder& order, QueueId& after, bool& last) {
    std::vector<QueueId> messages;
    last = true;
    if (order.domain.empty()) {
        queue::SourceQuery query;
        query.after = after;
        query.limit = kPage;
        auto start = [this, query](auto done) { store_.sources(query, std::move(done)); };
        auto page = co_await net::callback_result<queue::StoreResult<std::vector<queue::MessageSource>>>(std::move(start));
        if (!page) {
            log::warning("flush").kv("error", page.error().what);
            co_return messages;
        }
        last = page->size() < kPage;
        if (!page->empty()) after = page->back().id;
        for (const queue::MessageSource& message : *page) {
            if (order.source.empty() || order.source == message.source) messages.push_back(message.id);
        }
        co_return messages;
    }
    queue::ListQuery query;
    query.after = after;
    query.limit = kDomainPage;
    query.domain = order.domain;
    if (!order.source.empty()) query.sources.push_back(order.source);
    auto start = [this, query](auto done) { store_.list(query, std::move(done)); };
    auto page = co_await net::callback_result<queue::StoreResult<std::vector<queue::QueueEntry>>>(std::move(start));
    if (!page) {
        log::warning("flush").kv("error", page.error().what);
        co_return messages;
    }
    last = page->size() < kDomainPage;
    if (!page->empty()) after = page->back().id;
    for (const queue::QueueEntry& entry : *page) messages.push_back(entry.id);
    co_return messages;
}

net::awaitable<std::uint64_t> QueueFlush::flush(std::vector<QueueId> messages) {
    if (messages.empty()) co_return 0;
    const auto batch = std::make_shared<Batch>(home_.get_executor());
    batch->missing = messages.size();
    for (const QueueId message : messages) {
        store_.revise(message, queue::Revision::flush, wall_now(), [this, batch](queue::StoreResult<queue::Revised> result) {
            net::asio::post(home_, [batch, result = std::move(result)]() mutable {
                if (result) batch->revised.push_back(std::move(*result));  // else it was delivered or deleted meanwhile
                if (--batch->missing == 0) batch->done.set();
            });
        });
    }
    co_await batch->done.wait();
    std::uint64_t recipients = 0;
    for (const queue::Revised& revised : batch->revised) {
        recipients += revised.recipients;
        if (on_due_ && !revised.due.empty()) on_due_(revised.due);
    }
    co_return recipients;
}

}  // namespace posthorn::app
