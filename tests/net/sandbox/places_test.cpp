// Which paths a set of places covers.
#include "sandbox/places.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace posthorn::sandbox {
namespace {

namespace fs = std::filesystem;

TEST(Places, CoverADirectoryWithAllBelowItAndNothingBesideIt) {
    Places places;
    places.add(Access::read, "/etc/posthorn/");
    EXPECT_TRUE(places.covers(Access::read, "/etc/posthorn"));
    EXPECT_TRUE(places.covers(Access::read, "/etc/posthorn/keys/m1.pem"));
    EXPECT_FALSE(places.covers(Access::read, "/etc/posthorn-old/m1.pem"));
    EXPECT_FALSE(places.covers(Access::read, "/etc"));
    EXPECT_FALSE(places.covers(Access::read, "/etc/posthorn/../shadow"));
}

TEST(Places, WritingAndRunningIncludeReadingAndNotEachOther) {
    Places places;
    places.add(Access::write, "/var/lib/posthorn");
    places.add(Access::run, "/usr");
    EXPECT_TRUE(places.covers(Access::read, "/var/lib/posthorn/queue"));
    EXPECT_FALSE(places.covers(Access::run, "/var/lib/posthorn/queue"));
    EXPECT_TRUE(places.covers(Access::read, "/usr/bin/curl"));
    EXPECT_FALSE(places.covers(Access::write, "/usr/bin/curl"));
}

TEST(Places, TakeTheDirectoryOfAFileAndNoRelativePath) {
    Places places;
    places.add_directory_of(Access::read, "/srv/keys/m1.pem");
    places.add_directory_of(Access::read, "");
    places.add(Access::read, "relative");
    ASSERT_EQ(places.all().size(), 1U);
    EXPECT_EQ(places.all().front().path, "/srv/keys");
}

TEST(Places, AFileInTheRootIsGrantedAlone) {
    Places places;
    places.add_directory_of(Access::read, "/token");
    EXPECT_TRUE(places.covers(Access::read, "/token"));
    EXPECT_FALSE(places.covers(Access::read, "/root"));
    EXPECT_FALSE(places.covers(Access::read, "/"));
}

TEST(Places, TheRootIsEverything) {
    Places places;
    places.add(Access::read, "/");
    EXPECT_TRUE(places.covers(Access::read, "/srv/any"));
    EXPECT_FALSE(places.covers(Access::write, "/srv/any"));
}

class ResolvedPlaces : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "places-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        top_ = fs::canonical(name);
    }
    void TearDown() override { fs::remove_all(top_); }
    fs::path top_;
};

// certbot's live/ leads to archive/: both are read.
TEST_F(ResolvedPlaces, FollowLinks) {
    fs::create_directories(top_ / "archive");
    fs::create_directory_symlink(top_ / "archive", top_ / "live");
    Places places;
    places.add(Access::read, (top_ / "live").string());
    const Places found = places.resolved();
    EXPECT_TRUE(found.covers(Access::read, (top_ / "archive/key.pem").string()));
    EXPECT_TRUE(found.covers(Access::read, (top_ / "live/key.pem").string()));
    EXPECT_FALSE(found.covers(Access::read, top_.string()));
}

TEST_F(ResolvedPlaces, WhatDoesNotExistIsGrantedByTheNearestAboveButNeverByTheRoot) {
    Places places;
    places.add(Access::write, (top_ / "spool/new").string());
    places.add(Access::read, "/there-is-no-such-directory/keys");
    const Places found = places.resolved();
    ASSERT_EQ(found.all().size(), 1U);
    EXPECT_EQ(found.all().front().path, top_.string());
}

}  // namespace
}  // namespace posthorn::sandbox
