// Single addresses that do not answer: who tries them, when, and who leaves them out (SMTP-31).
#include "delivery/host_health.hpp"

#include <gtest/gtest.h>

namespace posthorn::delivery {
namespace {

using Standing = HostHealth::Standing;
using std::chrono::seconds;

class HostHealthTest : public testing::Test {
protected:
    void fail(double random = 0.5) { (void)health_.failed(kAddress, "no answer", now_, now_, random); }
    Standing standing() { return health_.standing(kAddress, now_); }

    const std::string kAddress = "192.0.2.1:25";
    SteadyTime now_{seconds(1000)};
    HostHealth health_;
};

TEST_F(HostHealthTest, AnAddressIsWellUntilItFails) {
    EXPECT_EQ(standing(), Standing::well);
    fail();
    EXPECT_EQ(standing(), Standing::resting);
    EXPECT_EQ(health_.reason(kAddress), "no answer");
    EXPECT_EQ(health_.standing("192.0.2.2:25", now_), Standing::well);
}

TEST_F(HostHealthTest, OneProbeAtATimeWhenItsTimeIsOver) {
    fail();
    now_ += kHostBackoffFirst;
    EXPECT_EQ(standing(), Standing::due);
    health_.begin_probe(kAddress);
    EXPECT_EQ(standing(), Standing::probed);
    now_ += std::chrono::hours(1);
    EXPECT_EQ(standing(), Standing::probed);
    health_.gave_up(kAddress);
    EXPECT_EQ(standing(), Standing::due);
}

TEST_F(HostHealthTest, RecoveryIsNoticedAtOnce) {
    fail();
    now_ += kHostBackoffFirst;
    health_.begin_probe(kAddress);
    health_.answered(kAddress);
    EXPECT_EQ(standing(), Standing::well);
    EXPECT_EQ(health_.size(), 0U);
    fail();  // and a later failure begins small again
    EXPECT_EQ(health_.rests_until(kAddress) - now_, kHostBackoffFirst);
}

TEST_F(HostHealthTest, TheWaitDoublesUpToItsBound) {
    Duration expected = kHostBackoffFirst;
    for (int round = 0; round < 10; ++round) {
        fail();
        EXPECT_EQ(health_.rests_until(kAddress) - now_, expected) << round;
        now_ = health_.rests_until(kAddress);
        expected = std::min<Duration>(expected * 2, kHostBackoffMax);
    }
}

TEST_F(HostHealthTest, ChanceMovesTheWaitByAFifth) {
    fail(0.0);
    EXPECT_EQ(health_.rests_until(kAddress) - now_, kHostBackoffFirst * 4 / 5);
    health_.answered(kAddress);
    fail(1.0);
    EXPECT_EQ(health_.rests_until(kAddress) - now_, kHostBackoffFirst * 6 / 5);
}

TEST_F(HostHealthTest, DeliveriesThatBeganBeforeTheFirstFailureDoNotAddUp) {
    const SteadyTime began = now_;
    now_ += seconds(30);
    for (int delivery = 0; delivery < 5; ++delivery) {
        health_.failed(kAddress, "timed out", began, now_, 0.5);
        now_ += seconds(1);
    }
    EXPECT_EQ(health_.rests_until(kAddress), began + seconds(30) + kHostBackoffFirst);
}

TEST_F(HostHealthTest, ALateFailureOfAnotherDoesNotEndAProbe) {
    const SteadyTime began = now_;
    now_ += seconds(1);
    fail();
    now_ += kHostBackoffFirst * 2;
    health_.begin_probe(kAddress);
    health_.failed(kAddress, "timed out", began, now_, 0.5);
    EXPECT_EQ(standing(), Standing::probed);
    health_.failed(kAddress, "timed out", now_, now_, 0.5);
    EXPECT_EQ(standing(), Standing::resting);
}

TEST_F(HostHealthTest, ItsMemoryIsBounded) {
    for (std::size_t number = 0; number < kMaxSickHosts + 100; ++number) {
        health_.failed(std::to_string(number), "no answer", now_, now_, 0.5);
        now_ += Duration(std::chrono::milliseconds(1));
    }
    EXPECT_LE(health_.size(), kMaxSickHosts);
    EXPECT_EQ(health_.standing(std::to_string(kMaxSickHosts + 99), now_), Standing::resting);
}

}  // namespace
}  // namespace posthorn::delivery
