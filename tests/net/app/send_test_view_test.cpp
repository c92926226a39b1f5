// A send-test's course as a verdict: what `why` says of it, what its receiver sees, the exit code (SD-24).
#include "app/send_test_view.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "base/sysexits.hpp"

namespace posthorn::app {
namespace {

TestFate fate(std::string_view text) { return fate_of(boost::json::parse(text).as_object()); }

TEST(SendTestFate, IsReadFromWhy) {
    EXPECT_EQ(fate(R"({})"), TestFate::under_way);
    EXPECT_EQ(fate(R"({"recipients": []})"), TestFate::under_way);
    EXPECT_EQ(fate(R"({"recipients": [{"state": "delivering", "attempts": 0}]})"), TestFate::under_way);
    EXPECT_EQ(fate(R"({"recipients": [{"state": "waiting", "attempts": 0, "in_the_way": []}]})"), TestFate::under_way);
    EXPECT_EQ(fate(R"({"recipients": [{"state": "waiting", "attempts": 1, "in_the_way": []}]})"), TestFate::waits);
    EXPECT_EQ(fate(R"({"recipients": [{"state": "waiting", "attempts": 0, "in_the_way": [{"kind": "suspension"}]}]})"), TestFate::waits);
    EXPECT_EQ(fate(R"({"recipients": [{"state": "held"}]})"), TestFate::waits);
    EXPECT_EQ(fate(R"({"recipients": [{"state": "delivered"}]})"), TestFate::delivered);
    EXPECT_EQ(fate(R"({"recipients": [{"state": "failed"}]})"), TestFate::refused);
    EXPECT_EQ(fate(R"({"recipients": [{"state": "suppressed"}]})"), TestFate::refused);
}

// SD-24: what was shown as it happened is not shown again, and nothing is missing.
TEST(SendTestSession, InTheEndOnlyWhatWasNotSeenIsShown) {
    const std::string kept =
        "     0.001 S: 220 hello\n"
        "           [1 transactions before this one, on the same connection]\n"
        "     1.000 C: DATA\n"
        "     1.001 S: 250 ok\n"
        "     1.001 S: 250 ok\n";
    EXPECT_EQ(unseen_session(kept, {}), kept);   // nobody may follow
    EXPECT_EQ(unseen_session({}, {}), "");
    // A connection that was open before.
    EXPECT_EQ(unseen_session(kept, {"     1.000 C: DATA", "     1.001 S: 250 ok", "     1.001 S: 250 ok"}),
              "     0.001 S: 220 hello\n           [1 transactions before this one, on the same connection]\n");
    // Lines that look the same are counted.
    EXPECT_EQ(unseen_session("     1.001 S: 250 ok\n     1.001 S: 250 ok\n", {"     1.001 S: 250 ok"}), "     1.001 S: 250 ok\n");
    // All was seen, more than the journal keeps.
    EXPECT_EQ(unseen_session("     1.000 C: DATA\n           [900 octets left out]\n     1.001 S: 250 ok\n",
                             {"     1.000 C: DATA", "     1.000 *  and more", "     1.001 S: 250 ok"}),
              "");
    EXPECT_EQ(session_text("     1.000 C: DATA\n     1.001 S: a\x1b"), "       1.000 C: DATA\n       1.001 S: a\\x1b\n");
}

TestProofs right() {
    TestProofs proofs;
    proofs.seen = true;
    proofs.signatures.emplace_back().result = auth::dkim::SignatureResult::pass;
    proofs.diagnosis.emplace();
    proofs.diagnosis->facts.emplace_back().result = delivery::FactResult::pass;
    return proofs;
}

TEST(SendTestExit, SaysHowItEnded) {
    EXPECT_EQ(exit_code_of_test(TestFate::delivered, right()), exit_code::kOk);
    EXPECT_EQ(exit_code_of_test(TestFate::refused, right()), exit_code::kFailure);
    EXPECT_EQ(exit_code_of_test(TestFate::waits, right()), exit_code::kTempFail);
    EXPECT_EQ(exit_code_of_test(TestFate::under_way, right()), exit_code::kTempFail);
    TestProofs proofs = right();
    proofs.signatures.front().result = auth::dkim::SignatureResult::fail;
    EXPECT_EQ(exit_code_of_test(TestFate::delivered, proofs), kDeliveredWithFaults);
    proofs.signatures.clear();   // not signed at all
    EXPECT_EQ(exit_code_of_test(TestFate::delivered, proofs), kDeliveredWithFaults);
    proofs.seen = false;         // not known
    EXPECT_EQ(exit_code_of_test(TestFate::delivered, proofs), exit_code::kTempFail);
    proofs = right();
    proofs.signatures.front().result = auth::dkim::SignatureResult::temperror;
    EXPECT_EQ(exit_code_of_test(TestFate::delivered, proofs), exit_code::kTempFail);
    proofs = right();
    proofs.diagnosis->facts.front().result = delivery::FactResult::fail;
    EXPECT_EQ(exit_code_of_test(TestFate::delivered, proofs), kDeliveredWithFaults);
    proofs.diagnosis->facts.front().kind = delivery::FactKind::spf_from;   // docomo's wish, not this receiver's
    EXPECT_EQ(exit_code_of_test(TestFate::delivered, proofs), exit_code::kOk);
    proofs.diagnosis.reset();
    EXPECT_EQ(exit_code_of_test(TestFate::delivered, proofs), exit_code::kTempFail);
}

TEST(SendTestProofs, ShowNothingThatATerminalWouldObey) {
    TestProofs proofs = right();
    proofs.signatures.front().domain = "\x1b[31mexample.com";
    proofs.diagnosis->facts.front().result = delivery::FactResult::fail;
    proofs.diagnosis->facts.front().detail = "\x1b]0;title";
    proofs.diagnosis->facts.front().record = "example.com. IN TXT \"v=spf1 -all\"";
    const std::string text = proofs_text(proofs);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_NE(text.find("\nexample.com. IN TXT \"v=spf1 -all\"\n"), std::string::npos) << text;  // at the margin
}

TEST(SendTestLetter, IsWholeAndPlain) {
    TestLetter letter;
    letter.from = "postmaster@example.com";
    letter.to = "bob@example.net";
    letter.hostname = "mail.example.com";
    letter.mark = "abc.1";
    const std::string text = letter.text(TimePoint(std::chrono::hours(24 * 365 * 50)));
    for (const char* field : {"From: postmaster@example.com\r\n", "To: bob@example.net\r\n", "Subject: ", "Date: ", "Message-ID: <abc.1@mail.example.com>\r\n",
                              "MIME-Version: 1.0\r\n", "\r\n\r\n"})
        EXPECT_NE(text.find(field), std::string::npos) << field;
    for (std::size_t i = 0; i < text.size(); ++i) {
        EXPECT_TRUE(text[i] != '\n' || text[i - 1] == '\r');
        EXPECT_TRUE(static_cast<unsigned char>(text[i]) < 0x80);
    }
}

}  // namespace
}  // namespace posthorn::app
