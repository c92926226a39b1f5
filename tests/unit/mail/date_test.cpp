// Tests of mail/date.hpp and mail/message_id.hpp.
#include "mail/date.hpp"

#include <gtest/gtest.h>

#include <string>

#include "mail/message_id.hpp"

namespace posthorn::mail {
namespace {

TimePoint at(int year, unsigned month, unsigned day, int seconds = 0) {
    const std::chrono::sys_days days{std::chrono::year(year) / std::chrono::month(month) /
                                     std::chrono::day(day)};
    return TimePoint(days) + std::chrono::seconds(seconds);
}

TEST(Date, IsWrittenAsRfc5322Wants) {
    EXPECT_EQ(format_date(TimePoint{}), "Thu, 01 Jan 1970 00:00:00 +0000");
    EXPECT_EQ(format_date(at(2026, 11, 21, 20 * 3600 + 52 * 60 + 1) + Duration(999)),
              "Sat, 21 Nov 2026 20:52:01 +0000");
    EXPECT_EQ(format_date(at(2028, 2, 29, 86399)), "Tue, 29 Feb 2028 23:59:59 +0000");
}

TEST(Date, WhatIsWrittenIsValid) {
    for (int day = 0; day < 3000; ++day) {
        const std::string text =
            format_date(at(2024, 1, 1) + std::chrono::hours(24 * day) + std::chrono::seconds(day * 31));
        EXPECT_TRUE(is_valid_date(text)) << text;
    }
}

TEST(Date, RealOnesAreValid) {
    for (const char* good :
         {"Fri, 21 Nov 1997 09:55:06 -0600", "21 Nov 97 09:55:06 GMT",
          "Fri, 21 Nov 1997 09(comment):   55  :  06 -0600",
          "Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 "
          "(Newfoundland Time)",
          "1 Jan 2026 00:00 +0000", "Sat, 21 Nov 2026 20:52:01 +0000 (UTC)", "sat, 21 nov 2026 20:52:60 EST",
          "1 Jan 126 0:00:00 Z", " Mon, 6 Jul 2026 9:05:01 +0530 "})
        EXPECT_TRUE(is_valid_date(good)) << good;
}

TEST(Date, OthersAreNot) {
    for (const char* bad :
         {"", "today", "2026-11-21T20:52:01Z", "Sat, 21 Nov 2026", "Sat, 21 Nov 2026 20:52:01",
          "Sat 21 Nov 2026 20:52:01 +0000", "Sat, 31 Nov 2026 20:52:01 +0000", "29 Feb 2026 00:00 +0000",
          "Sat, 21 Nov 2026 24:00:00 +0000", "Sat, 21 Nov 2026 20:61:00 +0000",
          "Sat, 21 Nov 2026 20:52:01 +00:00", "Sat, 21 Nov 2026 20:52:01 +0060",
          "Sat, 21 Nov 2026 20:52:01 +0000 x", "Sat, 21 Nov 2026 20:52:01 +0000 (open",
          "Foo, 21 Nov 2026 20:52:01 +0000", "0 Jan 2026 00:00 +0000", "1 Jan 6 00:00 +0000",
          "99999999999999999999 Jan 2026 00:00 +0000", "("})
        EXPECT_FALSE(is_valid_date(bad)) << bad;
}

TEST(MessageId, OursIsValid) {
    const std::string id = make_message_id(QueueId(1'877'000'000'000'000'001), "example.com");
    EXPECT_EQ(id, "<" + QueueId(1'877'000'000'000'000'001).to_string() + "@example.com>");
    EXPECT_TRUE(is_valid_message_id(id));
}

TEST(MessageId, RealOnes) {
    for (const char* good :
         {"<1234@local.machine.example>", " <a.b$c@[192.0.2.1]> ", "(comment)\r\n <x@y> (after)", "<\"q\"@h>",
          "<a@b@c>", "<CAF=+abc_d-e@mail.gmail.com>", "<a.@b>"})
        EXPECT_TRUE(is_valid_message_id(good)) << good;
    for (const char* bad : {"", "x@y", "<x@y", "<>", "<@y>", "<x@>", "<xy>", "<x y@z>", "<x@y> <z@w>",
                            "<<x@y>", "<x\r\n@y>", "(<x@y>"})
        EXPECT_FALSE(is_valid_message_id(bad)) << bad;
}

}  // namespace
}  // namespace posthorn::mail

namespace posthorn::mail {
namespace {

TEST(Date, IsAMoment) {  // SUB-8
    const TimePoint expected{std::chrono::seconds(1795294321)};   // Sat, 21 Nov 2026 20:52:01 +0000
    for (const char* value : {"Sat, 21 Nov 2026 20:52:01 +0000", "21 Nov 2026 21:52:01 +0100", "Sat, 21 Nov 26 15:52:01 EST",
                              "Sat, 21 Nov 2026 (comment) 20:52:01 GMT", "Sun, 22 Nov 2026 02:22:01 +0530", "21 Nov 2026 13:52:01 MDT"}) {
        const auto date = parse_date(value);
        if (std::string_view(value).ends_with("MDT")) {
            EXPECT_EQ(date, expected - std::chrono::hours(1)) << value;
        } else {
            EXPECT_EQ(date, expected) << value;
        }
    }
    EXPECT_FALSE(parse_date("yesterday"));
    EXPECT_FALSE(parse_date("Sat, 31 Nov 2026 20:52:01 +0000"));
}

}  // namespace
}  // namespace posthorn::mail
