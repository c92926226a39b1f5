// Tests of mail/header.hpp: finding and cutting fields without touching the others.
#include "mail/header.hpp"

#include <gtest/gtest.h>

#include <ostream>
#include <string>

namespace posthorn::mail {

std::ostream& operator<<(std::ostream& out, HeaderFaultKind kind) {
    return out << "kind " << static_cast<int>(kind);
}

namespace {

using namespace std::string_literals;

const std::string kText =
    "Received: from a\r\n\tby b\r\n"
    "From: A <a@example.com>\r\n"
    "SUBJECT : obsolete blank\r\n"
    "X-Empty:\r\n"
    "subject:second \t \r\n"
    "X-8bit: caf\xe9\r\n"
    "Received:last\r\n";

TEST(Header, FindsFieldsByNameWithoutCase) {
    const HeaderBlock block(kText);
    EXPECT_EQ(block.size(), 7U);
    EXPECT_EQ(block.count("received"), 2U);
    EXPECT_EQ(block.first("RECEIVED")->raw, "Received: from a\r\n\tby b\r\n");
    EXPECT_EQ(block.last("RECEIVED")->raw, "Received:last\r\n");
    EXPECT_EQ(block.first("subject")->name, "SUBJECT");
    EXPECT_EQ(block.first("subject")->value, " obsolete blank");
    EXPECT_EQ(block.all("Subject").size(), 2U);
    EXPECT_EQ(block.value("received"), "from a\tby b");
    EXPECT_EQ(block.value("x-empty"), "");
    EXPECT_EQ(block.value("X-8bit"), "caf\xe9");
    EXPECT_EQ(block.value("To"), std::nullopt);
    EXPECT_FALSE(block.contains(""));
    EXPECT_FALSE(block.contains("Subj"));
    EXPECT_EQ(block.fault(), std::nullopt);
}

TEST(Header, RemovingLeavesEveryOtherOctet) {
    HeaderBlock block(kText);
    EXPECT_EQ(block.remove("SUBJECT"), 2U);
    EXPECT_EQ(block.text(),
              "Received: from a\r\n\tby b\r\nFrom: A <a@example.com>\r\nX-Empty:\r\nX-8bit: "
              "caf\xe9\r\nReceived:last\r\n");
    EXPECT_EQ(block.remove("Subject"), 0U);
    EXPECT_EQ(block.remove("received"), 2U);
    EXPECT_EQ(block.text(), "From: A <a@example.com>\r\nX-Empty:\r\nX-8bit: caf\xe9\r\n");
    EXPECT_EQ(block.value("x-8bit"), "caf\xe9");
    block.remove_at(1);
    EXPECT_EQ(block.text(), "From: A <a@example.com>\r\nX-8bit: caf\xe9\r\n");
    EXPECT_EQ(block[1].name, "X-8bit");
}

TEST(Header, PrependAndAppendAreFoundAfterwards) {
    HeaderBlock block("To: x@example.com\r\n");
    block.prepend("Received: from a\r\n by b\r\nX: 1\r\n");
    block.append("Date: today\r\n");
    EXPECT_EQ(block.size(), 4U);
    EXPECT_EQ(block[0].raw, "Received: from a\r\n by b\r\n");
    EXPECT_EQ(block.value("date"), "today");
    EXPECT_EQ(std::move(block).take_text(),
              "Received: from a\r\n by b\r\nX: 1\r\nTo: x@example.com\r\nDate: today\r\n");
}

TEST(Header, WhatIsNoFieldKeepsItsPlace) {
    const std::string text = " orphan\r\nFrom me Sat Nov 21\r\nTo: x\r\nbad name: y\r\n: nameless\r\nlast";
    HeaderBlock block(text);
    EXPECT_EQ(block.size(), 6U);
    EXPECT_EQ(block[0].name, "");
    EXPECT_EQ(block.value("To"), "x");
    EXPECT_EQ(block.value("bad name"), std::nullopt);
    block.remove("To");
    EXPECT_EQ(block.text(), " orphan\r\nFrom me Sat Nov 21\r\nbad name: y\r\n: nameless\r\nlast");
    EXPECT_EQ(block.remove(""), 0U);
}

TEST(Header, FaultsHaveTheirKindAndLine) {
    const auto expect = [](const std::string& text, HeaderFaultKind kind, std::size_t line) {
        const auto fault = HeaderBlock(text).fault();
        ASSERT_TRUE(fault) << text;
        EXPECT_EQ(fault->kind, kind) << text;
        EXPECT_EQ(fault->line, line) << text;
        EXPECT_NE(fault->what.find("line " + std::to_string(line)), std::string::npos);
    };
    expect(" a: b\r\n", HeaderFaultKind::leading_blank, 1);
    expect("A: b\r\nHello world\r\n", HeaderFaultKind::no_colon, 2);
    expect("A: b\r\n c\r\nbad name: x\r\n", HeaderFaultKind::bad_name, 3);
    expect(": x\r\n", HeaderFaultKind::bad_name, 1);
    expect("S\xc3\xbc: x\r\n", HeaderFaultKind::bad_name, 1);
    expect("A: b\0c\r\n"s, HeaderFaultKind::control_character, 1);
    expect("A: b\x1b[0m\r\n", HeaderFaultKind::control_character, 1);
    expect("A: b\r\nB: c\rd\r\n", HeaderFaultKind::bare_cr, 2);
    expect("A: b\nB: c\r\n", HeaderFaultKind::bare_lf, 1);
    expect("A: " + std::string(996, 'x') + "\r\n", HeaderFaultKind::line_too_long, 1);
    expect("A: b\r\nB: c", HeaderFaultKind::not_terminated, 2);
    expect("A: b\r\n\r\nB: c\r\n", HeaderFaultKind::no_colon, 2);
    EXPECT_FALSE(HeaderBlock("A: " + std::string(995, 'x') + "\r\n\ttab\tis fine\r\n").fault());
    EXPECT_FALSE(HeaderBlock("").fault());
}

TEST(Header, Unfolding) {  // RFC 5322 s2.2.3
    EXPECT_EQ(unfold(" a\r\n b\r\n\tc "), "a b\tc");
    EXPECT_EQ(unfold("\r\n folded at once"), "folded at once");
    EXPECT_EQ(unfold(""), "");
}

TEST(Header, ManyFieldsOfOneNameGoInLinearTime) {
    std::string text;
    for (int i = 0; i < 200000; ++i) text += i % 2 == 0 ? "X: 1\r\n" : "Y: 2\r\n";
    HeaderBlock block(text);
    EXPECT_EQ(block.remove("x"), 100000U);
    EXPECT_EQ(block.count("y"), 100000U);
    EXPECT_EQ(block.size(), 100000U);
}

}  // namespace
}  // namespace posthorn::mail
