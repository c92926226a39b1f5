// Tests of base/queue_id.hpp.
#include "base/queue_id.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>

namespace posthorn {
namespace {

TimePoint at(std::int64_t milliseconds) {
    return TimePoint(Duration(milliseconds));
}

TEST(QueueId, TextComesBackAndSortsLikeTheNumber) {
    std::string previous;
    for (const std::int64_t value : {std::int64_t{1}, std::int64_t{31}, std::int64_t{32},
                                     std::int64_t{1} << 40, INT64_MAX - 1, INT64_MAX}) {
        const std::string text = QueueId(value).to_string();
        EXPECT_EQ(text.size(), 13U);
        EXPECT_EQ(QueueId::parse(text), QueueId(value));
        EXPECT_LT(previous, text);
        previous = text;
    }
    EXPECT_EQ(QueueId(INT64_MAX).to_string(), "7zzzzzzzzzzzz");
}

TEST(QueueId, ParseTakesEitherCaseAndNothingElse) {
    EXPECT_EQ(QueueId::parse("00000000000AZ"), QueueId::parse("00000000000az"));
    EXPECT_TRUE(QueueId::parse("00000000000az"));
    for (const char* bad : {"", "0", "000000000001", "00000000000001", "0000000000000", "8000000000000",
                            "zzzzzzzzzzzzz", "000000000000i", "000000000000l", "000000000000o",
                            "000000000000u", "00000000000-1", "00000000000 1", "../../../etc/"})
        EXPECT_EQ(QueueId::parse(bad), std::nullopt) << bad;
    EXPECT_EQ(QueueId::parse(std::string_view("00000000000\0001", 13)), std::nullopt);
}

TEST(QueueIdSource, GrowsStrictlyAlsoWhenTheClockStepsBackAndTheCounterWraps) {
    QueueIdSource source(0xfffff);  // wraps at once
    QueueId last;
    const std::int64_t times[] = {1'790'000'000'000, 1'790'000'000'000, 1'790'000'000'001,
                                  1'789'000'000'000, 1'789'000'000'000, 0,
                                  1'790'000'000'002};
    for (const std::int64_t time : times)
        for (int i = 0; i < 1000; ++i) {
            const QueueId id = source.next(at(time));
            EXPECT_GT(id, last);
            last = id;
        }
}

TEST(QueueIdSource, HoldsTheTime) {
    QueueIdSource source(5);
    EXPECT_EQ(source.next(at(1'790'000'000'123)).value() >> 20, 1'790'000'000'123);
}

TEST(QueueIdSource, SourcesOfOneProcessNeverMeet) {
    // The worst case: equal seeds, equal times, a clock that stands still and then steps back.
    QueueIdSource sources[] = {QueueIdSource(0xffff0, 0, 3), QueueIdSource(0xffff0, 1, 3),
                               QueueIdSource(0xffff0, 2, 3)};
    std::set<QueueId> seen;
    for (int i = 0; i < 3000; ++i)
        for (auto& source : sources) EXPECT_TRUE(seen.insert(source.next(at(i < 2000 ? 1000 : 500))).second);
}

}  // namespace
}  // namespace posthorn
