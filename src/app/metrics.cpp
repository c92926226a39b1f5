// Names and help texts of the daemon's figures.
#include "app/metrics.hpp"

#include <fmt/format.h>

#include <initializer_list>
#include <utility>

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

// One sample for each pair, told apart by one label.
std::vector<Metric::Sample> by(const char* label, std::initializer_list<std::pair<const char*, std::uint64_t>> values) {
    std::vector<Metric::Sample> samples;
    for (const auto& [word, value] : values) samples.push_back({{{label, word}}, static_cast<double>(value)});
    return samples;
}

}  // namespace

std::vector<Metric> store_metrics(const queue::StoreHealth& health) {
    return {
        gauge("posthorn_queue_healthy", "1 while mail can be stored and its outcome recorded.", health.healthy ? 1 : 0),
        gauge("posthorn_queue_messages", "Messages with a recipient that still waits.", health.messages),
        gauge("posthorn_queue_recipients", "Recipients that still wait.", health.recipients),
        gauge("posthorn_queue_inbox_bytes", "Memory of what waits for the next commit.", health.inbox_bytes),
        gauge("posthorn_queue_wal_bytes", "Size of the database's write-ahead log.", health.wal_bytes),
        counter("posthorn_queue_commits_total", "Transactions committed.", health.batches),
        counter("posthorn_queue_operations_total", "Operations in these transactions.", health.operations),
        gauge("posthorn_queue_last_commit_seconds", "How long the last commit took.",
              static_cast<double>(health.last_commit_microseconds) / 1e6),
        Metric("posthorn_queue_commit_seconds", "How long a batch of changes took until all of it was on disk.", health.commit_seconds),
        Metric("posthorn_queue_batch_operations", "How many changes were committed together.", health.batch_operations),
    };
}

std::vector<Metric> server_metrics(const smtp::server::ServerFigures& figures) {
    std::vector<Metric> all = {
        gauge("posthorn_smtp_sessions", "Clients connected now.", figures.sessions),
        counter("posthorn_smtp_connections_total", "Connections taken.", figures.connections),
        Metric("posthorn_smtp_connections_refused_total", MetricKind::counter,
               "Connections turned away, by reason: no place left (full), from a banned address (banned), too many a minute from "
               "one address (too_fast), no PROXY header where one is needed (unannounced).",
               by("reason", {{"full", figures.connections_refused},
                             {"banned", figures.connections_banned},
                             {"too_fast", figures.connections_too_fast},
                             {"unannounced", figures.connections_unannounced}})),
        counter("posthorn_smtp_connections_displaced_total", "Idle strangers whose place was given to a newcomer.",
                figures.connections_displaced),
        counter("posthorn_smtp_bans_total", "Addresses banned for a time.", figures.bans),
        counter("posthorn_smtp_messages_total", "Messages answered 250: they are on disk.", figures.messages),
        counter("posthorn_smtp_messages_refused_total", "Messages answered 4xx or 5xx after DATA.", figures.messages_refused),
        counter("posthorn_smtp_message_bytes_total", "Octets of the messages taken.", figures.octets),
        counter("posthorn_smtp_auth_failures_total", "Logins that failed.", figures.auth_failures),
        counter("posthorn_smtp_users_over_limit_total", "Answers 450 and 452 for a user's own limits.",
                figures.users_over_limit),
        counter("posthorn_smtp_senders_refused_total", "Senders, of the envelope or in From, that were not the user's to send from.",
                figures.senders_refused),
        counter("posthorn_smtp_users_suspended_total", "Answers to users who are suspended.", figures.users_suspended),
        counter("posthorn_smtp_auth_delayed_total", "Failed logins whose answer was held back.", figures.logins_delayed),
        counter("posthorn_smtp_auth_untold_total", "Logins put off unjudged: too many guesses from their address.",
                figures.logins_untold),
        gauge("posthorn_smtp_intake_bytes", "Memory of messages that are being received.", figures.intake_octets),
        Metric("posthorn_smtp_accept_seconds", "From the end of a message, when all its octets are here, until it is on disk and answered 250.",
               figures.accept_seconds),
        counter("posthorn_smtp_tls_failures_total", "TLS handshakes with clients that broke.", figures.tls_failures),
    };
    Metric tls("posthorn_smtp_tls_sessions_total", MetricKind::counter, "TLS handshakes with clients, by version.", std::vector<Metric::Sample>());
    for (const auto& [version, count] : figures.tls) tls.samples.push_back({{{"version", version}}, static_cast<double>(count)});
    all.push_back(std::move(tls));
    Metric ended("posthorn_smtp_sessions_ended_total", MetricKind::counter, "Sessions, by the reason of their end.",
                 std::vector<Metric::Sample>());
    for (const auto& [reason, count] : figures.ended) {
        ended.samples.push_back({{{"reason", std::string(reason)}}, static_cast<double>(count)});
    }
    all.push_back(std::move(ended));
    Metric refusals("posthorn_smtp_refusals_total", MetricKind::counter, "Replies 4xx and 5xx, by their codes.",
                    std::vector<Metric::Sample>());
    for (const auto& [kind, count] : figures.replies.counts()) {
        const auto& enhanced = kind.enhanced;
        refusals.samples.push_back(
            {{{"code", std::to_string(kind.code)},
              {"enhanced", enhanced.status == 0 ? std::string()
                                                : fmt::format("{}.{}.{}", enhanced.status, enhanced.subject, enhanced.detail)}},
             static_cast<double>(count)});
    }
    if (figures.replies.others() > 0) {
        refusals.samples.push_back({{{"code", "other"}, {"enhanced", ""}}, static_cast<double>(figures.replies.others())});
    }
    all.push_back(std::move(refusals));
    return all;
}

