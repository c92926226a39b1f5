// What the daemon says of itself in figures: to Prometheus and to `posthorn status`.
#include "app/daemon.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "app/bound_view.hpp"
#include "app/metrics.hpp"
#include "app/pair_view.hpp"
#include "app/pickup_view.hpp"
#include "app/route_view.hpp"
#include "app/shaping_view.hpp"
#include "app/status_view.hpp"
#include "delivery/suppression.hpp"

namespace posthorn::app {

std::vector<BoundUse> Daemon::bound_uses() const {
    const smtp::server::ServerFigures& server = server_->figures();
    const delivery::AgentFigures agent = agent_->figures();
    const dns::ResolverCounters dns = resolver_->counters();
    const queue::QueueOptions& queue = plan_.settings->queue;
    const smtp::server::ServerLimits& limits = plan_.runtime->limits;
    return {
        {Bound::smtp_sessions, limits.max_connections, server.sessions},
        {Bound::smtp_intake_memory, limits.max_intake_memory, server.intake_octets},
        {Bound::queue_inbox, plan_.config.queue.inbox_limit, store_->health().inbox_bytes},
        {Bound::delivery_connections, plan_.settings->delivery.connections, agent.deliveries},
        {Bound::delivery_hot_memory, queue.hot_memory, agent.hot_octets},
        {Bound::suppressions, delivery::SuppressionList::kMostByRefusal, agent.suppressed},
        {Bound::dns_cache, dns.cache_limit, dns.cache_entries},
    };
}

std::vector<Metric> Daemon::metrics() const {
    std::vector<Metric> all = store_metrics(store_->health());
    for (Metric& metric : server_metrics(server_->figures())) all.push_back(std::move(metric));
    for (Metric& metric : local_metrics(server_->figures(), post_office_->local_messages())) all.push_back(std::move(metric));
    for (Metric& metric : pickup_metrics(pickup_->figures())) all.push_back(std::move(metric));
    for (Metric& metric : delivery_metrics(agent_->figures(), agent_->relay_troubles())) all.push_back(std::move(metric));
    for (Metric& metric : tally_metrics(agent_->tally())) all.push_back(std::move(metric));
    for (Metric& metric : shaping_metrics(agent_->shaping())) all.push_back(std::move(metric));
    for (Metric& metric : tls_metrics(tls_results_.totals(), sts_->figures())) all.push_back(std::move(metric));
    for (Metric& metric : certificate_metrics(plan_.runtime->tls.get())) all.push_back(std::move(metric));
    for (Metric& metric : dns_metrics(resolver_->counters(), resolver_->servers())) all.push_back(std::move(metric));
    for (Metric& metric : herald_->metrics()) all.push_back(std::move(metric));
    for (Metric& metric : bound_metrics(bound_uses())) all.push_back(std::move(metric));
    for (Metric& metric : vitals_->metrics()) all.push_back(std::move(metric));
    return all;
}

std::string Daemon::status_line() const {
    const queue::StoreHealth store = store_->health();
    if (!store.healthy) return "takes no mail, delivers none: " + store.reason;
    const delivery::AgentFigures agent = agent_->figures();
    const auto waits = std::chrono::duration_cast<std::chrono::minutes>(agent.oldest).count();
    return fmt::format("{} {} {}, {} deliveries under way, {}; delivered since the start: {}", stopping_ ? "stops;" : "serves;",
                       agent.destinations, agent.destinations == 1 ? "destination" : "destinations", agent.deliveries,
                       waits > 0 ? fmt::format("the oldest mail has waited {} min", waits) : "no mail waits for long", agent.delivered);
}

std::string Daemon::status_json() const {
    const smtp::server::ServerFigures& server = server_->figures();
    const delivery::AgentFigures agent = agent_->figures();
    const dns::ResolverCounters dns = resolver_->counters();
    return fmt::format(
        R"({{"pid":{},"version":"{}","up_seconds":{},"certificates":{},"guard":{},"suspended_users":{},"unsigned_domains":{},"relay_troubles":{},"spool":{},"shaping":{},"pairs":{},"oldest_seconds":{},)"
        R"("server":{{"sessions":{},"connections":{},"connections_refused":{},"messages":{},"messages_refused":{},)"
        R"("auth_failures":{},"octets":{},"intake_octets":{}}},)"
        R"("delivery":{{"destinations":{},"sites":{},"deliveries":{},"ready":{},"connections":{},"hot_octets":{},)"
        R"("attempts":{},"delivered":{},"deferred":{},"failed":{},"bounced":{}}},)"
        R"("dns":{{"questions":{},"cache_hits":{},"queries":{},"failures":{}}}}})",
        ::getpid(), POSTHORN_VERSION,
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - started_).count(),
        certificates_json(plan_.runtime->tls.get(), wall_now()), guard_json(server_->guard(), std::chrono::steady_clock::now()),
        suspended_json(suspended_mail_->list()), unsigned_json(*plan_.settings->keys), troubles_json(agent_->relay_troubles()), spool_json(pickup_->figures()), shaping_json(agent_->shaping()),
        boost::json::serialize(pairs_json(agent_->suspended_pairs())), agent.oldest / std::chrono::seconds(1), server.sessions, server.connections, server.connections_refused, server.messages,
        server.messages_refused, server.auth_failures, server.octets, server.intake_octets, agent.destinations, agent.sites,
        agent.deliveries, agent.ready, agent.connections, agent.hot_octets, agent.attempts, agent.delivered, agent.deferred,
        agent.failed, agent.bounced, dns.questions, dns.cache_hits, dns.queries, dns.failures);
}

MinuteFigures Daemon::mail_totals() const {
    const delivery::AgentFigures agent = agent_->figures();
    MinuteFigures totals;
    totals.accepted = post_office_->recipients();
    totals.delivered = agent.delivered;
    totals.deferred = agent.deferred;
    totals.failed = agent.failed;
    totals.waiting = store_->health().recipients;
    totals.oldest = static_cast<std::uint64_t>(std::max<std::int64_t>(agent.oldest / std::chrono::seconds(1), 0));
    return totals;
}

doctor::QueueFact Daemon::queue_fact() const {
    const queue::StoreHealth health = store_->health();
    doctor::QueueFact fact;
    fact.answered = true;
    fact.healthy = health.healthy;
    fact.reason = health.reason;
    fact.waiting = health.recipients;
    fact.oldest = std::chrono::duration_cast<std::chrono::seconds>(agent_->figures().oldest);
    for (const delivery::SuspendedPair& pair : agent_->suspended_pairs())
        if (to_string(pair.phase) != "releasing") fact.suspended.push_back(pair.sentence());
    return fact;
}

}  // namespace posthorn::app
