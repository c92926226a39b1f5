// The count towards a provider's bulk mark: rolling hours, one warning before, and what is remembered for ever.
#include "delivery/bulk_mark.hpp"

#include <gtest/gtest.h>

namespace posthorn::delivery {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

const TimePoint kStart{hours(24 * 365 * 50)};

Flow flow(std::string org, std::string provider = "google") {
    Flow made;
    made.group = made.provider = std::move(provider);
    made.sender_org = std::move(org);
    return made;
}
std::vector<Judged> delivered(std::size_t recipients) {
    std::vector<Judged> judged(recipients);
    for (Judged& item : judged) item.outcome.result = Disposition::delivered;
    return judged;
}

struct Counting : testing::Test {
    Counting() {
        ProviderOptions google;
        google.name = "google";
        google.daily_mark = 5000;
        google.daily_warning = 4000;
        ProviderOptions apple;
        apple.name = "apple";
        marks.configure({google, apple});
    }
    std::uint64_t sent(TimePoint now) const { return marks.view(1, now).at(0).sent; }
    std::size_t alarms() { return marks.take_changes().raised.size(); }
    BulkMarks marks;
};

TEST_F(Counting, WarnsAtFourThousandOnceAndRemembersFiveThousand) {  // PR-8
    marks.heed(flow("example.com"), delivered(3999), kStart);
    EXPECT_EQ(alarms(), 0u);
    marks.heed(flow("example.com"), delivered(1), kStart + hours(20));
    EXPECT_EQ(alarms(), 1u);
    marks.heed(flow("example.com"), delivered(999), kStart + hours(21));
    EXPECT_EQ(alarms(), 0u) << "once";
    EXPECT_FALSE(marks.view(1, kStart)[0].reached);
    marks.heed(flow("example.com"), delivered(1), kStart + hours(22));
    RestraintChanges changes = marks.take_changes();
    ASSERT_EQ(changes.raised.size(), 1u);
    EXPECT_EQ(changes.raised[0].subject, "example.com at google");
    EXPECT_EQ(marks.view(1, kStart + hours(22))[0].reached, kStart + hours(22));
    ASSERT_FALSE(changes.saved.empty());
    EXPECT_GT(changes.saved.back().expires, kStart + hours(24 * 365)) << "\"permanent\"";

    BulkMarks again;
    ProviderOptions google;
    google.name = "google";
    google.daily_mark = 5000;
    google.daily_warning = 4000;
    again.configure({google});
    again.load(changes.saved.back().key, changes.saved.back().value, kStart + hours(24 * 300));
    again.heed(flow("example.com"), delivered(6000), kStart + hours(24 * 300));
    EXPECT_TRUE(again.take_changes().raised.empty()) << "it is known";
    again.tick(kStart + hours(24 * 400));
    EXPECT_TRUE(again.view(1, kStart + hours(24 * 400)).at(0).reached) << "also when nothing is sent any more";
}

TEST_F(Counting, TheWindowRollsByTheHour) {
    marks.heed(flow("example.com"), delivered(2500), kStart);
    marks.heed(flow("example.com"), delivered(1000), kStart + hours(12));
    EXPECT_EQ(sent(kStart + hours(24)), 3500u) << "never less than 24 hours";
    EXPECT_EQ(sent(kStart + hours(25)), 1000u);
    EXPECT_EQ(sent(kStart + hours(37)), 0u);
    marks.heed(flow("example.com"), delivered(2500), kStart + hours(25));
    EXPECT_EQ(alarms(), 0u) << "5,000 in two days are not 5,000 in one";
}

TEST_F(Counting, AnAlarmIsOverWhenTheCountHasSunk) {
    marks.heed(flow("example.com"), delivered(4000), kStart);
    EXPECT_EQ(alarms(), 1u);
    marks.tick(kStart + hours(24));
    EXPECT_TRUE(marks.take_changes().cleared.empty());
    ASSERT_TRUE(marks.next_change());
    marks.tick(kStart + hours(25));
    EXPECT_EQ(marks.take_changes().cleared.size(), 1u) << "without any mail";
}

// PR-11: by the group of MX hosts, whatever the recipients' domains. PR-26: Microsoft's as Google's.
TEST_F(Counting, DomainsAndProvidersAreCountedApart) {
    marks.heed(flow("example.com"), delivered(3000), kStart);
    marks.heed(flow("example.net"), delivered(3000), kStart);
    marks.heed(flow("example.com", "apple"), delivered(9000), kStart);
    EXPECT_EQ(alarms(), 0u);
    EXPECT_EQ(marks.view(10, kStart).size(), 2u) << "apple has no mark";
}

TEST_F(Counting, ALowerMarkOfTheOperatorsWarnsAtIt) {
    ProviderOptions google;
    google.name = "google";
    google.daily_mark = 100;
    google.daily_warning = 4000;
    marks.configure({google});
    marks.heed(flow("example.com"), delivered(99), kStart);
    EXPECT_EQ(alarms(), 0u);
    marks.heed(flow("example.com"), delivered(1), kStart);
    EXPECT_EQ(alarms(), 1u);
}

TEST_F(Counting, OnlyWhatWasTakenCounts) {
    std::vector<Judged> refused(5000);
    for (Judged& item : refused) item.outcome.failure_class = Class::rcpt_perm;
    marks.heed(flow("example.com"), refused, kStart);
    EXPECT_TRUE(marks.view(1, kStart).empty());
}

TEST_F(Counting, IsSavedAMinuteAfterItChanged) {
    marks.heed(flow("example.com"), delivered(10), kStart);
    EXPECT_TRUE(marks.take_changes().saved.empty());
    marks.tick(kStart);
    (void)marks.take_changes();
    EXPECT_EQ(marks.next_change(), kStart + minutes(1));
    marks.tick(kStart + minutes(1));
    const RestraintChanges changes = marks.take_changes();
    ASSERT_EQ(changes.saved.size(), 1u);
    BulkMarks again;
    for (const char* odd : {"", "{}", "[]", "{\"hour\":1,\"sent\":[1],\"reached\":0,\"warned\":false}"}) again.load("a|google", odd, kStart);
    again.load(changes.saved[0].key, changes.saved[0].value, kStart + minutes(2));
    ProviderOptions google;
    google.name = "google";
    google.daily_mark = 5000;
    again.configure({google});
    ASSERT_EQ(again.view(10, kStart).size(), 1u);
    EXPECT_EQ(again.view(10, kStart)[0].sent, 10u);
}

TEST_F(Counting, IsBoundedAndKeepsWhatWasReached) {
    marks.heed(flow("famous.example"), delivered(5000), kStart);
    for (std::size_t i = 0; i < BulkMarks::kMaxMarks + 20; ++i) marks.heed(flow("d" + std::to_string(i) + ".example"), delivered(1), kStart);
    EXPECT_EQ(marks.view(100000, kStart).size(), BulkMarks::kMaxMarks);
    EXPECT_EQ(marks.view(1, kStart)[0].domain, "famous.example");
}

}  // namespace
}  // namespace posthorn::delivery
