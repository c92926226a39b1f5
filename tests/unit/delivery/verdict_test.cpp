// What the queue is told to do, and who is told by mail.
#include "delivery/verdict.hpp"

#include <gtest/gtest.h>

#include "delivery/bounce.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::Fate;
using smtp::protocol::RecipientResult;
using smtp::protocol::Stage;

const TimePoint kNow{std::chrono::hours(24 * 365 * 50)};

queue::Recipient recipient(std::string address = "bob@example.com") {
    queue::Recipient out;
    out.id = 1;
    out.message = QueueId(77);
    out.address = std::move(address);
    out.expires_at = kNow + std::chrono::hours(100);
    return out;
}

RecipientResult refused(Stage stage, std::uint16_t code, std::string text) {
    RecipientResult out;
    out.fate = Fate::refused;
    out.stage = stage;
    out.reply.code = code;
    out.reply.lines.push_back(text);
    if (const auto enhanced = smtp::protocol::EnhancedCode::parse(text)) out.reply.enhanced = *enhanced;
    return out;
}

Judged judged(RecipientResult result) {
    Peer peer;
    peer.host = "mx[192.0.2.1]";
    return judge({recipient()}, {std::move(result)}, peer).front();
}

mail::Message message(std::string reverse_path = "alice@example.org") {
    mail::Message out;
    out.id = QueueId(77);
    out.reverse_path = std::move(reverse_path);
    out.header = "From: alice@example.org\r\nSubject: hello\r\n";
    out.accepted_at = kNow - std::chrono::hours(5);
    out.expires_at = kNow + std::chrono::hours(100);
    return out;
}

// What the scheduler hears of a site. RFC 5321 s3.8, SMTP-7: 421 and throttling mean fewer connections; no session, that the host is down.
TEST(Reach, IsAboutTheSiteAndNotAboutTheMessage) {
    using Reach = queue::DeliveryFeedback::Reach;
    const auto reach = [](std::vector<Judged> all) { return reach_of(all); };
    EXPECT_EQ(reach({}), Reach::reached);
    EXPECT_EQ(reach({judged(refused(Stage::rcpt, 450, "4.2.0 later"))}), Reach::reached);
    EXPECT_EQ(reach({judged(refused(Stage::greeting, 450, "4.3.2 later"))}), Reach::host_failed);
    EXPECT_EQ(reach({judged(refused(Stage::connect, 0, "no route"))}), Reach::host_failed);
    EXPECT_EQ(reach({judged(refused(Stage::greeting, 554, "5.7.1 go away"))}), Reach::reached);   // final: told to each sender
    EXPECT_EQ(reach({judged(refused(Stage::ehlo, 421, "4.3.0 busy"))}), Reach::throttled);
    EXPECT_EQ(reach({judged(refused(Stage::rcpt, 421, "4.3.0 busy"))}), Reach::reached);   // PR-37
    EXPECT_EQ(reach({judged(refused(Stage::rcpt, 550, "5.1.1 nobody")), judged(refused(Stage::rcpt, 421, "4.3.2 closing"))}), Reach::reached);
    // Of an address or a domain of ours, which gates hold back (PR-13, PR-45): the site is open for the others.
    EXPECT_EQ(reach({judged(refused(Stage::mail, 421, "4.7.28 unusual rate of email from your IP address"))}), Reach::reached);
    EXPECT_EQ(reach({judged(refused(Stage::mail, 421, "4.7.26 This mail has been rate limited because it is unauthenticated"))}), Reach::reached);
    EXPECT_EQ(reach({judged(refused(Stage::greeting, 421, "4.7.0 Too many connections from your host"))}), Reach::reached);
    Judged own_terms = judged(refused(Stage::tls, 0, "handshake failed"));
    own_terms.outcome.result = Disposition::deferred;
    own_terms.outcome.scope = Scope::host;
    EXPECT_EQ(reach({own_terms}), Reach::host_failed);
    own_terms.outcome.scope = Scope::message;   // under REQUIRETLS; other messages may fare better
    EXPECT_EQ(reach({own_terms}), Reach::reached);
}

TEST(Verdict, DeliveredAndFailedRowsGo) {
    RecipientResult good;
    good.fate = Fate::delivered;
    good.reply.code = 250;
    EXPECT_EQ(verdict_of(judged(good), kNow, {}, kNow, 0.5).kind, queue::Verdict::Kind::done);
    EXPECT_EQ(verdict_of(judged(refused(Stage::rcpt, 550, "5.1.1 no such user")), kNow, {}, kNow, 0.5).kind,
              queue::Verdict::Kind::done);
}

