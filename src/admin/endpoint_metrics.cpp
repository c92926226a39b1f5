// GET /metrics: every figure as Prometheus reads them.
#include "admin/endpoint.hpp"
#include "base/metric.hpp"

namespace posthorn::admin {
namespace {

std::vector<Metric> own_metrics(const Access& access) {
    using enum MetricKind;
    return {
        {"posthorn_admin_browser_sessions", gauge, "Browsers that are logged in to the dashboard.", static_cast<double>(access.sessions())},
        {"posthorn_admin_wrong_tokens_total", counter, "Requests to the admin interface with a token that opens nothing.",
         static_cast<double>(access.wrong_tokens())},
        {"posthorn_admin_foreign_requests_total", counter, "Requests to the admin interface that came from another site's page, or for a host that is not ours.",
         static_cast<double>(access.foreign_requests())},
    };
}

}  // namespace

void get_metrics(const CorePtr& core, const Request&, Respond respond) {
    std::vector<Metric> all;
    if (core->daemon.metrics) all = core->daemon.metrics();
    for (Metric& metric : own_metrics(core->access)) all.push_back(std::move(metric));
    Answer answer;
    answer.body = prometheus_text(all);
    if (!answer.body.empty()) answer.body.pop_back();  // to_wire ends every body with a line feed
    answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
    respond(std::move(answer));
}

}  // namespace posthorn::admin
