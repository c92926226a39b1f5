// Turns for fetching MTA-STS policies: bounded, and silent servers cost only their own places.
#include "delivery/fetch_turns.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace posthorn::delivery {
namespace {

using Turns = FetchTurns<int>;

TEST(FetchTurns, SilentServersCostOnlyTheirPlaces) {
    Turns turns;
    for (std::size_t i = 0; i < Turns::kPlacesForOthers; ++i) EXPECT_TRUE(turns.take(Fetch::other));
    EXPECT_FALSE(turns.take(Fetch::other)) << "the last places are for policies in force";
    std::vector<int> waiting(Turns::kMaxWaiting);
    for (int& waiter : waiting) EXPECT_TRUE(turns.wait(Fetch::other, &waiter));
    int late = 0;
    EXPECT_FALSE(turns.wait(Fetch::other, &late));
    EXPECT_TRUE(turns.take(Fetch::refresh)) << "whoever waits";
    EXPECT_EQ(turns.give(Fetch::refresh), nullptr) << "its place is no other's";
}

TEST(FetchTurns, RefreshesComeFirst) {
    Turns turns;
    for (std::size_t i = 0; i < Turns::kPlacesForOthers; ++i) EXPECT_TRUE(turns.take(Fetch::other));
    for (std::size_t i = Turns::kPlacesForOthers; i < Turns::kPlaces; ++i) EXPECT_TRUE(turns.take(Fetch::refresh));
    EXPECT_FALSE(turns.take(Fetch::refresh)) << "bounded";
    int first = 0, second = 0, refresh = 0;
    EXPECT_TRUE(turns.wait(Fetch::other, &first));
    EXPECT_TRUE(turns.wait(Fetch::other, &second));
    EXPECT_TRUE(turns.wait(Fetch::refresh, &refresh));
    EXPECT_EQ(turns.give(Fetch::other), &refresh);
    EXPECT_EQ(turns.give(Fetch::other), &first);
    EXPECT_EQ(turns.give(Fetch::other), &second);
    EXPECT_EQ(turns.give(Fetch::other), nullptr);
    EXPECT_TRUE(turns.take(Fetch::other));
}

TEST(FetchTurns, AllPlacesComeBack) {
    Turns turns;
    std::vector<int> waiting(100);
    std::size_t begun = 0;
    for (int& waiter : waiting) {
        if (turns.take(Fetch::other)) ++begun;
        else EXPECT_TRUE(turns.wait(Fetch::other, &waiter));
    }
    EXPECT_EQ(begun, Turns::kPlacesForOthers);
    for (std::size_t ended = 0; ended < begun; ++ended)
        if (turns.give(Fetch::other) != nullptr) ++begun;
    EXPECT_EQ(begun, waiting.size());
    for (std::size_t i = 0; i < Turns::kPlaces; ++i) EXPECT_TRUE(turns.take(Fetch::refresh));
    EXPECT_FALSE(turns.take(Fetch::refresh));
}

TEST(FetchTurns, AtTheEndAllAreTold) {
    Turns turns;
    int one = 0, two = 0;
    EXPECT_TRUE(turns.wait(Fetch::refresh, &one));
    EXPECT_TRUE(turns.wait(Fetch::other, &two));
    turns.dismiss([](int* waiter) { *waiter = 1; });
    EXPECT_EQ(one + two, 2);
    EXPECT_TRUE(turns.take(Fetch::other));
    EXPECT_EQ(turns.give(Fetch::other), nullptr);
}

}  // namespace
}  // namespace posthorn::delivery
