// The overview in words.
#include "app/overview_view.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value_to.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "base/text.hpp"
#include "delivery/why_words.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;
using delivery::count_words;

constexpr std::size_t kMostOfAKind = 20;
constexpr std::uint64_t kMarkShownFrom = 10;   // a bulk mark is shown from a tenth of it on; --json has all
constexpr std::string_view kMargin = "            ";

const json::value* at(const json::object& object, std::string_view key) { return object.if_contains(key); }

std::string text_at(const json::object& object, std::string_view key) {
    const json::value* value = at(object, key);
    const auto* words = value != nullptr ? value->if_string() : nullptr;
    return words == nullptr ? std::string() : text::safe_for_log({words->data(), words->size()}, 2000);
}

std::uint64_t count_of(const json::value& value) {
    return value.is_uint64() ? value.as_uint64() : value.is_int64() && value.as_int64() > 0 ? static_cast<std::uint64_t>(value.as_int64()) : 0;
}

std::uint64_t number_at(const json::object& object, std::string_view key) {
    const json::value* value = at(object, key);
    return value == nullptr ? 0 : count_of(*value);
}

const json::object& object_at(const json::object& object, std::string_view key) {
    static const json::object kNone;
    const json::value* value = at(object, key);
    const auto* inner = value != nullptr ? value->if_object() : nullptr;
    return inner == nullptr ? kNone : *inner;
}

const json::array& array_at(const json::object& object, std::string_view key) {
    static const json::array kNone;
    const json::value* value = at(object, key);
    const auto* list = value != nullptr ? value->if_array() : nullptr;
    return list == nullptr ? kNone : *list;
}

struct Counts {
    std::uint64_t delivered = 0, tried = 0;
};

Counts counts_of(const json::object& counts) {
    const std::uint64_t delivered = number_at(counts, "delivered");
    return {delivered, delivered + number_at(counts, "deferred") + number_at(counts, "failed")};
}

std::string share(const Counts& counts) { return counts.tried == 0 ? "-" : fmt::format("{} of {}", counts.delivered, counts.tried); }

std::string answer(const json::object& status) {
    const json::object& store = object_at(status, "store");
    const json::object& daemon = object_at(status, "daemon");
    const json::value* healthy = at(store, "healthy");
    const bool well = healthy != nullptr && healthy->is_bool() && healthy->as_bool();
    Counts hour;
    for (const json::value& one : array_at(status, "success")) {
        const Counts counts = counts_of(object_at(one.as_object(), "hour"));
        hour.delivered += counts.delivered;
        hour.tried += counts.tried;
    }
    std::string line;
    if (!well) {
        line = "Posthorn takes and delivers no mail: " + text_at(store, "reason");
    } else {
        std::set<std::string> senders;
        bool machine = false;
        for (const json::value& pair : array_at(daemon, "pairs")) {
            if (!pair.is_object() || text_at(pair.as_object(), "phase") == "releasing") continue;
            const std::string sender = text_at(pair.as_object(), "sender");
            if (sender.empty()) machine = true;
            else senders.insert(sender);
        }
        const std::string held = delivery::held_words(senders.size(), machine);
        const bool troubled = !array_at(daemon, "relay_troubles").empty();
        const json::array& unsigned_domains = array_at(daemon, "unsigned_domains");
        const std::string first = unsigned_domains.empty() || !unsigned_domains[0].is_object() ? "" : text_at(unsigned_domains[0].as_object(), "domain");
        const std::string keyless = unsigned_domains.size() == 1 ? first : fmt::format("{} and {} more", first, unsigned_domains.size() - 1);
        line = !first.empty() ? fmt::format("Posthorn works, and the mail of {} is held here: it has no DKIM key in use", keyless)
               : !held.empty() ? fmt::format("Posthorn works, and {} is held somewhere", held)
               : troubled    ? "Posthorn works, and a relay does not work for us"
                             : "Posthorn is well";
    }
    const std::uint64_t waiting = number_at(store, "recipients");
    if (waiting == 0) line += ": no mail waits";
    else line += fmt::format(": {} wait{}, the oldest for {}", count_words(waiting, "recipient"), waiting == 1 ? "s" : "",
                             delivery::span_words(std::chrono::seconds(number_at(daemon, "oldest_seconds"))));
    line += hour.tried == 0 ? std::string("; no delivery in the last hour") : fmt::format("; in the last hour {} attempts went through", share(hour));
    return line + ".\n";
}

