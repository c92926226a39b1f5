// What the daemon tells of its own accord: webhooks, alarms and the rounds that find them, put together.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "admin/server.hpp"
#include "app/alarm_rounds.hpp"
#include "app/event_plan.hpp"
#include "base/metric.hpp"
#include "events/alarms.hpp"
#include "events/webhooks.hpp"

namespace posthorn::app {

// Owned by Daemon, on the home shard; outlives the delivery agent, which raises alarms.
class Herald {
public:
    Herald(net::asio::io_context& home, queue::QueueStore& store, dns::Resolver& resolver, delivery::DeliveryMemory& memory,
           net::asio::thread_pool& disk, AlarmSources sources);

    [[nodiscard]] events::Alarms& alarms() { return alarms_; }
    // Before the agent starts: a new webhook hears of all that happens from now on.
    void start(const config::Config& config, EventPlan plan);
    void reload(const config::Config& config, EventPlan plan);
    // Those that wait for their records, after each look for them.
    void keys_seen(std::vector<events::Figures::KeyTrouble> coming) { rounds_.keys_seen(std::move(coming)); }
    // What is not told by now is told after the next start.
    void stop();
    net::awaitable<void> wait_idle(SteadyTime limit);
    [[nodiscard]] std::size_t unfinished() const;
    void join() { alarms_.join(); }

    // GET /v1/alarms, POST /v1/alarms/test, GET /v1/webhooks, POST /v1/webhooks/replay.
    void lend(admin::Daemon& lent);
    [[nodiscard]] std::vector<Metric> metrics() const;

private:
    [[nodiscard]] std::string alarms_json() const;
    [[nodiscard]] std::string webhooks_json() const;

    events::Alarms alarms_;
    events::Webhooks webhooks_;
    AlarmRounds rounds_;
};

}  // namespace posthorn::app
