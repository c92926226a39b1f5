// Tests of app/sendmail/handover.hpp: what is said to the daemon in how many round trips, and what its answers mean.
#include "app/sendmail/handover.hpp"

#include <gtest/gtest.h>

#include "base/sysexits.hpp"

namespace posthorn::app::sendmail {
namespace {

using smtp::protocol::make_reply;
using smtp::protocol::Reply;

Reply ehlo(std::vector<std::string> keywords) {
    Reply reply = make_reply(250, "", "mx.example.com");
    for (std::string& keyword : keywords) reply.lines.push_back(std::move(keyword));
    return reply;
}
Reply posthorn() {
    return ehlo({"PIPELINING", "SIZE 36700160", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "CHUNKING", "XCALLER"});
}
Reply greeting() { return make_reply(220, "", "mx.example.com ESMTP"); }
Reply ok() { return make_reply(250, "2.1.0", "ok"); }

Letter letter(std::vector<std::string> recipients = {"root"}) {
    Letter result;
    result.handoff.uid = 33;
    result.handoff.user = "www-data";
    result.handoff.pid = 812;
    result.handoff.command = "php-fpm: pool www";
    for (std::string& recipient : recipients) result.handoff.envelope.recipients.push_back({std::move(recipient), "", 0});
    result.octets = 100;
    return result;
}
HandoverOptions options(bool all_or_nothing = false) { return {"web1", "0006.812.9f", all_or_nothing}; }

// From the greeting to what is said after EHLO.
Handover::Step after_ehlo(Handover& dialogue, const Reply& answer) {
    EXPECT_EQ(dialogue.on_reply(greeting()).text, "EHLO web1\r\n");
    return dialogue.on_reply(answer);
}

TEST(SendmailHandover, OneRoundTripForASmallMessage) {
    Letter mine = letter({"root", "a@b"});
    mine.eight_bit = true;
    mine.handoff.name = "Anna Blume";
    Handover dialogue(mine, options());
    const Handover::Step step = after_ehlo(dialogue, posthorn());
    EXPECT_EQ(step.text,
              "MAIL FROM:<> SIZE=100 BODY=8BITMIME XFROM=default XCALLER=pid+3D812;cmd+3Dphp-fpm:+20pool+20www XHANDOFF=0006.812.9f "
              "XNAME=Anna+20Blume\r\nRCPT TO:<root>\r\nRCPT TO:<a@b>\r\nBDAT 100 LAST\r\n");
    EXPECT_TRUE(step.content);
    EXPECT_FALSE(step.stuffed);
    EXPECT_EQ(step.after, "QUIT\r\n");
    dialogue.on_content_written();
    for (int reply = 0; reply < 3; ++reply) {
        EXPECT_EQ(dialogue.on_reply(ok()).text, "");
        EXPECT_FALSE(dialogue.outcome());
    }
    (void)dialogue.on_reply(make_reply(250, "2.0.0", "queued as 0ABC"));
    ASSERT_TRUE(dialogue.outcome());
    EXPECT_EQ(dialogue.outcome()->fate, Fate::stored);
    EXPECT_EQ(dialogue.outcome()->words, "250 2.0.0 queued as 0ABC");
    EXPECT_TRUE(dialogue.outcome()->left.empty());
}

TEST(SendmailHandover, TheEnvelopesParameters) {
    Letter mine = letter({});
    mine.handoff.sender_asked = true;
    mail::Envelope& envelope = mine.handoff.envelope;
    envelope.reverse_path = "a@b";
    envelope.body = mail::BodyType::seven_bit;
    envelope.ret = mail::DsnReturn::headers;
    envelope.envid = "QQ=1";
    envelope.recipients = {{"\xc3\xbc@b", "rfc822;x+y@b", mail::Notify::success | mail::Notify::delay}};
    Handover dialogue(mine, options());
    const std::string text = after_ehlo(dialogue, posthorn()).text;
    // SM-13, SM-14, DSN-14
    EXPECT_TRUE(text.starts_with("MAIL FROM:<a@b> SIZE=100 BODY=7BIT SMTPUTF8 RET=HDRS ENVID=QQ+3D1 XCALLER=")) << text;
    EXPECT_NE(text.find("RCPT TO:<\xc3\xbc@b> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+2By@b\r\n"), std::string::npos) << text;
    EXPECT_EQ(text.find("XFROM"), std::string::npos);
}

// The daemon's line has 2048 octets.
TEST(SendmailHandover, ClaimsAreCut) {
    Letter mine = letter();
    mine.handoff.command = std::string(2000, '=');
    mine.handoff.directory = "/a;b/" + std::string(2000, '=');
    mine.handoff.name = "x";
    for (int i = 0; i < 500; ++i) mine.handoff.name += "\xc3\xbc";
    mine.handoff.envelope.envid = std::string(100, '=');
    mine.handoff.sender_asked = true;
    mine.handoff.envelope.reverse_path = std::string(64, 'a') + "@" + std::string(190, 'b');
    Handover dialogue(mine, options());
    const std::string text = after_ehlo(dialogue, posthorn()).text;
    const std::string line = text.substr(0, text.find('\n') + 1);
    EXPECT_LT(line.size(), 2048U);
    EXPECT_NE(line.find("pid+3D812;cwd+3D/a?b/+3D+3D"), std::string::npos) << line;
    EXPECT_TRUE(line.ends_with("+C3+BC\r\n")) << line;
}

TEST(SendmailHandover, ALargeMessageWaitsForItsRecipients) {
    Letter mine = letter();
    mine.octets = kSendAlongOctets + 1;
    Handover dialogue(mine, options());
    EXPECT_FALSE(after_ehlo(dialogue, posthorn()).content);
    EXPECT_EQ(dialogue.on_reply(ok()).text, "");
    const Handover::Step step = dialogue.on_reply(ok());
    EXPECT_EQ(step.text, "BDAT 65537 LAST\r\n");
    EXPECT_TRUE(step.content);
}

// Any mail server does, one command at a time and with DATA.
TEST(SendmailHandover, AStrangerWithoutExtensions) {
    Letter mine = letter({"root", "a@b"});
    mine.author = "wordpress@example.com";
    mine.has_from = false;
    mine.handoff.name = "A \"B\"";
    mine.eight_bit = true;
    mine.handoff.envelope.ret = mail::DsnReturn::full;
    Handover dialogue(mine, options());
    EXPECT_EQ(after_ehlo(dialogue, ehlo({})).text, "MAIL FROM:<wordpress@example.com>\r\n");
    EXPECT_EQ(dialogue.on_reply(ok()).text, "RCPT TO:<root@localhost>\r\n");
    EXPECT_EQ(dialogue.on_reply(ok()).text, "RCPT TO:<a@b>\r\n");
    EXPECT_EQ(dialogue.on_reply(ok()).text, "DATA\r\n");
    const Handover::Step step = dialogue.on_reply(make_reply(354, "", "go on"));
    EXPECT_TRUE(step.content && step.stuffed);
    EXPECT_EQ(step.prefix, "From: \"A \\\"B\\\"\" <wordpress@example.com>\r\n");
    (void)dialogue.on_reply(ok());
    EXPECT_EQ(dialogue.outcome()->fate, Fate::stored);
}

TEST(SendmailHandover, AStrangerGetsAHeader) {
    Letter mine = letter();
    mine.has_from = mine.has_header = false;
    const auto prefix = [&mine] {
        Handover dialogue(mine, options());
        return after_ehlo(dialogue, ehlo({"PIPELINING", "CHUNKING"})).prefix;
    };
    EXPECT_EQ(prefix(), "Subject:\r\n");
    mine.begins_with_text = true;
    EXPECT_EQ(prefix(), "Subject:\r\n\r\n");
    mine.handoff.name = "Night Watch";
    EXPECT_EQ(prefix(), "From: \"Night Watch\" <www-data@web1>\r\n\r\n");
    mine.begins_with_text = false;
    EXPECT_EQ(prefix(), "From: \"Night Watch\" <www-data@web1>\r\n");
    Handover known(mine, options());
    EXPECT_EQ(after_ehlo(known, posthorn()).prefix, "");
}

TEST(SendmailHandover, SendersForStrangers) {
    const auto sender = [](const Letter& mine) {
        Handover dialogue(mine, options());
        const std::string text = after_ehlo(dialogue, ehlo({"PIPELINING"})).text;
        return text.substr(0, text.find('\r'));
    };
    Letter mine = letter();
    EXPECT_EQ(sender(mine), "MAIL FROM:<www-data@web1>");
    mine.handoff.user.clear();
    EXPECT_EQ(sender(mine), "MAIL FROM:<uid33@web1>");
    mine.handoff.sender_asked = true;
    EXPECT_EQ(sender(mine), "MAIL FROM:<>");
    mine.handoff.envelope.reverse_path = "www";
    EXPECT_EQ(sender(mine), "MAIL FROM:<www@web1>");
}

TEST(SendmailHandover, SomeRecipientsAreNotTaken) {
    const Letter mine = letter({"a@b", "nobody", "c@d", "e@f"});
    Handover dialogue(mine, options());
    (void)after_ehlo(dialogue, posthorn());
    (void)dialogue.on_reply(ok());
    (void)dialogue.on_reply(ok());
    (void)dialogue.on_reply(make_reply(550, "5.1.1", "no such user"));
    (void)dialogue.on_reply(make_reply(451, "4.3.0", "later"));
    (void)dialogue.on_reply(make_reply(450, "4.7.1", "too many"));
    (void)dialogue.on_reply(ok());
    ASSERT_TRUE(dialogue.outcome());
    EXPECT_EQ(dialogue.outcome()->fate, Fate::stored);
    const auto& left = dialogue.outcome()->left;
    ASSERT_EQ(left.size(), 3U);
    EXPECT_EQ(left[0].recipient, 1U);
    EXPECT_FALSE(left[0].later);
    EXPECT_EQ(left[0].exit_code, exit_code::kNoUser);
    EXPECT_EQ(left[0].words, "550 5.1.1 no such user");
    EXPECT_TRUE(left[1].later);
    EXPECT_FALSE(left[2].later);  // a rate limit is said, not hidden in the spool
    EXPECT_EQ(left[2].exit_code, exit_code::kUnavailable);
}

TEST(SendmailHandover, AllOrNothing) {
    const Letter mine = letter({"a@b", "nobody"});
    Handover dialogue(mine, options(true));
    EXPECT_FALSE(after_ehlo(dialogue, posthorn()).content);
    (void)dialogue.on_reply(ok());
    (void)dialogue.on_reply(ok());
    EXPECT_FALSE(dialogue.on_reply(make_reply(550, "5.1.1", "no such user")).content);
    ASSERT_TRUE(dialogue.outcome());
    EXPECT_EQ(dialogue.outcome()->fate, Fate::refused);
    EXPECT_EQ(dialogue.outcome()->words, "550 5.1.1 no such user");
    EXPECT_TRUE(dialogue.outcome()->left.empty());
}

Outcome with_replies(std::vector<Reply> replies, std::vector<std::string> recipients = {"a@b"}) {
    const Letter mine = letter(std::move(recipients));
    Handover dialogue(mine, options());
    (void)after_ehlo(dialogue, posthorn());
    dialogue.on_content_written();
    for (const Reply& reply : replies) (void)dialogue.on_reply(reply);
    EXPECT_TRUE(dialogue.outcome());
    return dialogue.outcome().value_or(Outcome{});
}

TEST(SendmailHandover, Refusals) {
    const Reply no = make_reply(503, "5.5.1", "no");
    Outcome outcome = with_replies({make_reply(550, "5.7.13", "suspended"), no, no});
    EXPECT_EQ(outcome.fate, Fate::refused);
    EXPECT_EQ(outcome.exit_code, exit_code::kNoPermission);  // SM-30
    EXPECT_EQ(outcome.words, "550 5.7.13 suspended");
    EXPECT_TRUE(outcome.left.empty());

    outcome = with_replies({make_reply(450, "4.7.1", "too many"), no, no});
    EXPECT_EQ(outcome.fate, Fate::refused);
    EXPECT_EQ(outcome.exit_code, exit_code::kUnavailable);

    outcome = with_replies({make_reply(452, "4.3.1", "disk full"), no, no});
    EXPECT_EQ(outcome.fate, Fate::postponed);

    outcome = with_replies({ok(), make_reply(550, "5.1.1", "no such user"), make_reply(554, "5.5.1", "no valid recipients")});
    EXPECT_EQ(outcome.fate, Fate::refused);
    EXPECT_EQ(outcome.exit_code, exit_code::kNoUser);
    ASSERT_EQ(outcome.left.size(), 1U);

    outcome = with_replies({ok(), make_reply(451, "4.3.0", "later"), make_reply(554, "5.5.1", "no valid recipients")});
    EXPECT_EQ(outcome.fate, Fate::postponed);

    outcome = with_replies({ok(), ok(), make_reply(554, "5.6.0", "two From fields")});
    EXPECT_EQ(outcome.fate, Fate::refused);
    EXPECT_EQ(outcome.exit_code, exit_code::kDataError);

    outcome = with_replies({ok(), ok(), make_reply(452, "4.3.1", "disk full")});
    EXPECT_EQ(outcome.fate, Fate::postponed);
    EXPECT_EQ(outcome.words, "452 4.3.1 disk full");
}

TEST(SendmailHandover, NobodyIsTakenSomeLater) {
    const Outcome outcome = with_replies({ok(), make_reply(451, "4.3.0", "later"), make_reply(550, "5.1.1", "no"), make_reply(554, "5.5.1", "none")},
                                         {"a@b", "c@d"});
    EXPECT_EQ(outcome.fate, Fate::refused);
    EXPECT_EQ(outcome.exit_code, exit_code::kNoUser);
    ASSERT_EQ(outcome.left.size(), 2U);
    EXPECT_TRUE(outcome.left[0].later);
}

TEST(SendmailHandover, ABrokenConnection) {
    const Letter mine = letter();
    {
        Handover dialogue(mine, options());
        dialogue.on_lost("refused");
        EXPECT_EQ(dialogue.outcome()->fate, Fate::unanswered);
    }
    {
        Handover dialogue(mine, options());
        (void)after_ehlo(dialogue, posthorn());
        dialogue.on_lost("closed");
        EXPECT_EQ(dialogue.outcome()->fate, Fate::unanswered);
    }
    {
        Handover dialogue(mine, options());
        (void)after_ehlo(dialogue, posthorn());
        dialogue.on_content_written();
        (void)dialogue.on_reply(ok());
        dialogue.on_lost("closed");
        EXPECT_EQ(dialogue.outcome()->fate, Fate::doubtful);
        EXPECT_EQ(dialogue.outcome()->words, "closed");
    }
}

TEST(SendmailHandover, NoServiceAtTheDoor) {
    const Letter mine = letter();
    Handover turned_away(mine, options());
    (void)turned_away.on_reply(make_reply(421, "4.3.2", "too many connections"));
    EXPECT_EQ(turned_away.outcome()->fate, Fate::unanswered);
    Handover no_ehlo(mine, options());
    (void)after_ehlo(no_ehlo, make_reply(502, "5.5.1", "what?"));
    EXPECT_EQ(no_ehlo.outcome()->fate, Fate::unanswered);
}

TEST(SendmailHandover, WhatCannotBeSentThisWay) {
    Letter mine = letter();
    mine.octets = 36700161;
    Handover too_big(mine, options());
    (void)after_ehlo(too_big, posthorn());
    EXPECT_EQ(too_big.outcome()->fate, Fate::refused);
    EXPECT_EQ(too_big.outcome()->exit_code, exit_code::kUnavailable);  // SM-25

    mine = letter();
    mine.handoff.envelope.require_tls = true;  // RFC 8689 s4.1: not to be lost on the way
    Handover demanding(mine, options());
    (void)after_ehlo(demanding, posthorn());
    EXPECT_EQ(demanding.outcome()->fate, Fate::postponed);
}

TEST(SendmailHandover, ExitCodes) {  // SM-30
    const auto code = [](int status, const char* enhanced) { return exit_code_of(make_reply(static_cast<std::uint16_t>(status), enhanced, "x")); };
    EXPECT_EQ(code(550, "5.1.1"), exit_code::kNoUser);
    EXPECT_EQ(code(550, "5.1.2"), exit_code::kNoHost);
    EXPECT_EQ(code(501, "5.1.3"), exit_code::kDataError);
    EXPECT_EQ(code(550, "5.1.8"), exit_code::kDataError);
    EXPECT_EQ(code(552, "5.3.4"), exit_code::kUnavailable);
    EXPECT_EQ(code(552, ""), exit_code::kUnavailable);
    EXPECT_EQ(code(550, "5.7.1"), exit_code::kNoPermission);
    EXPECT_EQ(code(530, "5.7.0"), exit_code::kNoPermission);
    EXPECT_EQ(code(530, ""), exit_code::kNoPermission);
    EXPECT_EQ(code(554, "5.6.0"), exit_code::kDataError);
    EXPECT_EQ(code(503, "5.5.1"), exit_code::kProtocol);
    EXPECT_EQ(code(450, "4.7.1"), exit_code::kUnavailable);
}

}  // namespace
}  // namespace posthorn::app::sendmail
