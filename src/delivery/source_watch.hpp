// Asks DNS whether our IPv6 addresses have names that lead back to them: at the start, at each reload, hourly.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "delivery/source_address.hpp"
#include "net/asio.hpp"
#include "net/task_group.hpp"
#include "net/wait_event.hpp"

namespace posthorn::dns {
class Resolver;
}

namespace posthorn::delivery {

struct Settings;

// On the home shard; outlives its coroutines.
class SourceWatch {
public:
    SourceWatch(net::asio::any_io_executor home, dns::Resolver& resolver);

    // Until the group stops. `settings` gives those in force.
    net::awaitable<void> run(std::function<std::shared_ptr<const Settings>()> settings, net::TaskGroup& group);
    void look_again() { again_.notify(); }       // after a reload
    // Called when an address turns out to be in order that was not before.
    void on_confirmed(std::function<void()> told) { on_confirmed_ = std::move(told); }
    // One look, at once. False: DNS gave no answer about some address.
    net::awaitable<bool> look(std::shared_ptr<const Settings> settings);

    [[nodiscard]] SourceAddresses source_for(const DeliveryOptions& options, std::string_view sender_domain) const {
        return delivery::source_for(options, sender_domain, confirmations_);
    }
    [[nodiscard]] const Confirmations& confirmations() const { return confirmations_; }

private:
    dns::Resolver& resolver_;
    net::Signal again_;
    Confirmations confirmations_;
    std::function<void()> on_confirmed_;
};

// The address from which the kernel would send to the Internet over IPv6; nothing: there is no such route. No packet is sent.
[[nodiscard]] std::optional<IpAddress> kernel_source_v6();

}  // namespace posthorn::delivery
