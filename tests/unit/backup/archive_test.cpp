// The archive of a backup: what was written is read, whatever is missing or changed is told, and any tar can read it.
#include "backup/archive.hpp"

#include <gtest/gtest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "base/descriptor.hpp"
#include "support/temp_dir.hpp"

namespace posthorn::backup {
namespace {

std::string octets_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void put(const std::string& path, const std::string& octets) { std::ofstream(path, std::ios::binary | std::ios::trunc) << octets; }

class ArchiveTest : public testing::Test {
protected:
    [[nodiscard]] std::string path() const { return directory_.path() + "/archive.tar"; }
    void write_one() {
        const Descriptor file(::open(path().c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600));
        ArchiveWriter writer(file.get());
        put(directory_.path() + "/large", std::string(300'001, 'l'));
        const Descriptor large(::open((directory_.path() + "/large").c_str(), O_RDONLY));
        ASSERT_TRUE(writer.add(std::string(kFirstMember), "{}", 0600, 5));
        ASSERT_TRUE(writer.add("empty", "", 0640, 5));
        ASSERT_TRUE(writer.add_file("queue/large", large.get(), 300'001, 0600, 5));
        ASSERT_TRUE(writer.finish(5));
        EXPECT_EQ(writer.written(), octets_of(path()).size());
    }
    // Reads all of it; the error's text, or "".
    [[nodiscard]] std::string read_all() const {
        const Descriptor file(::open(path().c_str(), O_RDONLY));
        ArchiveReader reader(file.get());
        for (;;) {
            const auto member = reader.next();
            if (!member) return member.error().what;
            if (!*member) return {};
        }
    }
    posthorn::test::TempDir directory_;
};

TEST_F(ArchiveTest, WhatWasWrittenIsRead) {
    write_one();
    const Descriptor file(::open(path().c_str(), O_RDONLY));
    ArchiveReader reader(file.get());
    EXPECT_EQ(reader.next().value()->name, kFirstMember);
    EXPECT_EQ(reader.text(10).value(), "{}");
    const auto empty = reader.next().value();
    EXPECT_EQ(empty->name, "empty");
    EXPECT_EQ(empty->mode, 0640U);
    EXPECT_EQ(reader.next().value()->size, 300'001U) << "one that is not read is passed over";
    EXPECT_FALSE(reader.next().value()) << "the manifest is no member";
    EXPECT_EQ(reader.members().size(), 3U);
}

TEST_F(ArchiveTest, AnyTarReadsIt) {
    write_one();
    EXPECT_EQ(std::system(("tar -tf " + path() + " > " + directory_.path() + "/names").c_str()), 0);
    EXPECT_EQ(octets_of(directory_.path() + "/names"), "posthorn-backup.json\nempty\nqueue/large\nmanifest.json\n");
}

TEST_F(ArchiveTest, EveryOctetThatIsCutOffOrChangedIsNoticed) {
    write_one();
    const std::string whole = octets_of(path());
    for (std::size_t size = 0; size < whole.size() - 2 * kTarBlock - 400; size += 4099) {
        put(path(), whole.substr(0, size));
        EXPECT_NE(read_all(), "") << size;
    }
    // All but the filling of blocks with zeros, which means nothing.
    for (const std::size_t at : {std::size_t{0}, std::size_t{120}, std::size_t{512}, 3 * kTarBlock + 10, 4 * kTarBlock + 7, std::size_t{200'000}}) {
        std::string changed = whole;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        put(path(), changed);
        EXPECT_NE(read_all(), "") << at;
    }
    put(path(), whole);
    EXPECT_EQ(read_all(), "");
}

TEST_F(ArchiveTest, SomethingElseIsToldAsThat) {
    for (const std::string& other : {std::string(), std::string("hello"), std::string(10'000, '\0'), std::string(10'000, 'x')}) {
        put(path(), other);
        EXPECT_NE(read_all().find("no backup of Posthorn's"), std::string::npos) << read_all();
    }
    ASSERT_EQ(std::system(("tar -C " + directory_.path() + " --format=ustar -cf " + path() + " /dev/null 2>/dev/null; tar -C / --format=ustar -cf " + path() +
                           " etc/hostname etc/passwd 2>/dev/null").c_str()), 0);
    EXPECT_NE(read_all().find("no backup of Posthorn's"), std::string::npos) << read_all();
}

TEST_F(ArchiveTest, WhatCannotBeReadIsToldAsThat) {   // a disk that fails must not pass for a wrong file
    const Descriptor directory(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY));
    EXPECT_EQ(ArchiveReader(directory.get()).next().error().what, "cannot read the backup: Is a directory");
}

TEST(TarHeader, ManyNamesAndSizesComeBack) {
    for (const std::uint64_t size : {0ULL, 1ULL, 511ULL, 8589934591ULL, 8589934592ULL, 1ULL << 45U}) {
        for (const std::string& name : {std::string("a"), std::string(100, 'n'), std::string(150, 'p') + "/" + std::string(100, 'n'), "d/" + std::string(90, 'x') + "/y"}) {
            const auto block = tar_block({name, size, 0640, 1234567890});
            ASSERT_TRUE(block) << name;
            const auto read = read_tar_block({block->data(), block->size()});
            ASSERT_TRUE(read) << name << size;
            EXPECT_EQ(read->name, name);
            EXPECT_EQ(read->size, size);
            EXPECT_EQ(read->mode, 0640U);
            EXPECT_EQ(read->modified, 1234567890);
        }
    }
}

TEST(TarHeader, NamesThatLeadOutOfTheDirectoryAreNone) {
    for (const char* name : {"", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", ".."}) {
        EXPECT_FALSE(tar_block({name, 1, 0600, 0})) << name;
        auto block = *tar_block({"harmless", 1, 0600, 0});
        // As an attacker would write it: the name in place, the checksum right.
        std::string octets(block.data(), block.size());
        octets.replace(0, 100, std::string(name) + std::string(100 - std::string(name).size(), '\0'));
        unsigned sum = 0;
        for (std::size_t i = 0; i < octets.size(); ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(octets[i]);
        char text[8];
        std::snprintf(text, sizeof text, "%06o", sum);
        octets.replace(148, 7, std::string(text, 7));
        EXPECT_FALSE(read_tar_block(octets)) << name;
    }
    EXPECT_FALSE(tar_block({std::string(256, 'x'), 1, 0600, 0}));
    EXPECT_FALSE(tar_block({std::string(101, 'x'), 1, 0600, 0})) << "no slash to cut it at";
}

}  // namespace
}  // namespace posthorn::backup