void item(std::string& out, std::string_view name, std::string_view words) { out += fmt::format("{:<11} {}\n", name, words); }
void more(std::string& out, std::string_view words) {
    if (!words.empty()) out += fmt::format("{}{}\n", kMargin, words);
}

void add_pairs(std::string& out, const json::array& pairs) {
    std::size_t shown = 0;
    for (const json::value& value : pairs) {
        if (!value.is_object()) continue;
        if (shown++ == kMostOfAKind) break;
        const json::object& pair = value.as_object();
        item(out, text_at(pair, "phase") == "releasing" ? "released" : "suspended", text_at(pair, "words"));
        std::string causes;
        for (const json::value& cause : array_at(pair, "causes"))
            if (cause.is_string()) causes += (causes.empty() ? "" : ", ") + std::string(cause.as_string());
        const std::string probe = text_at(pair, "next_probe"), poll = text_at(pair, "next_poll"), until = text_at(pair, "until");
        more(out, fmt::format("since {}, cause {}{}{}", text_at(pair, "since"), text_at(pair, "reason"), causes.empty() ? "" : " (" + causes + ")",
                              !until.empty()   ? ", until " + until
                              : !probe.empty() ? ", next probe " + probe
                              : !poll.empty()  ? ", DNS is looked at again " + poll
                                               : std::string()));
        more(out, text_at(pair, "link"));
    }
    if (pairs.size() > kMostOfAKind) more(out, fmt::format("and {} more: `posthorn status --json`", pairs.size() - kMostOfAKind));
}

void add_shaping(std::string& out, const json::object& shaping) {
    std::size_t shown = 0;
    for (const json::value& value : array_at(shaping, "slowed")) {
        if (shown++ == kMostOfAKind) break;
        const json::object& one = value.as_object();
        const std::string until = text_at(one, "until");
        item(out, "slowed", fmt::format("{} ({}{})", text_at(one, "what"), text_at(one, "state"), until.empty() ? "" : " until " + until));
        more(out, text_at(one, "reply"));
        more(out, text_at(one, "next"));
    }
    shown = 0;
    for (const json::value& value : array_at(shaping, "warm_up")) {
        const json::object& one = value.as_object();
        if (at(one, "allowed_today") == nullptr || shown++ >= kMostOfAKind) continue;
        item(out, "warm-up", fmt::format("{}: {} of today's {}; {}", text_at(one, "what"), number_at(one, "sent_today"), number_at(one, "allowed_today"),
                                         text_at(one, "next")));
    }
    shown = 0;
    for (const json::value& value : array_at(shaping, "bulk_marks")) {
        const json::object& one = value.as_object();
        const bool far = number_at(one, "sent_in_a_day") * kMarkShownFrom < number_at(one, "mark") && text_at(one, "reached").empty();
        if (far) continue;
        if (shown++ == kMostOfAKind) break;
        item(out, "bulk mark", fmt::format("{}: {} in a day, of {}{}", text_at(one, "what"), number_at(one, "sent_in_a_day"), number_at(one, "mark"),
                                           text_at(one, "reached").empty() ? "" : "; " + text_at(one, "reached")));
    }
}

