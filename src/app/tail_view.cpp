// Events in words.
#include "app/tail_view.hpp"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <chrono>

#include "app/queue_view.hpp"
#include "base/text.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongest = 4000;
// Due at once, and yet it does not go: it waits behind what suspends its sender or us (docs/SUSPENSIONS.md).
constexpr std::string_view kHeld = "held: `posthorn why` says for what";

// As the log has it: what has blanks in it is between quotes.
std::string quoted(std::string words) {
    return words.empty() || words.find(' ') != std::string::npos ? '"' + words + '"' : words;
}

std::string value_of(const json::object& event, std::string_view key) {
    const json::value* value = event.if_contains(key);
    if (value == nullptr) return {};
    if (const auto* words = value->if_string()) return text::safe_for_log({words->data(), words->size()}, kLongest);
    return json::serialize(*value);
}

// Text in the log has its backslashes and control characters escaped already: shown as it is where it is harmless.
std::string reply_of(const json::object& event) { return value_of(event, "reply"); }

void add(std::string& list, std::string_view words) {
    if (words.empty()) return;
    list += list.empty() ? "" : ", ";
    list += words;
}

std::string outcome(const json::object& event) {
    std::string about;
    if (const std::string word = value_of(event, "class"); !word.empty()) add(about, "class " + word);
    if (const json::value* wait = event.if_contains("retry_in_s"); wait != nullptr && wait->is_int64())
        add(about, wait->as_int64() > 0 ? "next try in " + short_duration(std::chrono::seconds(wait->as_int64())) : std::string(kHeld));
    if (const json::value* delay = event.if_contains("delay_ms"); delay != nullptr && delay->is_int64())
        add(about, fmt::format("{:.1f} s old", static_cast<double>(delay->as_int64()) / 1000));
    add(about, value_of(event, "note"));
    add(about, value_of(event, "id"));
    add(about, value_of(event, "host"));
    return fmt::format("<{}>: {} ({})", value_of(event, "to"), reply_of(event), about);
}

std::string values(const json::object& event) {
    std::string out;
    for (const auto& member : event) {
        const std::string_view key(member.key().data(), member.key().size());
        if (key == "time" || key == "level" || key == "event") continue;
        out += fmt::format("{}{}={}", out.empty() ? "" : " ", text::safe_for_log(key, 100), quoted(value_of(event, key)));
    }
    return out;
}

}  // namespace

std::string event_line(const json::object& event) {
    const std::string name = value_of(event, "event");
    if (name == "skipped") return "         (" + value_of(event, "count") + " events left out: they came faster than they were read)";
    const std::string time = value_of(event, "time");
    const std::string level = value_of(event, "level");
    const bool of_recipient = (name == "delivered" || name == "deferred" || name == "failed" || name == "suppressed") && event.contains("to");
    return fmt::format("{} {}{} {}", time.size() >= 19 ? time.substr(11, 8) : "--------", level == "error" ? "ERROR " : "", name,
                       of_recipient ? outcome(event) : values(event));
}

}  // namespace posthorn::app
