// One look at our addresses, and the loop of looks.
#include "delivery/source_watch.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/log.hpp"
#include "delivery/agent.hpp"
#include "dns/resolver.hpp"

namespace posthorn::delivery {
namespace {

constexpr Duration kLookEvery = std::chrono::hours(1);
// DNS that gives no answer is asked again sooner: at the start it may not be up yet.
constexpr Duration kLookSoon = std::chrono::minutes(1);
constexpr std::size_t kMaxNames = 10;  // of one address (RFC 7208 s4.6.4's bound for the same question)

// The AAAA records of the names that the PTR records give, searched for the address.
net::awaitable<Confirmation> confirm(dns::Resolver& resolver, IpAddress address, bool& unknown) {
    Confirmation found;
    const std::string text = address.to_string();
    const dns::PtrAnswer names = co_await resolver.ptr(address);
    if (names.status == dns::Status::temporary) {
        unknown = true;
        found.why = "DNS gave no answer about the PTR record of " + text + ": " + names.detail;
        co_return found;
    }
    if (names.names.empty()) {
        found.why = text + " has no PTR record; have it set to the host name by whoever gave you the address";
        co_return found;
    }
    found.why = text + " is " + names.names.front() +
                " by its PTR record, but that name does not have this address; add the AAAA record";
    for (std::size_t i = 0; i < std::min(names.names.size(), kMaxNames); ++i) {
        const dns::AddressAnswer back = co_await resolver.addresses(names.names[i], dns::Family::v6);
        unknown = unknown || back.status == dns::Status::temporary;
        if (std::find(back.v6.begin(), back.v6.end(), address) == back.v6.end()) continue;
        found.confirmed = true;
        found.why = text + " is " + names.names[i] + ", and that name has this address";
        unknown = false;
        break;
    }
    co_return found;
}

}  // namespace

std::optional<IpAddress> kernel_source_v6() {
    // i.root-servers.net, which every route to the Internet leads to. Connecting a datagram socket sends
    // nothing.
    const auto target = IpAddress::parse("2001:7fe::53");
    const int fd = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return std::nullopt;
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(25);
    std::copy(target->octets().begin(), target->octets().end(), address.sin6_addr.s6_addr);
    socklen_t length = sizeof address;
    const bool found = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                       ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0;
    ::close(fd);
    if (!found) return std::nullopt;
    std::array<std::uint8_t, 16> octets{};
    std::copy_n(address.sin6_addr.s6_addr, octets.size(), octets.begin());
    return IpAddress::from_v6(octets);
}

SourceWatch::SourceWatch(net::asio::any_io_executor home, dns::Resolver& resolver)
    : resolver_(resolver), again_(std::move(home)) {}

net::awaitable<bool> SourceWatch::look(std::shared_ptr<const Settings> settings) {
    Confirmations fresh;
    bool answered = true, repaired = false;
    const std::set<std::string> sources = settings->delivery.family == IpFamily::automatic
                                              ? v6_sources(settings->delivery)
                                              : std::set<std::string>();
    for (const std::string& text : sources) {
        std::optional<IpAddress> address = kernel_source_v6();
        if (!text.empty()) address = IpAddress::parse(text).value();
        Confirmation found;
        bool unknown = false;
        if (!address)
            found.why = "this machine has no way to the Internet over IPv6";
        else if (address->is_private())
            found.why = address->to_string() + " is not an address of the public Internet";
        else
            found = co_await confirm(resolver_, *address, unknown);
        const auto before = confirmations_.find(text);
        // No answer says nothing: what was found before stays.
        if (unknown && before != confirmations_.end()) found = before->second;
        answered = answered && !unknown;
        repaired = repaired || (before != confirmations_.end() && !before->second.confirmed && found.confirmed);
        if (before == confirmations_.end() || before->second.confirmed != found.confirmed ||
            before->second.why != found.why)
            log::info("source")
                .kv("ipv6", address ? address->to_string() : std::string("none"))
                .kv("used", found.confirmed)
                .kv("why", found.why);
        fresh[text] = std::move(found);
    }
    confirmations_ = std::move(fresh);
    if (repaired && on_confirmed_) on_confirmed_();
    co_return answered;
}

net::awaitable<void> SourceWatch::run(std::function<std::shared_ptr<const Settings>()> settings,
                                      net::TaskGroup& group) {
    const net::TaskGroup::StopCallback wake(group, [this] { again_.notify(); }, {});
    while (!group.stopping()) {
        bool answered = false;
        try {
            std::shared_ptr<const Settings> current = settings();
            answered = co_await look(std::move(current));
        } catch (const std::exception& failure) {
            log::error("source").kv("error", failure.what()).kv("action", "looking again soon");   // out of memory
        }
        if (group.stopping()) break;
        const SteadyTime next = std::chrono::steady_clock::now() + (answered ? kLookEvery : kLookSoon);
        (void)co_await again_.wait_until(next);
    }
}

}  // namespace posthorn::delivery
