// The key table: which domain signs for which From, and what one broken key does to the others.
#include <gtest/gtest.h>

#include "auth/dkim/keys.hpp"
#include "rfc8463_example.hpp"
#include "temporary_folder.hpp"

namespace posthorn::auth::dkim {
namespace {

Result<PrivateKeyPtr> source(const std::string& path) {
    if (path.starts_with("rsa")) return PrivateKey::parse(testing::rfc8463::kRsaKey, path);
    if (path.starts_with("ed")) return PrivateKey::parse(testing::rfc8463::kEd25519Key, path);
    return Error{path + " does not exist"};
}

KeyTablePtr table(DkimOptions options = {}) {
    return KeyTable::build({{"example.com", {{"e1", "ed"}, {"r1", "rsa"}}, UnsignedPolicy::hold},
                            {"shop.example.com", {{"s", "ed"}}, UnsignedPolicy::hold},
                            {"broken.org", {{"s", "gone.pem"}}, UnsignedPolicy::send_unsigned},
                            {"half.org", {{"a", "gone.pem"}, {"b", "ed"}}, UnsignedPolicy::hold},
                            {"bare.org", {}, UnsignedPolicy::hold}},
                           options, source);
}

TEST(KeyTable, SelectsTheDomainItselfWithRsaFirst) {
    const auto keys = table();
    const auto selection = keys->select("example.com");
    ASSERT_EQ(selection.identities.size(), 2U);
    EXPECT_TRUE(selection.can_sign());
    EXPECT_EQ(selection.identities[0].selector, "r1");
    EXPECT_EQ(selection.identities[1].selector, "e1");
    EXPECT_EQ(selection.identities[0].domain, "example.com");
    EXPECT_EQ(selection.reason, "");
}

TEST(KeyTable, SelectsTheNearestParent) {
    const auto keys = table();
    EXPECT_EQ(keys->select("a.b.example.com").identities[0].domain, "example.com");
    EXPECT_EQ(keys->select("www.shop.example.com").identities[0].domain, "shop.example.com");
    EXPECT_EQ(keys->select("EXAMPLE.Com.").identities[0].domain, "example.com");
}

TEST(KeyTable, DoesNotMixUpNamesThatEndAlike) {
    const auto keys = table();
    for (const auto name : {"notexample.com", "com", "example.org", "", ".", "example.com.evil.net"}) {
        const auto selection = keys->select(name);
        EXPECT_FALSE(selection.can_sign()) << name;
        EXPECT_FALSE(selection.reason.empty()) << name;
    }
    EXPECT_NE(keys->select("notexample.com")
                  .reason.find("no [[domain]] of the configuration covers notexample.com"),
              std::string::npos);
}

TEST(KeyTable, AMissingKeyIsItsOwnDomainsTrouble) {
    const auto keys = table();
    const auto broken = keys->select("mail.broken.org");
    EXPECT_FALSE(broken.can_sign());
    EXPECT_EQ(broken.policy, UnsignedPolicy::send_unsigned);
    EXPECT_EQ(broken.reason, "domain broken.org: no key for selector s: gone.pem does not exist");
    EXPECT_TRUE(keys->select("example.com").can_sign());
    EXPECT_NE(keys->select("bare.org").reason.find("posthorn dkim genkey --domain bare.org"),
              std::string::npos);
}

TEST(KeyTable, SignsWithTheKeysThereAre) {
    const auto keys = table();
    const auto half = keys->select("half.org");
    ASSERT_EQ(half.identities.size(), 1U);
    EXPECT_EQ(half.identities[0].selector, "b");
    const auto& problems = keys->problems();
    const auto says = [&](std::string_view part) {
        for (const auto& problem : problems) {
            if (problem.find(part) != std::string::npos) return true;
        }
        return false;
    };
    EXPECT_TRUE(says("domain half.org: no key for selector a"));
    EXPECT_TRUE(says("domain broken.org: no key for selector s"));
    EXPECT_TRUE(says("domain bare.org has no DKIM key"));
    EXPECT_TRUE(says("domain example.com, selector r1: rsa: an RSA key of 1024 bits is weak"));
}

TEST(KeyTable, PassesTheOptionsOn) {
    DkimOptions options;
    options.body = Canonical::simple;
    options.expire_after = std::chrono::hours(1);
    options.unknown_domain = UnsignedPolicy::send_unsigned;
    const auto keys = table(options);
    EXPECT_TRUE(keys->needs_simple_body());
    EXPECT_FALSE(table()->needs_simple_body());
    EXPECT_EQ(keys->select("example.com").identities[0].body, Canonical::simple);
    EXPECT_EQ(keys->select("example.com").identities[0].expire_after, std::chrono::hours(1));
    EXPECT_EQ(keys->select("else.net").policy, UnsignedPolicy::send_unsigned);
    EXPECT_EQ(keys->domains().size(), 5U);
}

TEST(KeyTable, FindsInternationalDomainsByTheirALabels) {
    const auto keys =
        KeyTable::build({{"xn--bcher-kva.example", {{"s", "ed"}}, UnsignedPolicy::hold}}, {}, source);
    EXPECT_TRUE(keys->select("B\xc3\xbc"
                             "cher.example")
                    .can_sign());
}

TEST(KeyTable, ReadsFiles) {
    testing::TemporaryFolder folder;
    const auto path = folder.write("key.pem", testing::rfc8463::kEd25519Key);
    const auto keys = KeyTable::build({{"example.com", {{"s", path}}, UnsignedPolicy::hold}}, {});
    EXPECT_TRUE(keys->select("example.com").can_sign());
    EXPECT_TRUE(keys->problems().empty());
}

}  // namespace
}  // namespace posthorn::auth::dkim
