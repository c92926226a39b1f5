// PR-40: the transcript of a session: order and times as on the wire, nothing of content or secrets, and its bounds.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "smtp/protocol/transcript.hpp"

namespace posthorn::smtp::protocol {
namespace {

constexpr Duration at(int milliseconds) { return Duration(milliseconds); }

std::size_t lines_of(const std::string& text) { return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')); }

TEST(Transcript, PipelinedCommandsStandInTheOrderOfTheWire) {
    Transcript transcript;
    transcript.note(at(3), "connected to mx.dest.test[192.0.2.1] port 25 from 192.0.2.9");
    transcript.heard(at(5), "220 mx.dest.test ESMTP\r\n");
    transcript.said(at(5), "EHLO mail.example.test\r\n");
    transcript.heard(at(9), "250-mx.dest.test\r\n250 PIPELINING\r\n");
    transcript.begin_transaction();
    transcript.said(at(1010), "MAIL FROM:<a@example.test>\r\nRCPT TO:<b@dest.test>\r\nDATA\r\n");
    transcript.heard(at(1020), "250 ok\r\n550 5.1.1 no such user\r\n554 no valid recipients\r\n");
    EXPECT_EQ(transcript.text(),
              "     0.003 *  connected to mx.dest.test[192.0.2.1] port 25 from 192.0.2.9\n"
              "     0.005 S: 220 mx.dest.test ESMTP\n"
              "     0.005 C: EHLO mail.example.test\n"
              "     0.009 S: 250-mx.dest.test\n"
              "     0.009 S: 250 PIPELINING\n"
              "     1.010 C: MAIL FROM:<a@example.test>\n"
              "     1.010 C: RCPT TO:<b@dest.test>\n"
              "     1.010 C: DATA\n"
              "     1.020 S: 250 ok\n"
              "     1.020 S: 550 5.1.1 no such user\n"
              "     1.020 S: 554 no valid recipients\n");
}

TEST(Transcript, ASlicedReplyIsOneLine) {
    Transcript transcript;
    transcript.heard(at(1), "250-mx.de");
    transcript.heard(at(2), "st.test\r");
    transcript.heard(at(3), "\n250 SI");
    transcript.heard(at(4), "ZE\r\n");
    EXPECT_EQ(transcript.text(), "     0.003 S: 250-mx.dest.test\n     0.004 S: 250 SIZE\n");
}

TEST(Transcript, AReplyThatBreaksOffIsShownAsFarAsItCame) {
    Transcript transcript;
    transcript.heard(at(1), "451 4.7.1 come ba");
    transcript.note(at(2), "connection closed by mx.dest.test[192.0.2.1]");
    EXPECT_EQ(transcript.text(), "     0.001 S: 451 4.7.1 come ba\n     0.002 *  connection closed by mx.dest.test[192.0.2.1]\n");
}

TEST(Transcript, OfTransactionsOnOneConnectionTheLastIsShown) {
    Transcript transcript;
    transcript.heard(at(0), "220 hello\r\n");
    for (const char* who : {"a", "b", "c"}) {
        transcript.begin_transaction();
        transcript.said(at(1), std::string("MAIL FROM:<") + who + "@example.test>\r\n");
    }
    const std::string text = transcript.text();
    EXPECT_NE(text.find("220 hello"), std::string::npos);
    EXPECT_NE(text.find("2 transactions before this one"), std::string::npos);
    EXPECT_EQ(text.find("<a@"), std::string::npos);
    EXPECT_NE(text.find("<c@"), std::string::npos);
}

TEST(Transcript, TerminalsAreNotFooled) {
    Transcript transcript;
    transcript.heard(at(1), "550 \x1b[2J\x07 gone \xff\r\n");
    EXPECT_EQ(transcript.text(), "     0.001 S: 550 \\x1b[2J\\x07 gone \\xff\n");
}

TEST(Transcript, ALongTransactionKeepsItsBeginAndItsEnd) {
    Transcript transcript;
    transcript.heard(at(0), "220 hello\r\n");
    transcript.begin_transaction();
    for (int i = 0; i < 2000; ++i) {
        transcript.said(at(i), "RCPT TO:<recipient" + std::to_string(i) + "@dest.test>\r\n");
        transcript.heard(at(i), "250 2.1.5 recipient ok\r\n");
    }
    transcript.heard(at(3000), "554 5.7.1 no\r\n");
    const std::string text = transcript.text();
    EXPECT_LE(text.size(), kLongestTranscript);
    EXPECT_NE(text.find("220 hello"), std::string::npos);
    EXPECT_NE(text.find("<recipient0@"), std::string::npos);
    EXPECT_EQ(text.find("<recipient1000@"), std::string::npos);
    EXPECT_NE(text.find("<recipient1999@"), std::string::npos);
    EXPECT_NE(text.find("octets left out]\n"), std::string::npos);
    EXPECT_TRUE(text.ends_with("     3.000 S: 554 5.7.1 no\n"));
}

TEST(Transcript, AnEndlessGreetingIsBounded) {
    Transcript transcript;
    for (int i = 0; i < 100'000; ++i) transcript.heard(at(i), "220-and so on\r\n");
    EXPECT_LE(transcript.text().size(), kLongestTranscript);
    EXPECT_LE(transcript.text(500).size(), 500U);
}

Transcript::Follower into(std::vector<std::string>& lines) {
    return [&lines](std::string_view line) { lines.emplace_back(line); };
}

// SD-24: a send-test shows the dialogue live.
TEST(Transcript, AFollowerSeesEachLineAsSoonAsItIsWhole) {
    Transcript transcript;
    std::vector<std::string> seen;
    transcript.follow(into(seen));
    transcript.note(at(3), "connected to mx.dest.test[192.0.2.1] port 25");
    EXPECT_EQ(seen.size(), 1U);
    transcript.heard(at(5), "220-mx.dest.test\r\n220 he");
    EXPECT_EQ(seen.size(), 2U);   // the second line is not whole
    transcript.heard(at(7), "llo\r\n");
    EXPECT_EQ(seen.size(), 3U);
    transcript.begin_transaction();
    transcript.said(at(8), "MAIL FROM:<a@example.test>\r\nRCPT TO:<b@dest.test>\r\n");
    EXPECT_EQ(seen.size(), 5U);
    transcript.heard(at(9), "250 ok\r\n550 \x1b[2J no\r\n421 clos");
    EXPECT_EQ(seen.size(), 7U);
    transcript.note(at(10), "connection closed by mx.dest.test[192.0.2.1]");
    EXPECT_EQ(seen.size(), 9U);   // what came of the reply, too
    EXPECT_EQ(seen[6], "     0.009 S: 550 \\x1b[2J no");
    std::string joined;
    for (const std::string& line : seen) joined += line + "\n";
    EXPECT_EQ(joined, transcript.text());
}

TEST(Transcript, WhoFollowsNoMoreSeesNothingMore) {
    Transcript transcript;
    std::vector<std::string> first, second;
    transcript.heard(at(1), "220 before\r\n");
    transcript.follow(into(first));
    transcript.heard(at(2), "250 first\r\n250 bro");
    transcript.follow(into(second));
    transcript.heard(at(3), "ken off\r\n");
    transcript.follow({});
    transcript.said(at(4), "QUIT\r\n");
    EXPECT_EQ(first, (std::vector<std::string>{"     0.002 S: 250 first", "     0.002 S: 250 bro"}));
    EXPECT_EQ(second, (std::vector<std::string>{"     0.003 S: ken off"}));
}

TEST(Transcript, AFollowerIsToldOfAnEndlessSessionOnlyItsBegin) {
    Transcript transcript;
    std::vector<std::string> seen;
    transcript.follow(into(seen));
    for (int i = 0; i < 100'000; ++i) transcript.heard(at(i), "220-and so on\r\n");
    std::size_t octets = 0;
    for (const std::string& line : seen) octets += line.size();
    EXPECT_GT(octets, kLongestTranscript / 2);
    EXPECT_LE(octets, kLongestTranscript + 100);
    EXPECT_EQ(seen.back(), "           [what follows is not shown as it happens]");
    // A line without end: no more is kept of it than is shown.
    transcript.follow(into(seen));
    for (int i = 0; i < 100'000; ++i) transcript.heard(at(i), "no end");
    transcript.follow({});
    EXPECT_LE(seen.back().size(), 800U);
    EXPECT_TRUE(seen.back().ends_with("..."));
}

TEST(Transcript, AFollowerSeesNoChallenge) {   // RFC 4954
    Transcript transcript;
    std::vector<std::string> seen;
    transcript.follow(into(seen));
    transcript.heard(at(1), "334 cj1yT3ByTk");
    transcript.heard(at(2), "dmd0ViZVJXZ2Jo\r\n");
    transcript.said(at(3), without_secrets("c2VjcmV0\r\n"));
    EXPECT_EQ(seen, (std::vector<std::string>{"     0.002 S: 334 [challenge]", "     0.003 C: [response]"}));
}

// RFC 4954: nothing from which a password can be had.
TEST(Transcript, OfALoginOnlyTheMechanismIsShown) {
    EXPECT_EQ(without_secrets("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"), "AUTH PLAIN [response]\r\n");
    EXPECT_EQ(without_secrets("AUTH LOGIN\r\n"), "AUTH LOGIN\r\n");
    EXPECT_EQ(without_secrets("c2VjcmV0\r\n"), "[response]\r\n");
    EXPECT_EQ(without_secrets("*\r\n"), "*\r\n");
    Transcript transcript;
    transcript.heard(at(1), "334 cj1yT3ByTkdmd0ViZVJXZ2Jo\r\n");
    EXPECT_EQ(transcript.text(), "     0.001 S: 334 [challenge]\n");
}

TEST(Transcript, ShorteningKeepsWholeLines) {
    std::string text;
    for (int i = 0; i < 1000; ++i) text += "line " + std::to_string(i) + "\n";
    const std::string kept = shorten_transcript(text, 300);
    EXPECT_LE(kept.size(), 300U);
    EXPECT_TRUE(kept.starts_with("line 0\nline 1\n"));
    EXPECT_TRUE(kept.ends_with("\nline 998\nline 999\n"));
    EXPECT_NE(kept.find("octets left out]\n"), std::string::npos);
    EXPECT_EQ(shorten_transcript("short\n"), "short\n");
    EXPECT_LE(shorten_transcript(std::string(10'000, 'x')).size(), kLongestTranscript);
    EXPECT_EQ(lines_of(shorten_transcript(std::string(10'000, 'x'))), 1U);
}

}  // namespace
}  // namespace posthorn::smtp::protocol
