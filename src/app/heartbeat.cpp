// Rounds from the home shard over the writer's thread and back.
#include "app/heartbeat.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "app/service_manager.hpp"

namespace posthorn::app {
namespace {

constexpr Duration kStatusInterval = std::chrono::seconds(10);

}  // namespace

Heartbeat::Heartbeat(net::asio::io_context& home, queue::QueueStore& store, std::function<std::string()> status)
    : home_(home), store_(store), status_(std::move(status)), timer_(home) {}

void Heartbeat::start() {
    if (std::getenv("NOTIFY_SOCKET") == nullptr) return;
    const Duration patience = watchdog_patience();
    watched_ = patience > Duration::zero();
    // Twice within its patience is what sd_watchdog_enabled(3) advises; a third leaves room for a busy machine.
    interval_ = watched_ ? std::min<Duration>(kStatusInterval, patience / 3) : kStatusInterval;
    beat();
}

void Heartbeat::stop() {
    stopped_ = true;
    timer_.cancel();
}

void Heartbeat::beat() {
    // An operation that changes nothing; its answer, good or bad, comes from the writer.
    store_.forget_pickups({}, [this](const queue::StoreResult<std::uint64_t>&) {
        net::asio::post(home_, [this] {
            if (stopped_) return;
            std::string state = watched_ ? "WATCHDOG=1\n" : "";
            if (std::string status = status_(); status != told_) {
                told_ = std::move(status);
                state += "STATUS=" + told_;
            }
            if (!state.empty()) tell_service_manager(state);
            arm();
        });
    });
}

void Heartbeat::arm() {
    timer_.expires_after(interval_);
    timer_.async_wait([this](const net::error_code& error) {
        if (!error && !stopped_) beat();
    });
}

}  // namespace posthorn::app
