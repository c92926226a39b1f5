// The list of suspended users: its text, its file, and the words of mail::Message::source.
#include "auth/suspension.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "temporary_folder.hpp"

namespace posthorn::auth {
namespace {

const TimePoint kNow{std::chrono::seconds(1795294321)};

TEST(Suspensions, SurviveTheirText) {
    Suspensions list;
    list.add("alice", {kNow, "password stolen"});
    list.add("shop@example.com", {kNow, ""});
    list.add("two words", {kNow, "tab\there\nand a line"});
    const Suspensions again = Suspensions::parse(list.to_text(), "list").value();
    ASSERT_EQ(again.users().size(), 3U);
    EXPECT_EQ(again.find("alice")->since, kNow);
    EXPECT_EQ(again.find("alice")->reason, "password stolen");
    EXPECT_EQ(again.find("shop@example.com")->reason, "");
    EXPECT_EQ(again.find("two words")->reason, "tab here and a line");
    EXPECT_EQ(again.to_text(), list.to_text());
    EXPECT_EQ(again.find("Alice"), nullptr);
}

TEST(Suspensions, AreFoundByTheSourceOfMail) {
    Suspensions list;
    EXPECT_EQ(list.find_source("user=alice"), nullptr);
    list.add("alice", {kNow, ""});
    EXPECT_NE(list.find_source(source_of("alice")), nullptr);
    EXPECT_EQ(list.find_source("user=bob"), nullptr);
    EXPECT_EQ(list.find_source("ip=alice"), nullptr);
    EXPECT_EQ(list.find_source("alice"), nullptr);
    EXPECT_EQ(list.find_source("dsn"), nullptr);
    EXPECT_EQ(user_of_source("user=a=b"), "a=b");
}

// A name is the login's and the system user's of that name; the latter's mail is known by its number.
TEST(Suspensions, OfSystemUsersAreFoundByTheirNumber) {
    Suspensions list;
    list.add("www-data", {kNow, "hacked\tshop", 33});
    const Suspensions again = Suspensions::parse(list.to_text(), "list").value();
    for (const auto* both : {static_cast<const Suspensions*>(&list), &again}) {
        EXPECT_EQ(both->find_uid(33), both->find("www-data"));
        EXPECT_EQ(both->find("www-data")->reason, "hacked shop");
        EXPECT_NE(both->find_source(source_of_uid(33)), nullptr);
        EXPECT_NE(both->find_source("user=www-data"), nullptr);
        EXPECT_EQ(both->find_source("uid=330"), nullptr);
        EXPECT_EQ(both->find_source("uid="), nullptr);
        EXPECT_EQ(both->find_source("uid=4294967295"), nullptr);  // (uid_t)-1 is nobody
        EXPECT_EQ(both->find_uid(0), nullptr);
    }
    EXPECT_EQ(again.to_text(), list.to_text());
}

TEST(Suspensions, ANumberSuspendedIsResumedByItsName) {
    Suspensions list;
    list.add("33", {kNow, "", 33});
    list.add("alice", {kNow, ""});
    EXPECT_TRUE(list.remove("www-data", 33));
    EXPECT_EQ(list.find_uid(33), nullptr);
    EXPECT_NE(list.find("alice"), nullptr);
    EXPECT_FALSE(list.remove("www-data", 33));
}

TEST(Suspensions, ALaterNumberIsTakenOver) {
    Suspensions list;
    list.add("www-data", {kNow, "first"});  // before the user was made
    EXPECT_EQ(list.find_uid(33), nullptr);
    list.add("www-data", {kNow + std::chrono::hours(1), "", 33});
    EXPECT_EQ(list.find_uid(33)->reason, "first");
    EXPECT_EQ(list.find_uid(33)->since, kNow);
}

// A file of an older version, or one that was edited: what looks like no number belongs to the reason.
TEST(Suspensions, AReasonMayEndInATabAndWords) {
    const Suspensions list = Suspensions::parse("1795294321\talice\tone\ttwo\n1795294321\tbob\tuid=7\n", "list").value();
    EXPECT_EQ(list.find("alice")->reason, "one\ttwo");
    EXPECT_FALSE(list.find("alice")->uid);
    EXPECT_EQ(list.find("bob")->reason, "uid=7");
    EXPECT_EQ(list.find_uid(7), nullptr);
}

TEST(Suspensions, SayingItAgainKeepsTheDate) {
    Suspensions list;
    list.add("alice", {kNow, "first"});
    list.add("alice", {kNow + std::chrono::hours(1), ""});
    EXPECT_EQ(list.find("alice")->since, kNow);
    EXPECT_EQ(list.find("alice")->reason, "first");
    list.add("alice", {kNow + std::chrono::hours(1), "better words"});
    EXPECT_EQ(list.find("alice")->reason, "better words");
    EXPECT_TRUE(list.remove("alice"));
    EXPECT_FALSE(list.remove("alice"));
}

TEST(Suspensions, AReasonIsBoundedBetweenCharacters) {
    Suspensions list;
    std::string long_words(499, 'x');
    list.add("alice", {kNow, long_words + "\xc3\xa9 and more"});
    EXPECT_EQ(list.find("alice")->reason, long_words);
}

// A list that cannot be read is never taken for an empty one: then everybody could send again.
TEST(Suspensions, ADamagedListIsAnErrorWithAllItsLines) {
    const auto read = Suspensions::parse("# fine\n\n1795294321\talice\t\nalice\n5\t\tno name\nx\tbob\t\n", "list");
    ASSERT_FALSE(read);
    EXPECT_NE(read.error().what.find("list:4:"), std::string::npos) << read.error().what;
    EXPECT_NE(read.error().what.find("list:5:"), std::string::npos);
    EXPECT_NE(read.error().what.find("list:6:"), std::string::npos);
    EXPECT_EQ(read.error().what.find("list:3:"), std::string::npos);
}

TEST(Suspensions, AnEmptyFileIsNotAListOfNobody) {
    EXPECT_FALSE(Suspensions::parse("", "suspended-users"));
    EXPECT_TRUE(Suspensions::parse(Suspensions().to_text(), "suspended-users").value().empty());
}

TEST(Suspensions, TheFileIsChangedWholeOrNotAtAll) {
    const testing::TemporaryFolder folder;
    const std::string path = suspensions_file(folder.path(""));
    EXPECT_TRUE(Suspensions::load(path).value().empty());  // no file yet: nobody
    EXPECT_NE(suspend(path, "alice", {kNow, "stolen"}).value().find("alice"), nullptr);
    EXPECT_EQ(suspend(path, "bob", {kNow, ""}).value().users().size(), 2U);
    EXPECT_EQ(Suspensions::load(path).value().find("alice")->reason, "stolen");
    EXPECT_EQ(resume(path, "alice").value().users().size(), 1U);
    EXPECT_EQ(resume(path, "nobody").value().users().size(), 1U);
    EXPECT_EQ(Suspensions::load(path).value().users().count("bob"), 1U);

    // Damaged by hand: not overwritten, and said.
    folder.write("suspended-users", "damaged\n");
    EXPECT_FALSE(Suspensions::load(path));
    EXPECT_FALSE(suspend(path, "carol", {kNow, ""}));
    EXPECT_EQ(folder.read("suspended-users"), "damaged\n");
}

TEST(Suspensions, ADirectoryThatIsNotThereIsAnError) {
    EXPECT_FALSE(suspend("/nonexistent/directory/suspended-users", "alice", {kNow, ""}));
}

TEST(UserNames, HaveNoControlCharactersAndABound) {
    EXPECT_TRUE(fault_of_user_name("alice@example.com").empty());
    EXPECT_TRUE(fault_of_user_name("two words").empty());
    EXPECT_FALSE(fault_of_user_name("").empty());
    EXPECT_FALSE(fault_of_user_name("a\tb").empty());
    EXPECT_FALSE(fault_of_user_name("a\nb").empty());
    EXPECT_FALSE(fault_of_user_name(std::string(256, 'a')).empty());
}

}  // namespace
}  // namespace posthorn::auth
