// Tests of base/unique_function.hpp and base/result.hpp.
#include "base/unique_function.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/result.hpp"

namespace posthorn {
namespace {

TEST(UniqueFunction, OwnsWhatOnlyMovesAndIsEmptyAfterItsCall) {
    auto owned = std::make_unique<int>(7);
    UniqueFunction<int(int)> function = [owned = std::move(owned)](int add) { return *owned + add; };
    UniqueFunction<int(int)> moved = std::move(function);
    EXPECT_FALSE(function);
    ASSERT_TRUE(moved);
    EXPECT_EQ(moved(3), 10);
    EXPECT_FALSE(moved);
}

TEST(UniqueFunction, MayBeReplacedByWhatItCalls) {
    int calls = 0;
    UniqueFunction<void()> function;
    function = [&] {
        ++calls;
        function = [&] { ++calls; };
    };
    function();
    ASSERT_TRUE(function);
    function();
    EXPECT_EQ(calls, 2);
}

TEST(Result, AStringIsAValueAndAnErrorAnError) {
    const auto good = []() -> Result<std::string> { return std::string("text"); }();
    const auto bad = []() -> Result<std::string> { return Error{"what " + std::string("happened")}; }();
    ASSERT_TRUE(good);
    EXPECT_EQ(*good, "text");
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().what, "what happened");
    EXPECT_THROW(static_cast<void>(bad.value()), std::runtime_error);
}

}  // namespace
}  // namespace posthorn