TEST(Verdict, GreylistedMailComesAgainAfterFiveMinutes) {  // providers.md 2.5, whatever the jitter
    for (double random : {0.0, 0.5, 1.0}) {
        const auto verdict = verdict_of(judged(refused(Stage::rcpt, 451, "4.7.1 Greylisted")), kNow, {}, kNow, random);
        EXPECT_EQ(verdict.kind, queue::Verdict::Kind::defer);
        EXPECT_GE(verdict.due_at - kNow, std::chrono::minutes(5));
        EXPECT_LE(verdict.due_at - kNow, std::chrono::minutes(6));
        EXPECT_TRUE(verdict.count_attempt);
    }
}

TEST(Verdict, TheWaitAskedForIsKept) {
    const auto verdict = verdict_of(judged(refused(Stage::rcpt, 450, "4.2.0 Greylisted, try again in 300 seconds")), kNow, {}, kNow, 0.5);
    EXPECT_GE(verdict.due_at - kNow, std::chrono::seconds(300));
    EXPECT_LE(verdict.due_at - kNow, std::chrono::seconds(310));
}

// A server that asks for days does not take the mail out of our hands.
TEST(Verdict, TheWaitAskedForIsBounded) {
    const queue::RetryOptions retry;
    const auto verdict = verdict_of(judged(refused(Stage::rcpt, 450, "4.2.0 Greylisted, try again in 9000 hours")), kNow, retry, kNow, 0.5);
    EXPECT_LE(verdict.due_at - kNow, retry.max + std::chrono::seconds(5));
}

// SMTP-10: 250 to RCPT, and the connection is lost: nobody has the message.
TEST(Verdict, APositiveReplyDeliversNothingByItself) {
    const Judged item = judged(refused(Stage::rcpt, 250, "2.1.5 Ok"));
    EXPECT_EQ(item.outcome.result, Disposition::deferred);
    EXPECT_EQ(item.outcome.failure_class, Class::connection);
}

TEST(Verdict, SplitIsDueAtOnceAndIsNoAttempt) {  // SMTP-9
    RecipientResult split = refused(Stage::rcpt, 452, "4.5.3 too many recipients");
    split.fate = Fate::split;
    const auto verdict = verdict_of(judged(split), kNow, {}, kNow, 0.5);
    EXPECT_EQ(verdict.kind, queue::Verdict::Kind::defer);
    EXPECT_EQ(verdict.due_at, kNow);
    EXPECT_FALSE(verdict.count_attempt);
}

TEST(Verdict, ThrottlingConsumesNoAttempt) {
    EXPECT_FALSE(verdict_of(judged(refused(Stage::mail, 421, "4.7.28 unusual rate of email")), kNow, {}, kNow, 0.5).count_attempt);
}

TEST(Verdict, ALostConnectionAfterTheFinalDotIsMarked) {  // SMTP-10
    RecipientResult lost;
    lost.fate = Fate::refused;
    lost.stage = Stage::end_of_data;
    lost.maybe_delivered = true;
    lost.reply.lines.push_back("connection closed");
    const Judged item = judged(lost);
    EXPECT_EQ(item.outcome.result, Disposition::deferred);
    EXPECT_TRUE(item.outcome.maybe_delivered);
}

TEST(Verdict, AuthHasItsOwnLifetime) {  // providers.md 2.7: auth_hold_max
    queue::Recipient held = recipient();
    held.last_class = "auth";
    queue::RetryOptions retry;
    const TimePoint accepted = kNow - std::chrono::hours(73);
    EXPECT_TRUE(has_expired(held, accepted, retry, kNow));
    held.last_class = "temp";
    EXPECT_FALSE(has_expired(held, accepted, retry, kNow));
}

TEST(Verdict, ExpiryRepeatsTheLastReplyAndItsStatus) {  // PR-48
    queue::Recipient held = recipient();
    held.last_reply = "550 5.7.26 This mail has been blocked because the sender is unauthenticated";
    const Outcome outcome = expiry_of(held);
    EXPECT_EQ(outcome.result, Disposition::failed);
    EXPECT_EQ(outcome.reply.enhanced.to_string(), "5.7.26");
    EXPECT_NE(outcome.reply.joined().find("unauthenticated"), std::string::npos);
}

TEST(Bounce, WhoIsOwedOne) {  // RFC 3461 s5.2, DSN-5, DSN-6, SMTP-21
    queue::Recipient plain = recipient();
    EXPECT_TRUE(owes_dsn(mail::DsnAction::failed, message(), plain));
    EXPECT_FALSE(owes_dsn(mail::DsnAction::failed, message(""), plain));
    EXPECT_FALSE(owes_dsn(mail::DsnAction::delayed, message(), plain));
    EXPECT_FALSE(owes_dsn(mail::DsnAction::relayed, message(), plain));
    plain.notify = mail::Notify::never;
    EXPECT_FALSE(owes_dsn(mail::DsnAction::failed, message(), plain));
    plain.notify = mail::Notify::success | mail::Notify::delay;
    EXPECT_FALSE(owes_dsn(mail::DsnAction::failed, message(), plain));
    EXPECT_TRUE(owes_dsn(mail::DsnAction::delayed, message(), plain));
    EXPECT_TRUE(owes_dsn(mail::DsnAction::relayed, message(), plain));
}

