// Rows of the history: as text for delivery's memory, summed up for charts.
#include "app/history.hpp"

#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/text.hpp"

namespace posthorn::app {

namespace json = boost::json;

namespace {

constexpr std::uint64_t kMostOfOne = 1'000'000'000'000;
constexpr std::size_t kMostGroupsShown = 40;

// The next number of "17 15 1"; nothing where there is none.
std::optional<std::uint64_t> take_number(std::string_view& rest) { return text::parse_unsigned(text::take_field(rest, ' '), kMostOfOne); }

template <class... Counts>
bool read_counts(std::string_view rest, Counts&... counts) {
    const auto take = [&rest](std::uint64_t& count) {
        const auto number = take_number(rest);
        count = number.value_or(0);
        return number.has_value();
    };
    return (take(counts) && ...) && rest.empty();
}

// Groups beyond the fullest `most` become one without a name.
void fold(std::map<std::string, MinuteFigures::Group>& groups, std::size_t most) {
    if (groups.size() <= most) return;
    // There may be as many as mail hosts in a week: those that stay are found without putting all in order.
    const auto weight = [](const MinuteFigures::Group& group) { return group.delivered + group.deferred + group.failed; };
    std::vector<std::map<std::string, MinuteFigures::Group>::iterator> named;
    for (auto group = groups.begin(); group != groups.end(); ++group)
        if (!group->first.empty()) named.push_back(group);
    const auto folded = named.begin() + static_cast<std::ptrdiff_t>(most - 1);
    std::nth_element(named.begin(), folded, named.end(), [&](const auto& a, const auto& b) {
        return std::pair(weight(b->second), std::string_view(a->first)) < std::pair(weight(a->second), std::string_view(b->first));
    });
    MinuteFigures::Group& others = groups[{}];
    for (auto one = folded; one != named.end(); ++one) {
        others.delivered += (*one)->second.delivered;
        others.deferred += (*one)->second.deferred;
        others.failed += (*one)->second.failed;
        groups.erase(*one);
    }
}

json::array row_json(std::int64_t seconds, const MinuteFigures& figures) {
    json::array row;
    row.emplace_back(seconds);
    for (const std::uint64_t count : {figures.accepted, figures.delivered, figures.deferred, figures.failed, figures.waiting, figures.oldest})
        row.emplace_back(count);
    return row;
}

}  // namespace

void MinuteFigures::add(const MinuteFigures& other) {
    accepted += other.accepted;
    delivered += other.delivered;
    deferred += other.deferred;
    failed += other.failed;
    waiting = std::max(waiting, other.waiting);
    oldest = std::max(oldest, other.oldest);
    for (const auto& [name, group] : other.groups) {
        Group& mine = groups[name];
        mine.delivered += group.delivered;
        mine.deferred += group.deferred;
        mine.failed += group.failed;
    }
}

std::string History::write(const MinuteFigures& figures) {
    std::string row = fmt::format("{} {} {} {} {} {}", figures.accepted, figures.delivered, figures.deferred, figures.failed, figures.waiting,
                                  figures.oldest);
    for (const auto& [name, group] : figures.groups) row += fmt::format("\t{} {} {} {}", name, group.delivered, group.deferred, group.failed);
    return row;
}

std::optional<std::pair<History::Minute, MinuteFigures>> History::read(std::string_view key, std::string_view value) {
    const auto minute = text::parse_unsigned(key, kMostOfOne);
    MinuteFigures figures;
    const std::string_view totals = text::take_field(value, '\t');
    if (!minute || !read_counts(totals, figures.accepted, figures.delivered, figures.deferred, figures.failed, figures.waiting, figures.oldest))
        return std::nullopt;
    while (!value.empty()) {
        std::string_view rest = text::take_field(value, '\t');
        const std::string_view name = text::take_field(rest, ' ');
        MinuteFigures::Group group;
        if (!read_counts(rest, group.delivered, group.deferred, group.failed)) return std::nullopt;
        figures.groups.insert_or_assign(std::string(name), group);
    }
    fold(figures.groups, kMostGroups + 1);
    return std::pair(Minute(std::chrono::minutes(*minute)), std::move(figures));
}

const MinuteFigures& History::add(Minute minute, MinuteFigures figures) {
    MinuteFigures& row = rows_[minute];
    row.add(figures);
    fold(row.groups, kMostGroups + 1);   // and the others
    rows_.erase(rows_.begin(), rows_.upper_bound(minute - kKept));
    return row;
}

std::string History::json(TimePoint now, Duration span, std::uint32_t step_minutes, const MinuteFigures& running) const {
    const std::chrono::minutes step(std::max<std::uint32_t>(step_minutes, 1));
    const Minute last = minute_of(now);
    const Minute first = last - std::chrono::ceil<std::chrono::minutes>(span) + std::chrono::minutes(1);
    // Steps begin where a clock shows them: at full quarters, at full hours.
    const auto step_of = [step](Minute minute) { return minute - minute.time_since_epoch() % step; };
    std::map<Minute, MinuteFigures> steps;
    for (auto row = rows_.lower_bound(first); row != rows_.end() && row->first <= last; ++row) steps[step_of(row->first)].add(row->second);
    steps[step_of(last)].add(running);

    std::map<std::string, MinuteFigures::Group> totals;
    for (const auto& [at, figures] : steps) {
        MinuteFigures sum;
        sum.groups = std::move(totals);
        sum.add(figures);
        totals = std::move(sum.groups);
    }
    fold(totals, kMostGroupsShown);

    json::array rows;
    json::object providers;
    for (const auto& [name, group] : totals) {
        json::object one;
        one["delivered"] = group.delivered;
        one["deferred"] = group.deferred;
        one["failed"] = group.failed;
        one["rows"] = json::array();
        providers[name] = std::move(one);
    }
    for (auto& [at, figures] : steps) {
        const std::int64_t seconds = std::chrono::seconds(at.time_since_epoch()).count();
        rows.push_back(row_json(seconds, figures));
        std::map<std::string, MinuteFigures::Group> shown;
        for (const auto& [name, group] : figures.groups) {
            MinuteFigures::Group& sum = shown[totals.contains(name) ? name : std::string()];
            sum.delivered += group.delivered;
            sum.deferred += group.deferred;
            sum.failed += group.failed;
        }
        for (const auto& [name, group] : shown) {
            json::array row;
            row.emplace_back(seconds);
            for (const std::uint64_t count : {group.delivered, group.deferred, group.failed}) row.emplace_back(count);
            providers[name].as_object()["rows"].as_array().push_back(std::move(row));
        }
    }
    json::object body;
    body["from"] = std::chrono::seconds(step_of(first).time_since_epoch()).count();
    body["to"] = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
    body["step_seconds"] = std::chrono::seconds(step).count();
    json::array columns;
    for (const char* name : {"time", "accepted", "delivered", "deferred", "failed", "waiting", "oldest_seconds"}) columns.emplace_back(name);
    body["columns"] = std::move(columns);
    body["rows"] = std::move(rows);
    body["providers"] = std::move(providers);
    return json::serialize(body);
}

}  // namespace posthorn::app
