// Making a plan: the rules of the configuration, DNS, MTA-STS, the source address, and what connections it may share.
#include <algorithm>
#include <utility>

#include "delivery/blocked_sites.hpp"
#include "delivery/breaker.hpp"
#include "delivery/dialler.hpp"
#include "delivery/flow.hpp"
#include "delivery/lane.hpp"
#include "delivery/relays.hpp"
#include "delivery/routing.hpp"
#include "delivery/source_watch.hpp"
#include "delivery/sts_policies.hpp"
#include "mail/domain.hpp"

namespace posthorn::delivery {
namespace {

// SMTP-25 and RFC 5321 s5.1 for a relay's domain whose MX records name the machines, one domain after the other.
void add_hosts(Route& route, const Route& of_domain, const RelayHost& domain, std::uint16_t& rank) {
    std::optional<std::uint16_t> before;
    for (RouteHost host : of_domain.hosts) {
        if (before && *before != host.preference) ++rank;
        before = host.preference;
        host.preference = rank;
        host.port = domain.port;
        host.origin = domain.name;
        route.hosts.push_back(std::move(host));
    }
    ++rank;
}

Outcome no_relay(const std::string& name) {
    Outcome outcome = own_outcome(Disposition::deferred, Class::local, Scope::site, 451, {4, 3, 5},
                                  "Held here: the configuration's routes name the relay " + name + ", which is not there");
    outcome.relay = name;
    return outcome;
}

}  // namespace

net::awaitable<PlanDecision> Dialler::plan(std::string domain, std::string sender_domain,
                                           std::shared_ptr<const Settings> settings, std::string author_domain) {
    DeliveryPlan plan;
    plan.domain = std::move(domain);
    plan.sender_domain = std::move(sender_domain);
    plan.settings = std::move(settings);
    const DeliveryOptions& options = plan.settings->delivery;
    if (sources_ != nullptr) plan.source = sources_->source_for(options, plan.sender_domain);
    else plan.source = source_for(options, plan.sender_domain, Confirmations());

    RouteChoice choice = choose_route(options, plan.sender_domain, plan.domain, nullptr);
    const bool literal = mail::is_address_literal(plan.domain);
    dns::MxAnswer answer;
    if (!literal && (choice.needs_mx || choice.direct())) {
        std::variant<std::string, Outcome> name = name_to_ask(plan.domain);
        if (auto* outcome = std::get_if<Outcome>(&name)) co_return std::move(*outcome);
        answer = co_await resolver_.mx(std::get<std::string>(name));
    }
    if (choice.needs_mx) choice = choose_route(options, plan.sender_domain, plan.domain, &answer.hosts);
    if (!choice.why.empty()) plan.why.push_back(choice.why);
    if (!choice.direct()) co_return co_await plan_relay(std::move(plan), std::move(choice.relay));
    if (!choice.fallback.empty() && plan.settings->relays) {
        plan.fallback = plan.settings->relays->find(choice.fallback);
        plan.fallback_after = choice.fallback_after;
    }
    co_return co_await plan_direct(std::move(plan), std::move(answer), std::move(author_domain));
}

net::awaitable<PlanDecision> Dialler::plan_direct(DeliveryPlan plan, dns::MxAnswer answer, std::string author_domain) {
    RouteDecision decision;
    if (mail::is_address_literal(plan.domain)) decision = route_of_literal(plan.domain);
    else decision = route_of(plan.domain, answer, plan.settings->hostname);
    if (auto* outcome = std::get_if<Outcome>(&decision)) co_return std::move(*outcome);
    plan.route = std::move(std::get<Route>(decision));
    plan.mx_secure = answer.authenticated;
    plan.domain_alias = answer.cname_target;
    plan.site_key = plan.route.site_key;
    if (!plan.route.left_out.empty()) plan.why.push_back("left out of the MX records: " + plan.route.left_out);
    if (plan.mx_secure) plan.why.push_back("DNSSEC vouches for the MX records of " + plan.domain);

    const ProviderOptions* provider = owner_of(plan.settings->delivery.providers, plan.route.hosts);
    if (provider != nullptr) {
        plan.provider = provider->name;
        plan.provider_tls = provider->tls;
        plan.why.push_back("the mail hosts are those of the provider " + provider->name);
    }
    plan.group = group_of(provider, plan.route);
    std::string blocked = why_by_fallback(plan, std::move(author_domain));
    if (!blocked.empty()) {
        plan.why.push_back(std::move(blocked));
        plan.provider.clear();
        plan.provider_tls.reset();
        const std::string name = plan.fallback->name;
        co_return co_await plan_relay(std::move(plan), name);
    }
    co_await add_sts(plan);
    add_quirks(plan);
    plan.manner = direct_manner(plan, plan.provider_tls.value_or(plan.settings->delivery.tls));
    co_return plan;
}

// While a pair is suspended its mail goes by the relay; when a probe is due, the next message is it. What the breaker does not know
// of (no connection to anybody, refusals of other classes) is up to BlockedSites.
std::string Dialler::why_by_fallback(const DeliveryPlan& plan, std::string author_domain) const {
    if (!plan.fallback) return {};
    if (breaker_ != nullptr && breaker_->size() != 0) {
        Lane lane;
        lane.sender_domain = plan.sender_domain;
        lane.author_domain = std::move(author_domain);
        if (const SuspendedPair* pair = breaker_->holding(flow_of(plan, lane, *plan.settings)))
            return pair->phase == SuspensionPhase::trial ? std::string() : pair->sentence();
    }
    std::string blocked;
    if (blocked_ != nullptr && blocked_->blocked(plan.site_key, plan.sender_domain, wall_now(), &blocked)) return blocked;
    return {};
}

// What earlier refusals taught of the hosts and their group.
void Dialler::add_quirks(DeliveryPlan& plan) const {
    if (quirks_ == nullptr) return;
    std::vector<std::string> hosts;
    for (const RouteHost& host : plan.route.hosts) hosts.push_back(host.name);
    plan.quirks = quirks_->known(plan.group, hosts, plan.domain, wall_now());
    if (plan.quirks.tls && plan.provider_tls.value_or(plan.settings->delivery.tls) != TlsPolicy::none) plan.provider_tls = TlsPolicy::required;
    for (std::string& sentence : plan.quirks.sentences(plan.group, plan.domain)) plan.why.push_back(std::move(sentence));
}

// STS-8: of the recipients' domain, and none for literals.
net::awaitable<void> Dialler::add_sts(DeliveryPlan& plan) {
    const bool off = plan.settings->delivery.tls == TlsPolicy::none || mail::is_address_literal(plan.domain);
    if (learnt_.sts == nullptr || off) co_return;
    StsAnswer answer = co_await learnt_.sts->policy(plan.domain);
    plan.sts = std::move(answer.policy);
    if (!answer.why.empty()) plan.why.push_back(std::move(answer.why));
}

net::awaitable<PlanDecision> Dialler::plan_relay(DeliveryPlan plan, std::string name) {
    if (plan.settings->relays) plan.relay = plan.settings->relays->find(name);
    if (!plan.relay) co_return no_relay(name);
    const Relay& relay = *plan.relay;
    plan.route = Route();
    plan.route.ttl = std::chrono::minutes(5);
    plan.mx_secure = false;
    std::uint16_t rank = 0;
    std::optional<Outcome> obstacle;
    for (const RelayHost& host : relay.hosts) {
        if (!relay.mx || host.literal) {
            RouteHost direct;
            direct.preference = rank++;
            direct.name = host.name;
            direct.literal = host.literal;
            direct.certain = true;
            direct.port = host.port;
            plan.route.hosts.push_back(std::move(direct));
            continue;
        }
        const dns::MxAnswer answer = co_await resolver_.mx(host.name);
        RouteDecision decision = route_of(host.name, answer, plan.settings->hostname);
        if (auto* outcome = std::get_if<Outcome>(&decision)) obstacle = std::move(*outcome);
        else add_hosts(plan.route, std::get<Route>(decision), host, rank);
    }
    if (plan.route.hosts.empty()) {
        // The relay is ours: whatever DNS says of it, the mail waits for us to put it right.
        Outcome outcome = std::move(*obstacle);
        outcome.result = Disposition::deferred;
        if (outcome.failure_class != Class::dns) outcome.failure_class = Class::local;
        outcome.relay = relay.name;
        co_return outcome;
    }
    plan.site_key = relay.site_key();
    plan.group = "relay:" + relay.name;
    add_quirks(plan);
    plan.manner = relay_manner(plan, relay.manner);
    plan.why.push_back("mail goes by the relay " + relay.name);
    co_return plan;
}

}  // namespace posthorn::delivery
