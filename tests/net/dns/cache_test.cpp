// The cache and the message reader, without any network.
#include "dns/cache.hpp"

#include <gtest/gtest.h>

#include <random>

namespace posthorn::dns {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Lookup answer(Status status, seconds ttl) {
    Lookup lookup;
    lookup.status = status;
    lookup.ttl = ttl;
    return lookup;
}

const SteadyTime kStart = SteadyTime(std::chrono::hours(1));

TEST(DnsCache, KeepsForTheTtlAndTellsWhatIsLeft) {
    DnsCache cache(CacheLimits(10, seconds(3600), seconds(60)));
    cache.put("Example.TEST.", RecordType::mx, answer(Status::ok, seconds(100)), kStart);
    const auto found = cache.find("example.test", RecordType::mx, kStart + seconds(40));
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->ttl, seconds(60));
    EXPECT_FALSE(cache.find("example.test", RecordType::a, kStart).has_value());
    EXPECT_TRUE(cache.find("example.test", RecordType::mx, kStart + milliseconds(99'999)).has_value());
    EXPECT_FALSE(cache.find("example.test", RecordType::mx, kStart + seconds(100)).has_value());
    EXPECT_EQ(cache.size(), 0U);
}

TEST(DnsCache, BoundsPositiveAndNegativeTtl) {
    DnsCache cache(CacheLimits(10, seconds(10), seconds(5)));
    cache.put("long.test", RecordType::a, answer(Status::ok, seconds(86400)), kStart);
    cache.put("none.test", RecordType::a, answer(Status::nxdomain, seconds(86400)), kStart);
    EXPECT_TRUE(cache.find("none.test", RecordType::a, kStart + seconds(4)).has_value());
    EXPECT_FALSE(cache.find("none.test", RecordType::a, kStart + seconds(5)).has_value());
    EXPECT_TRUE(cache.find("long.test", RecordType::a, kStart + seconds(9)).has_value());
    EXPECT_FALSE(cache.find("long.test", RecordType::a, kStart + seconds(10)).has_value());
}

TEST(DnsCache, KeepsNeitherFailuresNorTtlZero) {
    DnsCache cache(CacheLimits(10, seconds(10), seconds(5)));
    cache.put("fail.test", RecordType::a, answer(Status::temporary, seconds(100)), kStart);
    cache.put("zero.test", RecordType::a, answer(Status::ok, seconds(0)), kStart);
    EXPECT_EQ(cache.size(), 0U);
}

TEST(DnsCache, TheLeastRecentlyUsedGoes) {
    DnsCache cache(CacheLimits(3, seconds(100), seconds(100)));
    for (const char* name : {"a", "b", "c"}) {
        cache.put(name, RecordType::a, answer(Status::ok, seconds(50)), kStart);
    }
    EXPECT_TRUE(cache.find("a", RecordType::a, kStart).has_value());
    cache.put("d", RecordType::a, answer(Status::ok, seconds(50)), kStart);
    cache.put("d", RecordType::a, answer(Status::ok, seconds(60)), kStart);
    EXPECT_EQ(cache.size(), 3U);
    EXPECT_FALSE(cache.find("b", RecordType::a, kStart).has_value());
    EXPECT_TRUE(cache.find("a", RecordType::a, kStart).has_value());
    EXPECT_EQ(cache.find("d", RecordType::a, kStart)->ttl, seconds(60));
    cache.clear();
    EXPECT_EQ(cache.size(), 0U);
}

// A reply of 64 KiB with thousands of records takes as much memory as a thousand usual ones.
TEST(DnsCache, LargeAnswersAreBoundedByTheirOctets) {
    DnsCache cache(CacheLimits(10000, seconds(100), seconds(100)));
    cache.put("small.test", RecordType::a, answer(Status::ok, seconds(50)), kStart);
    Lookup large = answer(Status::ok, seconds(50));
    Record record;
    record.owner = std::string(200, 'o');
    record.text = std::string(16, 'x');
    large.records.assign(4000, record);
    for (int i = 0; i < 100; ++i) {
        EXPECT_TRUE(cache.find("small.test", RecordType::a, kStart).has_value());
        cache.put("large" + std::to_string(i) + ".test", RecordType::aaaa, large, kStart);
    }
    EXPECT_LE(cache.octets(), 10000U * DnsCache::kOctetsPerEntry);
    EXPECT_LT(cache.size(), 20U);
    EXPECT_GT(cache.size(), 5U);
    EXPECT_TRUE(cache.find("large99.test", RecordType::aaaa, kStart).has_value());
    for (int i = 0; i < 100; ++i) cache.put("large99.test", RecordType::aaaa, answer(Status::ok, seconds(50)), kStart);
    cache.clear();
    EXPECT_EQ(cache.octets(), 0U);
}

// "x.test MX 10 <compressed x.test with label m in front>", written out by hand.
std::vector<std::uint8_t> mx_reply() {
    return {0,    1,   0x81, 0x80, 0,   1,   0,   1, 0, 0,    0, 0,  // header
            1,    'X', 4,    't',  'e', 's', 't', 0, 0, 15,   0, 1,  // question
            0xC0, 12,  0,    15,   0,   1,   0,   0, 1, 0x2C, 0, 6, 0, 10, 1, 'm', 0xC0, 12};
}

TEST(Message, ReadsCompressedNames) {
    const auto octets = mx_reply();
    const auto message = read_message(octets);
    ASSERT_TRUE(message.has_value());
    ASSERT_EQ(message->answers.size(), 1U);
    EXPECT_EQ(message->answers[0].owner, "x.test");
    EXPECT_EQ(message->answers[0].preference, 10);
    EXPECT_EQ(message->answers[0].text, "m.x.test");
    EXPECT_EQ(message->answers[0].ttl, seconds(300));
}

TEST(Message, RefusesPointersThatLeadForwardOrInACircle) {
    auto octets = mx_reply();
    octets[octets.size() - 1] = static_cast<std::uint8_t>(octets.size() - 2);  // to itself
    EXPECT_FALSE(read_message(octets).has_value());
    octets[octets.size() - 1] = 200;
    EXPECT_FALSE(read_message(octets).has_value());
}

// A pointer to a pointer to a pointer: each of thousands of owner names could walk 8192 of them.
TEST(Message, RefusesNamesOfNothingButPointers) {
    const auto reply = [](unsigned pointers) {
        std::vector<std::uint8_t> octets = {0, 1, 0x81, 0x80, 0, 0, 0, 2, 0, 0, 0, 0,
                                            0, 0, 99,   0,    1, 0, 0, 0, 0};  // a record of an unknown type
        const unsigned length = 1 + 2 * pointers;
        octets.push_back(static_cast<std::uint8_t>(length >> 8));
        octets.push_back(static_cast<std::uint8_t>(length));
        std::size_t target = octets.size();
        octets.push_back(0);  // the root
        for (unsigned i = 0; i < pointers; ++i) {
            const std::size_t at = octets.size();
            octets.push_back(static_cast<std::uint8_t>(0xC0 | target >> 8));
            octets.push_back(static_cast<std::uint8_t>(target));
            target = at;
        }
        octets.push_back(static_cast<std::uint8_t>(0xC0 | target >> 8));
        octets.push_back(static_cast<std::uint8_t>(target));
        octets.insert(octets.end(), {0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 1});
        return octets;
    };
    EXPECT_TRUE(read_message(reply(100)).has_value());
    EXPECT_FALSE(read_message(reply(1000)).has_value());
}

TEST(Message, EscapesWhatDoesNotBelongIntoAName) {
    auto octets = mx_reply();
    octets[octets.size() - 3] = '.';  // the label "m"
    const auto message = read_message(octets);
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(message->answers[0].text, "\\046.x.test");
}

TEST(Message, EveryCutIsRefusedAndNoNoiseIsTrusted) {
    const auto whole = mx_reply();
    for (std::size_t length = 0; length < whole.size(); ++length) {
        EXPECT_FALSE(read_message(std::span(whole).first(length)).has_value()) << length;
    }
    std::mt19937 random(7);
    for (int i = 0; i < 20000; ++i) {
        auto noise = whole;
        for (int k = 0; k < 3; ++k) {
            noise[random() % noise.size()] = static_cast<std::uint8_t>(random());
        }
        if (const auto message = read_message(noise)) {
            for (const Record& record : message->answers) {
                EXPECT_LE(record.owner.size(), 1024U);
            }
        }
    }
}

}  // namespace
}  // namespace posthorn::dns
