// The head: is all well, what comes and goes. Then providers, then the queue with one line a message.
#include "app/top_view.hpp"

#include <boost/json/array.hpp>
#include <fmt/format.h>

#include <algorithm>

#include "admin/queue_json.hpp"
#include "app/json_members.hpp"
#include "app/overview_view.hpp"
#include "app/queue_view.hpp"
#include "app/terminal.hpp"
#include "base/text.hpp"

namespace posthorn::app {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostProviders = 6;
constexpr std::size_t kIdCells = 13;
constexpr std::string_view kTopKeys = "q quit  p pause  o order  up/down choose  enter why  r retry  s suspend";
constexpr std::string_view kPlainAgain = "\x1b[0m";

const json::object& member_object(const json::object& object, std::string_view key) {
    static const json::object kNone;
    const json::value* value = object.if_contains(key);
    return value != nullptr && value->is_object() ? value->as_object() : kNone;
}

const json::array& member_array(const json::object& object, std::string_view key) {
    static const json::array kNone;
    const json::value* value = object.if_contains(key);
    return value != nullptr && value->is_array() ? value->as_array() : kNone;
}

std::string domain_behind_at(std::string_view address) {
    const std::size_t at = address.rfind('@');
    return at == std::string_view::npos ? std::string() : std::string(address.substr(at + 1));
}

// As many whole UTF-8 characters as cells; what is cut says so.
std::string cut_to(std::string_view text, std::size_t cells) {
    std::size_t count = 0, at = 0, last = 0;
    while (at < text.size() && count < cells) {
        last = at;
        do ++at;
        while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U);
        ++count;
    }
    if (at >= text.size() || cells == 0) return std::string(text.substr(0, at));
    return std::string(text.substr(0, last)) + "~";
}

std::string filled(std::string_view text, std::size_t cells) {
    std::string out = cut_to(text, cells);
    std::size_t count = 0;
    for (const char c : out) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
    return out + std::string(cells - std::min(cells, count), ' ');
}

std::string in_colour(const TopScreen& screen, std::string_view code, std::string text) {
    return screen.colours ? "\x1b[" + std::string(code) + "m" + text + std::string(kPlainAgain) : text;
}

std::string a_second(const TopSample& now, const TopSample* before, std::string_view group, std::string_view key) {
    if (before == nullptr || now.at <= before->at) return "-";
    const std::uint64_t then = number_of(member_object(member_object(before->status, "daemon"), group), key);
    const std::uint64_t count = number_of(member_object(member_object(now.status, "daemon"), group), key);
    if (count < then) return "-";                      // it was started anew
    const double seconds = std::chrono::duration<double>(now.at - before->at).count();
    return fmt::format("{:.1f}", static_cast<double>(count - then) / seconds);
}

std::string pace_line(const TopSample& sample, const TopSample* before) {
    const json::object& daemon = member_object(sample.status, "daemon");
    return fmt::format("per second  in {}  out {}  deferred {}  failed {}", a_second(sample, before, "server", "messages"),
                       a_second(sample, before, "delivery", "delivered"), a_second(sample, before, "delivery", "deferred"),
                       a_second(sample, before, "delivery", "failed")) +
           fmt::format("   clients {}  deliveries {}", number_of(member_object(daemon, "server"), "sessions"),
                       number_of(member_object(daemon, "delivery"), "deliveries"));
}

struct TopProvider {
    std::string name, hour, day, state;
    std::uint64_t tried = 0;
};

std::string good_of(const json::object& counts, std::uint64_t* tried = nullptr) {
    const std::uint64_t good = number_of(counts, "delivered"), all = good + number_of(counts, "deferred") + number_of(counts, "failed");
    if (tried != nullptr) *tried = all;
    return all == 0 ? "-" : fmt::format("{} of {}", good, all);
}

// Suspended pairs and slowed providers first: they are why one looks.
std::vector<TopProvider> providers_of(const json::object& status) {
    std::vector<TopProvider> out;
    for (const json::value& value : member_array(status, "success")) {
        if (!value.is_object()) continue;
        const json::object& one = value.as_object();
        TopProvider provider;
        provider.name = text::safe_for_log(text_of(one, "group"), 60);
        if (provider.name.empty()) provider.name = "(no way found)";
        provider.hour = good_of(member_object(one, "hour"));
        provider.day = good_of(member_object(one, "day"), &provider.tried);
        out.push_back(std::move(provider));
    }
    std::stable_sort(out.begin(), out.end(), [](const TopProvider& a, const TopProvider& b) { return a.tried > b.tried; });
    return out;
}

