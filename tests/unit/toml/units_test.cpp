// Durations and sizes as text.
#include "toml/units.hpp"

#include <gtest/gtest.h>

#include "config/findings.hpp"

namespace posthorn::toml {
namespace {

TEST(Durations, AreANumberAndAUnit) {
    EXPECT_EQ(parse_duration("250ms"), Duration(250));
    EXPECT_EQ(parse_duration("30s"), std::chrono::seconds(30));
    EXPECT_EQ(parse_duration("5m"), std::chrono::minutes(5));
    EXPECT_EQ(parse_duration("3h"), std::chrono::hours(3));
    EXPECT_EQ(parse_duration("5d"), std::chrono::hours(120));
    EXPECT_EQ(parse_duration("0s"), Duration(0));
    for (const char* wrong : {"", "5", "s", "-5s", "+5s", "5 s", "5S", "1.5h", "5s ", "1h30m",
                              "106751991168d", "99999999999999999999s"}) {
        EXPECT_FALSE(parse_duration(wrong).has_value()) << wrong;
    }
}

TEST(Durations, AreShownInTheLargestUnitThatDividesThem) {
    EXPECT_EQ(format_duration(std::chrono::seconds(90)), "90s");
    EXPECT_EQ(format_duration(std::chrono::hours(120)), "5d");
    EXPECT_EQ(format_duration(Duration(1500)), "1500ms");
    EXPECT_EQ(format_duration(Duration(0)), "0s");
}

TEST(Sizes, AreOctetsOrBinaryUnits) {
    EXPECT_EQ(parse_size("35MiB"), 35ULL << 20);
    EXPECT_EQ(parse_size("256KiB"), 256ULL << 10);
    EXPECT_EQ(parse_size("1GiB"), 1ULL << 30);
    EXPECT_EQ(parse_size("1000"), 1000U);
    for (const char* wrong : {"", "35MB", "35M", "KiB", "-1KiB", "9999999999999GiB"}) {
        EXPECT_FALSE(parse_size(wrong).has_value()) << wrong;
    }
    EXPECT_EQ(format_size(35ULL << 20), "35MiB");
    EXPECT_EQ(format_size(1000), "1000");
    EXPECT_EQ(format_size(0), "0");
}

TEST(Rates, AreANumberPerTime) {
    EXPECT_EQ(parse_rate("10/1m"), (Rate{10, std::chrono::minutes(1)}));
    EXPECT_EQ(parse_rate("600/1h"), (Rate{600, std::chrono::hours(1)}));
    EXPECT_EQ(parse_rate("4294967295/500ms"), (Rate{4294967295, std::chrono::milliseconds(500)}));
    for (const char* wrong : {"", "10", "/1m", "10/", "10/m", "0/1m", "10/0s", "-1/1m", "10 /1m", "1.5/1m", "10/1m/2", "4294967296/1m"}) {
        EXPECT_FALSE(parse_rate(wrong).has_value()) << wrong;
    }
    EXPECT_EQ(format_rate(Rate{10, std::chrono::seconds(60)}), "10/1m");
}

TEST(Nearest, GuessesSlipsOfTheFingerOnly) {
    EXPECT_EQ(nearest("prot", {"port", "tls"}), "port");
    EXPECT_EQ(nearest("hostnaem", {"hostname", "postmaster"}), "hostname");
    EXPECT_EQ(nearest("colour", {"port", "tls"}), "");
}

}  // namespace
}  // namespace posthorn::toml
