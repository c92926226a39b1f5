// Who makes room when every place is taken.
#include "smtp/server/strangers.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace posthorn::smtp::server {
namespace {

Strangers::Address address(std::uint8_t last) {
    Strangers::Address octets{};
    octets[15] = last;
    return octets;
}

// Seats with a name; `gone` says who gave way, in order.
struct Room {
    Strangers strangers;
    std::string gone;

    std::unique_ptr<Strangers::Seat> seat(char name, std::uint8_t from) {
        return std::make_unique<Strangers::Seat>(strangers, address(from), [this, name] { gone += name; });
    }
};

TEST(Strangers, WithoutAStrangerNobodyGivesWay) {
    Room room;
    EXPECT_FALSE(room.strangers.displace());
}

TEST(Strangers, OfEqualAddressesWhoCameFirstGivesWay) {
    Room room;
    const auto a = room.seat('a', 1);
    const auto b = room.seat('b', 2);
    const auto c = room.seat('c', 3);
    EXPECT_TRUE(room.strangers.displace());
    EXPECT_TRUE(room.strangers.displace());
    EXPECT_TRUE(room.strangers.displace());
    EXPECT_FALSE(room.strangers.displace());
    EXPECT_EQ(room.gone, "abc");
}

TEST(Strangers, TheAddressWithTheMostSeatsPaysFirst) {
    Room room;
    const auto first = room.seat('f', 1);  // alone, and longest here
    const auto a = room.seat('a', 2);
    const auto b = room.seat('b', 2);
    const auto c = room.seat('c', 2);
    EXPECT_TRUE(room.strangers.displace());
    EXPECT_TRUE(room.strangers.displace());
    EXPECT_EQ(room.gone, "ab");
    EXPECT_TRUE(room.strangers.displace());  // one each: now the order counts
    EXPECT_EQ(room.gone, "abf");
}

// Trusted clients give way to others only, and only where one of them has more than his part.
TEST(Strangers, ACrowdGivesWayToOthers) {
    Room room;
    EXPECT_FALSE(room.strangers.displace_crowd(address(9), 0));
    const auto first = room.seat('f', 1);
    const auto a = room.seat('a', 2);
    const auto b = room.seat('b', 2);
    const auto c = room.seat('c', 2);
    EXPECT_FALSE(room.strangers.displace_crowd(address(9), 3));
    EXPECT_FALSE(room.strangers.displace_crowd(address(2), 2)) << "he would only gain by it";
    EXPECT_TRUE(room.strangers.displace_crowd(address(9), 2));
    EXPECT_FALSE(room.strangers.displace_crowd(address(9), 2)) << "now it is bearable";
    EXPECT_EQ(room.gone, "a");
}

TEST(Strangers, WhoIsKnownOrGoneIsNotAskedAndCountsNoMore) {
    Room room;
    auto a = room.seat('a', 1);
    auto b = room.seat('b', 1);
    const auto c = room.seat('c', 2);
    const auto d = room.seat('d', 2);
    a.reset();
    EXPECT_TRUE(room.strangers.displace());
    EXPECT_EQ(room.gone, "c");
    b.reset();
    EXPECT_TRUE(room.strangers.displace());
    EXPECT_EQ(room.gone, "cd");
    EXPECT_FALSE(room.strangers.displace());
}

}  // namespace
}  // namespace posthorn::smtp::server
