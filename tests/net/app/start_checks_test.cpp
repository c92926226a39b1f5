// The clock against the day of the build (DO-18).
#include "app/start_checks.hpp"

#include <gtest/gtest.h>

namespace posthorn::app {
namespace {

using std::chrono::hours;

TEST(StartChecks, AClockBeforeTheBuildIsToldWithBothTimes) {
    const TimePoint built = build_time();
    EXPECT_EQ(clock_fault(built - hours(24 * 365), built), "it says 2025-11-22T00:00:00Z, but this program was built later, 2026-11-22T00:00:00Z");
    EXPECT_EQ(clock_fault(TimePoint(), built), "it says 1970-01-01T00:00:00Z, but this program was built later, 2026-11-22T00:00:00Z");
}

TEST(StartChecks, AClockALittleBehindTheBuilderIsGoodEnough) {
    const TimePoint built = build_time();
    EXPECT_EQ(clock_fault(built - hours(23), built), "");
    EXPECT_NE(clock_fault(built - hours(25), built), "");
    EXPECT_EQ(clock_fault(built + hours(24 * 3650), built), "");
}

}  // namespace
}  // namespace posthorn::app
