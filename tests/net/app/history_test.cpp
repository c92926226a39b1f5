// The rows behind the dashboard's charts: written, read, added up, bounded (docs/DASHBOARD.md).
#include "app/history.hpp"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

namespace posthorn::app {
namespace {

using namespace std::chrono_literals;
using Minute = History::Minute;

constexpr Minute kNoon{std::chrono::minutes(29'391'840)};   // 2025-11-18T16:00Z, a full hour

MinuteFigures figures(std::uint64_t delivered, std::uint64_t waiting = 0) {
    MinuteFigures made;
    made.accepted = delivered + 1;
    made.delivered = delivered;
    made.waiting = waiting;
    return made;
}

boost::json::object answer(const History& history, TimePoint now, Duration span, std::uint32_t step, const MinuteFigures& running = {}) {
    return boost::json::parse(history.json(now, span, step, running)).as_object();
}

std::int64_t at(const boost::json::object& body, std::size_t row, std::size_t column) {
    return body.at("rows").as_array().at(row).as_array().at(column).to_number<std::int64_t>();
}

TEST(History, RowsAreReadAsTheyWereWritten) {
    MinuteFigures row = figures(15, 7);
    row.deferred = 2;
    row.failed = 1;
    row.oldest = 4000;
    row.groups["google"] = {9, 1, 0};
    row.groups[""] = {1, 0, 1};
    row.groups["mx1.host.example"] = {5, 1, 0};
    const auto read = History::read(History::key_of(kNoon), History::write(row));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->first, kNoon);
    EXPECT_EQ(read->second, row);
    EXPECT_EQ(History::write(figures(1)), "2 1 0 0 0 0");
}

// A list's recipients have thousands of mail hosts, other ones each minute; the home shard adds them up, and all mail waits for it.
TEST(History, AWeekOfOtherMailHostsEachMinuteIsAddedUpQuickly) {
    History history;
    for (int minute = 0; minute < 10'000; ++minute) {
        MinuteFigures row = figures(40);
        for (int host = 0; host < 40; ++host) row.groups["mx" + std::to_string(minute * 40 + host) + ".host.example"] = {1, 0, 0};
        row.groups["google"] = {5, 0, 0};
        history.add(kNoon + std::chrono::minutes(minute), std::move(row));
    }
    const auto began = std::chrono::steady_clock::now();
    const auto body = answer(history, kNoon + std::chrono::minutes(9'999), 168h, 60);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
    const auto& providers = body.at("providers").as_object();
    EXPECT_EQ(providers.at("google").at("delivered").to_number<std::uint64_t>(), 50'000U);
    EXPECT_EQ(providers.at("").at("delivered").to_number<std::uint64_t>(), 10'000U * 40 - (providers.size() - 2));
    EXPECT_EQ(providers.size(), 40U);
}

TEST(History, WhatIsNoRowIsLeftOut) {
    EXPECT_FALSE(History::read("x", "1 1 1 1 1 1"));
    for (const char* value : {"", "1", "1 2 3 4 5", "1 2 3 4 5 6 7", "1 2 3 4 5 -6", "1 2 3 4 5 6\tgoogle 1 2",
                              "1 2 3 4 5 6\tgoogle 1 2 x", "1 2 3 4 5 99999999999999999999"})
        EXPECT_FALSE(History::read("29391840", value)) << value;
}

TEST(History, AMinuteThatARestartCutInTwoIsOne) {
    History history;
    history.add(kNoon, figures(3, 9));
    const MinuteFigures& both = history.add(kNoon, figures(4, 2));
    EXPECT_EQ(both.delivered, 7U);
    EXPECT_EQ(both.waiting, 9U);   // the greater: a peak is what one looks for
    EXPECT_EQ(history.size(), 1U);
}

TEST(History, KeepsAWeekAndNoMore) {
    History history;
    for (std::int64_t minute = 0; minute < 8 * 24 * 60; ++minute) history.add(kNoon + std::chrono::minutes(minute), figures(1));
    EXPECT_EQ(history.size(), static_cast<std::size_t>(History::kKept.count()));
}

TEST(History, GroupsOfAMinuteAreBounded) {
    History history;
    MinuteFigures row;
    for (std::uint64_t group = 0; group < 500; ++group) row.groups["mx" + std::to_string(group) + ".example"] = {group, 0, 0};
    const MinuteFigures& kept = history.add(kNoon, row);
    EXPECT_EQ(kept.groups.size(), History::kMostGroups + 1);
    EXPECT_TRUE(kept.groups.contains("mx499.example"));   // the fullest stay, the others are added up
    std::uint64_t sum = 0;
    for (const auto& [name, group] : kept.groups) sum += group.delivered;
    EXPECT_EQ(sum, 499U * 500U / 2);
}

TEST(History, StepsAddUpAndBeginAtFullTimes) {
    History history;
    for (int minute = 0; minute < 60; ++minute) history.add(kNoon + std::chrono::minutes(minute), figures(1, static_cast<std::uint64_t>(minute)));
    const TimePoint now = TimePoint(kNoon) + 60min + 20s;
    const boost::json::object body = answer(history, now, std::chrono::hours(1), 30, figures(5, 3));
    ASSERT_EQ(body.at("rows").as_array().size(), 3U);
    EXPECT_EQ(at(body, 0, 0), std::chrono::seconds(kNoon.time_since_epoch()).count());
    EXPECT_EQ(at(body, 0, 2), 29);   // 12:01 to 12:29: the hour ends with the minute under way
    EXPECT_EQ(at(body, 1, 2), 30);
    EXPECT_EQ(at(body, 1, 5), 59);   // the most that waited
    EXPECT_EQ(at(body, 2, 2), 5);    // the minute under way
    EXPECT_EQ(body.at("step_seconds").to_number<int>(), 1800);
}

TEST(History, ProvidersHaveSumsAndRows) {
    History history;
    MinuteFigures row = figures(3);
    row.groups["google"] = {2, 1, 0};
    history.add(kNoon, row);
    history.add(kNoon + 1min, row);
    const boost::json::object body = answer(history, TimePoint(kNoon) + 1min + 1s, std::chrono::hours(1), 60);
    const boost::json::object& google = body.at("providers").at("google").as_object();
    EXPECT_EQ(google.at("delivered").to_number<int>(), 4);
    EXPECT_EQ(google.at("deferred").to_number<int>(), 2);
    ASSERT_EQ(google.at("rows").as_array().size(), 1U);
    EXPECT_EQ(google.at("rows").as_array().at(0).as_array().at(1).to_number<int>(), 4);
}

TEST(History, WhatLiesInTheFutureWaitsForItsTime) {
    // The clock was an hour fast, and was set back.
    History history;
    history.add(kNoon + 60min, figures(9));
    EXPECT_EQ(at(answer(history, TimePoint(kNoon), std::chrono::hours(24), 60), 0, 2), 0);
}

}  // namespace
}  // namespace posthorn::app
