// The MTA-STS policies of all domains mail goes to: fetched, kept on disk, refreshed ahead of their end (RFC 8461).
#pragma once

#include <boost/asio/io_context.hpp>

#include <memory>
#include <string>
#include <unordered_map>

#include "delivery/fetch_turns.hpp"
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

    StsAnswer() = default;
    explicit StsAnswer(std::string reason) : why(std::move(reason)) {}
};

struct StsFigures {
    std::size_t policies = 0;                  // in force
    std::uint64_t fetched = 0, failed = 0;     // fetches since the start
};

// One per home shard; owned by app::Daemon, outlives the delivery agent; every method on the shard's thread.
class StsPolicies {
public:
    static constexpr std::string_view kKind = "sts-policy";   // in DeliveryMemory

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
    static constexpr std::size_t kMaxNone = 10000;        // domains without a policy that are remembered at once

private:
    struct Domain;
    using DomainPtr = std::shared_ptr<Domain>;

    DomainPtr domain_of(const std::string& name);
    void make_room();
    void look(const DomainPtr& domain);
    net::awaitable<void> look_and_tell(DomainPtr domain);
    net::awaitable<void> look_up(DomainPtr domain);
    net::awaitable<void> fetch(DomainPtr domain, std::string id);
    net::awaitable<void> await_look(DomainPtr domain);
    net::awaitable<bool> take_turn(Fetch kind);
    void give_turn(Fetch kind);
    [[nodiscard]] bool has_none(const std::string& domain);
    void note_none(const Domain& domain);
    net::awaitable<void> refresh_rounds();
    void accept(Domain& domain, StsPolicy policy);
    void note_failure(Domain& domain, TlsResultType type, const std::string& what, std::string id);

    dns::Resolver& resolver_;
    DeliveryMemory& memory_;
    TlsResults& results_;
    DeliveryOptions options_;
    std::shared_ptr<net::ClientTls> tls_;                 // made for the first fetch; given back when none was for a while
    SteadyTime tls_used_{};
    std::unordered_map<std::string, DomainPtr> domains_;  // with a policy, a failure or a look under way
    FetchTurns<net::Event> turns_;
    // Domains that said lately that they have no policy, and until when that is believed: behind a resolver that gives no SOA,
    // DNS' cache does not know it (RFC 2308 s5), and the rate of mail must not become a rate of questions.
    std::unordered_map<std::string, SteadyTime> none_;
    net::TaskGroup tasks_;
    net::Signal wake_;                                    // of refresh_rounds(): the end
    net::asio::any_io_executor executor_;
    StsFigures figures_;
};

}  // namespace posthorn::delivery
