// What becomes of the recipients of one attempt by a relay or to a site with a fallback, and what is
// remembered of the way.
#include "delivery/ways.hpp"

#include <gtest/gtest.h>

#include "delivery/classify.hpp"
#include "delivery/provider_rules.hpp"
#include "delivery/plan.hpp"
#include "delivery/relays.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::EnhancedCode;
using smtp::protocol::Stage;
using std::chrono::minutes;

const TimePoint kNow{Duration(1'000'000)};

Judged said(Stage stage, std::uint16_t code, const std::string& text) {
    Judged item;
    item.outcome.stage = stage;
    item.outcome.reply.code = code;
    if (code != 0) item.outcome.reply.lines.push_back(text);
    if (const auto enhanced = EnhancedCode::parse(text)) item.outcome.reply.enhanced = *enhanced;
    adopt(item.outcome, classify(ReplyFacts(stage, item.outcome.reply), *ProviderRules::built_in()));
    return item;
}

Way by_relay() {
    Way way;
    way.relay = "isp";
    way.site_key = "relay:isp";
    return way;
}

Way with_fallback() {
    Way way;
    way.site_key = "mx.b.example";
    way.fallback = "isp";
    way.fallback_after = minutes(15);
    return way;
}

TEST(Ways, AreReadFromThePlan) {
    auto relay = std::make_shared<Relay>();
    relay->name = "isp";
    DeliveryPlan plan;
    plan.site_key = "mx.b.example";
    plan.sender_domain = "shop.test";
    plan.fallback = relay;
    plan.fallback_after = minutes(3);
    EXPECT_EQ(Way(plan).fallback, "isp");
    EXPECT_EQ(Way(plan).sender_domain, "shop.test");
    EXPECT_EQ(Way(plan).relay, "");
    EXPECT_EQ(Way(plan).fallback_after, minutes(3));
    plan.relay = relay;  // the fallback is in use
    EXPECT_EQ(Way(plan).relay, "isp");
    EXPECT_EQ(Way(plan).fallback, "");
}

TEST(Ways, ARelaysRefusalOfUsKeepsTheMailAndARecipientsRefusalDoesNot) {
    Ways ways;
    std::vector<Judged> judged = {said(Stage::rcpt, 554, "5.7.1 Relay access denied"),
                                  said(Stage::rcpt, 550, "5.1.1 User unknown")};
    const auto lesson = ways.learn(by_relay(), judged, kNow);
    EXPECT_EQ(judged[0].outcome.result, Disposition::deferred);
    EXPECT_EQ(judged[0].outcome.failure_class, Class::local);
    EXPECT_EQ(judged[1].outcome.result, Disposition::failed);
    EXPECT_FALSE(lesson.relay_rests);  // other recipients may be relayed
    ASSERT_EQ(ways.troubles.list().size(), 1U);

    std::vector<Judged> taken = {said(Stage::end_of_data, 250, "2.0.0 Ok")};
    (void)ways.learn(by_relay(), taken, kNow);
    EXPECT_TRUE(ways.troubles.list().empty());
}

TEST(Ways, ALoginThatFailsRestsTheRelay) {
    Ways ways;
    std::vector<Judged> judged = {said(Stage::auth, 535, "5.7.8 no")};
    EXPECT_TRUE(ways.learn(by_relay(), judged, kNow).relay_rests);
    EXPECT_EQ(judged[0].outcome.failure_class, Class::local);
}

TEST(Ways, WithoutAFallbackNothingIsLearnt) {
    Ways ways;
    Way way = with_fallback();
    way.fallback.clear();
    std::vector<Judged> judged = {said(Stage::rcpt, 554, "5.7.1 Relay access denied"),
                                  said(Stage::mail, 550, "blocked using spamhaus")};
    const auto lesson = ways.learn(way, judged, kNow);
    EXPECT_FALSE(lesson.plan_anew);
    EXPECT_EQ(judged[0].outcome.result,
              Disposition::failed);  // a server that is not ours says so of its own mail
    EXPECT_EQ(judged[1].outcome.result, Disposition::failed);
    EXPECT_EQ(ways.blocked.size(), 0U);
}

TEST(Ways, ABlockedSitesRefusalIsDueAgainAtOnce) {
    Ways ways;
    std::vector<Judged> judged = {said(Stage::rcpt, 550, "5.1.1 User unknown"),
                                  said(Stage::rcpt, 550, "5.7.1 Client host blocked using zen.spamhaus.org")};
    EXPECT_TRUE(ways.learn(with_fallback(), judged, kNow).plan_anew);
    EXPECT_EQ(judged[0].outcome.result, Disposition::failed);  // never for a recipient's failure
    EXPECT_FALSE(judged[0].at_once);
    EXPECT_EQ(judged[1].outcome.result, Disposition::deferred);
    EXPECT_TRUE(judged[1].at_once);  // due now, not counted: verdict_of()
    EXPECT_TRUE(ways.blocked.blocked("mx.b.example", "example.test", kNow));
    EXPECT_FALSE(ways.learn(with_fallback(), judged, kNow).plan_anew);
}

TEST(Ways, OneThatWasTakenCountsMore) {
    Ways ways;
    std::vector<Judged> judged = {said(Stage::rcpt, 550, "5.7.1 blocked using zen.spamhaus.org"),
                                  said(Stage::end_of_data, 250, "2.0.0 Ok")};
    (void)ways.learn(with_fallback(), judged, kNow);
    EXPECT_FALSE(ways.blocked.blocked("mx.b.example", "example.test", kNow));
    EXPECT_EQ(judged[0].outcome.result, Disposition::failed);
}

TEST(Ways, SilenceIsWaitedOutFirst) {
    Ways ways;
    std::vector<Judged> judged = {said(Stage::connect, 0, "")};
    EXPECT_FALSE(ways.learn(with_fallback(), judged, kNow).plan_anew);
    EXPECT_FALSE(judged[0].at_once);
    EXPECT_TRUE(ways.learn(with_fallback(), judged, kNow + minutes(15)).plan_anew);
    EXPECT_TRUE(judged[0].at_once);
}

}  // namespace
}  // namespace posthorn::delivery
