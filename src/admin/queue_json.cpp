// Queue entries as JSON.
#include "admin/queue_json.hpp"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <charconv>

#include "base/text.hpp"

namespace posthorn::admin {

namespace json = boost::json;

std::string format_time(TimePoint when) {
    const auto day = std::chrono::floor<std::chrono::days>(when);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss<Duration> time(when - day);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       time.hours().count(), time.minutes().count(), time.seconds().count(),
                       time.subseconds().count());
}

std::optional<TimePoint> parse_time(std::string_view text) {
    constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:dd.dddZ";
    if (text.size() != kForm.size()) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < kForm.size(); ++i) {
        if (kForm[i] == 'd' ? !text::is_digit(text[i]) : text[i] != kForm[i]) {
            return std::nullopt;
        }
    }
    const auto number = [&](std::size_t at, std::size_t digits) {
        int value = 0;
        std::from_chars(text.data() + at, text.data() + at + digits, value);
        return value;
    };
    const std::chrono::year_month_day date{std::chrono::year(number(0, 4)),
                                           std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                           std::chrono::day(static_cast<unsigned>(number(8, 2)))};
    if (!date.ok() || number(11, 2) > 23 || number(14, 2) > 59 || number(17, 2) > 59) {
        return std::nullopt;
    }
    return TimePoint(std::chrono::sys_days(date)) + std::chrono::hours(number(11, 2)) +
           std::chrono::minutes(number(14, 2)) + std::chrono::seconds(number(17, 2)) +
           std::chrono::milliseconds(number(20, 3));
}

std::string printable(const std::string& text) {
    return text::is_utf8(text) ? text : text::safe_for_log(text, text.size() * 4 + 1);
}

namespace {

json::object recipient_json(const queue::Recipient& recipient) {
    json::object out;
    out["id"] = recipient.id;
    out["address"] = printable(recipient.address);
    out["state"] = recipient.state == queue::RecipientState::waiting ? "waiting" : "held";
    if (recipient.state != queue::RecipientState::waiting) {
        out["held_by"] = recipient.state == queue::RecipientState::suspended ? "suspension" : "operator";
    }
    if (recipient.claimed) {
        out["delivering"] = true;
    }
    out["due_at"] = format_time(recipient.due_at);
    out["attempts"] = recipient.attempts;
    out["last_attempt"] = nullptr;
    if (recipient.last_attempt != TimePoint{}) {
        out["last_attempt"] = format_time(recipient.last_attempt);
    }
    out["class"] = recipient.last_class;
    out["reply"] = printable(recipient.last_reply);
    out["host"] = printable(recipient.last_host);
    if (!recipient.in_doubt.empty()) {
        out["in_doubt"] = printable(recipient.in_doubt);
    }
    if (!recipient.orcpt.empty()) {
        out["orcpt"] = printable(recipient.orcpt);
    }
    return out;
}

}  // namespace

json::object to_json(const auth::Suspension& suspension) {
    json::object out;
    out["since"] = format_time(suspension.since);
    out["reason"] = printable(suspension.reason);
    return out;
}

json::object to_json(const queue::QueueEntry& entry, const auth::Suspensions* suspensions) {
    json::object out;
    out["id"] = entry.id.to_string();
    out["accepted_at"] = format_time(entry.accepted_at);
    out["expires_at"] = format_time(entry.expires_at);
    out["from"] = printable(entry.reverse_path);
    out["size"] = entry.size;
    out["stream"] = printable(entry.stream);
    out["source"] = printable(entry.source);
    out["origin"] = printable(entry.origin);
    if (const auto* suspension = suspensions != nullptr ? suspensions->find_source(entry.source) : nullptr) {
        out["suspension"] = to_json(*suspension);
    }
    if (entry.require_tls) {
        out["require_tls"] = true;
    }
    out["recipient_count"] = entry.recipient_count;
    json::array recipients;
    recipients.reserve(entry.recipients.size());
    for (const queue::Recipient& recipient : entry.recipients) {
        recipients.push_back(recipient_json(recipient));
    }
    out["recipients"] = std::move(recipients);
    return out;
}

}  // namespace posthorn::admin
