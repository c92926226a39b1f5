// Alarms are told once, again each day, and when they are over; over restarts, too (PR-50).
#include "events/alarm_book.hpp"

#include <gtest/gtest.h>

namespace posthorn::events {
namespace {

using namespace std::chrono_literals;

const TimePoint kNow(std::chrono::hours(24 * 365 * 50));
const AlarmBook::Name kName("suspended", "example.com at google");

delivery::Alarm alarm_of(std::string text = "why") {
    delivery::Alarm alarm;
    alarm.kind = kName.first;
    alarm.subject = kName.second;
    alarm.text = std::move(text);
    return alarm;
}

TEST(AlarmBook, TellsOnceHoweverOftenItIsRaised) {
    AlarmBook book;
    const auto first = book.raise(alarm_of(), kNow);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->state, NoticeState::raised);
    EXPECT_FALSE(book.raise(alarm_of("newer words"), kNow + 1min));
    EXPECT_EQ(book.raised().at(kName).alarm.text, "newer words");
    EXPECT_EQ(book.raised().at(kName).since, kNow);
    book.told(kName, kNow + 1s);
    EXPECT_TRUE(book.due(kNow + 23h, 24h).notices.empty());
}

TEST(AlarmBook, RepeatsDailyWhileItLasts) {
    AlarmBook book;
    book.raise(alarm_of(), kNow);
    EXPECT_TRUE(book.due(kNow + 48h, 24h).notices.empty()) << "the outputs are at it still";
    book.told(kName, kNow);
    for (int day = 1; day <= 3; ++day) {
        const auto due = book.due(kNow + 24h * day, 24h).notices;
        ASSERT_EQ(due.size(), 1U) << day;
        EXPECT_EQ(due[0].state, NoticeState::repeated);
        EXPECT_EQ(due[0].since, kNow);
        EXPECT_TRUE(book.due(kNow + 24h * day, 24h).notices.empty());
        book.told(kName, kNow + 24h * day);
    }
}

TEST(AlarmBook, SaysWhenItIsOverToWhomeverItWasTold) {
    AlarmBook book;
    EXPECT_FALSE(book.clear(kName, kNow)) << "nobody raised it";
    book.raise(alarm_of(), kNow);
    const auto over = book.clear(kName, kNow + 1h);
    ASSERT_TRUE(over);
    EXPECT_EQ(over->state, NoticeState::cleared);
    EXPECT_EQ(over->alarm.text, "why");
    EXPECT_EQ(over->since, kNow);
    EXPECT_FALSE(book.clear(kName, kNow + 1h));
    EXPECT_TRUE(book.raise(alarm_of(), kNow + 2h)) << "again is new";
}

TEST(AlarmBook, ARestartTellsWhatWasNotToldAndNothingElse) {
    AlarmBook before;
    before.raise(alarm_of(), kNow);
    const std::string untold = before.raised().at(kName).to_text();
    before.told(kName, kNow + 1s);
    const std::string told = before.raised().at(kName).to_text();

    AlarmBook after;
    after.load(RaisedAlarm::parse(told).value());
    EXPECT_TRUE(after.due(kNow + 1min, 24h).notices.empty());
    EXPECT_FALSE(after.raise(alarm_of(), kNow + 1min));
    AlarmBook other;
    other.load(RaisedAlarm::parse(untold).value());
    const auto due = other.due(kNow + 1min, 24h).notices;
    ASSERT_EQ(due.size(), 1U);
    EXPECT_EQ(due[0].state, NoticeState::raised);
}

TEST(AlarmBook, WhatIsKeptComesBack) {
    RaisedAlarm raised;
    raised.alarm = alarm_of("words \"quoted\"\n");
    raised.alarm.advice = "do";
    raised.alarm.detail = "{}";
    raised.alarm.incident = true;
    raised.since = kNow;
    raised.told = kNow + 5s;
    const RaisedAlarm back = RaisedAlarm::parse(raised.to_text()).value();
    EXPECT_EQ(back.alarm.text, raised.alarm.text);
    EXPECT_EQ(back.alarm.advice, "do");
    EXPECT_EQ(back.alarm.detail, "{}");
    EXPECT_TRUE(back.alarm.incident);
    EXPECT_EQ(back.since, kNow);
    EXPECT_EQ(back.told, kNow + 5s);
    for (const char* damaged : {"", "[]", "{}", "{\"kind\": 3}", "x"}) EXPECT_FALSE(RaisedAlarm::parse(damaged)) << damaged;
}

TEST(AlarmBook, AnIncidentIsToldOnceAndForgotten) {
    AlarmBook book;
    delivery::Alarm alarm = alarm_of();
    alarm.incident = true;
    ASSERT_TRUE(book.raise(alarm, kNow));
    book.told(kName, kNow);
    const auto due = book.due(kNow + 25h, 24h);
    EXPECT_TRUE(due.notices.empty());
    ASSERT_EQ(due.forgotten.size(), 1U);
    EXPECT_EQ(due.forgotten[0], kName);
    EXPECT_TRUE(book.raised().empty());
}

TEST(AlarmBook, AClockThatWasSetBackSilencesNothing) {
    AlarmBook book;
    book.raise(alarm_of(), kNow);
    book.told(kName, kNow + 24h * 365);
    EXPECT_EQ(book.due(kNow, 24h).notices.size(), 1U);
}

// Mail hosts cost nothing to make up: what they bring about is told a number of times, then once for all; a provider's is told all the same.
TEST(AlarmBook, StrangersAreToldOfTogetherWhereThereAreMany) {
    AlarmBook book;
    std::vector<Notice> told;
    const auto raise = [&](const std::string& subject, bool of_stranger, TimePoint now) {
        delivery::Alarm alarm = alarm_of();
        alarm.kind = "suspended";
        alarm.subject = subject;
        alarm.of_stranger = of_stranger;
        if (auto notice = book.raise(std::move(alarm), now)) told.push_back(*notice);
    };
    for (int i = 0; i < 1000; ++i) raise("example.com at mx" + std::to_string(i) + ".stranger.example", true, kNow + std::chrono::seconds(i));
    ASSERT_EQ(told.size(), AlarmBook::kMostOfStrangers + 1);
    EXPECT_EQ(told.back().alarm.subject, "others");
    EXPECT_NE(told.back().alarm.text.find("more than 20 alarms of this kind within an hour"), std::string::npos);
    EXPECT_EQ(book.raised().size(), AlarmBook::kMostOfStrangers + 1);
    raise("example.com at google", false, kNow + std::chrono::seconds(1000));
    EXPECT_EQ(told.back().alarm.subject, "example.com at google");
    raise("example.com at mx0.stranger.example", true, kNow + std::chrono::seconds(1001));
    EXPECT_EQ(told.size(), AlarmBook::kMostOfStrangers + 2) << "known";
    // The next hour has its own number.
    raise("example.com at mx.new.example", true, kNow + 2h);
    EXPECT_EQ(told.back().alarm.subject, "example.com at mx.new.example");
    EXPECT_FALSE(book.clear({"suspended", "example.com at mx999.stranger.example"}, kNow + 2h)) << "it was not told";
}

TEST(AlarmBook, HasABound) {
    AlarmBook book;
    for (std::size_t i = 0; i < AlarmBook::kMost + 10; ++i) {
        delivery::Alarm alarm = alarm_of();
        alarm.subject = std::to_string(i);
        EXPECT_TRUE(book.raise(alarm, kNow)) << "told all the same";
    }
    EXPECT_EQ(book.raised().size(), AlarmBook::kMost);
}

}  // namespace
}  // namespace posthorn::events
