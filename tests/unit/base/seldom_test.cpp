// What happens again and again is said once, and then once an interval with its number.
#include "base/seldom.hpp"

#include <gtest/gtest.h>

namespace posthorn {
namespace {

using std::chrono::seconds;

TEST(Seldom, SaysTheFirstAndThenSumsUp) {
    Seldom seldom(std::chrono::minutes(1));
    const SteadyTime start = SteadyTime() + std::chrono::hours(5);
    EXPECT_EQ(seldom.happened(start), 1U);
    for (int i = 1; i < 60; ++i) EXPECT_EQ(seldom.happened(start + seconds(i)), std::nullopt);
    EXPECT_EQ(seldom.happened(start + seconds(60)), 60U);
    EXPECT_EQ(seldom.happened(start + seconds(61)), std::nullopt);
    EXPECT_EQ(seldom.happened(start + seconds(600)), 2U);
}

}  // namespace
}  // namespace posthorn
