// Passwords: right, wrong, unknown, remembered and forgotten.
#include "auth/credentials.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

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

TEST(Credentials, TakeAsLongForUnknownUsersAsForWrongPasswords) {
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

}  // namespace
}  // namespace posthorn::auth
