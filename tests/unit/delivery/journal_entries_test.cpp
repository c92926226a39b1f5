// What the journal keeps of a delivery (PR-40).
#include "delivery/journal_entries.hpp"

#include <gtest/gtest.h>

#include "delivery/judgement.hpp"
#include "delivery/send_test.hpp"

namespace posthorn::delivery {
namespace {

using namespace std::chrono_literals;

const TimePoint kNow(std::chrono::hours(24 * 365 * 50));

struct JournalEntriesTest : testing::Test {
    JournalEntriesTest() {
        message.id = QueueId(7);
        message.accepted_at = kNow - 90s;
        message.reverse_path = "a@example.org";
        message.source = "user=shop";
        message.stream = "news";
    }
    void add(std::string to, Disposition result, Class failure_class, std::uint16_t code, std::string text) {
        Judged item;
        item.recipient.address = std::move(to);
        item.recipient.attempts = 2;
        item.outcome = own_outcome(result, failure_class, Scope::recipient, code, {}, std::move(text));
        item.outcome.host = "mx.example.net[192.0.2.1]";
        judged.push_back(std::move(item));
        queue::Verdict verdict;
        verdict.due_at = kNow + 5min;
        verdicts.push_back(verdict);
    }
    [[nodiscard]] std::vector<queue::JournalEntry> entries(std::string transcript = {}) const {
        return journal_of(message, judged, verdicts, "google", transcript, kNow);
    }
    mail::Message message;
    std::vector<Judged> judged;
    std::vector<queue::Verdict> verdicts;
};

TEST_F(JournalEntriesTest, OneForEachRecipientWithWhatIsKnown) {
    add("well@example.net", Disposition::delivered, Class::none, 250, "2.0.0 taken");
    add("later@example.net", Disposition::deferred, Class::temp, 451, "4.3.0 later");
    add("gone@example.net", Disposition::failed, Class::rcpt_perm, 550, "5.1.1 no such user");
    add("stopped@example.net", Disposition::failed, Class::suppressed, 550, "5.1.1 suppressed");
    const auto all = entries();
    ASSERT_EQ(all.size(), 4U);
    EXPECT_EQ(all[0].event, "delivered");
    EXPECT_EQ(all[1].event, "deferred");
    EXPECT_EQ(all[2].event, "failed");
    EXPECT_EQ(all[3].event, "suppressed");
    for (const queue::JournalEntry& entry : all) {
        EXPECT_EQ(entry.at, kNow);
        EXPECT_EQ(entry.message, QueueId(7));
        EXPECT_EQ(entry.from, "a@example.org");
        EXPECT_EQ(entry.source, "user=shop");
        EXPECT_EQ(entry.stream, "news");
        EXPECT_EQ(entry.group, "google");
        EXPECT_EQ(entry.host, "mx.example.net[192.0.2.1]");
        EXPECT_EQ(entry.delay, 90s);
    }
    EXPECT_EQ(all[1].due_at, kNow + 5min);
    EXPECT_EQ(all[0].due_at, TimePoint{});
    EXPECT_EQ(all[2].failure_class, "rcpt-perm");
    EXPECT_NE(all[2].reply.find("no such user"), std::string::npos);
}

TEST_F(JournalEntriesTest, AttemptsAreThoseThatCounted) {
    add("a@example.net", Disposition::deferred, Class::temp, 451, "4.3.0 later");
    add("b@example.net", Disposition::deferred, Class::throttle, 421, "4.7.28 rate");
    add("c@example.net", Disposition::failed, Class::expired, 554, "5.4.7 over");
    add("d@example.net", Disposition::delivered, Class::none, 250, "2.0.0 taken");
    verdicts[1].count_attempt = false;
    const auto all = entries();
    EXPECT_EQ(all[0].attempts, 3U);
    EXPECT_EQ(all[1].attempts, 2U);
    EXPECT_EQ(all[2].attempts, 2U);
    EXPECT_EQ(all[3].attempts, 3U);
}

TEST_F(JournalEntriesTest, TheTranscriptIsKeptOnceAndBounded) {
    add("well@example.net", Disposition::delivered, Class::none, 250, "2.0.0 taken");
    add("one@example.net", Disposition::deferred, Class::temp, 451, "4.3.0 later");
    add("two@example.net", Disposition::deferred, Class::temp, 451, "4.3.0 later");
    const auto all = entries(std::string(20'000, 't'));
    EXPECT_EQ(all[0].transcript, "");
    EXPECT_EQ(all[1].transcript.size(), queue::JournalEntry::kLongestTranscript);
    EXPECT_EQ(all[2].transcript, "");
}

TEST_F(JournalEntriesTest, WhatIsTriedAgainAtOnceHasNone) {
    add("one@example.net", Disposition::deferred, Class::split, 452, "4.5.3 too many");
    judged[0].at_once = true;
    EXPECT_TRUE(entries().empty());
}

TEST_F(JournalEntriesTest, TheRuleIsNamed) {
    add("one@example.net", Disposition::deferred, Class::auth, 550, "5.7.26 unauthenticated");
    auto judgement = std::make_shared<Judgement>();
    judgement->rule = "google/unauthenticated";
    judged[0].outcome.judgement = judgement;
    EXPECT_EQ(entries()[0].rule, "google/unauthenticated");
    EXPECT_EQ(entries()[0].failure_class, "auth");
}

TEST_F(JournalEntriesTest, WhatDnsShowedGoesWithARefusal) {   // PR-48
    add("one@example.net", Disposition::failed, Class::expired, 550, "5.7.26 unauthenticated");
    add("two@example.net", Disposition::deferred, Class::temp, 451, "4.3.0 later");
    add("three@example.net", Disposition::failed, Class::expired, 550, "5.7.26 unauthenticated");
    judged[0].outcome.diagnosis = "the key m1 is not published:\n\"v=DKIM1\"";
    judged[2].outcome.diagnosis = "quoted from DNS: \xff";
    const auto all = entries();
    EXPECT_EQ(all[0].diagnosis, R"({"text":"the key m1 is not published:\n\"v=DKIM1\""})");
    EXPECT_EQ(all[1].diagnosis, "");
    EXPECT_EQ(all[2].diagnosis.find('\xff'), std::string::npos);   // JSON is UTF-8
}

// SD-24: of `posthorn send-test`, and of nothing else, the session is kept when it went well.
TEST_F(JournalEntriesTest, ASendTestKeepsTheSessionOfASuccess) {
    add("well@example.net", Disposition::delivered, Class::none, 250, "2.0.0 taken");
    EXPECT_TRUE(entries("0.000 S: 220 hello").front().transcript.empty());
    message.envid = std::string(kSendTestEnvelopeId) + "1.2";
    EXPECT_EQ(entries("0.000 S: 220 hello").front().transcript, "0.000 S: 220 hello");
}

}  // namespace
}  // namespace posthorn::delivery