std::vector<std::string> troubles_of(const json::object& status) {
    const json::object& daemon = member_object(status, "daemon");
    std::vector<std::string> out;
    for (const json::value& value : member_array(daemon, "pairs"))
        if (value.is_object()) out.push_back("suspended  " + text::safe_for_log(text_of(value.as_object(), "words"), 300));
    for (const json::value& value : member_array(daemon, "unsigned_domains"))
        if (value.is_object()) out.push_back("held       " + text::safe_for_log(text_of(value.as_object(), "domain") + ": " + text_of(value.as_object(), "reason"), 300));
    for (const json::value& value : member_array(daemon, "relay_troubles"))
        if (value.is_object()) out.push_back("relay      " + text::safe_for_log(text_of(value.as_object(), "relay") + ": " + text_of(value.as_object(), "reply"), 300));
    for (const json::value& value : member_array(member_object(daemon, "shaping"), "slowed"))
        if (value.is_object()) out.push_back("slowed     " + text::safe_for_log(text_of(value.as_object(), "what") + ": " + text_of(value.as_object(), "next"), 300));
    for (const json::value& value : member_array(status, "alarms")) {
        if (!value.is_object()) continue;
        const std::string words = text_of(value.as_object(), "text");
        out.push_back("alarm      " + text::safe_for_log(text_of(value.as_object(), "alarm") + " " + words.substr(0, words.find('\n')), 300));
    }
    return out;
}

// The sentence that `posthorn status` begins with.
std::string first_sentence(const json::object& status) {
    const std::string text = overview_text(status);
    return text.substr(0, text.find('\n'));
}

// What is of the same width for every message takes 36 cells. Where there is room the sender stands before the recipient.
struct TopTable {
    std::size_t columns;
    [[nodiscard]] bool is_wide() const { return columns >= 120; }
    [[nodiscard]] std::string head() const {
        const std::size_t rest = columns > 36 ? columns - 36 : 0;
        return cut_to(fmt::format("{:<13} {:>5} {:>5} {:<8}  {}  {}", "MESSAGE", "AGE", "TRIES", "NEXT",
                                  filled(is_wide() ? "FROM > TO" : "TO", rest * 3 / 5), "LAST ANSWER"), columns);
    }
    [[nodiscard]] std::string line(const TopRow& row) const {
        const std::size_t rest = columns > 36 ? columns - 36 : 0;
        const std::string more = row.more > 0 ? fmt::format(" +{}", row.more) : std::string();
        const std::string whom = is_wide() ? fmt::format("{} > {}", row.from.empty() ? "<>" : row.from, row.to) : row.to;
        const std::size_t whom_cells = rest * 3 / 5;
        return filled(fmt::format("{:<13} {:>5} {:>5} {:<8}  {}  {}", row.id, short_duration(row.age), row.tries, row.state,
                                  filled(cut_to(whom, whom_cells - std::min(whom_cells, more.size())) + more, whom_cells), row.why), columns);
    }
};

std::vector<std::string> page_lines(const TopScreen& screen) {
    std::vector<std::string> out;
    for (std::size_t at = screen.page_from; at < screen.page.size() && out.size() + 1 < screen.lines; ++at) out.push_back(cut_to(screen.page[at], screen.columns));
    out.resize(screen.lines - 1);
    const bool below = screen.page_from + screen.lines - 1 < screen.page.size();
    out.push_back(in_colour(screen, "7", filled(below ? "up/down more  enter back  q quit" : "enter back  q quit", screen.columns)));
    return out;
}

}  // namespace

std::string_view order_word(TopOrder order) {
    switch (order) {
        case TopOrder::next_try: return "next try";
        case TopOrder::tries: return "tries";
        case TopOrder::domain: return "domain";
        default: return "age";
    }
}

std::vector<TopRow> top_rows(const json::object& queue, TimePoint now) {
    std::vector<TopRow> rows;
    for (const json::value& value : member_array(queue, "messages")) {
        if (!value.is_object()) continue;
        const json::object& message = value.as_object();
        const json::array& recipients = member_array(message, "recipients");
        static const json::object kNobody;
        const json::object& first = !recipients.empty() && recipients.front().is_object() ? recipients.front().as_object() : kNobody;
        TopRow row;
        row.id = text::safe_for_log(text_of(message, "id"), 20);
        row.from = text::safe_for_log(text_of(message, "from"), 200);
        row.to = text::safe_for_log(text_of(first, "address"), 200);
        row.sender_domain = domain_behind_at(text_of(message, "from"));
        row.recipient_domain = domain_behind_at(text_of(first, "address"));
        const std::uint64_t count = number_of(message, "recipient_count");
        row.more = count > 1 ? count - 1 : 0;
        row.tries = number_of(first, "attempts");
        if (const auto accepted = admin::parse_time(text_of(message, "accepted_at"))) row.age = std::max(Duration{}, now - *accepted);
        row.due = admin::parse_time(text_of(first, "due_at")).value_or(TimePoint{});
        const json::value* delivering = first.if_contains("delivering");
        row.state = delivering != nullptr && delivering->is_bool() && delivering->as_bool() ? "sending"
                    : text_of(first, "state") == "held" || !text_of(first, "held").empty() ? "held"
                    : row.due <= now                                                       ? "now"
                                                                                           : "in " + short_duration(row.due - now);
        std::string reply = text_of(first, "reply");
        std::replace_if(reply.begin(), reply.end(), [](char c) { return c == '\r' || c == '\n'; }, ' ');
        row.why = text::safe_for_log(text_of(first, "class") + (reply.empty() ? "" : " ") + reply, 300);
        rows.push_back(std::move(row));
    }
    return rows;
}

