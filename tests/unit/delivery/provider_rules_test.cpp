// The built-in rules: that each is reached by its own examples, and what a file of the operator's may do to them.
#include "delivery/provider_rules.hpp"

#include <gtest/gtest.h>

#include "delivery/built_in_rules.hpp"
#include "delivery/reply_rule.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::Reply;
using smtp::protocol::Stage;

std::string all(const std::vector<RuleMistake>& mistakes) {
    std::string out;
    for (const RuleMistake& mistake : mistakes) out += mistake.to_string() + "\n";
    return out;
}

// peers.md 4.1: each shipped rule is shown to be reached by a real reply, and so none is dead.
TEST(BuiltInRules, EachIsReachedByItsExamples) {
    const auto loaded = ProviderRules::alone(built_in_rules(), "providers.toml");
    EXPECT_EQ(all(loaded.mistakes), "");
    ASSERT_NE(loaded.rules, nullptr);
    EXPECT_GT(loaded.rules->rules().size(), 150U);
}

}  // namespace
}  // namespace posthorn::delivery
