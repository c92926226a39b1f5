// Words and labels of what holds mail back for its amount.
#include "app/shaping_view.hpp"

#include <boost/json.hpp>

#include <map>
#include <utility>

#include "base/utc.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

// A group that is no provider is named after a host, which has a dot: those are as many as there are receivers.
std::string group_label(const std::string& group) { return group.empty() || group.find('.') != std::string::npos ? "other" : group; }

}  // namespace

std::string shaping_json(const delivery::ShapingView& view) {
    json::array slowed, warm_up, marks;
    for (const delivery::ThrottleView& throttle : view.throttles) {
        json::object one;
        one["what"] = throttle.what;
        one["state"] = std::string(to_string(throttle.phase));
        one["since"] = utc_text(throttle.since);
        if (throttle.phase == delivery::Throttle::Phase::paused) one["until"] = utc_text(throttle.until);
        one["rule"] = throttle.rule;
        one["reply"] = throttle.reply;
        one["next"] = throttle.next;
        slowed.push_back(std::move(one));
    }
    for (const delivery::WarmUpView& plan : view.warm_ups) {
        json::object one;
        one["what"] = plan.what;
        if (!plan.done) {
            one["sent_today"] = plan.sent;
            one["allowed_today"] = plan.cap;
        }
        one["next"] = plan.next;
        warm_up.push_back(std::move(one));
    }
    for (const delivery::BulkMarkView& mark : view.marks) {
        json::object one;
        one["what"] = mark.domain + " to " + mark.provider;
        one["sent_in_a_day"] = mark.sent;
        one["mark"] = mark.mark;
        if (mark.reached) one["reached"] = "a bulk sender since " + utc_text(*mark.reached);
        marks.push_back(std::move(one));
    }
    json::object all;
    all["slowed"] = std::move(slowed);
    all["warm_up"] = std::move(warm_up);
    all["bulk_marks"] = std::move(marks);
    return json::serialize(all);
}

std::vector<Metric> shaping_metrics(const delivery::ShapingView& view) {
    std::map<std::pair<std::string, std::string>, double> throttled;
    for (const delivery::ThrottleView& throttle : view.throttles)
        throttled[{group_label(throttle.group), std::string(to_string(throttle.kind))}] += 1;
    std::vector<Metric::Sample> gates, caps, sent, marks;
    for (const auto& [name, count] : throttled) gates.push_back({{{"group", name.first}, {"scope", name.second}}, count});
    for (const delivery::WarmUpView& plan : view.warm_ups) {
        if (plan.done) continue;
        const Metric::Labels labels = {{"group", plan.group}, {"source", plan.source}};
        caps.push_back({labels, static_cast<double>(plan.cap)});
        sent.push_back({labels, static_cast<double>(plan.sent)});
    }
    for (const delivery::BulkMarkView& mark : view.marks)
        marks.push_back({{{"domain", mark.domain}, {"provider", mark.provider}}, static_cast<double>(mark.sent)});
    return {
        Metric("posthorn_throttled", MetricKind::gauge,
               "Gates that receivers have slowed down, by provider and by what the gate is about (provider, site, ip, dkim, spf, sender).",
               std::move(gates)),
        Metric("posthorn_throttle_refusals_total", MetricKind::counter, "Deliveries that were answered with a demand for less mail.",
               static_cast<double>(view.refusals)),
        Metric("posthorn_warmup_allowed", MetricKind::gauge, "Recipients a new address may send to a provider today (UTC).", std::move(caps)),
        Metric("posthorn_warmup_sent", MetricKind::gauge, "Recipients it has sent to today.", std::move(sent)),
        Metric("posthorn_daily_recipients", MetricKind::gauge,
               "Recipients that a provider with a bulk mark has taken of a domain in the last day; of those that sent most.", std::move(marks)),
    };
}

}  // namespace posthorn::app