void sort_rows(std::vector<TopRow>& rows, TopOrder order) {
    std::stable_sort(rows.begin(), rows.end(), [order](const TopRow& a, const TopRow& b) {
        switch (order) {
            case TopOrder::next_try: return a.due < b.due;
            case TopOrder::tries: return a.tries > b.tries;
            case TopOrder::domain: return a.recipient_domain < b.recipient_domain;
            default: return a.age > b.age;
        }
    });
}

std::vector<std::string> top_lines(const TopSample& sample, const TopSample* before, const TopScreen& screen) {
    const std::size_t height = std::max<std::size_t>(screen.lines, 2);
    if (!screen.page.empty()) return page_lines(screen);
    std::vector<std::string> out;
    const auto add = [&](std::string line) {
        if (out.size() + 1 < height) out.push_back(std::move(line));
    };
    const json::object& daemon = member_object(sample.status, "daemon");
    const std::string title = fmt::format("posthorn {}  up {}  {}  by {}{}", text_of(daemon, "version"),
                                          short_duration(std::chrono::seconds(number_of(daemon, "up_seconds"))), admin::format_time(sample.at).substr(11, 8),
                                          order_word(screen.order), screen.paused ? "  PAUSED" : "");
    add(in_colour(screen, "7", filled(title, screen.columns)));
    const std::string answer = first_sentence(sample.status);
    std::string_view left = answer;
    const std::vector<std::string> troubles = troubles_of(sample.status);
    const bool well = troubles.empty() && answer.starts_with("Posthorn is well");
    const std::string folded = wrapped(left, screen.columns);
    for (std::string_view rest = folded; !rest.empty();)
        add(in_colour(screen, well ? "32" : "1;33", cut_to(text::take_field(rest, '\n'), screen.columns)));
    add(cut_to(pace_line(sample, before), screen.columns));
    for (std::size_t i = 0; i < troubles.size() && i < 4; ++i) add(in_colour(screen, "33", cut_to(troubles[i], screen.columns)));
    if (troubles.size() > 4) add(cut_to(fmt::format("and {} more: `posthorn status`", troubles.size() - 4), screen.columns));

    const std::vector<TopProvider> providers = providers_of(sample.status);
    if (!providers.empty() && height >= 16) {
        add("");
        add(in_colour(screen, "1", cut_to(fmt::format("{:<24} {:>20} {:>20}", "DELIVERED, OF ATTEMPTS", "LAST HOUR", "LAST DAY"), screen.columns)));
        for (std::size_t i = 0; i < providers.size() && i < kMostProviders; ++i)
            add(cut_to(fmt::format("{:<24} {:>20} {:>20}", cut_to(providers[i].name, 24), providers[i].hour, providers[i].day), screen.columns));
    }
    add("");
    const TopTable table{screen.columns};
    add(in_colour(screen, "1", table.head()));
    if (sample.rows.empty()) add("No mail is waiting.");
    // The chosen line is always on the screen.
    const std::size_t room = height - 1 - std::min(out.size(), height - 1);
    std::size_t chosen = 0;
    while (chosen < sample.rows.size() && sample.rows[chosen].id != screen.selected) ++chosen;
    const std::size_t from = chosen < sample.rows.size() && chosen >= room && room > 0 ? chosen - room + 1 : 0;
    for (std::size_t at = from; at < sample.rows.size() && out.size() + 1 < height; ++at) {
        std::string line = table.line(sample.rows[at]);
        const bool is_chosen = sample.rows[at].id == screen.selected;
        // Without colours there is a mark.
        if (is_chosen && !screen.colours && line.size() > kIdCells) line.replace(kIdCells, 1, "<");
        out.push_back(is_chosen ? in_colour(screen, "7", std::move(line)) : std::move(line));
    }
    out.resize(height - 1);
    out.push_back(in_colour(screen, "7", filled(screen.note.empty() ? kTopKeys : std::string_view(screen.note), screen.columns)));
    return out;
}

std::string top_once(const TopSample& sample, std::size_t columns) {
    TopScreen screen;
    screen.columns = columns;
    screen.lines = 24 + sample.rows.size() + kMostProviders;
    std::vector<std::string> lines = top_lines(sample, nullptr, screen);
    lines.pop_back();                                  // the keys
    while (!lines.empty() && lines.back().empty()) lines.pop_back();
    std::string out;
    for (std::string& line : lines) {
        line.resize(line.find_last_not_of(' ') + 1);
        out += line + "\n";
    }
    if (sample.more_rows) out += "and more: `posthorn queue list`\n";
    return out;
}

}  // namespace posthorn::app
