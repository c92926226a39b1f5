// What receivers say to an address, by SPF, in the worlds of tests/worlds.
#include "auth/spf.hpp"
#include "support/world_test.hpp"

namespace posthorn::auth::spf {
namespace {

using test::DnsWorld;
using test::WorldExpectation;

void check(const DnsWorld& world) {
    for (const WorldExpectation& wanted : world.expected) {
        const std::size_t at = wanted.from.find('@');
        Subject subject(test::ip_of(wanted.ip), at == std::string::npos ? wanted.helo : wanted.from.substr(at + 1), wanted.helo);
        if (at != std::string::npos && at > 0) subject.local_part = wanted.from.substr(0, at);
        DnsAnswers known;
        int rounds = 0;
        Step step = evaluate(subject, known);
        while (step.index() == 0 && ++rounds < 100) {
            for (const DnsQuestion& question : std::get<0>(step)) known.add(question, world.resolver.answer(question));
            step = evaluate(subject, known);
        }
        ASSERT_LT(rounds, 100) << "never ends";
        const auto& outcome = std::get<Outcome>(step);
        EXPECT_EQ(to_string(outcome.verdict), wanted.verdict) << wanted.ip << " " << wanted.from << ": " << outcome.why;
        EXPECT_TRUE(wanted.term.empty() || outcome.term == wanted.term) << "decided by " << outcome.term << ", not by " << wanted.term;
        EXPECT_EQ(outcome.lookups, wanted.lookups.value_or(outcome.lookups)) << wanted.ip << " " << wanted.from;
        EXPECT_EQ(outcome.void_lookups, wanted.voids.value_or(outcome.void_lookups)) << wanted.ip << " " << wanted.from;
        test::expect_words(wanted, outcome.why);
    }
}

class SpfWorlds : public ::testing::TestWithParam<DnsWorld> {};

TEST_P(SpfWorlds, AreJudgedAsRfc7208Says) {
    ASSERT_EQ(GetParam().kind, "spf") << GetParam().about;
    SCOPED_TRACE(GetParam().about);
    ASSERT_FALSE(GetParam().expected.empty());
    check(GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, SpfWorlds, ::testing::ValuesIn(test::worlds_of("spf")), test::name_of_world);

}  // namespace
}  // namespace posthorn::auth::spf
