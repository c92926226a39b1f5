// The users file: what is read, what is a mistake, and how one user is changed.
#include "auth/user_file.hpp"

#include <gtest/gtest.h>

#include "temporary_folder.hpp"

namespace posthorn::auth {
namespace {

using testing::TemporaryFolder;

constexpr auto kSha512 =
    "$6$saltsalt$sfZR6YSW/Dp0uCiyF9fDipa6ORr5LVLOwXNgtzRlXXhkC7xA3w4zy97VIC3vL14AUXGJp3yBjZVztkdiBzJnX1";

TEST(UserFile, ReadsNamesHashesAndComments) {
    const auto users = UserFile::parse(std::string("# who may send\n\nwordpress:") + kSha512 +
                                           "\r\n  # indented\njoe@example.com:" + kSha512,
                                       "users");
    ASSERT_TRUE(users) << users.error().what;
    EXPECT_EQ(users->size(), 2U);
    EXPECT_EQ(*users->hash_of("wordpress"), kSha512);
    EXPECT_EQ(*users->hash_of("joe@example.com"), kSha512);
    EXPECT_EQ(users->hash_of("Wordpress"), nullptr);
    EXPECT_EQ(users->names(), (std::vector<std::string>{"joe@example.com", "wordpress"}));
}

TEST(UserFile, SaysAllMistakesWithTheirLines) {
    const auto users = UserFile::parse(
        std::string("good:") + kSha512 + "\nno colon\n# fine\nplain:geheim123\nempty:\n:" + kSha512 +
            "\ngood:" + kSha512 + "\ntwo words:" + kSha512 + "\nodd:$unknown$abc\n",
        "/etc/posthorn/users");
    ASSERT_FALSE(users);
    const auto& what = users.error().what;
    EXPECT_NE(what.find("/etc/posthorn/users:2: a line is name:hash"), std::string::npos) << what;
    EXPECT_NE(
        what.find("/etc/posthorn/users:4: user plain: this is no crypt(3) hash (a password in clear text?)"),
        std::string::npos)
        << what;
    EXPECT_NE(what.find("users:5: user empty: the hash is missing"), std::string::npos) << what;
    EXPECT_NE(what.find("users:6: the user's name is empty"), std::string::npos) << what;
    EXPECT_NE(what.find("users:7: user good is there twice"), std::string::npos) << what;
    EXPECT_NE(what.find("users:8: a user's name cannot hold"), std::string::npos) << what;
    EXPECT_NE(what.find("users:9: user odd: "), std::string::npos) << what;
    EXPECT_EQ(what.find("geheim123"), std::string::npos) << "a password must not reach the log";
}

TEST(UserFile, ALockedUserIsThereAndCannotLogIn) {
    const auto users = UserFile::parse(std::string("gone:!") + kSha512 + "\naway:*\n", "users");
    ASSERT_TRUE(users);
    EXPECT_EQ(users->size(), 2U);
    EXPECT_EQ(users->hash_of("gone"), nullptr);
    EXPECT_EQ(users->hash_of("away"), nullptr);
    EXPECT_EQ(users->typical_hash(), nullptr);
}

TEST(UserFile, WarnsWhenOthersMayReadIt) {
    TemporaryFolder folder;
    const auto path = folder.write("users", std::string("joe:") + kSha512 + "\n", 0644);
    std::string warning;
    ASSERT_TRUE(UserFile::load(path, &warning));
    EXPECT_NE(warning.find("chmod 0640 " + path), std::string::npos);
    EXPECT_NE(UserFile::load(folder.path("none")).error().what.find("does not exist"), std::string::npos);
}

TEST(MakeHash, IsYescryptWithASaltOfItsOwn) {
    const auto one = make_hash("correct horse"), two = make_hash("correct horse");
    ASSERT_TRUE(one && two);
    EXPECT_TRUE(one->starts_with("$y$"));
    EXPECT_NE(*one, *two);
}

TEST(MakeHash, RefusesPasswordsThatCryptWouldCut) {
    using namespace std::string_view_literals;
    EXPECT_FALSE(make_hash(""));
    EXPECT_FALSE(make_hash("a\0b"sv));
    EXPECT_FALSE(make_hash(std::string(512, 'x')));
    EXPECT_TRUE(make_hash(std::string(511, 'x')));
}

TEST(ChangeUser, AddsReplacesRemovesAndKeepsTheRest) {
    TemporaryFolder folder;
    const auto path = folder.path("users");
    ASSERT_TRUE(change_user(path, UserChange::add, "joe", "one"));
    EXPECT_EQ(folder.mode("users"), 0600U);
    const auto first = folder.read("users");
    folder.write("users", "# mine\nann:" + std::string(kSha512) + "\n\n" + first + "# end", 0640);

    EXPECT_NE(change_user(path, UserChange::add, "joe", "two").error().what.find("already"),
              std::string::npos);
    ASSERT_TRUE(change_user(path, UserChange::replace, "joe", "two"));
    const auto second = folder.read("users");
    EXPECT_TRUE(second.starts_with("# mine\nann:" + std::string(kSha512) + "\n\njoe:$y$"));
    EXPECT_TRUE(second.ends_with("\n# end\n"));
    EXPECT_EQ(second.find(first), std::string::npos);
    EXPECT_EQ(folder.mode("users"), 0640U);

    ASSERT_TRUE(change_user(path, UserChange::remove, "joe", ""));
    EXPECT_EQ(folder.read("users"), "# mine\nann:" + std::string(kSha512) + "\n\n# end\n");
    EXPECT_NE(change_user(path, UserChange::remove, "joe", "").error().what.find("no user joe"),
              std::string::npos);
    EXPECT_NE(change_user(path, UserChange::replace, "joe", "x").error().what.find("no user joe"),
              std::string::npos);
    EXPECT_EQ(folder.files(), 1U);
}

TEST(ChangeUser, RefusesNamesThatWouldBreakTheFile) {
    TemporaryFolder folder;
    const auto path = folder.path("users");
    for (const auto name : {"", "a:b", "a b", "#a", "a\nroot:x"})
        EXPECT_FALSE(change_user(path, UserChange::add, name, "pw")) << name;
    EXPECT_EQ(folder.files(), 0U);
    EXPECT_FALSE(change_user(path, UserChange::replace, "joe", "pw"));
    EXPECT_FALSE(change_user(path, UserChange::remove, "joe", ""));
    EXPECT_EQ(folder.files(), 0U);
}

}  // namespace
}  // namespace posthorn::auth
