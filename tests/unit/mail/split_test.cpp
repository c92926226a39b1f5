// Tests of mail/split.hpp: where the header ends, whole and in pieces.
#include "mail/split.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace posthorn::mail {
namespace {

void expect_split(std::string_view message, std::string_view header, std::string_view body) {
    const SplitMessage parts = split_message(message);
    EXPECT_EQ(parts.header, header) << message;
    EXPECT_EQ(parts.body, body) << message;
}

TEST(Split, AtTheFirstEmptyLine) {
    expect_split("A: b\r\nC: d\r\n\r\nbody\r\n\r\nmore", "A: b\r\nC: d\r\n", "body\r\n\r\nmore");
    expect_split("A: b\r\n\r\n", "A: b\r\n", "");
    expect_split("A:\r\n\r\n\r\n", "A:\r\n", "\r\n");
    expect_split("A : b\r\n\r\nx", "A : b\r\n", "x");
}

TEST(Split, WithoutAnEmptyLineAllIsHeader) {
    expect_split("A: b\r\n", "A: b\r\n", "");
    expect_split("A: b", "A: b", "");
    expect_split("A: b\n\nx", "A: b\n\nx", "");  // bare LF ends nothing (SMTP-5)
}

TEST(Split, WithoutAHeaderAllIsBody) {
    expect_split("\r\nbody\r\n", "", "body\r\n");
    expect_split("Hello world,\r\n\r\nbye\r\n", "", "Hello world,\r\n\r\nbye\r\n");
    expect_split(" A: b\r\n\r\nx", "", " A: b\r\n\r\nx");
    expect_split("From me@example.com Sat Nov 21\r\nA: b\r\n\r\n", "",
                 "From me@example.com Sat Nov 21\r\nA: b\r\n\r\n");
    expect_split("", "", "");
    expect_split("Hello", "", "Hello");
    expect_split("\r", "", "\r");
}

struct Parts {
    std::string header, body;
};
Parts in_pieces(std::string_view message, std::mt19937& random, std::size_t most) {
    MessageSplitter splitter(1 << 20);
    Parts parts;
    while (!message.empty()) {
        const std::size_t length = std::min<std::size_t>(message.size(), random() % (most + 1));
        const auto part = splitter.feed(message.substr(0, length));
        parts.body += part.held;
        parts.body += part.fresh;
        message.remove_prefix(length);
    }
    parts.body += splitter.finish();
    EXPECT_FALSE(splitter.too_long());
    parts.header = splitter.take_header();
    return parts;
}

TEST(Splitter, AnySlicingGivesWhatSplitMessageGives) {
    std::mt19937 random(5322);
    const std::string alphabet = "\r\n\r\n\r\nAb: \t";
    for (int round = 0; round < 30000; ++round) {
        std::string message(random() % 16, 'a');
        for (char& c : message) c = alphabet[random() % alphabet.size()];
        if (random() % 2 == 0) message = "A:" + message;
        const SplitMessage whole = split_message(message);
        const Parts parts = in_pieces(message, random, 1 + random() % 6);
        ASSERT_EQ(parts.header, whole.header) << ::testing::PrintToString(message);
        ASSERT_EQ(parts.body, whole.body) << ::testing::PrintToString(message);
    }
}

TEST(Splitter, MemoryIsBounded) {
    MessageSplitter splitter(100);
    std::string body;
    for (int i = 0; i < 1000; ++i) {
        const auto part = splitter.feed("X-Long: 0123456789\r\n");
        EXPECT_TRUE(part.held.empty() && part.fresh.empty());
    }
    const auto part = splitter.feed("\r\nbody");
    EXPECT_TRUE(splitter.too_long());
    EXPECT_TRUE(splitter.in_body());
    EXPECT_EQ(part.fresh, "body");
    EXPECT_LE(splitter.header().size(), 100U);
}

TEST(Splitter, AFirstLineThatNeverEndsIsBody) {
    MessageSplitter splitter(1000);
    std::string body;
    const std::string chunk(300, 'x');
    for (int i = 0; i < 10; ++i) {
        const auto part = splitter.feed(chunk);
        body += part.held;
        body += part.fresh;
    }
    body += splitter.finish();
    EXPECT_EQ(body, std::string(3000, 'x'));
}

}  // namespace
}  // namespace posthorn::mail
