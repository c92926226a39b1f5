// Tests of app/sendmail/stdio_dialogue.hpp: -bs as Symfony and others speak it (SM-7).
#include "app/sendmail/stdio_dialogue.hpp"

#include <gtest/gtest.h>

#include <random>

namespace posthorn::app::sendmail {
namespace {

struct Said {
    std::string codes;     // of all replies: "250 250 354 250"
    std::string text;
    std::vector<std::string> messages;
    std::vector<mail::Envelope> envelopes;
    bool done = false;
};
Said say(std::string_view input, std::mt19937* random = nullptr, int result = 250) {
    StdioDialogue dialogue({"web1", 1000, 3});
    Said said;
    std::string content;
    while (!input.empty() && !dialogue.done()) {
        std::string_view piece = input.substr(0, random == nullptr ? input.size() : 1 + (*random)() % 7);
        input.remove_prefix(piece.size());
        while (!piece.empty() && !dialogue.done()) {
            piece.remove_prefix(dialogue.feed(piece, said.text, content));
            if (!dialogue.has_message()) continue;
            said.messages.push_back(std::move(content));
            said.envelopes.push_back(dialogue.envelope());
            content.clear();
            if (result == 250) {
                dialogue.on_result(250, "2.0.0", "250 2.0.0 queued as 0ABC", said.text);
            } else {
                dialogue.on_result(result, "4.3.0", "the message was NOT sent", said.text);
            }
        }
    }
    said.done = dialogue.done();
    for (std::size_t at = 0; at < said.text.size(); at = said.text.find('\n', at) + 1)
        if (said.text[at + 3] == ' ') said.codes.append(said.codes.empty() ? "" : " ").append(said.text, at, 3);
    return said;
}

TEST(SendmailDialogue, AsSymfonySpeaks) {
    const Said said = say("EHLO [127.0.0.1]\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nTo: c@d\r\n\r\n..x\r\n.\r\nQUIT\r\n");
    EXPECT_EQ(said.codes, "250 250 250 354 250 221");
    ASSERT_EQ(said.messages.size(), 1U);
    EXPECT_EQ(said.messages[0], "To: c@d\r\n\r\n.x\r\n");
    EXPECT_EQ(said.envelopes[0].reverse_path, "a@b");
    EXPECT_EQ(said.envelopes[0].recipients.at(0).address, "c@d");
    EXPECT_NE(said.text.find("250 2.0.0 queued as 0ABC\r\n"), std::string::npos);
    EXPECT_TRUE(said.done);
}

// LSB: LF alone will do. One message after the other, pipelined, in any slices.
TEST(SendmailDialogue, LfAndPipelining) {
    std::mt19937 random(23);
    const std::string script =
        "helo x\nmail from:<>\nrcpt to:<root>\nrcpt to:<\"a b\"@c> notify=never orcpt=rfc822;x+2By@z\ndata\nA: b\n\nx\n.\n"
        "MAIL FROM:<q@r> SIZE=9 BODY=8BITMIME RET=HDRS ENVID=a+3Db SMTPUTF8\nRCPT TO: <s@t>\nDATA\n.\nNOOP\nVRFY x\nRSET\nquit\nlost\n";
    for (int round = 0; round < 50; ++round) {
        const Said said = say(script, round == 0 ? nullptr : &random);
        EXPECT_EQ(said.codes, "250 250 250 250 354 250 250 250 354 250 250 252 250 221");
        ASSERT_EQ(said.messages.size(), 2U);
        EXPECT_EQ(said.messages[0], "A: b\r\n\r\nx\r\n");
        EXPECT_EQ(said.messages[1], "");
        const mail::Envelope& first = said.envelopes[0];
        EXPECT_EQ(first.reverse_path, "");
        EXPECT_EQ(first.recipients.at(1).address, "\"a b\"@c");
        EXPECT_EQ(first.recipients.at(1).notify, mail::Notify::never);
        EXPECT_EQ(first.recipients.at(1).orcpt, "rfc822;x+y@z");
        const mail::Envelope& second = said.envelopes[1];
        EXPECT_EQ(second.recipients.size(), 1U);
        EXPECT_EQ(second.body, mail::BodyType::eight_bit_mime);
        EXPECT_EQ(second.ret, mail::DsnReturn::headers);
        EXPECT_EQ(second.envid, "a=b");
        EXPECT_TRUE(second.smtputf8);
    }
}

TEST(SendmailDialogue, OutOfOrderAndWrong) {
    EXPECT_EQ(say("MAIL FROM:<a@b>\nEHLO x\nRCPT TO:<a@b>\nDATA\nMAIL FROM:<a@b>\nMAIL FROM:<a@b>\nDATA\nQUIT\n").codes,
              "503 250 503 503 250 503 503 221");
    EXPECT_EQ(say("EHLO x\nMAIL FROM:a@b\nMAIL TO:<a@b>\nMAIL FROM:<a b@c>\nMAIL FROM:<a@b> X=y\nMAIL FROM:<a@b> SIZE=1001\nMAIL FROM:<a@b> SIZE=x\n").codes,
              "250 501 501 501 555 552 501");
    EXPECT_EQ(say("EHLO x\nMAIL FROM:<a@b>\nRCPT TO:<>\nRCPT TO:<a@b> NOTIFY=x\nRCPT TO:<a@b>\nRCPT TO:<a@b>\nRCPT TO:<a@b>\nRCPT TO:<a@b>\n").codes,
              "250 250 501 555 250 250 250 452");
    EXPECT_EQ(say("AUTH PLAIN\nSTARTTLS\nBDAT 3 LAST\n\nEHLO x\n").codes, "503 502 500 500 250");
    EXPECT_EQ(say(std::string(5000, 'x') + "\nEHLO a\x01\nEHLO x\n").codes, "500 500 250");
}

TEST(SendmailDialogue, TooBigAndTheNextOne) {
    const Said said = say("EHLO x\nMAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\n\n" + std::string(2000, 'x') + "\n.\nMAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\n\ny\n.\n");
    EXPECT_EQ(said.codes, "250 250 250 354 552 250 250 354 250");
    ASSERT_EQ(said.messages.size(), 1U);
    EXPECT_EQ(said.messages[0], "\r\ny\r\n");
}

TEST(SendmailDialogue, AHiddenFieldEndsTheDialogue) {
    const Said said = say("EHLO x\nMAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\nA: b\rBcc: e@f\n.\nQUIT\n");
    EXPECT_EQ(said.codes, "250 250 250 354 554 421");
    EXPECT_TRUE(said.done);
    EXPECT_TRUE(said.messages.empty());
}

TEST(SendmailDialogue, WhatCannotBeSavedIsTemporary) {
    const Said said = say("EHLO x\nMAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\n.\n", nullptr, 451);
    EXPECT_EQ(said.codes, "250 250 250 354 451");
    EXPECT_NE(said.text.find("451 4.3.0 the message was NOT sent\r\n"), std::string::npos);
}

}  // namespace
}  // namespace posthorn::app::sendmail
