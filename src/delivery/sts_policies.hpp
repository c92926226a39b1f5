// The MTA-STS policies of all domains mail goes to: fetched, kept on disk, refreshed ahead of their end (RFC 8461).
#pragma once

#include <boost/asio/io_context.hpp>

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>

#include "delivery/memory.hpp"
#include "delivery/mta_sts.hpp"
#include "delivery/options.hpp"
#include "delivery/tls_report.hpp"
#include "net/asio.hpp"
#include "net/task_group.hpp"
#include "net/wait_event.hpp"

namespace posthorn::dns {
class Resolver;
}
namespace posthorn::net {
class ClientTls;
}

namespace posthorn::delivery {

// The policy in force for a domain now (mode testing or enforce), or none; why: a plain sentence for `route test` and logs.
struct StsAnswer {
    std::shared_ptr<const StsPolicy> policy;
    std::string why;
};

struct StsFigures {
    std::size_t policies = 0;                  // in force
    std::uint64_t fetched = 0, failed = 0;     // fetches since the start
};

// One per home shard; owned by app::Daemon, outlives the delivery agent; every method on the shard's thread.
class StsPolicies {
public:
    // results: where failed fetches are noted (RFC 8460 s4.3.2); outlives this, as do the others.
    StsPolicies(boost::asio::io_context& home, dns::Resolver& resolver, DeliveryMemory& memory, TlsResults& results,
                const DeliveryOptions& options);
    ~StsPolicies();
    StsPolicies(const StsPolicies&) = delete;
    StsPolicies& operator=(const StsPolicies&) = delete;

    void start();                              // reads what is remembered; refreshing begins
    void reload(const DeliveryOptions& options);
    void stop();                               // fetches end at once; whoever waits goes without
    [[nodiscard]] net::awaitable<bool> wait_idle(SteadyTime limit) { return tasks_.wait_idle(limit); }
    [[nodiscard]] std::size_t unfinished() const { return tasks_.size(); }

    // For mail to this recipient domain (of a relay: its own name's; STS-8). Answers from memory at once where a policy is in
    // force; else waits at most kFirstWait for TXT and policy, and then goes without: what comes later counts from then on
    // (STS-9). None for address literals, and where delivery.mta_sts is off.
    net::awaitable<StsAnswer> policy(std::string domain);

    // Mail could not be delivered under the policy in force: has the domain published another one? True: policy() answers
    // something new, try again. RFC 8461 s5.1: asked before a message fails for good. Waits at most kFirstWait.
    net::awaitable<bool> renewed(std::string domain);

    [[nodiscard]] StsFigures figures() const;

    static constexpr Duration kFirstWait = std::chrono::seconds(5);
    static constexpr std::size_t kMaxDomains = 10000;     // known at once
    static constexpr std::size_t kFetchesAtOnce = 8;
    static constexpr std::size_t kMaxWaiting = 1000;      // domains that wait for their turn to be fetched

private:
    struct Domain;
    struct Fetched;
    using DomainPtr = std::shared_ptr<Domain>;

    DomainPtr domain_of(const std::string& name);
    void make_room();
    void look(const DomainPtr& domain);
    void begin_waiting();
    net::awaitable<void> look_up(DomainPtr domain);
    net::awaitable<Fetched> fetch(std::string domain);
    net::awaitable<void> wait_for(DomainPtr domain, SteadyTime limit);
    net::awaitable<void> refresh_rounds();
    void remember(const DomainPtr& domain, std::shared_ptr<const StsPolicy> policy);

    boost::asio::io_context& home_;
    dns::Resolver& resolver_;
    DeliveryMemory& memory_;
    TlsResults& results_;
    DeliveryOptions options_;
    std::shared_ptr<net::ClientTls> tls_;
    std::unordered_map<std::string, DomainPtr> domains_;
    std::deque<DomainPtr> waiting_;
    std::size_t looking_ = 0;
    net::TaskGroup tasks_;
    net::Signal wake_;                         // of refresh_rounds(): the end
    StsFigures figures_;
};

}  // namespace posthorn::delivery
