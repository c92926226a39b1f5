// Webhooks and alarms in the daemon: their life, their figures, their endpoints.
#include "app/herald.hpp"

#include <map>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/utc.hpp"

namespace posthorn::app {

namespace json = boost::json;

Herald::Herald(net::asio::io_context& home, queue::QueueStore& store, dns::Resolver& resolver, delivery::DeliveryMemory& memory,
               net::asio::thread_pool& disk, AlarmSources sources)
    : alarms_(home, memory, resolver),
      webhooks_(home, store, resolver, memory, disk, alarms_),
      rounds_(home, store, resolver, disk, alarms_, std::move(sources)) {}

void Herald::start(const config::Config& config, EventPlan plan) {
    alarms_.start(std::move(plan.alarms));
    webhooks_.start(config.hostname, std::move(plan.webhooks), plan.ca_file, config.events.alarm.webhook_failing);
    rounds_.start(config.events.alarm, config.queue);
}

void Herald::reload(const config::Config& config, EventPlan plan) {
    alarms_.reload(std::move(plan.alarms));
    webhooks_.reload(config.hostname, std::move(plan.webhooks), plan.ca_file, config.events.alarm.webhook_failing);
    rounds_.reload(config.events.alarm, config.queue);
}

void Herald::stop() {
    rounds_.stop();
    webhooks_.stop();
    alarms_.stop();
}

net::awaitable<void> Herald::wait_idle(SteadyTime limit) {
    co_await rounds_.wait_idle(limit);
    co_await webhooks_.wait_idle(limit);
    co_await alarms_.wait_idle(limit);
}

std::size_t Herald::unfinished() const { return rounds_.unfinished() + webhooks_.unfinished() + alarms_.unfinished(); }

std::string Herald::alarms_json() const {
    json::array all;
    for (const events::RaisedAlarm& raised : alarms_.raised()) {
        json::object one;
        one["alarm"] = raised.alarm.kind;
        one["subject"] = raised.alarm.subject;
        one["since"] = utc_text(raised.since);
        one["told"] = raised.told == TimePoint{} ? json::value(nullptr) : json::value(utc_text(raised.told));
        one["incident"] = raised.alarm.incident;
        one["text"] = raised.alarm.text;
        one["advice"] = raised.alarm.advice;
        all.push_back(std::move(one));
    }
    json::object body;
    body["alarms"] = std::move(all);
    return json::serialize(body);
}

std::string Herald::webhooks_json() const {
    json::array all;
    for (const events::WebhookFigures& figures : webhooks_.figures()) {
        json::object one;
        one["name"] = figures.name;
        one["url"] = figures.url;
        one["told_to"] = figures.cursor;
        one["behind"] = figures.behind;
        one["events"] = figures.events;
        one["requests"] = figures.requests;
        one["failures"] = figures.failures;
        one["gaps"] = figures.gaps;
        one["failing_since"] = figures.failing_since ? json::value(utc_text(*figures.failing_since)) : json::value(nullptr);
        one["last_failure"] = figures.words;
        json::array aside;
        for (const events::AsideRange& range : figures.aside) {
            json::object put;
            put["first"] = range.first;
            put["last"] = range.last;
            put["reply"] = range.words;
            aside.push_back(std::move(put));
        }
        one["put_aside"] = std::move(aside);
        all.push_back(std::move(one));
    }
    json::object body;
    body["webhooks"] = std::move(all);
    return json::serialize(body);
}

void Herald::lend(admin::Daemon& lent) {
    lent.alarms = [this] { return alarms_json(); };
    lent.webhooks = [this] { return webhooks_json(); };
    lent.replay_webhook = [this](const std::string& name, std::uint64_t from) { return webhooks_.replay(name, from); };
    lent.test_alarms = [this](UniqueFunction<void(std::string)> done) {
        alarms_.test([done = std::move(done)](events::AlarmTest test) mutable {
            json::array lines;
            for (const std::string& line : test.lines) lines.push_back(json::value(line));
            json::object body;
            body["fine"] = test.fine;
            body["lines"] = std::move(lines);
            done(json::serialize(body));
        });
    };
}

std::vector<Metric> Herald::metrics() const {
    std::vector<Metric> all;
    std::map<std::string, double> kinds;
    for (const events::RaisedAlarm& raised : alarms_.raised()) kinds[raised.alarm.kind] += 1;
    std::vector<Metric::Sample> raised;
    for (const auto& [kind, count] : kinds) raised.push_back({{{"kind", kind}}, count});
    all.emplace_back("posthorn_alarms", MetricKind::gauge, "Alarms that are raised, by kind.", std::move(raised));
    const events::AlarmFigures alarms = alarms_.figures();
    all.emplace_back("posthorn_alarm_notices_total", MetricKind::counter, "Alarms told, repeated or cleared by all outputs.",
                     static_cast<double>(alarms.told));
    all.emplace_back("posthorn_alarm_notices_failed_total", MetricKind::counter, "Alarms that the command or the webhook did not take.",
                     static_cast<double>(alarms.failed));
    const std::vector<events::WebhookFigures> hooks = webhooks_.figures();
    const auto family = [&](std::string_view name, MetricKind kind, std::string_view help, auto figure) {
        std::vector<Metric::Sample> samples;
        for (const events::WebhookFigures& hook : hooks) samples.push_back({{{"webhook", hook.name}}, static_cast<double>(figure(hook))});
        all.emplace_back(name, kind, help, std::move(samples));
    };
    using F = events::WebhookFigures;
    family("posthorn_webhook_behind", MetricKind::gauge, "Entries of the journal that a webhook has not come to.",
           [](const F& hook) { return hook.behind; });
    family("posthorn_webhook_events_total", MetricKind::counter, "Events that a webhook has taken.", [](const F& hook) { return hook.events; });
    family("posthorn_webhook_requests_total", MetricKind::counter, "Requests to a webhook.", [](const F& hook) { return hook.requests; });
    family("posthorn_webhook_failures_total", MetricKind::counter, "Requests that a webhook did not take.",
           [](const F& hook) { return hook.failures; });
    family("posthorn_webhook_put_aside_total", MetricKind::counter, "Batches that a webhook refused for good.",
           [](const F& hook) { return hook.put_aside; });
    family("posthorn_webhook_missed_total", MetricKind::counter, "Events that the journal gave up before a webhook was told of them.",
           [](const F& hook) { return hook.gaps; });
    return all;
}

}  // namespace posthorn::app
