// Names and help texts of the daemon's figures.
#include "app/metrics.hpp"

namespace posthorn::app {
namespace {

template <class Number>
Metric counter(std::string_view name, std::string_view help, Number value) {
    return Metric(name, MetricKind::counter, help, static_cast<double>(value));
}
template <class Number>
Metric gauge(std::string_view name, std::string_view help, Number value) {
    return Metric(name, MetricKind::gauge, help, static_cast<double>(value));
}

}  // namespace

std::vector<Metric> server_metrics(const smtp::server::ServerFigures& figures) {
    return {
        gauge("posthorn_smtp_sessions", "Clients connected now.", figures.sessions),
        counter("posthorn_smtp_connections_total", "Connections taken.", figures.connections),
        counter("posthorn_smtp_connections_refused_total", "Connections turned away because a bound was reached.",
                figures.connections_refused),
        counter("posthorn_guard_connections_banned_total", "Connections refused because their address was banned.",
                figures.connections_banned),
        counter("posthorn_guard_connections_too_fast_total",
                "Connections refused beyond submission.guard.connections_per_minute.", figures.connections_too_fast),
        counter("posthorn_guard_connections_unannounced_total",
                "Connections closed where only proxies are served: from no proxy, or without a PROXY header.",
                figures.connections_unannounced),
        counter("posthorn_guard_bans_total", "Bans of addresses that were begun.", figures.bans),
        counter("posthorn_guard_logins_delayed_total", "Answers to wrong passwords that were held back.",
                figures.logins_delayed),
        counter("posthorn_guard_logins_untold_total",
                "Logins answered 454 or 421 whatever the password was: too many guesses.", figures.logins_untold),
        counter("posthorn_smtp_messages_total", "Messages answered 250: they are on disk.", figures.messages),
        counter("posthorn_smtp_messages_refused_total", "Messages answered 4xx or 5xx after DATA.", figures.messages_refused),
        counter("posthorn_smtp_message_bytes_total", "Octets of the messages taken.", figures.octets),
        counter("posthorn_smtp_auth_failures_total", "Logins that failed.", figures.auth_failures),
        gauge("posthorn_smtp_intake_bytes", "Memory of messages that are being received.", figures.intake_octets),
    };
}

std::vector<Metric> delivery_metrics(const delivery::AgentFigures& figures) {
    return {
        gauge("posthorn_delivery_destinations", "Destinations with mail that waits.", figures.destinations),
        gauge("posthorn_delivery_sites", "Sites with deliveries or back-offs.", figures.sites),
        gauge("posthorn_delivery_running", "Deliveries under way.", figures.deliveries),
        gauge("posthorn_delivery_ready", "Deliveries that wait for a free connection.", figures.ready),
        gauge("posthorn_delivery_connections", "Connections to receiving servers, busy or kept open.", figures.connections),
        gauge("posthorn_delivery_hot_bytes", "Memory of messages that go out without being read back from disk.",
              figures.hot_octets),
        counter("posthorn_delivery_attempts_total", "Attempts to deliver a message to a host.", figures.attempts),
        counter("posthorn_delivery_delivered_total", "Recipients delivered.", figures.delivered),
        counter("posthorn_delivery_deferred_total", "Recipients put off to a later attempt.", figures.deferred),
        counter("posthorn_delivery_failed_total", "Recipients given up.", figures.failed),
        counter("posthorn_delivery_bounced_total", "Reports to senders made.", figures.bounced),
    };
}

std::vector<Metric> dns_metrics(const dns::ResolverCounters& figures) {
    return {
        counter("posthorn_dns_questions_total", "Questions asked by Posthorn's parts.", figures.questions),
        counter("posthorn_dns_cache_hits_total", "Questions answered from the cache.", figures.cache_hits),
        counter("posthorn_dns_joined_total", "Questions that waited for an equal one under way.", figures.joined),
        counter("posthorn_dns_queries_total", "Queries sent to resolvers.", figures.queries),
        counter("posthorn_dns_failures_total", "Questions that ended without an answer.", figures.failures),
    };
}

}  // namespace posthorn::app
