// Secret files: whole or not at all, never over another, and seen when others may read them.
#include "auth/secret_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "temporary_folder.hpp"

namespace posthorn::auth {
namespace {

using testing::TemporaryFolder;

TEST(SecretFile, ReadsAPrivateFileWithoutComplaint) {
    TemporaryFolder folder;
    for (const unsigned mode : {0600U, 0400U, 0640U}) {
        const auto path = folder.write("key", "secret\n");
        ::chmod(path.c_str(), mode);
        const auto file = read_secret_file(path);
        ASSERT_TRUE(file);
        EXPECT_EQ(file->content, "secret\n");
        EXPECT_EQ(file->exposed_to, "") << mode;
    }
}

TEST(SecretFile, SaysWhichChmodRepairsAnExposedOne) {
    TemporaryFolder folder;
    const auto path = folder.write("key", "secret\n", 0644);
    EXPECT_NE(read_secret_file(path)->exposed_to.find("may read it: chmod 0640 " + path), std::string::npos);
    ::chmod(path.c_str(), 0604);
    EXPECT_NE(read_secret_file(path)->exposed_to.find("chmod 0600 " + path), std::string::npos);
    ::chmod(path.c_str(), 0660);
    EXPECT_NE(read_secret_file(path)->exposed_to.find("may change it"), std::string::npos);
}

TEST(SecretFile, NamesWhatIsMissingOrOfTheWrongKind) {
    TemporaryFolder folder;
    EXPECT_EQ(read_secret_file(folder.path("none")).error().what, folder.path("none") + " does not exist");
    EXPECT_NE(read_secret_file(folder.path("")).error().what.find("not a regular file"), std::string::npos);
    const auto large = folder.write("large", std::string((1 << 20) + 1, 'x'));
    EXPECT_NE(read_secret_file(large).error().what.find("larger than 1 MiB"), std::string::npos);
}

TEST(SecretFile, SaysWhoMustBeAllowedToRead) {
    TemporaryFolder folder;
    const auto path = folder.write("key", "secret", 0000);
    // Root may read everything: then somebody else looks, as the daemon would.
    const bool root = ::geteuid() == 0;
    if (root) {
        ASSERT_EQ(::chmod(folder.path("").c_str(), 0755), 0);
        ASSERT_EQ(::seteuid(65534), 0);
    }
    const auto result = read_secret_file(path);
    if (root) {
        ASSERT_EQ(::seteuid(0), 0);
    }
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().what.find("chown"), std::string::npos) << result.error().what;
}

TEST(SecretFile, IsWrittenPrivateAndNeverOverAnother) {
    TemporaryFolder folder;
    ASSERT_TRUE(write_secret_file(folder.path("key"), "one", Existing::refuse));
    EXPECT_EQ(folder.mode("key"), 0600U);
    const auto again = write_secret_file(folder.path("key"), "two", Existing::refuse);
    ASSERT_FALSE(again);
    EXPECT_NE(again.error().what.find(folder.path("key") + " exists already"), std::string::npos);
    EXPECT_EQ(folder.read("key"), "one");
    EXPECT_EQ(folder.files(), 1U);  // no temporary file is left
}

TEST(SecretFile, KeepsTheModeOfAReplacedOne) {
    TemporaryFolder folder;
    const auto path = folder.write("users", "old", 0640);
    ASSERT_TRUE(write_secret_file(path, "new", Existing::replace));
    EXPECT_EQ(folder.read("users"), "new");
    EXPECT_EQ(folder.mode("users"), 0640U);
    EXPECT_EQ(folder.files(), 1U);
}

TEST(SecretFile, MadeByRootBelongsToTheOwnerOfItsDirectory) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root may give files away";
    TemporaryFolder folder;
    ASSERT_EQ(::chown(folder.path("").c_str(), 12345, 23456), 0);
    ASSERT_TRUE(write_secret_file(folder.path("key"), "one", Existing::refuse));
    struct stat status {};
    ASSERT_EQ(::stat(folder.path("key").c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, 12345U);
    EXPECT_EQ(status.st_gid, 23456U);
    EXPECT_EQ(status.st_mode & 07777U, 0600U);
    // And stays his when somebody else changes it.
    ASSERT_TRUE(change_secret_file(folder.path("key"),
                                   [](const std::string* old) { return Result<std::string>(*old + "2"); }));
    ASSERT_EQ(::stat(folder.path("key").c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, 12345U);
    EXPECT_EQ(folder.read("key"), "one2");
}

TEST(SecretFile, MadeByRootInAFolderThatAServicesGroupReadsIsReadByThatGroup) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root may give files away";
    const TemporaryFolder folder;
    ASSERT_EQ(::chown(folder.path("").c_str(), 0, 65534), 0);
    ASSERT_EQ(::chmod(folder.path("").c_str(), 0750), 0);
    ASSERT_TRUE(write_secret_file(folder.path("users"), "one", Existing::refuse));
    struct stat made {};
    ASSERT_EQ(::stat(folder.path("users").c_str(), &made), 0);
    EXPECT_EQ(made.st_gid, 65534U);
    EXPECT_EQ(made.st_mode & 07777U, 0640U);
}

TEST(SecretFile, FailsInAFolderThatIsNotThere) {
    TemporaryFolder folder;
    EXPECT_FALSE(write_secret_file(folder.path("no/key"), "x", Existing::refuse));
    EXPECT_FALSE(change_secret_file(folder.path("no/key"),
                                    [](const std::string*) { return Result<std::string>("x"); }));
}

TEST(SecretFile, LosesNoChangeOfTwoWriters) {
    TemporaryFolder folder;
    const auto path = folder.path("log");
    constexpr int kThreads = 4, kChanges = 10;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < kChanges; ++i) {
                EXPECT_TRUE(change_secret_file(path, [](const std::string* old) {
                    return Result<std::string>((old != nullptr ? *old : std::string()) + "x");
                }));
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(folder.read("log").size(), std::size_t(kThreads * kChanges));
}

TEST(SecretFile, IsLeftAloneWhenTheChangeFails) {
    TemporaryFolder folder;
    const auto path = folder.write("users", "old");
    const auto result =
        change_secret_file(path, [](const std::string*) -> Result<std::string> { return Error{"no"}; });
    EXPECT_EQ(result.error().what, "no");
    EXPECT_EQ(folder.read("users"), "old");
}

}  // namespace
}  // namespace posthorn::auth
