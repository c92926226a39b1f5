// Tests of base/bound.hpp.
#include "base/bound.hpp"

#include <gtest/gtest.h>

#include <set>

namespace posthorn {
namespace {

TEST(Bound, EachHasItsOwnWordsAtItsPlace) {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < kBounds; ++i) {
        const BoundText& text = bound_texts()[i];
        EXPECT_EQ(static_cast<std::size_t>(text.bound), i) << text.name;
        EXPECT_TRUE(names.insert(text.name).second) << text.name;
        EXPECT_TRUE(text.beyond.ends_with('.')) << text.name;
        EXPECT_NE(text.beyond.find(':'), std::string_view::npos) << text.name;
    }
}

TEST(Bound, IsCountedApart) {
    const std::uint64_t before = times_reached(Bound::dns_cache), other = times_reached(Bound::quirks);
    note_reached(Bound::dns_cache);
    note_reached(Bound::dns_cache);
    EXPECT_EQ(times_reached(Bound::dns_cache), before + 2);
    EXPECT_EQ(times_reached(Bound::quirks), other);
}

}  // namespace
}  // namespace posthorn