std::vector<Metric> local_metrics(const smtp::server::ServerFigures& figures, std::uint64_t messages) {
    return {
        counter("posthorn_local_messages_total", "Messages taken from system users of this machine who did not log in.", messages),
        Metric("posthorn_local_refused_total", MetricKind::counter,
               "Answers to such users who are over their limits (limit) or suspended (suspension).",
               by("reason", {{"limit", figures.system_users_over_limit}, {"suspension", figures.system_users_suspended}})),
    };
}

std::vector<Metric> delivery_metrics(const delivery::AgentFigures& figures,
                                     const std::vector<delivery::RelayTroubles::Trouble>& troubles) {
    std::vector<Metric::Sample> in_trouble;
    for (const auto& trouble : troubles)
        in_trouble.push_back({{{"relay", trouble.relay}, {"fault", std::string(delivery::to_string(trouble.fault))}}, 1.0});
    return {
        gauge("posthorn_delivery_destinations", "Destinations with mail that waits.", figures.destinations),
        gauge("posthorn_queue_oldest_seconds", "Age of the message that waits longest; 0 where none does.",
              std::chrono::duration_cast<std::chrono::seconds>(figures.oldest).count()),
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
        counter("posthorn_delivery_bounces_put_off_total", "Recipients whose report waited for a summary.", figures.bounces_put_off),
        gauge("posthorn_suppressed_addresses", "Addresses on the suppression list.", figures.suppressed),
        counter("posthorn_suppressions_missed_total", "Refusals for good that found the suppression list full.", figures.suppressions_missed),
        gauge("posthorn_delivery_blocked_sites", "Sites that refuse us or do not answer, of routes with a fallback.",
              figures.blocked_sites),
        Metric("posthorn_relay_trouble", MetricKind::gauge, "1 while a relay will not work for us, by relay and fault.",
               std::move(in_trouble)),
    };
}

std::vector<Metric> tally_metrics(const delivery::DeliveryTally& tally) {
    std::vector<Metric::Sample> outcomes, connections;
    std::vector<Metric::Spread> attempts, openings;
    for (const auto& [name, provider] : tally.providers()) {
        for (std::size_t result = 0; result < delivery::kDispositions; ++result) {
            for (std::size_t kind = 0; kind < delivery::kClasses; ++kind) {
                const std::uint64_t count = provider.outcomes[result][kind];
                if (count == 0) continue;
                outcomes.push_back({{{"provider", name},
                                     {"result", std::string(delivery::to_string(static_cast<delivery::Disposition>(result)))},
                                     {"class", std::string(delivery::to_string(static_cast<delivery::Class>(kind)))}},
                                    static_cast<double>(count)});
            }
        }
        if (provider.attempt_seconds.count() > 0) attempts.push_back({{{"provider", name}}, provider.attempt_seconds});
    }
    for (const auto& [version, count] : tally.connections()) connections.push_back({{{"tls", version}}, static_cast<double>(count)});
    openings.push_back({{{"result", "opened"}}, tally.opened_seconds()});
    openings.push_back({{{"result", "failed"}}, tally.not_opened_seconds()});
    return {
        Metric("posthorn_delivery_outcomes_total", MetricKind::counter,
               "Recipients of attempts, by provider (\"other\": no provider we know; \"none\": no way was found), by result (delivered, "
               "deferred, failed) and by class (docs/REFUSALS.md; empty where delivered).",
               std::move(outcomes)),
        Metric("posthorn_delivery_attempt_seconds", "From the beginning of an attempt until the server's last word on the message, by provider.",
               std::move(attempts)),
        Metric("posthorn_delivery_connections_total", MetricKind::counter, "Connections opened to receiving servers, by version of TLS or \"none\".",
               std::move(connections)),
        Metric("posthorn_delivery_connect_seconds",
               "How long it took to open a connection on which mail can be sent (opened), over all hosts that were tried, or to find that there "
               "is none (failed).",
               std::move(openings)),
        Metric("posthorn_delivery_first_attempt_seconds", "How long recipients waited from acceptance to the beginning of their first attempt.",
               tally.first_attempt_seconds),
        Metric("posthorn_delivery_delay_seconds", "How long it took from acceptance until the receiving server took the mail, by recipient.",
               tally.delivered_seconds),
        Metric("posthorn_dkim_sign_seconds", "Time that a core spent to sign a message.", tally.sign_seconds),
        counter("posthorn_dkim_sign_failures_total", "Messages that could not be signed although there is a key: they wait.", tally.sign_failures),
    };
}