void add_success(std::string& out, const json::array& success) {
    if (success.empty()) return;
    std::vector<const json::object*> rows;
    for (const json::value& one : success) rows.push_back(&one.as_object());
    std::stable_sort(rows.begin(), rows.end(), [](const json::object* a, const json::object* b) {
        return counts_of(object_at(*a, "day")).tried > counts_of(object_at(*b, "day")).tried;
    });
    out += "\ndelivered, of attempts            last hour          last day\n";
    std::size_t shown = 0;
    for (const json::object* row : rows) {
        if (shown++ == kMostOfAKind) break;
        const std::string group = text_at(*row, "group");
        out += fmt::format("  {:<24} {:>16} {:>17}\n", group.empty() ? "(no way found)" : group, share(counts_of(object_at(*row, "hour"))),
                           share(counts_of(object_at(*row, "day"))));
    }
    if (rows.size() > kMostOfAKind) out += fmt::format("  and {} more: --json\n", rows.size() - kMostOfAKind);
}

void age_row(std::string& out, const json::object& row, std::size_t width) {
    out += fmt::format("{:>{}} {:>5}", text_at(row, "name"), width, number_at(row, "total"));
    for (const json::value& count : array_at(row, "counts"))
        out += fmt::format(" {:>5}", count_of(count));
    out += '\n';
}

// As qshape has it: recipients by age in minutes, one line a domain.
void add_ages(std::string& out, const json::object& ages) {
    const json::object& total = object_at(ages, "total");
    if (number_at(total, "total") == 0) return;
    std::size_t width = 20;
    for (const json::value& row : array_at(ages, "rows")) width = std::max(width, text_at(row.as_object(), "name").size() + 1);
    out += fmt::format("\nwaiting recipients by {}, and for how many minutes\n{:>{}} {:>5}", text_at(ages, "by"), "", width, "T");
    std::uint64_t last = 0;
    for (const json::value& end : array_at(ages, "minutes")) out += fmt::format(" {:>5}", last = count_of(end));
    out += fmt::format(" {:>5}\n", fmt::format("{}+", last));
    age_row(out, total, width);
    for (const json::value& row : array_at(ages, "rows")) age_row(out, row.as_object(), width);
    const std::uint64_t names = number_at(ages, "names");
    if (names > array_at(ages, "rows").size()) out += fmt::format("{:>{}} --limit shows more than {} of {}\n", "", width, array_at(ages, "rows").size(), names);
}

}  // namespace

std::string overview_text(const json::object& status) {
    std::string out = answer(status);
    const json::object& daemon = object_at(status, "daemon");
    std::string parts;
    add_pairs(parts, array_at(daemon, "pairs"));
    std::size_t keyless_shown = 0;
    for (const json::value& domain : array_at(daemon, "unsigned_domains")) {
        if (!domain.is_object() || keyless_shown++ == kMostOfAKind) break;
        const json::object& one = domain.as_object();
        item(parts, "held", fmt::format("mail of {}: {}", text_at(one, "domain"), text_at(one, "reason")));
    }
    for (const json::value& trouble : array_at(daemon, "relay_troubles")) {
        const json::object& one = trouble.as_object();
        item(parts, "relay", fmt::format("{} does not work for us ({}): {}", text_at(one, "relay"), text_at(one, "fault"), text_at(one, "reply")));
    }
    add_shaping(parts, object_at(daemon, "shaping"));
    for (const json::value& alarm : array_at(status, "alarms")) {
        const json::object& one = alarm.as_object();
        // Its first line; what DNS showed, with the records, is in `posthorn alarms`.
        const json::value* words = at(one, "text");
        std::string_view told = words != nullptr && words->is_string() ? std::string_view(words->as_string()) : std::string_view();
        const std::string_view first = text::take_field(told, '\n');
        item(parts, "alarm", fmt::format("{} {}: {}{}", text_at(one, "alarm"), text_at(one, "subject"), text::safe_for_log(first, 1000),
                                         told.empty() ? "" : " (`posthorn alarms` shows all of it)"));
        const json::value* advice = at(one, "advice");
        std::string_view left = advice != nullptr && advice->is_string() ? std::string_view(advice->as_string()) : std::string_view();
        while (!left.empty()) more(parts, text::safe_for_log(text::take_field(left, '\n'), 2000));
    }
    if (!parts.empty()) out += "\n" + parts;
    add_success(out, array_at(status, "success"));
    add_ages(out, object_at(status, "ages"));
    return out;
}

}  // namespace posthorn::app
