// Each rule: when it speaks, when it is silent, and when it lets go.
#include "events/alarm_rules.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace posthorn::events {
namespace {

using namespace std::chrono_literals;
namespace kind = delivery::alarm_kind;

struct AlarmRulesTest : testing::Test {
    AlarmRulesTest() {
        figures.now = TimePoint(std::chrono::hours(24 * 365 * 50));
        figures.started = figures.now - 48h;
        figures.last_delivery = figures.now - 1min;
        figures.disk_free = std::uint64_t{10} << 30;
        figures.queue_directory = "/q";
    }
    std::vector<std::string> kinds(const std::vector<std::string>& raised = {}) const {
        std::vector<std::string> all;
        for (const delivery::Alarm& alarm : alarms_of(figures, options, raised)) {
            EXPECT_FALSE(alarm.text.empty());
            EXPECT_FALSE(alarm.advice.empty()) << alarm.kind;
            EXPECT_NE(std::find(kFigureKinds.begin(), kFigureKinds.end(), alarm.kind), kFigureKinds.end());
            all.push_back(alarm.kind);
        }
        return all;
    }
    using Words = std::vector<std::string>;
    Figures figures;
    AlarmOptions options;
};

TEST_F(AlarmRulesTest, AllIsWell) {
    EXPECT_EQ(kinds(), Words{});
}

TEST_F(AlarmRulesTest, NothingLeavesThoughSomeIsQueued) {
    figures.queued = 3;
    figures.oldest = 5h;
    EXPECT_EQ(kinds(), Words{}) << "other mail leaves";
    figures.last_delivery = figures.now - 5h;
    EXPECT_EQ(kinds(), Words{std::string(kind::kNothingLeaves)});
    figures.last_delivery.reset();
    EXPECT_EQ(kinds(), Words{std::string(kind::kNothingLeaves)});
    figures.started = figures.now - 1h;
    EXPECT_EQ(kinds(), Words{}) << "the daemon was down, and has had no time";
    figures.started = figures.now - 48h;
    figures.oldest = 1h;
    EXPECT_EQ(kinds(), Words{}) << "new mail has just come";
    figures.oldest = 5h;
    figures.queued = 0;
    EXPECT_EQ(kinds(), Words{});
    figures.queued = 3;
    options.nothing_leaves = 0s;
    EXPECT_EQ(kinds(), Words{});
}

TEST_F(AlarmRulesTest, TheOldestMail) {
    figures.queued = 1;
    figures.oldest = 25h;
    EXPECT_EQ(kinds(), Words{std::string(kind::kOldestMail)});
    options.oldest = 0s;
    EXPECT_EQ(kinds(), Words{});
}

TEST_F(AlarmRulesTest, SuccessTowardsAProviderFalls) {
    const auto share = [&](std::uint64_t delivered, std::uint64_t tried) { figures.providers = {{"google", delivered, tried, "421 later"}}; };
    share(9, 19);
    EXPECT_EQ(kinds(), Words{}) << "too few to say anything";
    share(9, 20);
    EXPECT_EQ(kinds(), Words{std::string(kind::kSuccessFalls)});
    share(10, 20);
    EXPECT_EQ(kinds(), Words{});
    const Words raised = {"success-falls google"};
    EXPECT_EQ(kinds(raised).size(), 1U) << "it lets go when things are clearly better";
    share(1, 2);
    EXPECT_EQ(kinds(raised).size(), 1U) << "and not because nobody tries any more";
    share(13, 20);
    EXPECT_EQ(kinds(raised), Words{});
    figures.providers.clear();
    EXPECT_EQ(kinds(raised), Words{}) << "an hour without any result: nothing is known";
}

TEST_F(AlarmRulesTest, ACertificateEnds) {
    figures.certificates = {{"/c.pem", "mail.example.com", figures.now + 15 * 24h}};
    EXPECT_EQ(kinds(), Words{});
    figures.certificates[0].not_after = figures.now + 13 * 24h;
    EXPECT_EQ(kinds(), Words{std::string(kind::kCertificate)});
    figures.certificates[0].not_after = figures.now - 1h;
    const auto alarms = alarms_of(figures, options, {});
    ASSERT_EQ(alarms.size(), 1U);
    EXPECT_EQ(alarms[0].subject, "/c.pem");
    EXPECT_NE(alarms[0].text.find("has ended"), std::string::npos);
}

TEST_F(AlarmRulesTest, TheDiskIsNearlyFull) {
    figures.disk_free = options.disk_free;
    EXPECT_EQ(kinds(), Words{});
    EXPECT_EQ(kinds({"disk-nearly-full /q"}).size(), 1U) << "not before there is clearly more";
    figures.disk_free = options.disk_free - 1;
    EXPECT_EQ(kinds(), Words{std::string(kind::kDiskFull)});
    figures.disk_free.reset();
    EXPECT_EQ(kinds(), Words{});
}

TEST_F(AlarmRulesTest, UsersAndKeys) {
    figures.users_at_limit = {"shop"};
    figures.keys = {{"m1._domainkey.example.com", "there is no record.", "m1._domainkey.example.com. IN TXT \"v=DKIM1\""}};
    const auto alarms = alarms_of(figures, options, {});
    ASSERT_EQ(alarms.size(), 2U);
    EXPECT_EQ(alarms[0].kind, kind::kAccountThrottled);
    EXPECT_NE(alarms[0].advice.find("posthorn user suspend shop"), std::string::npos);
    EXPECT_EQ(alarms[1].kind, kind::kKeyUnpublished);
    EXPECT_EQ(alarms[1].subject, "m1._domainkey.example.com");
    EXPECT_TRUE(alarms[1].advice.ends_with("\nm1._domainkey.example.com. IN TXT \"v=DKIM1\"")) << "the record by itself";
    figures.keys[0].words = "there is no record";   // as a diagnosis has it
    EXPECT_EQ(alarms_of(figures, options, {})[1].text, alarms[1].text);
    // One that is to sign next, and waits for this record (SD-32): mail is not in danger, the operator has something to do.
    figures.keys[0].coming = true;
    const auto coming = alarms_of(figures, options, {});
    ASSERT_EQ(coming.size(), 2U);
    EXPECT_NE(coming[1].text.find("are to sign with next"), std::string::npos) << coming[1].text;
    EXPECT_EQ(coming[1].text.find("for false"), std::string::npos) << coming[1].text;
}

queue::JournalEntry result(std::string event, std::string failure_class, TimePoint at, std::string group = "google") {
    queue::JournalEntry entry;
    entry.event = std::move(event);
    entry.failure_class = std::move(failure_class);
    entry.at = at;
    entry.group = std::move(group);
    entry.reply = "450 no";
    return entry;
}

TEST(ProviderSuccess, CountsTheLastHour) {
    ProviderSuccess success;
    const TimePoint now(std::chrono::hours(24 * 365 * 50) + 3min);
    success.note(result("delivered", "", now - 70min));
    success.note(result("delivered", "", now - 30min));
    success.note(result("deferred", "throttle", now - 10min));
    success.note(result("failed", "rcpt-perm", now));
    success.note(result("suppressed", "suppressed", now));
    success.note(result("deferred", "temp", now, ""));
    const auto shares = success.shares(now);
    ASSERT_EQ(shares.size(), 1U);
    EXPECT_EQ(shares[0].group, "google");
    EXPECT_EQ(shares[0].delivered, 1U);
    EXPECT_EQ(shares[0].tried, 2U) << "addresses that do not exist say nothing of the provider";
    EXPECT_EQ(shares[0].last_reply, "450 no");
    EXPECT_TRUE(success.shares(now + 2h).empty());
}

}  // namespace
}  // namespace posthorn::events
