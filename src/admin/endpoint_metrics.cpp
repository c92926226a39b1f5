// GET /metrics: every figure as Prometheus reads them.
#include "admin/endpoint.hpp"
#include "base/metric.hpp"

namespace posthorn::admin {

void get_metrics(const CorePtr& core, const Request&, Respond respond) {
    std::vector<Metric> all;
    if (core->daemon.metrics) all = core->daemon.metrics();
    Answer answer;
    answer.body = prometheus_text(all);
    if (!answer.body.empty()) answer.body.pop_back();  // to_wire ends every body with a line feed
    answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
    respond(std::move(answer));
}

}  // namespace posthorn::admin
