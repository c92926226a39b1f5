// A spool file under a second name, for another message with the same body.
#include "queue/body_spool.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace posthorn::queue {
namespace {

std::string content(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

TEST(BodySpoolTest, ALinkedBodyOutlivesTheFirst) {
    char name[] = "/tmp/posthorn-spool-XXXXXX";
    const std::string folder = ::mkdtemp(name);
    Result<BodySpool> spool = BodySpool::open(folder, QueueId(0x1234567890ab));
    ASSERT_TRUE(spool.has_value());
    ASSERT_TRUE(spool->write("a body").has_value());
    const Result<std::string> first = spool->finish();
    ASSERT_TRUE(first.has_value());
    const QueueId other(0x1234567890cd);  // another of the folders
    const Result<std::string> second = link_spooled(folder, *first, other);
    ASSERT_TRUE(second.has_value()) << second.error().what;
    EXPECT_EQ(*second, spool_name(other));
    remove_spooled(folder, *first);
    EXPECT_EQ(content(folder + "/" + *second), "a body");
    // Neither is a name that is taken replaced, nor made of nothing.
    EXPECT_FALSE(link_spooled(folder, *second, other).has_value());
    EXPECT_FALSE(link_spooled(folder, *first, QueueId(0x1234567890ef)).has_value());
    EXPECT_FALSE(std::filesystem::exists(folder + "/" + spool_name(QueueId(0x1234567890ef))));
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace posthorn::queue
