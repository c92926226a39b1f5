// Tests of delivery/prefix_cache.hpp: young, bounded, and nothing left of what was erased.
#include "delivery/prefix_cache.hpp"

#include <gtest/gtest.h>

namespace posthorn::delivery {
namespace {

using namespace std::chrono_literals;

const SteadyTime kNoon{100h};

TEST(PrefixCache, KeepsAnEntryForFiveMinutes) {
    PrefixCache<int> cache;
    cache.put("a", std::make_shared<int>(1), kNoon);
    ASSERT_TRUE(cache.find("a", kNoon + 4min + 59s));
    EXPECT_EQ(*cache.find("a", kNoon + 4min + 59s), 1);
    EXPECT_FALSE(cache.find("a", kNoon + 5min));
    EXPECT_EQ(cache.size(), 0U);   // looked at when too old: gone
    EXPECT_FALSE(cache.find("b", kNoon));
}

TEST(PrefixCache, TheOldestGoesFirst) {
    PrefixCache<int> cache(3);
    for (int i = 0; i < 5; ++i) cache.put(std::to_string(i), std::make_shared<int>(i), kNoon + i * 1s);
    EXPECT_EQ(cache.size(), 3U);
    EXPECT_EQ(cache.keys(), 3U);
    EXPECT_FALSE(cache.find("1", kNoon + 5s));
    EXPECT_TRUE(cache.find("2", kNoon + 5s));
    // Put in anew it is the youngest.
    cache.put("2", std::make_shared<int>(22), kNoon + 6s);
    cache.put("5", std::make_shared<int>(5), kNoon + 7s);
    EXPECT_FALSE(cache.find("3", kNoon + 7s));
    EXPECT_EQ(*cache.find("2", kNoon + 7s), 22);
}

TEST(PrefixCache, WhatIsTooOldGoesWithTheNextThatComes) {
    PrefixCache<int> cache;
    for (int i = 0; i < 100; ++i) cache.put(std::to_string(i), std::make_shared<int>(i), kNoon);
    cache.put("new", std::make_shared<int>(0), kNoon + 6min);
    EXPECT_EQ(cache.size(), 1U);
    EXPECT_EQ(cache.keys(), 1U);
}

// Before, the keys of erased entries stayed in the list of ages and pushed younger ones out.
TEST(PrefixCache, NoKeyOfAnErasedEntryIsKept) {
    PrefixCache<int> cache(2);
    for (int i = 0; i < 1000; ++i) {
        cache.put("gone" + std::to_string(i), std::make_shared<int>(i), kNoon);
        cache.erase("gone" + std::to_string(i));
    }
    EXPECT_EQ(cache.keys(), 0U);
    cache.put("a", std::make_shared<int>(1), kNoon);
    cache.put("b", std::make_shared<int>(2), kNoon);
    EXPECT_TRUE(cache.find("a", kNoon));
    EXPECT_TRUE(cache.find("b", kNoon));
    cache.clear();
    EXPECT_EQ(cache.size() + cache.keys(), 0U);
}

}  // namespace
}  // namespace posthorn::delivery
