// Tests of app/sendmail/input.hpp: line ends, dots, the mbox line, NUL and CR, in any slicing (SM-2, SM-21, SM-22, SM-24).
#include "app/sendmail/input.hpp"

#include <gtest/gtest.h>

#include <random>

#include "mail/split.hpp"

namespace posthorn::app::sendmail {
namespace {

struct Read {
    std::string out;
    std::string fault;
    std::uint64_t header = 0;
    bool ended = false, eight_bit = false;
    std::size_t taken = 0;
    friend bool operator==(const Read&, const Read&) = default;
};
Read read(std::string_view text, InputRules rules = {}, std::mt19937* random = nullptr, std::size_t most = 1) {
    MessageInput input(rules);
    Read result;
    while (!text.empty() && !input.ended() && input.fault().empty()) {
        const std::size_t length = random == nullptr ? text.size() : std::min<std::size_t>(text.size(), (*random)() % (most + 1));
        const std::size_t taken = input.feed(text.substr(0, length), result.out);
        result.taken += taken;
        text.remove_prefix(taken);
    }
    input.finish(result.out);
    result.fault = input.fault();
    result.header = input.header_octets();
    result.ended = input.ended();
    result.eight_bit = input.eight_bit();
    if (result.fault.empty()) {
        EXPECT_EQ(input.octets(), result.out.size());
    }
    return result;
}

TEST(SendmailInput, EveryLineEndIsOne) {  // SM-21
    EXPECT_EQ(read("A: b\nC: d\n\nx\ny\n").out, "A: b\r\nC: d\r\n\r\nx\r\ny\r\n");
    EXPECT_EQ(read("A: b\r\nC: d\n\r\nx\r\r\ny\r\r\r\n\nz").out, "A: b\r\nC: d\r\n\r\nx\r\ny\r\n\r\nz\r\n");
    // PHP from version 8 on: CRLF in the header, LF in the body.
    EXPECT_EQ(read("To: a\r\nSubject: b\r\n\r\nx\ny\n").out, "To: a\r\nSubject: b\r\n\r\nx\r\ny\r\n");
    // A CR alone: a line end in the body.
    EXPECT_EQ(read("A: b\n\nx\ry\r\rz").out, "A: b\r\n\r\nx\r\ny\r\n\r\nz\r\n");
    EXPECT_EQ(read("A: b\r").out, "A: b\r\n");
    EXPECT_EQ(read("A: b\n\nx\r\r").out, "A: b\r\n\r\nx\r\n\r\n");
    EXPECT_EQ(read("").out, "");
}

TEST(SendmailInput, WhatHidesInAHeaderIsRefused) {
    EXPECT_EQ(read("A: b\nC: d\rBcc: e\n\n").fault, "line 2 of the header has a CR without LF");
    EXPECT_EQ(read("A: b\rBcc: e\n\n").fault, "line 1 of the header has a CR without LF");
    EXPECT_EQ(read(std::string_view("A: b\nC: \0d\n", 11)).fault, "line 2 of the header has a NUL");
    const std::string nul("A: b\n\nx\0y\n", 10);
    EXPECT_EQ(read(nul).fault, "");
    EXPECT_EQ(read(nul).out, std::string("A: b\r\n\r\nx\0y\r\n", 13));
    EXPECT_NE(read("A: " + std::string(kMaxHeaderOctets, 'x')).fault, "");
    std::string lines;
    while (lines.size() <= kMaxHeaderOctets) lines += "A: b\n";
    EXPECT_NE(read(lines).fault, "");
    EXPECT_EQ(read("A: b\n\n" + lines).fault, "");
}

TEST(SendmailInput, TheMboxLineGoes) {  // SM-22
    EXPECT_EQ(read("From me@x Sat Nov 21\nA: b\n\nx\n").out, "A: b\r\n\r\nx\r\n");
    EXPECT_EQ(read("From me@x\rSat\r\nA: b\r\n\r\n").out, "A: b\r\n\r\n");
    EXPECT_EQ(read("From: me@x\n\n").out, "From: me@x\r\n\r\n");
    EXPECT_EQ(read("A: b\n\nFrom here\n").out, "A: b\r\n\r\nFrom here\r\n");
    EXPECT_EQ(read("From a\nFrom b\n").out, "From b\r\n");
    EXPECT_EQ(read("Fro").out, "Fro\r\n");
    EXPECT_EQ(read("From ").out, "");
    EXPECT_EQ(read("From me\n", {false, false, false}).out, "From me\r\n");
}

TEST(SendmailInput, TheDotEndsUnlessTold) {  // SM-2
    const InputRules naive{true, false, true};
    EXPECT_EQ(read("A: b\n\nx\n.\nlost\n", naive).out, "A: b\r\n\r\nx\r\n");
    EXPECT_TRUE(read("A: b\n\nx\n.\nlost\n", naive).ended);
    EXPECT_EQ(read("A: b\n\nx\n.\nlost\n", naive).taken, 10U);
    EXPECT_EQ(read("A: b\n\n..\n.x\n. \n.", naive).out, "A: b\r\n\r\n..\r\n.x\r\n. \r\n");
    EXPECT_EQ(read("A: b\n\nx\n.\nkept\n").out, "A: b\r\n\r\nx\r\n.\r\nkept\r\n");
    EXPECT_EQ(read(".\nA: b\n", naive).out, "");
    EXPECT_EQ(read("A: b\n.\n", naive).header, 6U);
    const InputRules smtp{true, true, false};
    EXPECT_EQ(read("A: b\r\n\r\n..\r\n.x\r\nFrom\r\n.\r\nQUIT\r\n", smtp).out, "A: b\r\n\r\n.\r\nx\r\nFrom\r\n");
}

// Scripts that forget the empty line; Postfix, too, lets the text begin there.
TEST(SendmailInput, ALineThatIsNoFieldBeginsTheBody) {
    EXPECT_EQ(read("Subject: x\nHello,\nyou: there\n").out, "Subject: x\r\n\r\nHello,\r\nyou: there\r\n");
    EXPECT_EQ(read("Subject: x\nHello you\n\nz\n").out, "Subject: x\r\n\r\nHello you\r\n\r\nz\r\n");
    EXPECT_EQ(read("Subject: x\nHello you\n").header, 12U);
    EXPECT_EQ(read("Subject: x\n:y\n").out, "Subject: x\r\n\r\n:y\r\n");
    EXPECT_EQ(read("Subject: x\n y z\n\tw\nTo : a\n\n").out, "Subject: x\r\n y z\r\n\tw\r\nTo : a\r\n\r\n");
    EXPECT_EQ(read("Subject: x\n \nTo: a\n").out, "Subject: x\r\n \r\nTo: a\r\n");
    EXPECT_EQ(read("Subject: x\nHello").out, "Subject: x\r\n\r\nHello\r\n");
    EXPECT_EQ(read("Subject: x\n.\nHello").out, "Subject: x\r\n\r\n.\r\nHello\r\n");
    EXPECT_EQ(read("Subject: x\n.\nHello", {true, false, true}).out, "Subject: x\r\n");
    EXPECT_EQ(read("Subject: x\n..y\n", {true, true, true}).out, "Subject: x\r\n\r\n.y\r\n");
    EXPECT_EQ(read("Subject: x\nHello\rBcc: a@b\n").fault, "line 2 of the header has a CR without LF");
}

TEST(SendmailInput, EightBit) {
    EXPECT_FALSE(read("A: b\n\nx\n").eight_bit);
    EXPECT_TRUE(read("A: b\n\nx\xfc\n").eight_bit);
    EXPECT_TRUE(read("A: \xc3\xbc\n").eight_bit);
}

// Header and body as intake will cut them (mail/split.hpp), and the same for any slicing.
TEST(SendmailInput, AnySlicing) {
    std::mt19937 random(17);
    const std::string alphabet = "\n\n\n\r\r..:A b\xfc";
    for (int round = 0; round < 20000; ++round) {
        std::string text;
        if (random() % 3 == 0) text = "From ";
        if (random() % 2 == 0) text += "A: b";
        for (std::size_t length = random() % 20; length > 0; --length) text += alphabet[random() % alphabet.size()];
        const InputRules rules{random() % 2 == 0, random() % 2 == 0, random() % 2 == 0};
        const InputRules used{rules.dot_ends, rules.dot_ends && rules.unstuff_dots, rules.drop_mbox_line};
        const Read whole = read(text, used);
        const Read pieces = read(text, used, &random, 1 + random() % 5);
        ASSERT_EQ(whole, pieces) << testing::PrintToString(text);
        if (whole.fault.empty()) {
            const mail::SplitMessage split = mail::split_message(whole.out);
            ASSERT_EQ(split.header.size(), whole.header) << testing::PrintToString(text);
            ASSERT_TRUE(whole.out.empty() || whole.out.ends_with("\r\n"));
        }
    }
}

}  // namespace
}  // namespace posthorn::app::sendmail
