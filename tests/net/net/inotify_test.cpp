// DirectoryWatch: what is moved in is told with its name (SM-33), what is only written there is not, and the end is told.
#include "net/inotify.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/run_awaitable.hpp"
#include "support/temp_dir.hpp"

namespace posthorn::net {
namespace {

namespace fs = std::filesystem;

TEST(DirectoryWatchTest, TellsOfWhatIsMovedInAndOfItsEnd) {
    const posthorn::test::TempDir directory;
    fs::create_directory(directory.file("new"));
    test::run([&](asio::io_context& context) -> awaitable<void> {
        Result<DirectoryWatch> watch = DirectoryWatch::open(context, directory.file("new"));
        EXPECT_TRUE(watch);
        // Written in place: no program of ours does it, and it may not be whole.
        std::ofstream(directory.file("new/unfinished")) << "x";
        std::ofstream(directory.file("one")) << "x";
        std::ofstream(directory.file("two")) << "x";
        fs::rename(directory.file("one"), directory.file("new/one"));
        fs::rename(directory.file("two"), directory.file("new/a name as long as they come, with blanks"));
        std::vector<std::string> names;
        while (names.size() < 2) {
            DirectoryWatch::Arrivals arrivals = co_await watch->next();
            EXPECT_FALSE(arrivals.ended);
            EXPECT_FALSE(arrivals.overrun);
            names.insert(names.end(), arrivals.names.begin(), arrivals.names.end());
        }
        EXPECT_EQ(names.at(0), "one");
        EXPECT_EQ(names.at(1), "a name as long as they come, with blanks");
        fs::remove_all(directory.file("new"));
        DirectoryWatch::Arrivals last = co_await watch->next();
        EXPECT_TRUE(last.ended);
        watch->close();
        last = co_await watch->next();
        EXPECT_TRUE(last.ended);
    });
}

TEST(DirectoryWatchTest, CloseEndsTheWait) {
    const posthorn::test::TempDir directory;
    test::run([&](asio::io_context& context) -> awaitable<void> {
        Result<DirectoryWatch> watch = DirectoryWatch::open(context, directory.path());
        EXPECT_TRUE(watch);
        asio::post(context, [&watch] { watch->close(); });
        const DirectoryWatch::Arrivals arrivals = co_await watch->next();
        EXPECT_TRUE(arrivals.ended);
        EXPECT_TRUE(arrivals.names.empty());
    });
}

TEST(DirectoryWatchTest, WhatIsNoDirectoryIsSaid) {
    asio::io_context context;
    const auto watch = DirectoryWatch::open(context, "/nonexistent/spool/new");
    ASSERT_FALSE(watch);
    EXPECT_NE(watch.error().what.find("/nonexistent/spool/new"), std::string::npos);
}

}  // namespace
}  // namespace posthorn::net
