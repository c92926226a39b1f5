// When direct delivery counts as blocked, for how long, and what never counts.
#include "delivery/blocked_sites.hpp"

#include <gtest/gtest.h>

#include "delivery/classify.hpp"
#include "delivery/provider_rules.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::EnhancedCode;
using smtp::protocol::Stage;
using std::chrono::minutes;
using std::chrono::seconds;

const TimePoint kStart{Duration(1'000'000)};
constexpr Duration kAfter = minutes(15);

Outcome answered(Stage stage, std::uint16_t code, const std::string& text) {
    Outcome outcome;
    outcome.stage = stage;
    outcome.reply.code = code;
    if (code != 0) outcome.reply.lines.push_back(text);
    if (const auto enhanced = EnhancedCode::parse(text)) outcome.reply.enhanced = *enhanced;
    adopt(outcome, classify(ReplyFacts(stage, outcome.reply), *ProviderRules::built_in()));
    return outcome;
}

const Outcome kTaken = answered(Stage::end_of_data, 250, "2.0.0 Ok");
const Outcome kUnreachable = answered(Stage::connect, 0, "");

TEST(BlockedSites, RefusalsOfUs) {
    struct Row {
        Stage stage;
        std::uint16_t code;
        const char* text;
        bool us;
    };
    const Row table[] = {
        {Stage::greeting, 554,
         "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", true},
        {Stage::mail, 550,
         "5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service "
         "provider "
         "since part of their network is on our block list (S3140).",
         true},
        {Stage::end_of_data, 550, "5.7.26 This mail has been blocked because the sender is unauthenticated.",
         true},
        {Stage::rcpt, 550, "5.7.606 Access denied, banned sending IP [192.0.2.1].", true},
        {Stage::end_of_data, 550,
         "5.7.1 [192.0.2.1] Gmail has detected that this message is likely suspicious due to the very low "
         "reputation of the sending IP address.",
         true},
        {Stage::end_of_data, 421,
         "4.7.26 This mail has been rate limited because the sender is unauthenticated", true},
        // Never for recipients, contents, greylisting, and passing troubles.
        {Stage::rcpt, 550, "5.1.1 no such user; see the blocklist", false},
        {Stage::rcpt, 552, "5.2.2 mailbox full", false},
        {Stage::end_of_data, 554, "5.6.0 the content is listed in a virus database", false},
        {Stage::rcpt, 451, "4.7.1 Greylisted, your IP is new here, try again in 5 minutes", false},
        {Stage::rcpt, 550, "5.7.1 <spamhaus@dest.test>: Access denied", false},
        {Stage::mail, 452, "4.3.1 Insufficient system storage", false},
        {Stage::end_of_data, 250, "2.0.0 queued; your ip is fine", false},
    };
    for (const Row& row : table) {
        SCOPED_TRACE(row.text);
        EXPECT_EQ(refuses_us(answered(row.stage, row.code, row.text)), row.us);
    }
}

TEST(BlockedSites, ARefusalOfUsBlocksAtOnceForAnHour) {
    BlockedSites sites;
    const Outcome refusal = answered(Stage::mail, 550, "5.7.1 blocked using zen.spamhaus.org");
    EXPECT_TRUE(sites.note("mx", "example.test", refusal, kAfter, kStart));
    std::string why;
    EXPECT_TRUE(sites.blocked("mx", "example.test", kStart + seconds(1), &why));
    EXPECT_NE(why.find("zen.spamhaus.org"), std::string::npos);
    EXPECT_FALSE(sites.blocked("other", "example.test", kStart));
    EXPECT_FALSE(sites.note("mx", "example.test", refusal, kAfter, kStart + seconds(2)));  // said once
    EXPECT_FALSE(sites.blocked("mx", "example.test", kStart + seconds(2) + kFallbackHold));
    // The direct way is tried again, and refuses again.
    EXPECT_TRUE(sites.note("mx", "example.test", refusal, kAfter, kStart + seconds(3) + kFallbackHold));
}

