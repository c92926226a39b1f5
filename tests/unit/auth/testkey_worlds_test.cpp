// What `posthorn dkim testkey` says of our key in the worlds of tests/worlds (SD-46).
#include "auth/dkim/testkey.hpp"
#include "support/world_test.hpp"

namespace posthorn::auth::dkim {
namespace {

using test::DnsWorld;

// The key of the first signature, at each server of the zone and at the resolver.
void check(const DnsWorld& world) {
    const test::WorldKey& ours = world.sender.keys.at(0);
    const std::string name = ours.selector + "._domainkey." + ours.domain;
    const auto sight = [&](const test::DnsView& view, std::string place) {
        KeySight seen;
        seen.place = std::move(place);
        seen.answer = view.answer(DnsQuestion(DnsType::txt, name));
        seen.verdict = judge_key(seen.answer, *test::key_of(ours.file), name);
        return seen;
    };
    std::vector<KeySight> authorities;
    for (std::size_t i = 0; i < world.servers.size(); ++i) authorities.push_back(sight(world.servers[i], "ns" + std::to_string(i + 1) + ".example.com"));
    const KeySight resolver = sight(world.resolver, "the resolver");
    const KeyVerdict verdict = judge_places(authorities, &resolver, {});
    ASSERT_EQ(world.expected.size(), 1U);
    std::string said = verdict.words;
    for (const std::string& note : verdict.notes) said += "\n" + note;
    EXPECT_EQ(to_string(verdict.fault), world.expected[0].verdict) << said;
    test::expect_words(world.expected[0], said);
}

class TestkeyWorlds : public ::testing::TestWithParam<DnsWorld> {};

TEST_P(TestkeyWorlds, HaveTheirFault) {
    ASSERT_EQ(GetParam().kind, "testkey") << GetParam().about;
    SCOPED_TRACE(GetParam().about);
    check(GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, TestkeyWorlds, ::testing::ValuesIn(test::worlds_of("testkey")), test::name_of_world);

}  // namespace
}  // namespace posthorn::auth::dkim
