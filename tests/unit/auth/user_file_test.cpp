// The users file: what is read, what is a mistake, and how one user is changed.
#include "auth/user_file.hpp"

#include <gtest/gtest.h>

#include "base/base64.hpp"
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

TEST(UserFile, ReadsScramSecrets) {
    const auto secret = make_scram_secret("geheim", "0123456789abcdef", 4096);
    const auto users = UserFile::parse(
        std::string("joe:") + kSha512 + ":" + secret.to_string() + "\r\nold:" + kSha512, "users");
    ASSERT_TRUE(users) << users.error().what;
    EXPECT_EQ(users->find("joe")->scram, secret);
    EXPECT_EQ(*users->hash_of("joe"), kSha512);
    EXPECT_EQ(users->find("old")->scram, std::nullopt);
    EXPECT_EQ(users->find("ann"), nullptr);
}

TEST(UserFile, SaysWhatIsWrongAfterTheHash) {
    const auto users =
        UserFile::parse(std::string("a:") + kSha512 + ":\nb:" + kSha512 + ":1000:1000:/home/b\nc:" + kSha512 +
                            ":SCRAM-SHA-256$1:c2FsdA==$x:y\n#salt-key short\n",
                        "users");
    ASSERT_FALSE(users);
    const auto& what = users.error().what;
    EXPECT_NE(what.find("users:1: user a: after the hash: a SCRAM secret is SCRAM-SHA-256$"),
              std::string::npos)
        << what;
    EXPECT_NE(what.find("users:2: user b: after the hash: "), std::string::npos) << what;
    EXPECT_NE(what.find("users:3: user c: after the hash: the iterations"), std::string::npos) << what;
    EXPECT_NE(what.find("users:4: #salt-key is followed by 32 octets"), std::string::npos) << what;
}

TEST(UserFile, KnowsNamesInAnyOfTheirForms) {
    // RFC 4616 s2, RFC 5802 s5.1: names are compared as SASLprep prepares them.
    const auto users = UserFile::parse(std::string("j\xc3\xb6rg:") + kSha512, "users");
    ASSERT_TRUE(users) << users.error().what;
    ASSERT_NE(users->find("jo\xcc\x88rg"), nullptr);
    EXPECT_EQ(users->find("jo\xcc\x88rg")->name, "j\xc3\xb6rg");
    EXPECT_EQ(users->find("j\xf6rg"), nullptr);

    const auto twice =
        UserFile::parse(std::string("j\xc3\xb6rg:") + kSha512 + "\njo\xcc\x88rg:" + kSha512, "users");
    EXPECT_NE(twice.error().what.find("users:2: user jo\xcc\x88rg is there twice"), std::string::npos);
    for (const auto name : {"j\xf6rg", "a\xc2\xa0z", "\xee\x80\x80"})
        EXPECT_NE(UserFile::parse(name + std::string(":") + kSha512, "users")
                      .error()
                      .what.find("users:1: a user's name is UTF-8"),
                  std::string::npos)
            << name;
}

TEST(UserFile, KeepsTheSaltsOfNobody) {
    const std::string line = std::string("joe:") + kSha512 + "\n";
    const auto key = base64_encode(std::string(32, 'k'));
    const auto salt_key = [](const std::string& text) { return UserFile::parse(text, "users")->salt_key(); };
    EXPECT_EQ(std::string_view(
                  reinterpret_cast<const char*>(salt_key("#salt-key " + key + " words\n" + line).data()), 1),
              "k");
    EXPECT_EQ(salt_key("#salt-key " + key + "\r\n"), salt_key(line + "#salt-key " + key));
    // Without it, the secrets themselves: nobody outside can know it, and it is the same after a restart.
    EXPECT_EQ(salt_key(line), salt_key("# words\n" + line));
    EXPECT_NE(salt_key(line), salt_key("ann:!\n" + line));
    EXPECT_FALSE(UserFile::parse("#salt-key " + key + "\n#salt-key " + key + "\n", "users"));
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

    // The line that hides which users exist is made once and stays.
    const auto salt_key = first.substr(first.find("#salt-key "));
    EXPECT_NE(second.find("\n" + salt_key), std::string::npos);
    ASSERT_TRUE(change_user(path, UserChange::remove, "joe", ""));
    EXPECT_EQ(folder.read("users"), "# mine\nann:" + std::string(kSha512) + "\n\n" + salt_key + "# end\n");
    EXPECT_NE(change_user(path, UserChange::remove, "joe", "").error().what.find("no user joe"),
              std::string::npos);
    EXPECT_NE(change_user(path, UserChange::replace, "joe", "x").error().what.find("no user joe"),
              std::string::npos);
    EXPECT_EQ(folder.files(), 1U);
}

TEST(ChangeUser, WritesBothSecretsOfThePreparedPassword) {
    TemporaryFolder folder;
    const auto path = folder.path("users");
    ASSERT_TRUE(change_user(path, UserChange::add, "j\xc3\xb6rg", "e\xcc\x81te\xcc\x81"));
    const auto users = UserFile::load(path);
    ASSERT_TRUE(users) << users.error().what;
    const auto* user = users->find("j\xc3\xb6rg");
    ASSERT_TRUE(user != nullptr && user->scram);
    EXPECT_EQ(user->scram->iterations, kScramIterations);
    EXPECT_EQ(user->scram->salt.size(), kScramSaltSize);
    EXPECT_EQ(make_scram_secret("\xc3\xa9t\xc3\xa9", user->scram->salt), *user->scram);
    EXPECT_TRUE(user->hash.starts_with("$y$"));
    // The other form of the name is the same user, who keeps the form he had.
    EXPECT_FALSE(change_user(path, UserChange::add, "jo\xcc\x88rg", "x"));
    ASSERT_TRUE(change_user(path, UserChange::replace, "jo\xcc\x88rg", "x"));
    EXPECT_EQ(UserFile::load(path)->names(), std::vector<std::string>{"j\xc3\xb6rg"});
}

TEST(ChangeUser, RefusesPasswordsThatNoClientCouldSend) {
    TemporaryFolder folder;
    for (const auto password : {"", "be\bll", "caf\xe9"})
        EXPECT_FALSE(change_user(folder.path("users"), UserChange::add, "joe", password)) << password;
    EXPECT_EQ(folder.files(), 0U);
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
