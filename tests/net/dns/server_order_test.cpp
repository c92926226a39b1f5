// Who is asked first.
#include "dns/server_order.hpp"

#include <gtest/gtest.h>

namespace posthorn::dns {
namespace {

using std::chrono::seconds;
using Order = std::vector<std::size_t>;

const SteadyTime kStart = SteadyTime(std::chrono::hours(1));

TEST(ServerOrder, SilentOnesComeLastAndComeBack) {
    ServerOrder order(3);
    EXPECT_EQ(order.order(kStart), (Order{0, 1, 2}));
    EXPECT_TRUE(order.silent(0, kStart, kStart + seconds(5)));
    EXPECT_FALSE(order.silent(0, kStart, kStart + seconds(6))) << "known already";
    EXPECT_EQ(order.order(kStart + seconds(6)), (Order{1, 2, 0}));
    EXPECT_EQ(order.order(kStart + seconds(35)), (Order{0, 1, 2})) << "tried again after 30 s";
    EXPECT_TRUE(order.silent(0, kStart + seconds(35), kStart + seconds(40)));
    EXPECT_EQ(order.order(kStart + seconds(99)), (Order{1, 2, 0})) << "twice as long";
    order.heard(0, kStart + seconds(99));
    EXPECT_EQ(order.order(kStart + seconds(99)), (Order{0, 1, 2}));
}

// One name whose own servers are slow must not turn everybody away from a good resolver.
TEST(ServerOrder, SilenceAboutOneNameIsNotHeldAgainstAServerThatTalks) {
    ServerOrder order(2);
    order.heard(0, kStart + seconds(3));
    EXPECT_FALSE(order.silent(0, kStart, kStart + seconds(5)));
    EXPECT_EQ(order.order(kStart + seconds(5)), (Order{0, 1}));
}

TEST(ServerOrder, ThePauseIsBounded) {
    ServerOrder order(1);
    SteadyTime now = kStart;
    for (int i = 0; i < 50; ++i) {
        EXPECT_TRUE(order.silent(0, now, now));
        EXPECT_FALSE(order.passed_over(0, now + ServerOrder::kLongestPause));
        now += ServerOrder::kLongestPause;
    }
    EXPECT_EQ(order.order(now), (Order{0}));
}

}  // namespace
}  // namespace posthorn::dns
