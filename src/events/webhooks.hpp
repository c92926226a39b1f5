// Tells receivers what becomes of mail: each webhook goes through the journal at its own pace, in order, and every event arrives
// at least once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/web_address.hpp"
#include "delivery/alarm.hpp"
#include "events/courier.hpp"
#include "events/options.hpp"
#include "net/asio.hpp"
#include "net/task_group.hpp"
#include "net/wait_event.hpp"
#include "queue/store.hpp"

namespace posthorn::delivery {
class DeliveryMemory;
}
namespace posthorn::dns {
class Resolver;
}
namespace posthorn::net {
class ClientTls;
}

namespace posthorn::events {

// A webhook ready for use: its files are read.
struct Webhook {
    WebhookOptions options;
    WebAddress address;
    std::vector<std::string> secrets;   // the newest first
};

// Numbers of the journal that a receiver refused for good, both included.
struct AsideRange {
    std::uint64_t first = 0, last = 0;
    std::string words;
};

struct WebhookFigures {
    std::string name, url;
    std::uint64_t cursor = 0;     // told up to this number of the journal
    std::uint64_t behind = 0;     // entries that it has not come to yet, wanted or not
    std::uint64_t events = 0, requests = 0, failures = 0, gaps = 0, put_aside = 0;   // events and requests since the start
    std::optional<TimePoint> failing_since;
    std::string words;            // of the last failure
    std::vector<AsideRange> aside;
};

// Lives on the home shard; reads the journal by the store's operator thread, never in the way of deliveries. What it refers to
// outlives it. A webhook's place in the journal is in DeliveryMemory: kill -9 costs repetitions, since it is moved on after the
// answer; a new one begins with what comes after its first start, and that beginning is on disk before anything is told.
class Webhooks {
public:
    static constexpr std::size_t kMostAside = 100;   // ranges remembered for each

    Webhooks(net::asio::io_context& home, queue::QueueStore& store, dns::Resolver& resolver, delivery::DeliveryMemory& memory,
             net::asio::thread_pool& disk, delivery::AlarmSink& alarms);
    ~Webhooks();

    // Before mail leaves: where new webhooks begin is written now (blocks for a moment). server: our host name, ca_file: for those
    // that name none, alarm_after: [alarm] webhook_failing.
    void start(std::string server, std::vector<Webhook> hooks, std::string ca_file, Duration alarm_after);
    void reload(std::string server, std::vector<Webhook> hooks, std::string ca_file, Duration alarm_after);
    void stop();
    net::awaitable<bool> wait_idle(SteadyTime limit) { return tasks_.wait_idle(limit); }
    [[nodiscard]] std::size_t unfinished() const { return tasks_.size(); }

    [[nodiscard]] std::vector<WebhookFigures> figures() const;
    // Tells everything from this number on once more. The error says what is allowed.
    [[nodiscard]] Result<void> replay(const std::string& name, std::uint64_t from);

private:
    struct Hook;
    using HookPtr = std::shared_ptr<Hook>;

    // What memory has of a webhook of that name.
    struct Place {
        std::optional<std::uint64_t> cursor;
        std::vector<AsideRange> aside;
        Place() = default;
    };
    [[nodiscard]] static Place recall(delivery::DeliveryMemory& memory, const std::string& name);
    void adopt(std::vector<Webhook> hooks, std::vector<HookPtr>& fresh);
    net::awaitable<void> begin(HookPtr hook);
    net::awaitable<void> serve(HookPtr hook);
    net::awaitable<void> tell_some(HookPtr hook);
    net::awaitable<void> pause(HookPtr hook, Duration time);
    void move_on(Hook& hook, std::uint64_t cursor);
    void keep(const Hook& hook);
    void tell_operator(Hook& hook, const Courier::Step& step, std::uint64_t first, std::uint64_t last);
    [[nodiscard]] std::string kept(const Hook& hook) const;

    net::asio::any_io_executor executor_;
    queue::QueueStore& store_;
    dns::Resolver& resolver_;
    delivery::DeliveryMemory& memory_;
    net::asio::thread_pool& disk_;
    delivery::AlarmSink& alarms_;
    net::TaskGroup tasks_;
    std::string server_, ca_file_;
    Duration alarm_after_{};
    std::vector<HookPtr> hooks_;
    std::minstd_rand random_;
};

}  // namespace posthorn::events
