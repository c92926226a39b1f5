// Storms of mail to local names: what passes, what is counted, what is told, what outlives a restart (SM-51).
#include "intake/storms.hpp"

#include <gtest/gtest.h>

namespace posthorn::intake {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kHour = std::chrono::hours(1);
const TimePoint kStart = TimePoint(Duration(1'795'000'000'000));

StormMail cron(std::string subject = "Cron <root@web1> /usr/bin/backup", std::uint32_t uid = 0) {
    StormMail mail;
    mail.uid = uid;
    mail.subject = std::move(subject);
    mail.from = "root <root@example.com>";
    mail.reverse_path = "root@example.com";
    mail.source = "uid=" + std::to_string(uid);
    mail.to = {"admin@example.com"};
    return mail;
}

TEST(StormsTest, SubjectsOfOneKind) {
    EXPECT_EQ(storm_kind("Backup of 2026-11-22 FAILED:  17 errors "), storm_kind("backup of 2027-01-03 failed: 3 errors"));
    EXPECT_NE(storm_kind("backup of db failed"), storm_kind("backup of www failed"));
    EXPECT_EQ(storm_kind(""), "");
    EXPECT_LE(storm_kind(std::string(5000, 'x')).size(), 200U);
}

TEST(StormsTest, SoManyAnHourAndOneSummaryOfTheRest) {
    Storms storms;
    int passed = 0;
    for (int i = 0; i < 30; ++i) passed += storms.admit(cron(), 20, kHour, kStart + minutes(i)) ? 1 : 0;
    EXPECT_EQ(passed, 20);
    EXPECT_TRUE(storms.due(kStart + minutes(59)).empty());
    EXPECT_EQ(storms.next_due(), kStart + kHour);
    const auto due = storms.due(kStart + kHour);
    ASSERT_EQ(due.size(), 1U);
    EXPECT_EQ(due[0].count, 10U);
    EXPECT_EQ(due[0].first_at, kStart + minutes(20));
    EXPECT_EQ(due[0].last_at, kStart + minutes(29));
    // Not stored: it comes again. Stored: it does not.
    EXPECT_EQ(storms.due(kStart + kHour + minutes(1)).size(), 1U);
    storms.done(due[0]);
    EXPECT_TRUE(storms.due(kStart + kHour + minutes(2)).empty());
    EXPECT_EQ(storms.next_due(), TimePoint::max());
    // And a new hour begins.
    EXPECT_TRUE(storms.admit(cron(), 20, kHour, kStart + kHour + minutes(3)));
}

TEST(StormsTest, UsersAndSubjectsAreApart) {
    Storms storms;
    EXPECT_TRUE(storms.admit(cron(), 1, kHour, kStart));
    EXPECT_FALSE(storms.admit(cron(), 1, kHour, kStart));
    EXPECT_TRUE(storms.admit(cron("another"), 1, kHour, kStart));
    EXPECT_TRUE(storms.admit(cron("another", 33), 1, kHour, kStart));
    EXPECT_TRUE(storms.admit(cron(), 0, kHour, kStart));  // no limit
}

TEST(StormsTest, AnHourWithoutAStormEndsByItself) {
    Storms storms;
    EXPECT_TRUE(storms.admit(cron(), 1, kHour, kStart));
    EXPECT_TRUE(storms.admit(cron(), 1, kHour, kStart + kHour));
    EXPECT_FALSE(storms.admit(cron(), 1, kHour, kStart + kHour + minutes(1)));
    // A clock that is set back makes no window endless.
    Storms back;
    EXPECT_TRUE(back.admit(cron(), 1, kHour, kStart + std::chrono::hours(1000)));
    EXPECT_FALSE(back.admit(cron(), 1, kHour, kStart));
    EXPECT_EQ(back.due(kStart + kHour).size(), 1U);
}

TEST(StormsTest, WhatComesWhileTheSummaryIsStoredIsInTheNextOne) {
    Storms storms;
    for (int i = 0; i < 3; ++i) (void)storms.admit(cron(), 1, kHour, kStart + minutes(i));
    const auto due = storms.due(kStart + kHour);
    ASSERT_EQ(due.size(), 1U);
    EXPECT_FALSE(storms.admit(cron(), 1, kHour, kStart + kHour + seconds(1)));
    storms.done(due[0]);
    ASSERT_NE(storms.next_due(), TimePoint::max());
    const auto next = storms.due(storms.next_due());
    ASSERT_EQ(next.size(), 1U);
    EXPECT_EQ(next[0].count, 1U);
}

TEST(StormsTest, EverybodyWhoWouldHaveGotOneIsTold) {
    Storms storms;
    (void)storms.admit(cron(), 1, kHour, kStart);
    StormMail other = cron();
    other.to = {"second@example.com", "admin@example.com"};
    (void)storms.admit(cron(), 1, kHour, kStart);
    (void)storms.admit(std::move(other), 1, kHour, kStart);
    const auto due = storms.due(kStart + kHour);
    ASSERT_EQ(due.size(), 1U);
    EXPECT_EQ(due[0].last.to, (std::vector<std::string>{"admin@example.com", "second@example.com"}));
}

TEST(StormsTest, KindsAreBoundedAndBeyondThemNothingIsHeldBack) {
    Storms storms;
    for (std::size_t i = 0; i < kMaxStormWindows; ++i) EXPECT_TRUE(storms.admit(cron("s", static_cast<std::uint32_t>(i)), 1, kHour, kStart));
    EXPECT_TRUE(storms.admit(cron("s", 100000), 1, kHour, kStart));
    EXPECT_TRUE(storms.admit(cron("s", 100000), 1, kHour, kStart));
    EXPECT_EQ(storms.size(), kMaxStormWindows);
    // Old ones make room.
    EXPECT_TRUE(storms.admit(cron("s", 100000), 1, kHour, kStart + kHour));
    EXPECT_EQ(storms.size(), 1U);
}

TEST(StormsTest, ARestartForgetsNothingThatWasHeldBack) {
    Storms storms;
    const std::string strange = "Cron\t<r\xC3\xB6ot@web1> a,b=c+d \"x\"";
    for (int i = 0; i < 5; ++i) (void)storms.admit(cron(strange), 2, kHour, kStart + minutes(i));
    (void)storms.admit(cron("only passed"), 2, kHour, kStart);
    const std::string text = storms.text();
    Storms again;
    again.restore(text);
    EXPECT_EQ(again.text(), text);
    EXPECT_EQ(again.size(), 1U);
    EXPECT_FALSE(again.admit(cron(strange), 2, kHour, kStart + minutes(10)));
    const auto due = again.due(kStart + kHour);
    ASSERT_EQ(due.size(), 1U);
    EXPECT_EQ(due[0].count, 4U);
    EXPECT_EQ(due[0].first_at, kStart + minutes(2));
    EXPECT_EQ(due[0].last.from, "root <root@example.com>");
    again.done(due[0]);
    EXPECT_EQ(again.text(), "");
}

TEST(StormsTest, DamagedLinesArePassedOver) {
    Storms storms;
    for (int i = 0; i < 2; ++i) (void)storms.admit(cron(), 1, kHour, kStart);
    const std::string good = storms.text();
    for (std::size_t cut = 0; cut + 1 < good.size(); ++cut) {
        Storms again;
        again.restore(good.substr(0, cut));
        EXPECT_LE(again.size(), 1U);
        for (const StormSummary& summary : again.due(kStart + kHour)) EXPECT_FALSE(summary.last.to.empty());
    }
    Storms again;
    again.restore("x\ty\n\n\t\t\t\t\t\t\t\t\t\t\n" + good + "0\t-1\n");
    EXPECT_EQ(again.text(), good);
}

TEST(StormsTest, TheSummaryIsOrdinaryMailOfTheSameSender) {
    StormSummary summary;
    summary.last = cron();
    summary.last.to = {"admin@example.com", "second@example.com"};
    summary.count = 10;
    summary.first_at = kStart;
    summary.last_at = kStart + minutes(9);
    auto rules = std::make_shared<Rules>();
    rules->hostname = "web1.example.com";
    Submission submission;
    submission.id = QueueId(42);
    submission.now = kStart + kHour;
    submission.protocol = "local";
    submission.source = "uid=0";
    const Verdict verdict = make_storm_summary(summary, rules, std::move(submission));
    ASSERT_TRUE(std::holds_alternative<AcceptedMail>(verdict)) << std::get<Refusal>(verdict).text;
    const AcceptedMail& mail = std::get<AcceptedMail>(verdict);
    EXPECT_EQ(mail.message->reverse_path, "root@example.com");
    ASSERT_EQ(mail.recipients.size(), 2U);
    EXPECT_EQ(mail.recipients[0].recipient.address, "admin@example.com");
    EXPECT_EQ(mail.recipients[0].recipient.notify, mail::Notify::never);
    const std::string& header = mail.message->header;
    EXPECT_NE(header.find("From: root <root@example.com>\r\n"), std::string::npos) << header;
    EXPECT_NE(header.find("Subject: 10 more like it:\r\n Cron <root@web1> /usr/bin/backup\r\n"), std::string::npos) << header;
    EXPECT_NE(header.find("Auto-Submitted: auto-generated\r\n"), std::string::npos) << header;  // RFC 3834 s5
    EXPECT_NE(header.find("\r\nMessage-ID:"), std::string::npos) << header;
    EXPECT_NE(mail.message->body.bytes->find("10 more messages were written"), std::string::npos);
}

}  // namespace
}  // namespace posthorn::intake
