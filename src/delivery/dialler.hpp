// Plans where and how mail for a domain goes, and opens a connection by the plan: hosts in order, addresses, TLS.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/seldom.hpp"
#include "delivery/agent.hpp"
#include "delivery/broken_tls.hpp"
#include "delivery/host_health.hpp"
#include "delivery/learnt.hpp"
#include "delivery/options.hpp"
#include "delivery/outcome.hpp"
#include "delivery/plan.hpp"
#include "delivery/tls_policy.hpp"
#include "dns/resolver.hpp"
#include "net/tls_context.hpp"
#include "smtp/client/connection.hpp"

namespace posthorn::delivery {

class BlockedSites;
class Breaker;
class SourceWatch;

// A connection, or what its absence means for every recipient of the domain.
struct Dialled {
    std::unique_ptr<smtp::client::Connection> connection;
    Outcome failure;
    std::string transcript;   // of the openings that failed, host by host (Transcript::text()); empty where there is a connection

    Dialled() = default;
    explicit Dialled(Outcome outcome) : failure(std::move(outcome)) {}
};

// On the home shard; outlives its coroutines.
class Dialler {
public:
    Dialler(dns::Resolver& resolver, boost::asio::thread_pool& files);
    // Before the first plan; hosts with broken TLS are read back here. Without it there is no MTA-STS, nothing is counted, and
    // a restart forgets.
    void use(const Learnt& learnt);
    // All outlive the dialler; null: no fallback, source addresses as configured, nothing is known of peers.
    void heed(const BlockedSites* blocked, const SourceWatch* sources, const Quirks* quirks = nullptr, const Breaker* breaker = nullptr);

    // Where and how mail for the domain goes. sender_domain: of the reverse-path, empty for none. From DNS's cache, as a
    // rule; a literal needs no DNS. Waits at most StsPolicies::kFirstWait for a first MTA-STS policy.
    // author_domain: of From where it is another.
    net::awaitable<PlanDecision> plan(std::string domain, std::string sender_domain, std::shared_ptr<const Settings> settings,
                                      std::string author_domain = {});
    // Tries the hosts of the plan until one takes the session, at most hosts_per_attempt addresses. A failure is final
    // only when every host refused for good; otherwise the mail waits. Addresses that did not answer lately are left out
    // while there are others. A stop of the group ends it early: then the failure says nothing of the peer. REQUIRES: plan
    // and live outlive the call. live: sees each opening line by line as it happens; empty: nobody.
    net::awaitable<Dialled> dial(const DeliveryPlan& plan, DeliveryTerms terms, net::TaskGroup& stop_with,
                                 const smtp::protocol::Transcript::Follower& live);
    // What dial() would do with each host, by DNS and by what is known of it; connects to nobody. REQUIRES: plan outlives it.
    net::awaitable<std::vector<ExplainedHost>> explain(const DeliveryPlan& plan, DeliveryTerms terms);
    // DA-1: empty, or that dns.trust_ad is set and the servers vouch for nothing, not even for the root, which is signed.
    net::awaitable<std::string> doubt_about_dnssec();
    // The peer wants TLS after all (530 in the clear): the next attempt tries it again.
    void forget_broken_tls(const std::string& host);

private:
    struct Attempt;
    // A host of the plan as DNS and policies show it.
    struct HostView {
        HostView() = default;
        std::uint16_t port = 0;
        HostFacts facts;
        std::vector<IpAddress> addresses;      // to be tried, in this order
        HostSecurity security;
        std::optional<Outcome> obstacle;       // why there is nothing to connect to
        bool loops = false;                    // it is ourselves: see leads_back()
    };
    net::awaitable<PlanDecision> plan_direct(DeliveryPlan plan, dns::MxAnswer answer, std::string author_domain);
    // Why such mail is to go by the plan's fallback now; empty: it goes directly.
    [[nodiscard]] std::string why_by_fallback(const DeliveryPlan& plan, std::string author_domain) const;
    net::awaitable<PlanDecision> plan_relay(DeliveryPlan plan, std::string name);
    net::awaitable<void> add_sts(DeliveryPlan& plan);
    void add_quirks(DeliveryPlan& plan) const;
    net::awaitable<Dialled> dial_once(const DeliveryPlan& plan, DeliveryTerms terms, net::TaskGroup& stop_with,
                                      const smtp::protocol::Transcript::Follower& live, bool& by_sts);
    net::awaitable<HostView> look_at(const DeliveryPlan& plan, DeliveryTerms terms, RouteHost host);
    net::awaitable<void> put_ourselves_first(const DeliveryPlan& plan, std::vector<RouteHost>& order, std::size_t begin);
    net::awaitable<bool> try_host(Attempt& attempt, RouteHost host);
    net::awaitable<bool> try_resting(Attempt& attempt);
    net::awaitable<bool> try_address(Attempt& attempt, smtp::client::Target target, const HostSecurity& security);
    void note_health(const std::string& key, const smtp::client::Target& target, const smtp::client::Opened& opened,
                     SteadyTime began);
    void judge_opening(Attempt& attempt, const smtp::client::Target& target, const HostSecurity& security,
                       const smtp::client::Opened& opened);
    void report(const Attempt& attempt, const std::string& host, const HostSecurity& security, TlsResultType result,
                const smtp::client::Opened* opened, std::string address, std::string detail);
    std::shared_ptr<net::ClientTls> tls_of(const Settings& settings);
    void remember_broken_tls(const std::string& host, Duration time);

    dns::Resolver& resolver_;
    boost::asio::thread_pool& files_;
    Learnt learnt_;
    const BlockedSites* blocked_ = nullptr;
    const Breaker* breaker_ = nullptr;
    const SourceWatch* sources_ = nullptr;
    const Quirks* quirks_ = nullptr;
    std::string tls_ca_file_;                   // that tls_ was made with
    std::shared_ptr<const net::Certificate> tls_certificate_;
    std::shared_ptr<net::ClientTls> tls_;       // shared with the connections being opened
    std::minstd_rand random_;
    BrokenTls broken_tls_;
    HostHealth health_;
    Seldom shortage_said_{std::chrono::minutes(1)};
    Seldom alias_said_{std::chrono::hours(1)};
};

}  // namespace posthorn::delivery
