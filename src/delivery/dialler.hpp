// Opens a connection for a domain: DNS, hosts in order, addresses, TLS, and clear text where TLS is broken.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include <memory>
#include <random>
#include <string>
#include <unordered_map>

#include "delivery/agent.hpp"
#include "delivery/learnt.hpp"
#include "delivery/outcome.hpp"
#include "delivery/plan.hpp"
#include "dns/resolver.hpp"
#include "net/tls_context.hpp"
#include "smtp/client/connection.hpp"

namespace posthorn::delivery {

// A connection, or what its absence means for every recipient of the domain.
struct Dialled {
    std::unique_ptr<smtp::client::Connection> connection;
    Outcome failure;

    Dialled() = default;
    explicit Dialled(Outcome outcome) : failure(std::move(outcome)) {}
};

// On the home shard; outlives its coroutines.
class Dialler {
public:
    Dialler(dns::Resolver& resolver, boost::asio::thread_pool& files);
    void use(const Learnt& learnt) { learnt_ = learnt; }

    // Where and how mail for the domain goes. sender_domain: of the reverse-path, empty for none. From DNS's cache, as a
    // rule; a literal needs no DNS.
    net::awaitable<PlanDecision> plan(std::string domain, std::string sender_domain, std::shared_ptr<const Settings> settings);
    // Tries the hosts of the plan until one takes the session, at most hosts_per_attempt addresses. A failure is final
    // only when every host refused for good; otherwise the mail waits. A stop of the group ends it early: then the failure
    // says nothing of the peer. REQUIRES: plan outlives the call.
    net::awaitable<Dialled> dial(const DeliveryPlan& plan, DeliveryTerms terms, net::TaskGroup& stop_with);
    // The peer wants TLS after all (530 in the clear): the next attempt tries it again.
    void forget_broken_tls(const std::string& host) { broken_tls_.erase(host); }

private:
    struct Attempt;
    net::awaitable<bool> try_host(Attempt& attempt, RouteHost host);
    net::awaitable<bool> try_address(Attempt& attempt, smtp::client::Target target, bool host_is_certain);
    // Like try_address, on the terms of REQUIRETLS.
    net::awaitable<bool> try_assured(Attempt& attempt, smtp::client::Target target);
    std::shared_ptr<net::ClientTls> tls_of(const Settings& settings);
    [[nodiscard]] bool tls_is_broken(const std::string& host, SteadyTime now);
    void remember_broken_tls(const std::string& host, SteadyTime until);

    dns::Resolver& resolver_;
    boost::asio::thread_pool& files_;
    Learnt learnt_;
    std::string tls_ca_file_;                   // that tls_ was made with
    std::shared_ptr<net::ClientTls> tls_;       // shared with the connections being opened
    std::minstd_rand random_;
    // Hosts with which a handshake failed: spoken to in the clear until then. At most kMaxBrokenTls.
    std::unordered_map<std::string, SteadyTime> broken_tls_;
};

inline constexpr std::size_t kMaxBrokenTls = 10000;

}  // namespace posthorn::delivery
