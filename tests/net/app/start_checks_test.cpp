// The clock against the day of the build (DO-18), the queue's place against networks (DO-15).
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

// DO-15
TEST(StartChecks, AQueueOnANetworkIsTold) {
    EXPECT_EQ(place_fault("/var/lib/posthorn/queue", ""), "");
    EXPECT_EQ(place_fault("/var/lib/posthorn/queue", "NFS"),
              "/var/lib/posthorn/queue lies on NFS, where the locks and the shared memory of sqlite's log do not hold");
}

}  // namespace
}  // namespace posthorn::app
