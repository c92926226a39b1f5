// SD-32: a key goes from pending to gone by what DNS shows and by time, and never is there nobody who signs. SD-45: the first key.
#include "auth/dkim/rotation.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "auth/dkim/key_directory.hpp"
#include "auth/dkim/keys.hpp"
#include "unit/auth/temporary_folder.hpp"

namespace posthorn::auth::dkim {
namespace {

using Kind = RotationStep::Kind;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const TimePoint kStart = TimePoint(std::chrono::sys_days{std::chrono::year{2026} / 11 / 22}.time_since_epoch());

RotationOptions options() {
    RotationOptions options;
    options.every = hours(24 * 90);
    options.settle = hours(1);
    options.keep = hours(24 * 12);
    return options;
}

KeySeen everywhere(seconds ttl = seconds(300)) {
    KeySeen seen;
    seen.everywhere = seen.at_resolver = true;
    seen.ttl = ttl;
    return seen;
}

KeySeen nowhere(const std::string& words = "ns2: there is no such record") {
    KeySeen seen;
    seen.words = words;
    return seen;
}

// A domain whose clock and DNS the test moves.
struct Life {
    KeyStages stages;
    KeysSeen seen;
    RotationOptions how = options();
    TimePoint now = kStart;

    RotationStep step() const { return next_step(stages, seen, how, now); }
    // Takes steps until none is due; the kinds of them.
    std::vector<Kind> run() {
        std::vector<Kind> taken;
        for (RotationStep next = step(); next.kind != Kind::wait && taken.size() < 20; next = step()) {
            EXPECT_TRUE(take_step(stages, next, now).has_value());
            taken.push_back(next.kind);
        }
        return taken;
    }
    void see(const std::string& selector, KeySeen what) {
        std::erase_if(seen, [&](const auto& one) { return one.first == selector; });
        seen.emplace_back(selector, std::move(what));
    }
    KeyStage stage(std::string_view selector) const { return stages.find(selector)->stage; }
};

TEST(DkimRotation, FromNothingToGone) {
    Life life;
    EXPECT_EQ(life.run(), std::vector<Kind>{Kind::make});   // SD-45
    ASSERT_EQ(life.stages.keys.size(), 1u);
    EXPECT_EQ(life.stages.keys[0].selector, "mta-202611");   // SD-32
    EXPECT_EQ(life.stages.keys[0].bits, 2048);
    EXPECT_EQ(to_be_seen(life.stages), std::vector<std::string>{"mta-202611"});

    life.see("mta-202611", nowhere());
    EXPECT_TRUE(life.run().empty());
    EXPECT_NE(life.step().words.find("ns2"), std::string::npos) << life.step().words;

    KeySeen not_at_resolver = everywhere();   // which has its "no" from before the record
    not_at_resolver.at_resolver = false;
    life.see("mta-202611", not_at_resolver);
    EXPECT_EQ(life.run(), (std::vector<Kind>{Kind::publish, Kind::activate})) << "its mail waits for nothing else";

    life.now += hours(24 * 90);   // to 2027-02
    EXPECT_EQ(life.run(), std::vector<Kind>{Kind::make});
    EXPECT_EQ(life.stages.keys[1].selector, "mta-202702");
    EXPECT_EQ(life.stage("mta-202611"), KeyStage::active);
    life.see("mta-202702", everywhere());
    EXPECT_EQ(life.run(), std::vector<Kind>{Kind::publish});
    EXPECT_EQ(life.step().not_before, life.now + hours(1));
    EXPECT_EQ(life.stage("mta-202611"), KeyStage::active) << "signs until the next one does";
    life.now += minutes(59);
    EXPECT_TRUE(life.run().empty());
    life.now += minutes(1);
    EXPECT_EQ(life.run(), std::vector<Kind>{Kind::activate});
    EXPECT_EQ(life.stage("mta-202611"), KeyStage::retiring);
    EXPECT_EQ(life.stage("mta-202702"), KeyStage::active);
    life.now += hours(24 * 12) - minutes(1);
    EXPECT_TRUE(life.run().empty());
    life.now += minutes(1);
    EXPECT_EQ(life.run(), std::vector<Kind>{Kind::bury});
    EXPECT_EQ(life.stage("mta-202611"), KeyStage::gone);
}

// One key signs, and the next one is made: mta-202702.
Life with_two_keys() {
    Life life;
    life.run();
    life.see("mta-202611", everywhere());
    life.run();
    life.now += hours(24 * 90);
    life.run();
    return life;
}

TEST(DkimRotation, ALongTtlIsWaitedFor) {
    Life life = with_two_keys();
    life.see("mta-202702", everywhere(seconds(7200)));
    life.run();
    life.now += hours(1);
    EXPECT_TRUE(life.run().empty());
    life.now += hours(1);
    EXPECT_EQ(life.run(), std::vector<Kind>{Kind::activate});
}

TEST(DkimRotation, ARecordThatVanishesIsWaitedForAnew) {
    Life life = with_two_keys();
    life.see("mta-202702", everywhere());
    life.run();
    life.see("mta-202702", nowhere());
    life.now += hours(2);
    EXPECT_EQ(life.run(), std::vector<Kind>{Kind::lose});
    EXPECT_EQ(life.stage("mta-202702"), KeyStage::pending);
    KeySeen not_at_resolver = everywhere();
    not_at_resolver.at_resolver = false;
    life.see("mta-202702", not_at_resolver);
    EXPECT_EQ(life.run(), std::vector<Kind>{Kind::publish});
    life.now += hours(2);
    EXPECT_TRUE(life.run().empty()) << "the resolver does not have it";
    life.see("mta-202702", everywhere());
    EXPECT_EQ(life.run(), std::vector<Kind>{Kind::activate});
}

TEST(DkimRotation, WithoutEveryAndAutogenerateNothingIsMade) {
    Life life;
    life.how.every = {};
    life.how.make_first = false;
    EXPECT_TRUE(life.run().empty());
    life.how.make_first = true;
    life.run();
    life.see("mta-202611", everywhere());
    life.run();
    life.now += hours(1);
    life.run();
    life.now += hours(24 * 3650);
    EXPECT_TRUE(life.run().empty());
    EXPECT_EQ(life.stages.keys.size(), 1u);
}

TEST(DkimRotation, ByHand) {
    Life life;
    life.run();
    const auto step = [&](Kind kind, const std::string& selector) {
        RotationStep one;
        one.kind = kind;
        one.selector = selector;
        one.bits = 2048;
        return take_step(life.stages, one, life.now);
    };
    EXPECT_FALSE(step(Kind::bury, "mta-202611"));
    EXPECT_FALSE(step(Kind::retire, "mta-202611"));
    EXPECT_FALSE(step(Kind::publish, "nobody"));
    EXPECT_TRUE(step(Kind::activate, "mta-202611"));
    EXPECT_FALSE(step(Kind::retire, "mta-202611")) << "nothing would sign";
    EXPECT_TRUE(step(Kind::make, "next"));
    EXPECT_FALSE(step(Kind::make, "next"));
    EXPECT_TRUE(step(Kind::activate, "next"));
    EXPECT_EQ(life.stage("mta-202611"), KeyStage::retiring);
    EXPECT_TRUE(step(Kind::activate, "mta-202611")) << "back to the old one, whose record is still there";
    EXPECT_EQ(life.stage("next"), KeyStage::retiring);
}

TEST(DkimRotation, TwoAlgorithmsRotateApart) {
    Life life;
    life.how.every = {};
    for (const Algorithm algorithm : {Algorithm::rsa, Algorithm::ed25519}) {
        RotationStep make;
        make.kind = Kind::make;
        make.algorithm = algorithm;
        make.selector = default_selector(life.now, life.stages);
        ASSERT_TRUE(take_step(life.stages, make, life.now));
    }
    EXPECT_EQ(life.stages.keys[1].selector, "mta-202611-2");
    for (const StagedKey& key : life.stages.keys) life.see(key.selector, everywhere());
    life.run();
    life.now += hours(1);
    life.run();
    EXPECT_EQ(life.stage("mta-202611"), KeyStage::active);
    EXPECT_EQ(life.stage("mta-202611-2"), KeyStage::active);
}

TEST(DkimRotation, TheListIsReadAsWritten) {
    Life life;
    life.run();
    life.see("mta-202611", everywhere());
    life.run();
    const KeyStages back = KeyStages::parse(life.stages.to_json(), "stages.json").value();
    ASSERT_EQ(back.keys.size(), 1u);
    EXPECT_EQ(back.to_json(), life.stages.to_json());
    EXPECT_TRUE(KeyStages::parse("{\"keys\": []}", "x").has_value());
    for (const char* broken : {"", "{", "[]", "{}", R"({"keys":[1]})", R"({"keys":[{"selector":"../a","stage":"active","algorithm":"rsa"}]})",
                               R"({"keys":[{"selector":"a","stage":"asleep","algorithm":"rsa"}]})",
                               R"({"keys":[{"selector":"a","stage":"active","algorithm":"rsa"},{"selector":"A","stage":"gone","algorithm":"rsa"}]})",
                               // A time that is none would have the key buried at once.
                               R"({"keys":[{"selector":"a","stage":"retiring","since":"x","algorithm":"rsa","bits":2048}]})",
                               R"({"keys":[{"selector":"a","stage":"retiring","since":-5,"algorithm":"rsa","bits":2048}]})",
                               R"({"keys":[{"selector":"a","stage":"retiring","since":9223372036854775807,"algorithm":"rsa","bits":2048}]})",
                               R"({"keys":[{"selector":"a","stage":"active","since":5,"algorithm":"rsa","bits":99999999999}]})"}) {
        const auto parsed = KeyStages::parse(broken, "stages.json");
        EXPECT_FALSE(parsed.has_value()) << broken;
    }
}

// One that is no selector would lead out of the directory, and break the list that it is written into.
TEST(DkimRotation, OnlyASelectorGetsIntoTheList) {
    for (const std::string& name : {std::string("../../evil"), std::string(""), std::string(".a"), std::string("a."), std::string("a..b"),
                                    std::string("my key"), std::string("a\n"), std::string(64, 'a')}) {
        KeyStages stages;
        RotationStep step;
        step.kind = RotationStep::Kind::make;
        step.selector = name;
        step.bits = 2048;
        EXPECT_FALSE(take_step(stages, step, TimePoint(std::chrono::seconds(5))).has_value()) << name;
        EXPECT_TRUE(stages.keys.empty()) << name;
    }
}

TEST(DkimRotation, OldNamesAreForgottenInTheEnd) {
    Life life;
    for (int i = 0; i < 40; ++i) {
        StagedKey old;
        old.selector = "old" + std::to_string(i);
        old.stage = KeyStage::gone;
        life.stages.keys.push_back(old);
    }
    life.run();
    EXPECT_EQ(life.stages.keys.size(), 13u);
    EXPECT_EQ(life.stages.keys.front().selector, "old28");
}

DomainOptions domain_with(const std::string& directory) {
    DomainOptions domain;
    domain.name = "example.com";
    domain.key_directory = directory;
    return domain;
}

TEST(DkimKeyDirectory, AKeyIsMadeListedAndNeverOverwritten) {
    const testing::TemporaryFolder folder;
    const std::string directory = folder.path("");
    const auto key = make_key(directory, "s1", Algorithm::ed25519, 0, kStart);
    ASSERT_TRUE(key.has_value()) << key.error().what;
    struct stat status {};
    ASSERT_EQ(::stat(key_path(directory, "s1").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);   // SD-30, SD-49
    EXPECT_EQ(read_stages(directory)->find("s1")->stage, KeyStage::pending);
    EXPECT_FALSE(make_key(directory, "s1", Algorithm::ed25519, 0, kStart).has_value());
    // A crash between the file and the list leaves a file that the next round takes, and nobody else.
    ASSERT_TRUE((*key)->write(key_path(directory, "s2")).has_value());
    EXPECT_FALSE(make_key(directory, "s2", Algorithm::ed25519, 0, kStart).has_value());
    EXPECT_EQ(read_stages(directory)->find("s2"), nullptr) << "an error changes nothing";
    const auto taken = make_key(directory, "s2", Algorithm::ed25519, 0, kStart, Leftover::take);
    ASSERT_TRUE(taken.has_value());
    EXPECT_EQ((*taken)->public_base64(), (*key)->public_base64());
}

TEST(DkimKeyDirectory, StagesDecideWhoSigns) {
    const testing::TemporaryFolder folder;
    const std::string directory = folder.path("");
    DomainOptions domain = domain_with(directory);
    DkimOptions how;
    EXPECT_FALSE(KeyTable::build({domain}, how)->select("example.com").can_sign());
    ASSERT_TRUE(make_key(directory, "s1", Algorithm::ed25519, 0, kStart).has_value());
    const KeyTablePtr pending = KeyTable::build({domain}, how);
    EXPECT_FALSE(pending->select("example.com").can_sign());
    EXPECT_NE(pending->select("example.com").reason.find("posthorn dkim record --domain example.com --selector s1"), std::string::npos);
    how.sign_unpublished = true;   // SD-45
    EXPECT_TRUE(KeyTable::build({domain}, how)->select("example.com").can_sign());
    how.sign_unpublished = false;

    RotationStep activate;
    activate.kind = Kind::activate;
    activate.selector = "s1";
    ASSERT_TRUE(carry_out(directory, activate, kStart).has_value());
    ASSERT_TRUE(make_key(directory, "s2", Algorithm::ed25519, 0, kStart).has_value());
    const KeyTablePtr table = KeyTable::build({domain}, how);
    ASSERT_EQ(table->select("example.com").identities.size(), 1u);
    EXPECT_EQ(table->select("example.com").identities[0].selector, "s1");
    EXPECT_EQ(published_keys(domain_keys(domain).value()).size(), 2u);

    activate.selector = "s2";
    ASSERT_TRUE(carry_out(directory, activate, kStart).has_value());
    EXPECT_EQ(KeyTable::build({domain}, how)->select("example.com").identities[0].selector, "s2");
    RotationStep bury;
    bury.kind = Kind::bury;
    bury.selector = "s1";
    ASSERT_TRUE(carry_out(directory, bury, kStart).has_value());
    EXPECT_FALSE(std::filesystem::exists(key_path(directory, "s1")));
    EXPECT_TRUE(std::filesystem::exists(key_path(directory, "s2")));
    EXPECT_EQ(published_keys(domain_keys(domain).value()).size(), 1u);
}

// Whoever may not look (0700, another user; here a link that leads to itself) is not told that there is no key.
TEST(DkimKeyDirectory, WhatCannotBeLookedIntoIsNotEmpty) {
    const testing::TemporaryFolder folder;
    EXPECT_TRUE(read_stages(folder.path("nothing"))->keys.empty());
    const std::string loop = folder.path("loop");
    std::filesystem::create_symlink("loop", loop);
    EXPECT_FALSE(read_stages(loop).has_value());
    EXPECT_FALSE(domain_keys(domain_with(loop)).has_value());
}

TEST(DkimKeyDirectory, AdoptAndAbandon) {
    const testing::TemporaryFolder folder;
    const std::string directory = folder.path("");
    const PrivateKeyPtr mine = PrivateKey::generate(Algorithm::ed25519).value();
    ASSERT_TRUE(mine->write(key_path(directory, "old")).has_value());
    ASSERT_TRUE(adopt_key(directory, "old", kStart).has_value());
    EXPECT_EQ(read_stages(directory)->find("old")->stage, KeyStage::active);
    EXPECT_FALSE(adopt_key(directory, "missing", kStart).has_value());
    EXPECT_FALSE(abandon_key(directory, "old").has_value()) << "mail bears its signature";
    ASSERT_TRUE(make_key(directory, "next", Algorithm::ed25519, 0, kStart).has_value());
    ASSERT_TRUE(abandon_key(directory, "next").has_value());
    EXPECT_EQ(read_stages(directory)->find("next"), nullptr);
    EXPECT_FALSE(std::filesystem::exists(key_path(directory, "next")));
}

// The same selector named in `dkim` and found in the directory is one key, and one signature.
TEST(DkimKeyDirectory, FixedKeysGoOn) {
    const testing::TemporaryFolder folder;
    const std::string directory = folder.path("");
    const PrivateKeyPtr mine = PrivateKey::generate(Algorithm::ed25519).value();
    ASSERT_TRUE(mine->write(key_path(directory, "old")).has_value());
    ASSERT_TRUE(adopt_key(directory, "old", kStart).has_value());
    DomainOptions domain = domain_with(directory);
    domain.keys = {{"OLD", key_path(directory, "old")}};
    EXPECT_EQ(domain_keys(domain)->size(), 1u);
    std::ofstream(directory + "/stages.json") << "rubbish";
    EXPECT_FALSE(domain_keys(domain).has_value());
    const KeyTablePtr table = KeyTable::build({domain}, {});
    EXPECT_TRUE(table->select("example.com").can_sign());
    EXPECT_EQ(table->problems().size(), 1u);
}

}  // namespace
}  // namespace posthorn::auth::dkim
