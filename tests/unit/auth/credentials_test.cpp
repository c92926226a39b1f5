// Passwords: right, wrong, unknown, remembered and forgotten.
#include "auth/credentials.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/base64.hpp"

namespace posthorn::auth {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;

// joe has the password "geheim".
UserFile some_users() {
    auto users = UserFile::parse("joe:" + *make_hash("geheim") + "\nlocked:!$1$abcdefgh$xyz\n", "users");
    EXPECT_TRUE(users);
    return *users;
}

const SteadyTime kStart = SteadyTime{} + 1h;

TEST(Credentials, TakeTheRightPasswordOnly) {
    Credentials credentials(some_users(), 5min);
    EXPECT_TRUE(credentials.verify("joe", "geheim", kStart));
    for (const auto wrong : {""sv, "Geheim"sv, "geheim "sv, "geheim\0x"sv, "x"sv})
        EXPECT_FALSE(credentials.verify("joe", wrong, kStart)) << wrong;
    EXPECT_FALSE(credentials.verify("joe", std::string(5000, 'x'), kStart));
    EXPECT_FALSE(credentials.verify("jo", "geheim", kStart));
    EXPECT_FALSE(credentials.verify("", "geheim", kStart));
    EXPECT_FALSE(credentials.verify("locked", "geheim", kStart));
}

// What other programs (mkpasswd, htpasswd, Dovecot, /etc/shadow of twenty years) made for "geheim".
TEST(Credentials, ReadTheHashesOfOtherPrograms) {
    for (const auto hash : {"$y$j9T$yq0XmB1sL.7xA2Y8e3Gf3.$FyaWjcxhTTgsH8KUV03A/XFBCZr7z.g3w0lS1TMPRxB",
                            "$6$rounds=1000$saltsalt$vqVEzhF1x7x2p0VCWCzOM1GGIpJ62KqdREyqdHXfkzvqLwi."
                            "vIVwX0AcTW9cDubiR4wA.zOlJTle4lioqe99c1",
                            "$2b$05$abcdefghijklmnopqrstuuVWu8RjbNovPZWAMRdd7iqaaG0mI53Uu",
                            "$1$saltsalt$wTLsTBb/.H7e4VHujepbF0", "abOkmxXhjDb.Y"}) {
        auto users = UserFile::parse(std::string("u:") + hash, "users");
        ASSERT_TRUE(users) << users.error().what;
        Credentials credentials(*users, 5min);
        EXPECT_TRUE(credentials.verify("u", "geheim", kStart)) << hash;
        EXPECT_FALSE(credentials.verify("u", "geheiM", kStart)) << hash;
    }
}

TEST(Credentials, ADummyHashOpensNothing) {
    // The unknown user is checked against joe's hash; joe's password must not let him in.
    Credentials credentials(some_users(), 5min);
    EXPECT_FALSE(credentials.verify("nobody", "geheim", kStart));
    EXPECT_FALSE(credentials.cached("nobody", "geheim", kStart));
}

TEST(Credentials, WithoutUsersNobodyGetsIn) {
    Credentials credentials(*UserFile::parse("", "users"), 5min);
    EXPECT_EQ(credentials.users(), 0U);
    EXPECT_FALSE(credentials.verify("joe", "no user has this", kStart));
}

TEST(Credentials, RememberSuccessesForTheirTime) {
    Credentials credentials(some_users(), 5min);
    EXPECT_FALSE(credentials.cached("joe", "geheim", kStart));
    EXPECT_TRUE(credentials.verify("joe", "geheim", kStart));
    EXPECT_TRUE(credentials.cached("joe", "geheim", kStart + 5min - 1ms));
    EXPECT_FALSE(credentials.cached("joe", "geheim", kStart + 5min));
    EXPECT_FALSE(credentials.cached("joe", "wrong", kStart));
    EXPECT_FALSE(credentials.cached("joeg", "eheim", kStart));  // the border between the two counts
}

TEST(Credentials, RememberNoFailureAndNothingWithoutACache) {
    Credentials credentials(some_users(), 5min);
    EXPECT_FALSE(credentials.verify("joe", "wrong", kStart));
    EXPECT_FALSE(credentials.cached("joe", "wrong", kStart));
    Credentials forgetful(some_users(), 0ms);
    EXPECT_TRUE(forgetful.verify("joe", "geheim", kStart));
    EXPECT_FALSE(forgetful.cached("joe", "geheim", kStart));
}

TEST(Credentials, AnswerFasterFromTheCache) {
    Credentials credentials(some_users(), 5min);
    const auto time_of = [&] {
        const auto begin = std::chrono::steady_clock::now();
        EXPECT_TRUE(credentials.verify("joe", "geheim", kStart));
        return std::chrono::steady_clock::now() - begin;
    };
    const auto first = time_of();
    auto best = time_of();
    for (int i = 0; i < 20; ++i) best = std::min(best, time_of());
    EXPECT_LT(best * 20, first);  // microseconds against tens of milliseconds
}

TEST(Credentials, TakeAsLongForUnknownUsersAsForWrongPasswords) {  // AUTH-8
    Credentials credentials(some_users(), 5min);
    const auto best_of = [&](std::string_view user) {
        auto best = std::chrono::steady_clock::duration::max();
        for (int i = 0; i < 5; ++i) {
            const auto begin = std::chrono::steady_clock::now();
            EXPECT_FALSE(credentials.verify(user, "wrong", kStart));
            best = std::min(best, std::chrono::steady_clock::now() - begin);
        }
        return best;
    };
    const auto known = best_of("joe"), unknown = best_of("nobody");
    // An unknown user without a hash computed would be a thousand times faster.
    EXPECT_LT(known, unknown * 3);
    EXPECT_LT(unknown, known * 3);
}

TEST(Credentials, AreCheckedFromManyThreadsAtOnce) {
    Credentials credentials(some_users(), 5min);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 3; ++i) {
                EXPECT_TRUE(credentials.verify("joe", "geheim", kStart));
                EXPECT_FALSE(credentials.verify("joe", "wrong" + std::to_string(t), kStart));
            }
        });
    }
    for (auto& thread : threads) thread.join();
}

