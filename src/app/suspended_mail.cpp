// Two passes over the queue, again and again until it agrees with the list.
#include "app/suspended_mail.hpp"

#include <utility>

#include "base/log.hpp"
#include "net/callback.hpp"
#include "net/offload.hpp"

namespace posthorn::app {
namespace {

constexpr std::size_t kHeldPage = 2000;   // messages looked at together
constexpr std::size_t kHeldBatch = 200;   // messages revised together: some milliseconds of the writer
constexpr Duration kLookAgain = std::chrono::seconds(1);

// Revisions under way; the last answer resumes whoever waits for them.
struct Revisions {
    explicit Revisions(net::asio::any_io_executor executor) : done(std::move(executor)) {}
    std::size_t missing = 0;
    bool failed = false;
    std::vector<queue::Revised> revised;
    net::Event done;
};

}  // namespace

SuspendedMail::SuspendedMail(net::asio::io_context& home, queue::QueueStore& store, net::asio::thread_pool& disk,
                             std::string list_file, OnDue on_due)
    : home_(home),
      store_(store),
      disk_(disk),
      file_(std::move(list_file)),
      on_due_(std::move(on_due)),
      tasks_(home.get_executor(), "suspended mail"),
      wake_(home.get_executor()) {}

Result<void> SuspendedMail::read() {
    Result<auth::Suspensions> read = auth::Suspensions::load(file_);
    if (!read) return read.error();
    list_ = std::move(*read);
    list_changed();
    return {};
}

void SuspendedMail::start() {
    tasks_.spawn(follow());
}

void SuspendedMail::stop() {
    tasks_.request_stop();
    wake_.notify();
    for (net::Signal* waiting : waiting_) waiting->notify();
}

void SuspendedMail::list_changed() {
    ++versions_;
    wake_.notify();
}

void SuspendedMail::change(admin::SuspensionChange change, TimePoint now, Done done) {
    tasks_.spawn(carry_out(std::move(change), now, std::move(done)));
}

net::awaitable<void> SuspendedMail::carry_out(admin::SuspensionChange change, TimePoint now, Done done) {
    admin::SuspensionOutcome outcome;
    const bool known = list_.find(change.user) != nullptr || (change.uid && list_.find_uid(*change.uid) != nullptr);
    outcome.changed = known != change.suspend;
    const auth::Suspension suspension{now, change.reason, change.uid};
    auto work = [file = file_, user = change.user, uid = change.uid, suspend = change.suspend, suspension] {
        return suspend ? auth::suspend(file, user, suspension) : auth::resume(file, user, uid);
    };
    Result<auth::Suspensions> written = co_await net::offload(disk_, std::move(work));
    if (!written && !change.suspend) {
        // Still in the file, so he would be suspended again at the next start: nothing was changed.
        Result<admin::SuspensionOutcome> answer(written.error());
        done(std::move(answer));
        co_return;
    }
    if (change.suspend) {
        list_.add(change.user, suspension);
    } else {
        list_.remove(change.user, change.uid);
    }
    if (!written) outcome.trouble = written.error().what;
    list_changed();
    log::warning(change.suspend ? "user_suspended" : "user_resumed")
        .kv("user", change.user)
        .kv("reason", change.reason)
        .kv("meaning", change.suspend ? "he cannot log in or send, and his queued mail stays until `posthorn user resume`"
                                      : "he can log in and send again; his queued mail goes on");
    const std::uint64_t version = versions_;
    const std::uint64_t before = revised_;
    const SteadyTime limit = std::chrono::steady_clock::now() + kPatience;
    net::Signal progress(home_.get_executor());
    const auto place = waiting_.insert(waiting_.end(), &progress);
    bool in_time = true;
    while (in_time && followed_ < version && !tasks_.stopping()) in_time = co_await progress.wait_until(limit);
    waiting_.erase(place);
    outcome.recipients = revised_ - before;
    outcome.finished = followed_ >= version;
    Result<admin::SuspensionOutcome> answer(std::move(outcome));
    done(std::move(answer));
}

net::awaitable<void> SuspendedMail::follow() {
    while (!tasks_.stopping()) {
        if (followed_ == versions_) {
            co_await wake_.wait();
            continue;
        }
        const std::uint64_t version = versions_;
        const std::uint64_t before = revised_;
        bool done = co_await pass(queue::Revision::resume);
        if (done && !list_.empty()) done = co_await pass(queue::Revision::suspend);
        if (revised_ != before) {
            log::info("suspended_mail").kv("recipients", revised_ - before).kv("result", done ? "done" : "to be continued");
        }
        if (done) {
            followed_ = version;
            for (net::Signal* waiting : waiting_) waiting->notify();
        } else if (!tasks_.stopping()) {
            co_await wake_.wait_until(std::chrono::steady_clock::now() + kLookAgain);
        }
    }
}

net::awaitable<bool> SuspendedMail::pass(queue::Revision revision) {
    const bool suspends = revision == queue::Revision::suspend;
    queue::SourceQuery query;
    query.limit = kHeldPage;
    query.suspended_only = !suspends;
    for (;;) {
        auto start = [this, query](auto done) { store_.sources(query, std::move(done)); };
        auto page = co_await net::callback_result<queue::StoreResult<std::vector<queue::MessageSource>>>(std::move(start));
        if (!page) {
            log::error("suspended_mail").kv("error", page.error().what).kv("action", "looking again in a second");
            co_return false;
        }
        std::vector<QueueId> messages;
        for (const queue::MessageSource& message : *page) {
            if ((list_.find_source(message.source) != nullptr) == suspends) messages.push_back(message.id);
            if (messages.size() < kHeldBatch) continue;
            const bool revised = co_await revise(std::exchange(messages, {}), revision);
            if (!revised) co_return false;
        }
        const bool revised = co_await revise(std::move(messages), revision);
        if (!revised || tasks_.stopping()) co_return false;
        if (page->size() < kHeldPage) co_return true;
        query.after = page->back().id;
    }
}

net::awaitable<bool> SuspendedMail::revise(std::vector<QueueId> messages, queue::Revision revision) {
    if (messages.empty()) co_return true;
    const auto batch = std::make_shared<Revisions>(home_.get_executor());
    batch->missing = messages.size();
    for (const QueueId message : messages) {
        store_.revise(message, revision, wall_now(), [this, batch](queue::StoreResult<queue::Revised> result) {
            net::asio::post(home_, [batch, result = std::move(result)]() mutable {
                if (result) {
                    batch->revised.push_back(std::move(*result));
                } else if (result.error().fault != queue::StoreFault::not_found) {  // delivered or deleted meanwhile
                    batch->failed = true;
                }
                if (--batch->missing == 0) batch->done.set();
            });
        });
    }
    co_await batch->done.wait();
    for (const queue::Revised& revised : batch->revised) {
        revised_ += revised.recipients;
        if (on_due_ && !revised.due.empty()) on_due_(revised.due);
    }
    co_return !batch->failed;
}

}  // namespace posthorn::app
