// Reading the files of local names: what is noticed when they change, and what cannot hold a thread up or be followed.
#include "smtp/server/alias_files.hpp"

#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/descriptor.hpp"

namespace posthorn::smtp::server {
namespace {

using State = intake::NameFile::State;

class AliasFilesTest : public testing::Test {
protected:
    AliasFilesTest() {
        char name[] = "/tmp/posthorn-aliases-XXXXXX";
        folder_ = ::mkdtemp(name);
        path_ = folder_ + "/aliases";
    }
    ~AliasFilesTest() override { std::filesystem::remove_all(folder_); }
    void write(const std::string& text) { std::ofstream(path_, std::ios::trunc) << text; }
    std::string first() {
        const AliasFiles::Aliases found = files_.aliases(path_);
        return found.table && !found.table->aliases.empty() ? found.table->aliases.front().name : std::string("-");
    }
    std::string folder_, path_;
    AliasFiles files_;
};

// SD-69: no database, so no newaliases.
TEST_F(AliasFilesTest, AChangedFileIsReadAgainAnUnchangedOneIsNot) {
    EXPECT_EQ(files_.aliases(path_).state, State::missing);
    write("one: a@example.com\n");
    const AliasFiles::Aliases before = files_.aliases(path_);
    EXPECT_EQ(before.state, State::read);
    EXPECT_EQ(files_.aliases(path_).table, before.table);
    // The same size, and perhaps the same moment: another file in its place is noticed by its inode.
    std::ofstream(path_ + ".new") << "two: a@example.com\n";
    std::filesystem::rename(path_ + ".new", path_);
    EXPECT_EQ(first(), "two");
    write("three: a@example.com\n");
    EXPECT_EQ(first(), "three");
    std::filesystem::remove(path_);
    EXPECT_EQ(files_.aliases(path_).state, State::missing);
    EXPECT_EQ(first(), "-");
}

TEST_F(AliasFilesTest, WhatIsNoFileIsNoneAndHoldsNothingUp) {
    ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    EXPECT_EQ(files_.aliases(path_).state, State::unreadable);
    EXPECT_FALSE(files_.file(path_, true).regular);
    EXPECT_EQ(files_.aliases(folder_).state, State::unreadable);
    EXPECT_EQ(files_.file(folder_ + "/none/.forward", false).state, State::missing);
}

// Users name these files: opening a watchdog's device would restart the machine.
TEST_F(AliasFilesTest, WhatIsNoRegularFileIsNotEvenOpened) {
    ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    const Descriptor watch(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    ASSERT_GE(::inotify_add_watch(watch.get(), path_.c_str(), IN_OPEN), 0);
    for (const bool follow : {true, false}) EXPECT_FALSE(files_.file(path_, follow).regular);
    char events[4096];
    EXPECT_EQ(::read(watch.get(), events, sizeof events), -1) << "it was opened";
}


TEST_F(AliasFilesTest, AForwardFileIsNoLinkAndHasItsBound) {
    write("a@example.com\n");
    const std::string link = folder_ + "/.forward";
    ASSERT_EQ(::symlink(path_.c_str(), link.c_str()), 0);
    EXPECT_EQ(files_.file(link, false).state, State::unreadable);
    EXPECT_EQ(files_.file(link, true).state, State::read);
    ASSERT_EQ(::chmod(path_.c_str(), 0664), 0);
    const intake::NameFile file = files_.file(path_, false);
    EXPECT_EQ(file.text, "a@example.com\n");
    EXPECT_EQ(file.owner, ::geteuid());
    EXPECT_EQ(file.mode, 0664U);
    write(std::string(70 * 1024, '#'));
    EXPECT_EQ(files_.file(path_, false).state, State::unreadable);
    EXPECT_EQ(files_.file(path_, true).state, State::read);
}

TEST_F(AliasFilesTest, UsersAreThoseOfPasswd) {
    const auto root = files_.user("root");
    ASSERT_TRUE(root.has_value());
    EXPECT_EQ(root->uid, 0U);
    EXPECT_FALSE(files_.user("posthorn-no-such-user").has_value());
}

// SM-44.
TEST_F(AliasFilesTest, FaultsAreToldWithTheirLineAndRootsMailIsLookedAfter) {
    intake::LocalNames names;
    names.options.aliases_file = path_;
    names.options.forward_files = false;
    names.hostname = "mail.example.com";
    write("bad line\nbox: /var/mail/box\n");
    const auto faults = local_name_faults(names);
    ASSERT_EQ(faults.size(), 3U);
    EXPECT_TRUE(faults[0].starts_with(path_ + ":1: ")) << faults[0];
    EXPECT_TRUE(faults[1].starts_with(path_ + ":2: /var/mail/box is refused")) << faults[1];
    EXPECT_NE(faults[2].find("mail to root, which is cron's, would be refused"), std::string::npos) << faults[2];
    write("root: admin@example.com\n");
    EXPECT_TRUE(local_name_faults(names).empty());
    ASSERT_EQ(::chmod(path_.c_str(), 0666), 0);
    ASSERT_EQ(local_name_faults(names).size(), 1U);
    std::string many;
    for (int i = 0; i < 30; ++i) many += "bad line\n";
    write(many);
    names.options.users_to = {"admin@example.com"};
    EXPECT_EQ(local_name_faults(names, 20).size(), 22U);  // 20, how many more, and who may write
}

}  // namespace
}  // namespace posthorn::smtp::server
