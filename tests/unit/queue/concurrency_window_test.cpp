// The window of a site: 1/N feedback, proof by a whole window, and a start with one.
#include "queue/concurrency_window.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdint>
#include <vector>

namespace posthorn::queue {
namespace {

ConcurrencyWindow wide(std::uint32_t size) {
    ConcurrencyWindow window;
    while (window.size() < size) {
        window.succeeded(size);
    }
    return window;
}

TEST(ConcurrencyWindow, OpensOneByOneThenByOneInN) {
    ConcurrencyWindow window;
    EXPECT_EQ(window.size(), 1U) << "who does not answer holds one connection";
    for (std::uint32_t i = 2; i <= ConcurrencyWindow::kOpening; ++i) {
        window.succeeded(20);
        EXPECT_EQ(window.size(), i);
    }
    for (std::uint32_t n = ConcurrencyWindow::kOpening; n < 20; ++n) {
        for (std::uint32_t i = 0; i < n; ++i) {
            EXPECT_EQ(window.size(), n);
            window.succeeded(20);
        }
        EXPECT_EQ(window.size(), n + 1) << "N successes, one more";
    }
    window.succeeded(20);
    EXPECT_EQ(window.size(), 20U);
}

TEST(ConcurrencyWindow, AWholeWindowOfFailuresInARowIsDeath) {
    ConcurrencyWindow window = wide(5);
    for (int i = 0; i < 4; ++i) {
        EXPECT_FALSE(window.failed());
    }
    window.succeeded(5);
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(window.failed()) << "a success between them: not in a row";
    }
    EXPECT_EQ(window.size(), 4U) << "but five more failed than went well";
    EXPECT_TRUE(window.failed());
    window.collapse(0);
    EXPECT_EQ(window.size(), 1U);
    EXPECT_TRUE(window.failed()) << "the probe alone decides";
}

TEST(ConcurrencyWindow, ShrinksWhenMoreFailThanGoWell) {
    ConcurrencyWindow window = wide(6);
    for (int i = 0; i < 60 && window.size() > 3; ++i) {
        EXPECT_FALSE(window.failed());
        EXPECT_FALSE(window.failed());
        window.succeeded(6);
    }
    EXPECT_EQ(window.size(), 3U);
}

// N more, and neither one sooner nor one later.
TEST(ConcurrencyWindow, ShrinksByTheNthFailureMore) {
    ConcurrencyWindow window = wide(4);
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(window.failed());
    }
    window.succeeded(4);
    EXPECT_FALSE(window.failed());
    EXPECT_EQ(window.size(), 4U) << "three more failures than successes";
    EXPECT_FALSE(window.failed());
    EXPECT_EQ(window.size(), 3U);
}

TEST(ConcurrencyWindow, AskingForLessHalvesItOnceForAllThatWereUnderWay) {
    ConcurrencyWindow window = wide(8);
    EXPECT_FALSE(window.from_before());
    EXPECT_FALSE(window.throttled(7));
    EXPECT_EQ(window.size(), 4U);
    for (int i = 0; i < 7; ++i) {
        EXPECT_TRUE(window.from_before());
    }
    EXPECT_FALSE(window.from_before());
    EXPECT_FALSE(window.throttled(0));
    EXPECT_FALSE(window.throttled(0));
    EXPECT_TRUE(window.throttled(0)) << "nothing less than one but a pause";
}

TEST(ConcurrencyWindow, AfterTroubleItGrowsByOneInN) {
    ConcurrencyWindow window = wide(8);
    EXPECT_FALSE(window.throttled(0));
    for (int i = 0; i < 3; ++i) {
        window.succeeded(8);
        EXPECT_EQ(window.size(), 4U);
    }
    window.succeeded(8);
    EXPECT_EQ(window.size(), 5U);
}

TEST(ConcurrencyWindow, IsNeverBelowOneNorGrowsBeyondItsCeiling) {
    rc::check([](const std::vector<std::uint8_t>& events) {
        ConcurrencyWindow window;
        const std::uint32_t ceiling = *rc::gen::inRange<std::uint32_t>(1, 30);
        for (const std::uint8_t event : events) {
            const bool before = window.from_before();
            switch (event % 6) {
                case 0:
                    window.narrow();
                    break;
                case 1:
                    (void)window.failed();
                    break;
                case 2:
                    if (!before) (void)window.throttled(event % 7);
                    break;
                case 3:
                    if (event > 240) window.collapse(event % 3);
                    break;
                default:
                    window.succeeded(ceiling);
            }
            RC_ASSERT(window.size() >= 1U);
            RC_ASSERT(window.size() <= ceiling);
        }
    });
}

}  // namespace
}  // namespace posthorn::queue