// A sender whose SPF or DMARC fails is refused for himself; our address' listing or missing PTR record is everybody's.
TEST(BlockedSites, AnUnauthenticatedSenderBlocksNobodyElse) {
    const Outcome unauthenticated = answered(Stage::end_of_data, 550, "5.7.26 This mail is unauthenticated (DMARC)");
    const Outcome nameless = answered(Stage::end_of_data, 550, "5.7.25 The sending IP address has no PTR record");
    const Outcome listed = answered(Stage::greeting, 554, "5.7.1 blocked using zen.spamhaus.org");
    EXPECT_EQ(refused_by(unauthenticated), Refused::sender);
    EXPECT_EQ(refused_by(nameless), Refused::host);
    EXPECT_EQ(refused_by(listed), Refused::host);
    EXPECT_EQ(refused_by(kTaken), Refused::nobody);

    BlockedSites sites;
    EXPECT_TRUE(sites.note("mx", "shop.test", unauthenticated, kAfter, kStart));
    std::string why;
    EXPECT_TRUE(sites.blocked("mx", "shop.test", kStart + seconds(1), &why));
    EXPECT_NE(why.find("it refuses mail of shop.test: "), std::string::npos);
    EXPECT_FALSE(sites.blocked("mx", "example.test", kStart + seconds(1)));
    // That the others' mail is taken says nothing of this sender's; that his own is ends it.
    EXPECT_FALSE(sites.note("mx", "example.test", kTaken, kAfter, kStart + seconds(2)));
    EXPECT_TRUE(sites.blocked("mx", "shop.test", kStart + seconds(2)));
    EXPECT_FALSE(sites.note("mx", "shop.test", kTaken, kAfter, kStart + seconds(3)));
    EXPECT_EQ(sites.size(), 0U);

    EXPECT_TRUE(sites.note("mx", "shop.test", nameless, kAfter, kStart));
    EXPECT_TRUE(sites.blocked("mx", "example.test", kStart + seconds(1)));
    // It refuses one sender: so it listens to this machine again.
    EXPECT_TRUE(sites.note("mx", "shop.test", unauthenticated, kAfter, kStart + kFallbackHold));
    EXPECT_FALSE(sites.blocked("mx", "example.test", kStart + kFallbackHold));
}

TEST(BlockedSites, SilenceBlocksAfterItsTime) {
    BlockedSites sites;
    EXPECT_FALSE(sites.note("mx", "example.test", kUnreachable, kAfter, kStart));
    EXPECT_FALSE(sites.note("mx", "example.test", kUnreachable, kAfter, kStart + minutes(14)));
    EXPECT_FALSE(sites.blocked("mx", "example.test", kStart + minutes(14)));
    EXPECT_TRUE(sites.note("mx", "example.test", kUnreachable, kAfter, kStart + minutes(15)));
    EXPECT_TRUE(sites.blocked("mx", "example.test", kStart + minutes(16)));
    // Still silent when it is tried again: it does not wait another 15 minutes.
    const TimePoint again = kStart + minutes(15) + kFallbackHold;
    EXPECT_FALSE(sites.blocked("mx", "example.test", again));
    EXPECT_TRUE(sites.note("mx", "example.test", kUnreachable, kAfter, again));
    // It answers: the direct way is the way again.
    EXPECT_FALSE(sites.note("mx", "example.test", kTaken, kAfter, again + kFallbackHold));
    EXPECT_EQ(sites.size(), 0U);
}

TEST(BlockedSites, AnyOtherAnswerEndsIt) {
    BlockedSites sites;
    EXPECT_FALSE(sites.note("mx", "example.test", kUnreachable, kAfter, kStart));
    EXPECT_FALSE(sites.note("mx", "example.test", answered(Stage::rcpt, 550, "5.1.1 unknown"), kAfter, kStart + minutes(10)));
    EXPECT_FALSE(sites.note("mx", "example.test", kUnreachable, kAfter, kStart + minutes(20)));  // counts anew
    EXPECT_FALSE(sites.blocked("mx", "example.test", kStart + minutes(20)));
    EXPECT_TRUE(sites.note("now", "example.test", kUnreachable, Duration::zero(), kStart));  // fallback_after = "0s"
}

TEST(BlockedSites, AreBounded) {
    BlockedSites sites;
    for (std::size_t i = 0; i < kMaxBlockedSites + 10; ++i)
        sites.note(std::to_string(i), "example.test", kUnreachable, kAfter, kStart);
    EXPECT_LE(sites.size(), kMaxBlockedSites);
}

}  // namespace
}  // namespace posthorn::delivery
