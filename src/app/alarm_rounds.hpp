// Looks at the daemon's figures every minute, and tells the alarms what is wrong.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "auth/dkim/keys.hpp"
#include "delivery/agent.hpp"
#include "dns/resolver.hpp"
#include "events/alarm_rules.hpp"
#include "events/alarms.hpp"
#include "net/asio.hpp"
#include "net/task_group.hpp"
#include "net/wait_event.hpp"
#include "queue/store.hpp"

namespace posthorn::app {

// Where the figures come from; called on the home shard.
struct AlarmSources {
    std::function<delivery::AgentFigures()> agent;
    std::function<std::vector<events::Figures::CertificateEnd>()> certificates;
    std::function<std::vector<std::string>()> users_at_limit;
    std::function<auth::dkim::KeyTablePtr()> keys;
};

// Owned by Herald, on the home shard. Reads the journal on the store's operator thread, free space on the pool's, keys by the resolver:
// nothing that deliveries wait for.
class AlarmRounds {
public:
    AlarmRounds(net::asio::io_context& home, queue::QueueStore& store, dns::Resolver& resolver, net::asio::thread_pool& disk,
                events::Alarms& alarms, AlarmSources sources);

    void start(events::AlarmOptions options, queue::QueueOptions queue);
    // Holds from the next look on, which follows the keys': keys_seen(). Till then no alarm about a key is raised or taken back.
    void reload(events::AlarmOptions options, queue::QueueOptions queue);
    // Which keys wait for their records, found just now: looks at once, and for the first time after a start.
    void keys_seen(std::vector<events::Figures::KeyTrouble> coming) {
        coming_ = std::move(coming);
        wake_.notify();
    }
    void stop();
    net::awaitable<bool> wait_idle(SteadyTime limit) { return tasks_.wait_idle(limit); }
    [[nodiscard]] std::size_t unfinished() const { return tasks_.size(); }

private:
    net::awaitable<void> rounds();
    net::awaitable<void> look();
    net::awaitable<void> read_journal();
    net::awaitable<void> ask_for_keys();

    queue::QueueStore& store_;
    dns::Resolver& resolver_;
    net::asio::thread_pool& disk_;
    events::Alarms& alarms_;
    AlarmSources sources_;
    net::TaskGroup tasks_;
    net::Signal wake_;
    events::AlarmOptions options_;
    queue::QueueOptions queue_;
    events::ProviderSuccess success_;
    events::Figures figures_;
    std::optional<std::vector<events::Figures::KeyTrouble>> coming_;
    std::uint64_t read_to_ = 0;        // of the journal
    bool read_any_ = false;
    SteadyTime keys_asked_{};
};

}  // namespace posthorn::app