TEST(Bounce, IsAMessageWithTheNullReversePath) {  // DSN-7, DSN-9, DSN-11
    const queue::Recipient bob = recipient();
    const Judged item = judged(refused(Stage::rcpt, 550, "5.1.1 no such user here"));
    Settling settling;
    settling.recipient = &bob;
    settling.outcome = &item.outcome;
    BounceFacts facts;
    facts.to = "alice@example.org";
    facts.hostname = "mail.example.org";
    facts.from_domain = "example.org";
    facts.now = kNow;
    facts.lifetime = std::chrono::hours(48);
    facts.id = QueueId(99);
    const queue::NewMessage bounce = make_bounce(mail::DsnAction::failed, message(), {settling}, facts);
    EXPECT_EQ(bounce.message->reverse_path, "");
    EXPECT_EQ(bounce.message->expires_at, kNow + std::chrono::hours(48));
    ASSERT_EQ(bounce.recipients.size(), 1U);
    EXPECT_EQ(bounce.recipients[0].recipient.address, "alice@example.org");
    EXPECT_EQ(bounce.recipients[0].domain, "example.org");
    EXPECT_EQ(bounce.recipients[0].recipient.notify, mail::Notify::never);
    EXPECT_NE(bounce.message->header.find("Auto-Submitted: auto-replied\r\n"), std::string::npos);
    EXPECT_NE(bounce.message->header.find("MAILER-DAEMON@example.org"), std::string::npos);
    const std::string& body = *bounce.message->body.bytes;
    EXPECT_NE(body.find("Status: 5.1.1"), std::string::npos);
    EXPECT_NE(body.find("Final-Recipient: rfc822; bob@example.com"), std::string::npos) << body;
    EXPECT_NE(body.find("no such user here"), std::string::npos);
}

// 2.5: "IP not in whitelist for RCPT domain" is the other side's own list; the sender is told after a day, not after five.
TEST(Verdict, WhatARuleGivesLessTimeIsGivenUpSooner) {
    Peer peer;
    peer.host = "mx[192.0.2.1]";
    peer.provider = "google";
    const auto refusal = [&] {
        return judge({recipient()}, {refused(Stage::rcpt, 421, "4.7.0 IP not in whitelist for RCPT domain, closing connection.")}, peer);
    };
    std::vector<Judged> early = refusal(), late = refusal();
    give_up(early, kNow - std::chrono::hours(23), kNow);
    EXPECT_EQ(early.front().outcome.result, Disposition::deferred);
    give_up(late, kNow - std::chrono::hours(24), kNow);
    EXPECT_EQ(late.front().outcome.result, Disposition::failed);
    std::vector<Judged> other = {judged(refused(Stage::rcpt, 450, "4.2.0 later"))};
    give_up(other, kNow - std::chrono::hours(90), kNow);
    EXPECT_EQ(other.front().outcome.result, Disposition::deferred);
}

// RFC 5321 s4.5.3.1.10: a 552 is "no more of them" only where others were taken; of the only recipient it is about size.
TEST(Verdict, ASplitNeedsOthers) {
    Peer peer;
    const std::vector<Judged> two = judge({recipient("a@x.test"), recipient("b@x.test")},
                                          {refused(Stage::end_of_data, 451, "4.3.0 later"), refused(Stage::rcpt, 552, "Too many recipients")}, peer);
    EXPECT_EQ(two[1].outcome.failure_class, Class::split);
    EXPECT_EQ(two[1].outcome.result, Disposition::deferred);
    EXPECT_TRUE(two[1].at_once) << "2.5: re-send the refused recipients in a new transaction at once";
    smtp::protocol::RecipientResult taken;
    taken.fate = smtp::protocol::Fate::delivered;
    taken.reply.code = 250;
    peer.provider = "docomo";
    const std::vector<Judged> words = judge({recipient("a@x.test"), recipient("b@x.test")}, {taken, refused(Stage::rcpt, 450, "too many recipients")}, peer);
    EXPECT_EQ(words[1].outcome.failure_class, Class::split);
    EXPECT_TRUE(words[1].at_once) << "by words alone, too";
    const std::vector<Judged> first = judge({recipient("a@x.test"), recipient("b@x.test")},
                                            {refused(Stage::rcpt, 450, "too many recipients"), refused(Stage::rcpt, 450, "too many recipients")}, peer);
    EXPECT_FALSE(first[1].at_once) << "nobody was taken: it would be the same transaction again";
    EXPECT_EQ(judged(refused(Stage::rcpt, 550, "5.5.3 Too many recipients")).outcome.result, Disposition::failed);
}

}  // namespace
}  // namespace posthorn::delivery
