// The answer for people: its sentence first, then who, what was said, what is in the way, what comes next, and the last session.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value_to.hpp>
#include <fmt/format.h>

#include "base/text.hpp"
#include "delivery/why.hpp"
#include "delivery/why_words.hpp"

namespace posthorn::delivery {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostShown = 5;   // recipients with everything; --json has them all
constexpr std::string_view kMargin = "              ";

std::string text_at(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    const auto* words = value != nullptr ? value->if_string() : nullptr;
    return words == nullptr ? std::string() : std::string(words->data(), words->size());
}

std::uint64_t number_of(const json::value& value) {
    return value.is_uint64() ? value.as_uint64() : value.is_int64() && value.as_int64() > 0 ? static_cast<std::uint64_t>(value.as_int64()) : 0;
}

std::uint64_t number_at(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value == nullptr ? 0 : number_of(*value);
}

const json::object* object_at(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value != nullptr ? value->if_object() : nullptr;
}

const json::array& array_at(const json::object& object, std::string_view key) {
    static const json::array kNone;
    const json::value* value = object.if_contains(key);
    const auto* list = value != nullptr ? value->if_array() : nullptr;
    return list == nullptr ? kNone : *list;
}

bool is_harmless(std::string_view words) {
    for (std::size_t at = 0; at < words.size();) {
        if (text::is_control(words[at])) return false;
        const std::size_t length = text::is_8bit(words[at]) ? text::safe_utf8_length(words, at) : 1;
        if (length == 0) return false;
        at += length;
    }
    return true;
}

// Nothing leaves here that a terminal would obey. What was escaped before (one_line(), transcripts) is not escaped again.
std::string safe(std::string_view words) { return is_harmless(words) ? std::string(words) : text::safe_for_log(words, 6000); }

void line(std::string& out, std::string_view name, const std::string& words) {
    if (!words.empty()) out += fmt::format("  {:<12}{}\n", name, safe(words));
}

// Several lines under one name.
void lines(std::string& out, std::string_view name, std::string_view words) {
    bool first = true;
    while (!words.empty()) {
        const std::string_view one = text::trim_right(text::take_field(words, '\n'));
        if (first) out += fmt::format("  {:<12}{}\n", name, safe(one));
        else out += fmt::format("{}{}\n", kMargin, safe(one));
        first = false;
    }
}

void show_last(std::string& out, const json::object& last) {
    const std::string host = text_at(last, "host");
    lines(out, "they said", text_at(last, "reply"));
    line(out, "host", host);
    if (const std::string name = text_at(last, "class"); !name.empty() && name != "none") {
        const std::string rule = text_at(last, "rule");
        line(out, "class", name + ": " + text_at(last, "class_meaning") + (rule.empty() ? "" : " (rule " + rule + ")"));
        if (text_at(last, "meaning") != text_at(last, "class_meaning")) line(out, "meaning", text_at(last, "meaning"));
    }
    lines(out, "diagnosis", text_at(last, "diagnosis"));
}

void show_obstacles(std::string& out, const json::object& recipient) {
    std::vector<std::string> advice;
    for (const json::value& item : array_at(recipient, "in_the_way")) {
        const json::object& one = item.as_object();
        std::string words = text_at(one, "words");
        if (const std::string since = text_at(one, "since"); !since.empty()) words += ", since " + since;
        line(out, "in the way", sentence_of(words));
        std::string end = text_at(one, "end");
        if (const std::string until = text_at(one, "until"); !until.empty() && end.find(until) == std::string::npos)
            end = until + (end.empty() ? "" : ": " + end);
        if (!end.empty()) out += fmt::format("{}ends: {}\n", kMargin, safe(end));
        const std::string detail = text_at(one, "detail");
        std::string_view detail_left = detail;
        while (!detail_left.empty()) out += fmt::format("{}| {}\n", kMargin, safe(text::take_field(detail_left, '\n')));
        // Several things in the way may want the same repair.
        const std::string repair = text_at(one, "advice");
        if (!repair.empty() && std::find(advice.begin(), advice.end(), repair) == advice.end()) advice.push_back(repair);
    }
    if (const json::object* next = object_at(recipient, "next")) line(out, "next try", text_at(*next, "words"));
    if (advice.empty()) {
        const json::object* last = object_at(recipient, "last");
        if (last != nullptr && !text_at(*last, "advice").empty()) advice.push_back(text_at(*last, "advice"));
    }
    for (const std::string& words : advice) line(out, "to do", sentence_of(words));
}

void show_recipient(std::string& out, const json::object& recipient) {
    out += fmt::format("\n{}: {}\n", safe(text_at(recipient, "address")), safe(text_at(recipient, "answer")));
    if (const json::object* message = object_at(recipient, "message"))
        line(out, "message", fmt::format("{} from <{}>, accepted {}", text_at(*message, "id"), text_at(*message, "from"), text_at(*message, "accepted_at")));
    const std::uint64_t attempts = number_at(recipient, "attempts");
    const std::string last_attempt = text_at(recipient, "last_attempt");
    // What was only put off (class auth, throttle) used no attempt up.
    line(out, "attempts", attempts > 0 || last_attempt.empty() ? attempts == 0 ? std::string("none yet") : fmt::format("{}, the last at {}", attempts, last_attempt)
                                                               : fmt::format("none that counts; the last at {}", last_attempt));
    if (const std::string end = text_at(recipient, "given_up"); !end.empty())
        line(out, "given up", end + ", if it is not repaired by then (retry.auth_lifetime)");
    if (const json::object* last = object_at(recipient, "last")) show_last(out, *last);
    if (const std::string host = text_at(recipient, "in_doubt"); !host.empty())
        line(out, "note", "it may have been delivered to " + host + " already: a connection was lost after its end");
    show_obstacles(out, recipient);
    if (const json::object* way = object_at(recipient, "way"))
        for (const json::value& one : array_at(*way, "learnt")) line(out, "learnt", std::string(one.as_string()));
}

void show_recipients(std::string& out, const json::array& all) {
    std::size_t shown = 0;
    for (const json::value& one : all) {
        if (shown++ == kMostShown) break;
        show_recipient(out, one.as_object());
    }
    if (all.size() > kMostShown) out += fmt::format("\nand {} more; --json shows them all\n", all.size() - kMostShown);
}

void show_session(std::string& out, const json::object& answer) {
    const json::object* session = object_at(answer, "session");
    if (session == nullptr) return;
    // Of mail that was delivered only a send-test's is kept.
    const bool went_well = text_at(*session, "event") == "delivered";
    out += fmt::format("\nThe {}, at {}:\n", went_well ? "session" : "last session that did not go well", safe(text_at(*session, "at")));
    const std::string text = text_at(*session, "text");
    std::string_view left = text;
    while (!left.empty()) {
        out += fmt::format("  {}\n", safe(text::take_field(left, '\n')));
    }
}

void show_figures(std::string& out, std::string_view name, const json::object* figures) {
    if (figures == nullptr || number_at(*figures, "recipients") == 0) return;
    std::string words = count_words(number_at(*figures, "recipients"), "recipient");
    if (const auto held = number_at(*figures, "held"); held > 0) words += fmt::format(", {} held by an operator", held);
    if (const auto suspended = number_at(*figures, "suspended"); suspended > 0) words += fmt::format(", {} of suspended users", suspended);
    std::string classes;
    if (const json::object* by_class = object_at(*figures, "by_class"))
        for (const auto& member : *by_class)
            classes += fmt::format("{}{} {}", classes.empty() ? "" : ", ", number_of(member.value()), std::string_view(member.key()));
    if (!classes.empty()) words += " (" + classes + ")";
    const json::value* complete = figures->if_contains("complete");
    if (complete != nullptr && complete->is_bool() && !complete->as_bool()) words += "; there are more, which were not counted";
    line(out, name, words);
}

void show_limits(std::string& out, const json::object& answer) {
    for (const json::value& item : array_at(answer, "limits")) {
        const json::object& one = item.as_object();
        std::string words = text_at(one, "words");
        if (const std::string since = text_at(one, "since"); !since.empty()) words += ", since " + since;
        line(out, text_at(one, "kind") != "suspension" ? "limit" : text_at(one, "phase") == "releasing" ? "released" : "suspended", sentence_of(words));
        const std::string probe = text_at(one, "next_probe"), poll = text_at(one, "next_poll"), until = text_at(one, "until");
        if (!until.empty()) out += fmt::format("{}until {}\n", kMargin, safe(until));
        if (!probe.empty()) out += fmt::format("{}next probe {}\n", kMargin, safe(probe));
        else if (!poll.empty()) out += fmt::format("{}DNS is looked at again {}\n", kMargin, safe(poll));
        const std::string reply = one_line(text_at(one, "reply"));
        if (!reply.empty()) out += fmt::format("{}they said: {}\n", kMargin, reply);
        const std::string detail = text_at(one, "detail");
        std::string_view left = detail;
        while (!left.empty()) out += fmt::format("{}| {}\n", kMargin, safe(text::take_field(left, '\n')));
        if (const std::string next = text_at(one, "next"); !next.empty()) out += fmt::format("{}{}\n", kMargin, safe(sentence_of(next)));
        if (const std::string advice = text_at(one, "advice"); !advice.empty()) out += fmt::format("{}to do: {}\n", kMargin, safe(sentence_of(advice)));
        if (const std::string link = text_at(one, "link"); !link.empty()) out += fmt::format("{}see {}\n", kMargin, safe(link));
    }
}

void show_lately(std::string& out, const json::object& answer) {
    const json::array& all = array_at(answer, "lately");
    if (all.empty()) return;
    out += out.ends_with("\n\n") ? "Lately:\n" : "\nLately:\n";
    for (const json::value& item : all) {
        const json::object& one = item.as_object();
        const std::string name = text_at(one, "class");
        out += fmt::format("  {} {:<10} {} to <{}>{}: {}\n", safe(text_at(one, "at")), safe(text_at(one, "event")), safe(text_at(one, "message")),
                           safe(text_at(one, "to")), name.empty() || name == "none" ? "" : " (" + safe(name) + ")", one_line(text_at(one, "reply")));
    }
}

std::string counts(const json::object& answer, std::string_view key) {
    const json::object* one = object_at(answer, key);
    if (one == nullptr) return {};
    return fmt::format("{} delivered, {} put off, {} failed", number_at(*one, "delivered"), number_at(*one, "deferred"), number_at(*one, "failed"));
}

}  // namespace

