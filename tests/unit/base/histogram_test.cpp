// Tests of base/histogram.hpp.
#include "base/histogram.hpp"

#include <functional>

#include <gtest/gtest.h>

namespace posthorn {
namespace {

constexpr double kBounds[] = {1, 2, 4};

TEST(Histogram, AValueThatEqualsABoundIsInItsClass) {
    Histogram values(kBounds);
    for (const double value : {0.0, 1.0, 1.5, 2.0, 4.0, 4.5, 1e9}) values.observe(value);
    EXPECT_EQ(values.in_class(0), 2U);
    EXPECT_EQ(values.in_class(1), 2U);
    EXPECT_EQ(values.in_class(2), 1U);
    EXPECT_EQ(values.in_class(3), 2U);
    EXPECT_EQ(values.count(), 7U);
    EXPECT_DOUBLE_EQ(values.sum(), 1000000013.0);
}

TEST(Histogram, TimesAreSeconds) {
    Histogram values(kBounds);
    values.observe(std::chrono::milliseconds(1500));
    values.observe(std::chrono::microseconds(250));
    EXPECT_EQ(values.in_class(0), 1U);
    EXPECT_EQ(values.in_class(1), 1U);
    EXPECT_DOUBLE_EQ(values.sum(), 1.50025);
}

// The wall clock can be set back between a message's arrival and its delivery; a sum that shrinks would look like a restart.
TEST(Histogram, WhatWouldBeNegativeCountsAsNone) {
    Histogram values(kBounds);
    values.observe(std::chrono::hours(-1));
    EXPECT_EQ(values.in_class(0), 1U);
    EXPECT_DOUBLE_EQ(values.sum(), 0.0);
}

// Prometheus joins series by the bounds' text, and quantiles need them to rise.
TEST(Histogram, TheBoundsInUseRiseAndAllFit) {
    const std::span<const double> all[] = {kMachineSeconds, kDialogueSeconds, kWaitSeconds, kAmounts};
    for (const std::span<const double> bounds : all) {
        EXPECT_LE(bounds.size(), Histogram::kMostBounds);
        EXPECT_EQ(Histogram(bounds).bounds().size(), bounds.size());
        EXPECT_TRUE(std::is_sorted(bounds.begin(), bounds.end(), std::less_equal<>())) << bounds.front();
    }
}

}  // namespace
}  // namespace posthorn