TEST(Credentials, TakeThePasswordInEitherForm) {
    // RFC 4616 s2: prepared by SASLprep. New hashes are made of the prepared form, old ones of what was
    // typed.
    const auto with = [](std::string_view hashed) {
        return Credentials(*UserFile::parse("joe:" + *make_hash(hashed) + "\n", "users"), 5min);
    };
    Credentials prepared = with("\xc3\xa9t\xc3\xa9"), typed = with("e\xcc\x81te\xcc\x81"),
                latin = with("\xe9t\xe9");
    EXPECT_TRUE(prepared.verify("joe", "e\xcc\x81te\xcc\x81", kStart));  // a Mac types accents apart
    EXPECT_TRUE(prepared.verify("joe", "\xc3\xa9t\xc3\xa9", kStart));
    EXPECT_TRUE(typed.verify("joe", "e\xcc\x81te\xcc\x81", kStart));
    EXPECT_FALSE(typed.verify("joe", "\xc3\xa9t\xc3\xa9", kStart));
    EXPECT_TRUE(latin.verify("joe", "\xe9t\xe9", kStart));
    EXPECT_FALSE(prepared.verify("joe", "ete", kStart));
}

TEST(Credentials, KnowAUserByTheNameInTheFile) {
    Credentials credentials(*UserFile::parse("j\xc3\xb6rg:" + *make_hash("geheim") + "\n", "users"), 5min);
    EXPECT_TRUE(credentials.verify("jo\xcc\x88rg", "geheim", kStart));
    EXPECT_EQ(credentials.user_named("jo\xcc\x88rg"), "j\xc3\xb6rg");
}

// A file with ann and bob, whose SCRAM secrets differ in form, a locked one, and one without a secret if
// asked for.
Credentials with_secrets(bool all, std::string_view salt_key = "") {
    const auto hash = *make_hash("geheim");
    std::string file =
        fmt::format("ann:{}:{}\n", hash, make_scram_secret("geheim", "0123456789abcdef", 4096).to_string());
    file += fmt::format("bob:{}:{}\n", hash, make_scram_secret("geheim", "01234567", 8192).to_string());
    file += fmt::format("gone:!{}:{}\n", hash, make_scram_secret("geheim", "01234567", 8192).to_string());
    if (!all) file += fmt::format("old:{}\n", hash);
    if (!salt_key.empty()) file += fmt::format("#salt-key {}\n", base64_encode(salt_key));
    const auto users = UserFile::parse(file, "users");
    EXPECT_TRUE(users) << users.error().what;
    return Credentials(*users, 5min);
}

TEST(Credentials, OfferScramWhenAllUsersCanUseIt) {
    EXPECT_TRUE(with_secrets(true).offers_scram());
    EXPECT_FALSE(with_secrets(false).offers_scram());
    EXPECT_EQ(with_secrets(true).without_scram(), "");
    EXPECT_EQ(with_secrets(false).without_scram(), "old");
    EXPECT_FALSE(Credentials(*UserFile::parse("", "users"), 5min).offers_scram());
}

TEST(Credentials, GiveScramTheSecretOfAUser) {
    auto credentials = with_secrets(false);
    EXPECT_EQ(credentials.scram_of("ann").user, "ann");
    EXPECT_EQ(credentials.scram_of("ann").secret.salt, "0123456789abcdef");
    // A locked user looks as before, a user without a secret as nobody does; neither gets in.
    EXPECT_EQ(credentials.scram_of("gone").user, "");
    EXPECT_EQ(credentials.scram_of("gone").secret.salt, "01234567");
    EXPECT_EQ(credentials.scram_of("old").user, "");
    EXPECT_TRUE(credentials.verify("old", "geheim", kStart)) << "PLAIN still works";
}

TEST(Credentials, ShowANameThatNobodyHasLikeAUser) {
    const std::string key(32, 'k'), other(32, 'o');
    const auto credentials = with_secrets(true, key);
    const auto nobody = credentials.scram_of("nobody");
    EXPECT_EQ(nobody.user, "");
    // The same after a restart, and with other users in the file; another for another name, or under another
    // key.
    EXPECT_EQ(with_secrets(false, key).scram_of("nobody").secret, nobody.secret);
    EXPECT_NE(credentials.scram_of("somebody").secret.salt, nobody.secret.salt);
    EXPECT_NE(with_secrets(true, other).scram_of("nobody").secret.salt, nobody.secret.salt);
    // Both forms that users have are shown for others, too.
    std::set<std::pair<std::uint32_t, std::size_t>> forms;
    for (int i = 0; i < 64; ++i) {
        const auto secret = credentials.scram_of("n" + std::to_string(i)).secret;
        forms.emplace(secret.iterations, secret.salt.size());
    }
    EXPECT_EQ(forms, (std::set<std::pair<std::uint32_t, std::size_t>>{{4096, 16}, {8192, 8}}));
    // Names that cannot be prepared are nobody's, and do not fail in another way.
    EXPECT_EQ(credentials.scram_of("\x07").user, "");
    EXPECT_FALSE(credentials.scram_of("\x07").secret.salt.empty());
}

}  // namespace
}  // namespace posthorn::auth