std::string why_text(const json::object& answer) {
    std::string out = safe(text_at(answer, "answer")) + "\n";
    const json::value* known = answer.if_contains("known");
    if (known == nullptr || !known->is_bool() || !known->as_bool()) return out;
    const std::string kind = text_at(answer, "kind");
    if (kind == "message") {
        out += '\n';
        if (const json::object* message = object_at(answer, "message")) {
            line(out, "from", "<" + text_at(*message, "from") + ">");
            line(out, "handed in", text_at(*message, "source"));
            line(out, "accepted", text_at(*message, "accepted_at"));
            line(out, "given up", text_at(*message, "expires_at"));
        }
        show_recipients(out, array_at(answer, "recipients"));
        show_session(out, answer);
        return out;
    }
    out += '\n';
    if (kind == "recipient") {
        show_figures(out, "waiting", object_at(answer, "waiting"));
        if (const json::object* suppressed = object_at(answer, "suppressed")) {
            line(out, "suppressed", "since " + text_at(*suppressed, "since") + ": " + one_line(text_at(*suppressed, "reply")));
            line(out, "to do", sentence_of(text_at(*suppressed, "advice")));
        }
    } else if (kind == "domain") {
        show_figures(out, "from it", object_at(answer, "sender"));
        show_figures(out, "to it", object_at(answer, "waiting"));
    } else {
        line(out, "last hour", counts(answer, "hour"));
        line(out, "last day", counts(answer, "day"));
        if (const json::object* provider = object_at(answer, "provider"))
            if (const auto connections = number_at(*provider, "connections"); connections > 0)
                line(out, "limits", fmt::format("{} at once, {} over each", count_words(connections, "connection"),
                                                count_words(number_at(*provider, "messages_per_connection"), "message")));
        std::size_t shown = 0;
        for (const json::value& one : array_at(answer, "domains")) {
            if (shown++ == 10) break;
            line(out, shown == 1 ? "waiting for" : "", fmt::format("{} ({})", text_at(one.as_object(), "domain"),
                                                                    count_words(number_at(one.as_object(), "recipients"), "recipient")));
        }
    }
    show_limits(out, answer);
    show_recipients(out, array_at(answer, "oldest"));
    show_lately(out, answer);
    show_session(out, answer);
    return out;
}

}  // namespace posthorn::delivery
