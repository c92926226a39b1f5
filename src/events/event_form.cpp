// The JSON of events and alarms.
#include "events/event_form.hpp"

#include <algorithm>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/text.hpp"
#include "base/utc.hpp"
#include "mail/address.hpp"

namespace posthorn::events {
namespace {

namespace json = boost::json;

std::string printable(std::string_view text) {
    return text::is_utf8(text) ? std::string(text) : text::safe_for_log(text, text.size() * 4 + 1);
}

void put(json::object& object, std::string_view key, std::string_view value) {
    if (!value.empty()) object[key] = printable(value);
}

// JSON of ours that was kept as text; as text where it is none after all.
void put_json(json::object& object, std::string_view key, const std::string& value) {
    if (value.empty()) return;
    boost::system::error_code failed;
    json::value parsed = json::parse(value, failed);
    if (failed) {
        put(object, key, value);
    } else {
        object[key] = std::move(parsed);
    }
}

bool matches_domain(std::string_view pattern, std::string_view domain) {
    if (!pattern.starts_with("*.")) return text::iequals(pattern, domain);
    pattern.remove_prefix(1);
    return domain.size() > pattern.size() && text::iequals(domain.substr(domain.size() - pattern.size()), pattern);
}

bool contains(const std::vector<std::string>& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

}  // namespace

bool wants(const WebhookOptions& options, const queue::JournalEntry& entry) {
    if (!options.events.empty() && !contains(options.events, entry.event)) return false;
    if (!options.streams.empty() && !contains(options.streams, entry.stream)) return false;
    if (options.senders.empty()) return true;
    const std::string domain = mail::destination_of(entry.from);
    return std::any_of(options.senders.begin(), options.senders.end(),
                       [&](const std::string& pattern) { return matches_domain(pattern, domain); });
}

json::object event_json(const queue::JournalEntry& entry) {
    json::object event;
    event["id"] = entry.seq;
    event["event"] = entry.event;
    event["time"] = utc_text(entry.at);
    event["message"] = entry.message.to_string();
    event["from"] = printable(entry.from);
    event["to"] = printable(entry.to);
    put(event, "domain", mail::destination_of(entry.to));
    put(event, "source", entry.source);
    put(event, "stream", entry.stream);
    put(event, "provider", entry.group);
    put(event, "host", entry.host);
    put(event, "class", entry.failure_class);
    put(event, "rule", entry.rule);
    put(event, "reply", entry.reply);
    event["attempts"] = entry.attempts;
    event["delay_seconds"] = std::chrono::duration_cast<std::chrono::seconds>(entry.delay).count();
    if (entry.event == "deferred") event["next_attempt"] = utc_text(entry.due_at);
    put_json(event, "diagnosis", entry.diagnosis);
    return event;
}

json::object gap_json(std::uint64_t first, std::uint64_t last, TimePoint now) {
    json::object event;
    event["id"] = last;
    event["event"] = "gap";
    event["time"] = utc_text(now);
    event["first"] = first;
    event["last"] = last;
    event["text"] = "The journal has no room any more for the events with these numbers; they were never told here.";
    return event;
}

std::string batch_text(std::string_view server, std::string_view webhook, json::array events) {
    json::object batch;
    batch["server"] = server;
    batch["webhook"] = webhook;
    batch["events"] = std::move(events);
    return json::serialize(batch);
}

std::string alarm_text(std::string_view server, const Notice& notice) {
    json::object alarm;
    alarm["server"] = server;
    alarm["alarm"] = printable(notice.alarm.kind);
    alarm["subject"] = printable(notice.alarm.subject);
    alarm["state"] = to_string(notice.state);
    alarm["since"] = utc_text(notice.since);
    alarm["time"] = utc_text(notice.at);
    alarm["text"] = printable(notice.alarm.text);
    put(alarm, "advice", notice.alarm.advice);
    put_json(alarm, "detail", notice.alarm.detail);
    return json::serialize(alarm);
}

}  // namespace posthorn::events