std::vector<Metric> tls_metrics(const delivery::TlsResults::Totals& totals, const delivery::StsFigures& sts) {
    std::vector<Metric::Sample> sessions;
    for (const auto& [result, count] : totals.sessions)
        sessions.push_back({{{"result", std::string(delivery::to_string(result))}}, static_cast<double>(count)});
    return {
        Metric("posthorn_delivery_tls_results_total", MetricKind::counter,
               "Sessions with receiving servers in which TLS was decided, and fetches of MTA-STS policies that failed, by result "
               "(RFC 8460 s4.3).",
               std::move(sessions)),
        gauge("posthorn_mta_sts_policies", "MTA-STS policies in force.", sts.policies),
        Metric("posthorn_mta_sts_fetches_total", MetricKind::counter, "Fetches of MTA-STS policies.",
               by("result", {{"fetched", sts.fetched}, {"failed", sts.failed}})),
    };
}

std::vector<Metric> certificate_metrics(const net::ServerTls* tls) {
    std::vector<Metric::Sample> ends;
    for (std::size_t i = 0; tls != nullptr && i < tls->certificates().size(); ++i) {
        const net::Certificate& certificate = *tls->certificates()[i];
        std::string names;
        for (const std::string& name : certificate.names()) names += (names.empty() ? "" : ",") + name;
        Metric::Sample sample;
        sample.labels = {{"file", certificate.files().certificate_file}, {"names", std::move(names)}};
        sample.value = static_cast<double>(certificate.not_after().time_since_epoch().count()) / 1000.0;
        ends.push_back(std::move(sample));
    }
    return {Metric("posthorn_tls_certificate_not_after_seconds", MetricKind::gauge,
                   "When the certificate ends, in seconds since 1970.", std::move(ends))};
}

std::vector<Metric> dns_metrics(const dns::ResolverCounters& figures, const std::vector<dns::ServerFigures>& servers) {
    const auto by_server = [&](std::string_view name, MetricKind kind, std::string_view help, const auto& figure) {
        std::vector<Metric::Sample> samples;
        for (const dns::ServerFigures& server : servers) {
            Metric::Sample sample;
            sample.labels = {{"server", server.address}};
            sample.value = static_cast<double>(figure(server));
            samples.push_back(std::move(sample));
        }
        return Metric(name, kind, help, std::move(samples));
    };
    using Server = dns::ServerFigures;
    std::vector<Metric> metrics = {
        counter("posthorn_dns_questions_total", "Questions asked by Posthorn's parts.", figures.questions),
        counter("posthorn_dns_cache_hits_total", "Questions answered from the cache.", figures.cache_hits),
        counter("posthorn_dns_joined_total", "Questions that waited for an equal one under way.", figures.joined),
        counter("posthorn_dns_queries_total", "Questions asked of DNS servers.", figures.queries),
        counter("posthorn_dns_failures_total", "Questions that no DNS server answered.", figures.failures),
        counter("posthorn_dns_shortages_total", "Questions not asked, for want of descriptors or memory.", figures.shortages),
        Metric("posthorn_dns_query_seconds", "How long questions to DNS servers took, over all servers that were asked.", figures.query_seconds),
        gauge("posthorn_dns_cache_entries", "Answers in the cache.", static_cast<double>(figures.cache_entries)),
    };
    metrics.push_back(by_server("posthorn_dns_server_queries_total", MetricKind::counter, "Queries sent to a DNS server.",
                                [](const Server& server) { return server.queries; }));
    metrics.push_back(by_server("posthorn_dns_server_answers_total", MetricKind::counter, "Its replies that could be used.",
                                [](const Server& server) { return server.answers; }));
    metrics.push_back(by_server("posthorn_dns_server_refusals_total", MetricKind::counter,
                                "Its replies that could not: SERVFAIL, REFUSED, rubbish.",
                                [](const Server& server) { return server.refusals; }));
    metrics.push_back(by_server("posthorn_dns_server_silences_total", MetricKind::counter, "Times it did not answer.",
                                [](const Server& server) { return server.silences; }));
    metrics.push_back(by_server("posthorn_dns_server_passed_over", MetricKind::gauge,
                                "1 while others are asked first, because it does not answer.",
                                [](const Server& server) { return server.passed_over ? 1 : 0; }));
    return metrics;
}

}  // namespace posthorn::app
