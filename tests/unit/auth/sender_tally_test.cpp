// Who has sent how much of late (AUTH-9): windows, order, and the bounds against names that are made up.
#include "auth/sender_tally.hpp"

#include <gtest/gtest.h>

#include <string>

namespace posthorn::auth {
namespace {

using namespace std::chrono_literals;

const SteadyTime kStart{std::chrono::hours(1000)};

const SenderUse* find(const std::vector<SenderUse>& all, std::string_view source, std::string_view means) {
    for (const SenderUse& one : all) {
        if (one.source == source && one.means == means) return &one;
    }
    return nullptr;
}

TEST(SenderTally, CountsByUserAndScript) {
    SenderTally tally;
    tally.count("uid=33", "www-data", "33:contact.php", 1, kStart);
    tally.count("uid=33", "www-data", "33:shell.php", 20, kStart + 1s);
    tally.count("uid=33", "www-data", "33:shell.php", 30, kStart + 2s);
    tally.count("user=shop", "", "", 1, kStart + 3s);
    const auto all = tally.ranking(kStart + 4s);
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[0].source, "uid=33");
    EXPECT_EQ(all[0].user, "www-data");
    EXPECT_EQ(all[0].means, "33:shell.php");
    EXPECT_EQ(all[0].hour_messages, 2U);
    EXPECT_EQ(all[0].hour_recipients, 50U);
    EXPECT_EQ(all[0].day_messages, 2U);
    EXPECT_EQ(all[0].last, kStart + 2s);
    EXPECT_EQ(all[1].source, "user=shop");  // of equal counts the later one first
}

TEST(SenderTally, ForgetsAfterAnHourAndADay) {
    SenderTally tally;
    tally.count("uid=33", "www-data", "a", 5, kStart);
    EXPECT_EQ(tally.ranking(kStart + 54min).at(0).hour_messages, 1U);
    EXPECT_EQ(tally.ranking(kStart + 61min).at(0).hour_messages, 0U);
    EXPECT_EQ(tally.ranking(kStart + 61min).at(0).day_recipients, 5U);
    EXPECT_EQ(tally.ranking(kStart + 22h).at(0).day_messages, 1U);
    EXPECT_TRUE(tally.ranking(kStart + 25h).empty());
    tally.count("uid=33", "www-data", "a", 1, kStart + 49h);  // a slot of two days before is not counted again
    EXPECT_EQ(tally.ranking(kStart + 49h).at(0).day_messages, 1U);
    EXPECT_EQ(tally.ranking(kStart + 49h).at(0).hour_recipients, 1U);
}

TEST(SenderTally, TheHourSlides) {
    SenderTally tally;
    for (int minute = 0; minute < 120; ++minute) tally.count("uid=0", "root", "cron", 1, kStart + minute * 1min);
    const auto all = tally.ranking(kStart + 119min);
    EXPECT_EQ(all.at(0).hour_messages, 60U);
    EXPECT_EQ(all.at(0).day_messages, 120U);
}

TEST(SenderTally, NamesThatAreMadeUpDriveNobodyOut) {
    SenderTally tally;
    tally.count("uid=33", "www-data", "real.php", 1, kStart);
    for (int i = 0; i < 10'000; ++i) tally.count("uid=33", "www-data", "fake" + std::to_string(i), 1, kStart + 1s);
    tally.count("uid=33", "www-data", "real.php", 1, kStart + 2s);
    const auto all = tally.ranking(kStart + 2s);
    EXPECT_LE(all.size(), SenderTally::kMostMeans + 1);
    ASSERT_NE(find(all, "uid=33", "real.php"), nullptr);
    EXPECT_EQ(find(all, "uid=33", "real.php")->hour_messages, 2U);
    EXPECT_EQ(all[0].means, SenderTally::kOtherMeans);
    EXPECT_EQ(all[0].hour_messages + SenderTally::kMostMeans - 1, 10'000U);
    // A day later there is room again.
    tally.count("uid=33", "www-data", "new.php", 1, kStart + 25h);
    EXPECT_NE(find(tally.ranking(kStart + 25h), "uid=33", "new.php"), nullptr);
}

TEST(SenderTally, TheOneGoesWhoHasNotSentForLongest) {
    SenderTally tally;
    for (std::size_t i = 0; i < SenderTally::kMostSources; ++i)
        tally.count("ip=" + std::to_string(i), "", "", 1, kStart + std::chrono::seconds(i));
    tally.count("ip=0", "", "", 1, kStart + 1h);
    tally.count("uid=33", "", "", 1, kStart + 1h);
    EXPECT_EQ(tally.sources(), SenderTally::kMostSources);
    const auto all = tally.ranking(kStart + 1h);
    EXPECT_NE(find(all, "ip=0", ""), nullptr);
    EXPECT_EQ(find(all, "ip=1", ""), nullptr);
    EXPECT_NE(find(all, "uid=33", ""), nullptr);
}

}  // namespace
}  // namespace posthorn::auth
