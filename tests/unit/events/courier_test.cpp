// What answers of receivers mean: the table of courier.hpp.
#include "events/courier.hpp"

#include <gtest/gtest.h>

#include "delivery/https_get.hpp"

namespace posthorn::events {
namespace {

using namespace std::chrono_literals;
using delivery::HttpsAnswer;
using delivery::HttpsEnd;
using Kind = Reception::Kind;

const TimePoint kNow(std::chrono::hours(24 * 365 * 50));

Reception answered(unsigned status, std::string retry_after = {}) {
    HttpsAnswer answer(HttpsEnd::answered, "");
    answer.status = status;
    answer.retry_after = std::move(retry_after);
    return reception_of(answer, kNow);
}

TEST(Reception, ByStatus) {
    for (unsigned status : {200U, 201U, 204U}) EXPECT_EQ(answered(status).kind, Kind::taken) << status;
    for (unsigned status : {408U, 425U, 429U, 500U, 502U, 503U, 504U}) EXPECT_EQ(answered(status).kind, Kind::later) << status;
    for (unsigned status : {301U, 302U, 307U, 400U, 401U, 403U, 404U, 410U}) EXPECT_EQ(answered(status).kind, Kind::refused) << status;
    EXPECT_EQ(answered(413).kind, Kind::too_much);
    EXPECT_NE(answered(302).words.find("redirect"), std::string::npos);
}

TEST(Reception, WithoutAnAnswerItIsLater) {
    for (HttpsEnd end : {HttpsEnd::unreachable, HttpsEnd::untrusted}) {
        const Reception reception = reception_of(HttpsAnswer(end, "why"), kNow);
        EXPECT_EQ(reception.kind, Kind::later);
        EXPECT_EQ(reception.words, "why");
    }
    // Whoever answers 200 with a novel has taken it.
    HttpsAnswer novel(HttpsEnd::too_large, "its answer is too large");
    novel.status = 200;
    EXPECT_EQ(reception_of(novel, kNow).kind, Kind::taken);
}

TEST(Reception, RetryAfterInSecondsOrAsADate) {
    EXPECT_EQ(retry_after("120", kNow), Duration(120s));
    EXPECT_EQ(retry_after(" 7 ", kNow), Duration(7s));
    EXPECT_EQ(retry_after("", kNow), std::nullopt);
    EXPECT_EQ(retry_after("soon", kNow), std::nullopt);
    const TimePoint before_y2k(std::chrono::seconds(946684799 - 60));   // a minute before the end of 1999
    EXPECT_EQ(retry_after("Fri, 31 Dec 1999 23:59:59 GMT", before_y2k), Duration(60s));
    EXPECT_EQ(retry_after("Fri, 31 Dec 1999 23:59:59 GMT", kNow), std::nullopt);
}

struct CourierTest : testing::Test {
    CourierTest() {
        options.retry_first = 10s;
        options.retry_max = 60s;
        options.batch = 100;
    }
    Courier::Step heed(const Reception& reception, std::size_t events = 10) { return courier.heed(reception, events, options, kNow, 0.5); }
    WebhookOptions options;
    Courier courier;
};

TEST_F(CourierTest, TakenGoesOnAtOnce) {
    const Courier::Step step = heed(answered(200));
    EXPECT_TRUE(step.go_on);
    EXPECT_FALSE(step.put_aside);
    EXPECT_EQ(step.wait, Duration::zero());
    EXPECT_FALSE(courier.failing_since());
}

TEST_F(CourierTest, FailuresAreRetriedForEverAndMoreSeldom) {
    Duration before{};
    for (int i = 0; i < 100; ++i) {
        const Courier::Step step = heed(answered(500));
        EXPECT_FALSE(step.go_on);
        EXPECT_GE(step.wait, before);
        EXPECT_LE(step.wait, 60s);
        before = step.wait;
    }
    EXPECT_EQ(before, 60s);
    EXPECT_EQ(courier.failing_since(), kNow);
    EXPECT_EQ(courier.last_words(), "answered 500");
    heed(answered(200));
    EXPECT_FALSE(courier.failing_since());
    EXPECT_EQ(heed(answered(500)).wait, 10s) << "begins anew";
}

TEST_F(CourierTest, TheWaitIsSpread) {
    EXPECT_EQ(courier.heed(answered(500), 1, options, kNow, 0.0).wait, 8s);
    Courier other;
    EXPECT_EQ(other.heed(answered(500), 1, options, kNow, 1.0).wait, 12s);
}

TEST_F(CourierTest, RetryAfterIsHonouredWithinReason) {
    EXPECT_EQ(heed(answered(429, "300")).wait, 300s);
    EXPECT_EQ(heed(answered(503, "1")).wait, 20s) << "not sooner than our own time";
    EXPECT_EQ(heed(answered(429, "999999")).wait, Courier::kLongestRetryAfter);
}

TEST_F(CourierTest, RefusedBatchesArePutAsideAfterSomeTries) {
    for (unsigned i = 1; i < Courier::kTries; ++i) {
        const Courier::Step step = heed(answered(400));
        EXPECT_FALSE(step.go_on);
        EXPECT_GT(step.wait, Duration::zero());
        heed(answered(503));   // trouble between does not count, and does not start the count anew
    }
    const Courier::Step last = heed(answered(400));
    EXPECT_TRUE(last.go_on);
    EXPECT_TRUE(last.put_aside);
    EXPECT_EQ(last.wait, Duration::zero());
    EXPECT_FALSE(heed(answered(400)).go_on) << "the next batch is tried as patiently";
    EXPECT_TRUE(courier.failing_since()) << "nothing was taken yet";
}

TEST_F(CourierTest, TooMuchIsHalvedAndGrowsAgain) {
    EXPECT_EQ(heed(answered(413), 100).wait, Duration::zero());
    EXPECT_EQ(courier.batch(options), 50U);
    heed(answered(413), 50);
    EXPECT_EQ(courier.batch(options), 25U);
    heed(answered(200), 25);
    EXPECT_EQ(courier.batch(options), 50U);
    heed(answered(200), 50);
    EXPECT_EQ(courier.batch(options), 100U);
    // One event that is too much by itself is refused like any other.
    for (unsigned i = 1; i < Courier::kTries; ++i) EXPECT_FALSE(heed(answered(413), 1).go_on);
    EXPECT_TRUE(heed(answered(413), 1).put_aside);
}

}  // namespace
}  // namespace posthorn::events
