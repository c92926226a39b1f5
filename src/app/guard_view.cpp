// From the guard's records to the admin interface's, and from an operator's address to its key.
#include "app/guard_view.hpp"

#include <chrono>

namespace posthorn::app {
namespace {

using smtp::server::DoorGuard;

constexpr std::size_t kMostAddresses = 1000;

SteadyTime steady_now() { return std::chrono::steady_clock::now(); }

std::vector<admin::GuardedAddress> guarded(const DoorGuard& guard) {
    std::vector<admin::GuardedAddress> all;
    for (DoorGuard::Known& known : guard.known(steady_now(), kMostAddresses)) {
        admin::GuardedAddress one;
        one.address = std::move(known.address);
        one.failures = known.failures;
        one.bans = known.bans;
        one.turned_away = known.turned_away;
        one.banned_for = known.banned_for;
        one.reason = to_string(known.last);
        all.push_back(std::move(one));
    }
    return all;
}

// An address, or the network it is listed as: "2001:db8::/64".
Result<bool> forgive(DoorGuard& guard, const std::string& text) {
    constexpr std::string_view kNetwork = "/64";
    const bool network = text.ends_with(kNetwork) && text.find(':') != std::string::npos;
    const auto address = IpAddress::parse(network ? text.substr(0, text.size() - kNetwork.size()) : text);
    if (!address) return address.error();
    smtp::server::Client client;
    client.address = *address;
    return guard.forgive(client.counted_as());
}

}  // namespace

void lend_guard(admin::Daemon& lent, smtp::server::Server& server) {
    lent.guarded = [&server] { return guarded(server.guard()); };
    lent.forgive = [&server](const std::string& address) { return forgive(server.guard(), address); };
    lent.forgive_all = [&server] { server.guard().forgive_all(); };
}

}  // namespace posthorn::app
