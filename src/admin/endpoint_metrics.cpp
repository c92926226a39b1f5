// GET /metrics: every figure as Prometheus reads them.
#include "admin/endpoint.hpp"
#include "base/metric.hpp"

namespace posthorn::admin {
namespace {

std::vector<Metric> store_metrics(const queue::StoreHealth& health) {
    using enum MetricKind;
    return {
        {"posthorn_queue_healthy", gauge, "1 while mail can be stored and its outcome recorded.", health.healthy ? 1.0 : 0.0},
        {"posthorn_queue_messages", gauge, "Messages with a recipient that still waits.", static_cast<double>(health.messages)},
        {"posthorn_queue_recipients", gauge, "Recipients that still wait.", static_cast<double>(health.recipients)},
        {"posthorn_queue_inbox_bytes", gauge, "Memory of what waits for the next commit.", static_cast<double>(health.inbox_bytes)},
        {"posthorn_queue_wal_bytes", gauge, "Size of the database's write-ahead log.", static_cast<double>(health.wal_bytes)},
        {"posthorn_queue_commits_total", counter, "Transactions committed.", static_cast<double>(health.batches)},
        {"posthorn_queue_operations_total", counter, "Operations in these transactions.", static_cast<double>(health.operations)},
        {"posthorn_queue_last_commit_seconds", gauge, "How long the last commit took.",
         static_cast<double>(health.last_commit_microseconds) / 1e6},
    };
}

}  // namespace

void get_metrics(const CorePtr& core, const Request&, Respond respond) {
    std::vector<Metric> all = store_metrics(core->store.health());
    if (core->daemon.metrics) {
        for (Metric& metric : core->daemon.metrics()) all.push_back(std::move(metric));
    }
    Answer answer;
    answer.body = prometheus_text(all);
    answer.body.pop_back();  // to_wire ends every body with a line feed
    answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
    respond(std::move(answer));
}

}  // namespace posthorn::admin
