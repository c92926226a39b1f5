// Tests of delivery/bounce.hpp, bounce_rules.hpp and bounce_budget.hpp: who is told what, and how often (RFC 3461, RFC 3464).
#include "delivery/bounce.hpp"

#include <gtest/gtest.h>

#include "delivery/bounce_rules.hpp"
#include "delivery/verdict.hpp"
#include "mail/header.hpp"

namespace posthorn::delivery {
namespace {

using namespace std::chrono_literals;
using mail::DsnAction;
using mail::Notify;

const TimePoint kNow = TimePoint(Duration(1'795'294'321'000));
const SteadyTime kNoon{100h};

mail::Message message() {
    mail::Message made;
    made.id = QueueId(4711);
    made.accepted_at = kNow - 1h;
    made.expires_at = kNow + 100h;
    made.reverse_path = "alice@example.test";
    made.header = "From: alice@example.test\r\nSubject: test\r\n";
    return made;
}

queue::Recipient recipient(std::uint8_t notify = Notify::unset) {
    queue::Recipient made;
    made.message = QueueId(4711);
    made.address = "bob@dest.test";
    made.notify = notify;
    made.expires_at = kNow + 100h;
    return made;
}

Outcome refused(std::uint16_t code, smtp::protocol::EnhancedCode enhanced, Class failure_class, std::vector<std::string> lines) {
    Outcome outcome;
    outcome.result = Disposition::failed;
    outcome.failure_class = failure_class;
    outcome.host = "mx.dest.test[192.0.2.1]";
    outcome.reply.code = code;
    outcome.reply.enhanced = enhanced;
    outcome.reply.lines = std::move(lines);
    return outcome;
}

BounceFacts facts(std::string to = "alice@example.test") {
    BounceFacts made;
    made.to = std::move(to);
    made.hostname = "mail.example.test";
    made.from_domain = "example.test";
    made.now = kNow;
    made.lifetime = 48h;
    made.id = QueueId(4712);
    return made;
}

queue::NewMessage bounce(DsnAction action, const mail::Message& about, const queue::Recipient& to, const Outcome& outcome,
                         const BounceFacts& with) {
    Settling settling;
    settling.recipient = &to;
    settling.outcome = &outcome;
    settling.explanation = explanation_of(outcome, to, with.hostname, "example.test");
    return make_bounce(action, about, {settling}, with);
}

// DSN-4, DSN-5, DSN-6: what NOTIFY asks for, and what holds where it is silent. SUCCESS is only ever reported as relayed.
TEST(OwesDsn, Dsn5AndDsn6FollowNotify) {
    struct Case {
        std::uint8_t notify;
        bool failed, delayed, relayed;
    };
    for (const Case& c : {Case{Notify::unset, true, false, false}, Case{Notify::never, false, false, false},
                          Case{Notify::failure, true, false, false}, Case{Notify::delay, false, true, false},
                          Case{Notify::success, false, false, true},
                          Case{Notify::success | Notify::failure | Notify::delay, true, true, true}}) {
        EXPECT_EQ(owes_dsn(DsnAction::failed, message(), recipient(c.notify)), c.failed) << int(c.notify);
        EXPECT_EQ(owes_dsn(DsnAction::delayed, message(), recipient(c.notify)), c.delayed) << int(c.notify);
        EXPECT_EQ(owes_dsn(DsnAction::relayed, message(), recipient(c.notify)), c.relayed) << int(c.notify);
        mail::Message report = message();
        report.reverse_path.clear();   // DSN-7, SMTP-21: none about a DSN
        for (const DsnAction action : {DsnAction::failed, DsnAction::delayed, DsnAction::relayed})
            EXPECT_FALSE(owes_dsn(action, report, recipient(c.notify)));
    }
}

// DSN-7: the envelope of a DSN. DSN-15: it goes to whom we took the mail from, and to nobody else.
TEST(MakeBounce, Dsn7TheEnvelope) {
    mail::Message about = message();
    about.ret = mail::DsnReturn::full;
    const queue::NewMessage made = bounce(DsnAction::failed, about, recipient(),
                                          refused(550, {5, 1, 1}, Class::rcpt_perm, {"5.1.1 No such user"}), facts());
    EXPECT_TRUE(made.message->reverse_path.empty());
    EXPECT_EQ(made.message->ret, mail::DsnReturn::unset);
    EXPECT_TRUE(made.message->envid.empty());
    ASSERT_EQ(made.recipients.size(), 1U);
    EXPECT_EQ(made.recipients[0].recipient.address, "alice@example.test");
    EXPECT_EQ(made.recipients[0].recipient.notify, Notify::never);
    EXPECT_EQ(made.recipients[0].domain, "example.test");
    EXPECT_EQ(made.message->expires_at, kNow + 48h);
    // DSN-12: from MAILER-DAEMON at a domain we sign for. DSN-11: auto-replied.
    const mail::HeaderBlock header(made.message->header);
    EXPECT_EQ(header.value("From"), "Mail Delivery System <MAILER-DAEMON@example.test>");
    EXPECT_EQ(header.value("Auto-Submitted"), "auto-replied");
}

// DSN-8: RET=FULL, with a bound that the operator sets.
TEST(MakeBounce, Dsn8TheWholeMessageUpToTheBound) {
    mail::Message about = message();
    about.ret = mail::DsnReturn::full;
    about.body.facts.size = 12;
    BounceFacts with = facts();
    with.original_body = "the body\r\n";
    const Outcome outcome = refused(550, {5, 1, 1}, Class::rcpt_perm, {"5.1.1 No such user"});
    const auto body = [&] { return *bounce(DsnAction::failed, about, recipient(), outcome, with).message->body.bytes; };
    EXPECT_NE(body().find("Content-Type: message/rfc822\r\n"), std::string::npos);
    EXPECT_NE(body().find("the body"), std::string::npos);
    with.returned_size = 20;
    EXPECT_EQ(body().find("the body"), std::string::npos);
    EXPECT_NE(body().find("Content-Type: text/rfc822-headers\r\n"), std::string::npos);
    with.returned_size = 50 * 1024;
    about.ret = mail::DsnReturn::headers;
    EXPECT_EQ(body().find("the body"), std::string::npos);
}

// DSN-12, par. 2.7: a refusal for want of authentication comes with its fix, and for whom it is.
TEST(Explanation, Dsn12TheFixForRefusalsOfAuthentication) {
    const Outcome outcome = refused(550, {5, 7, 26}, Class::auth, {"5.7.26 unauthenticated"});
    const std::string words = explanation_of(outcome, recipient(), "mail.example.test", "example.test");
    EXPECT_NE(words.find("SPF and DKIM records"), std::string::npos);
    EXPECT_NE(words.find("example.test"), std::string::npos);
    EXPECT_NE(words.find("mail.example.test"), std::string::npos);
    // The same when it was retried until its time was over.
    queue::Recipient tried = recipient();
    tried.last_class = "auth";
    tried.last_reply = "550 5.7.26 unauthenticated";
    const std::string expired = explanation_of(expiry_of(tried), tried, "mail.example.test", "example.test");
    EXPECT_NE(expired.find("SPF and DKIM records"), std::string::npos);
    EXPECT_TRUE(explanation_of(refused(550, {5, 1, 1}, Class::rcpt_perm, {"5.1.1 No"}), recipient(), "h", "d").empty());
}

// RFC 1047: whoever is told of a failure is told that it may be none.
TEST(Explanation, SaysThatItMayHaveBeenDelivered) {
    queue::Recipient doubtful = recipient();
    doubtful.in_doubt = "mx2.dest.test[192.0.2.2]";
    const std::string words =
        explanation_of(refused(550, {5, 1, 1}, Class::rcpt_perm, {"5.1.1 No"}), doubtful, "h", "d");
    EXPECT_NE(words.find("does not exist"), std::string::npos);
    EXPECT_NE(words.find("may have been delivered all the same"), std::string::npos);
    EXPECT_NE(words.find("mx2.dest.test[192.0.2.2]"), std::string::npos);
}

TEST(Explanation, AnOperatorGaveItUp) {
    queue::Recipient ended = recipient();
    ended.last_class = "bounced";
    ended.last_reply = "451 4.2.0 later";
    const Outcome outcome = expiry_of(ended);
    EXPECT_NE(outcome.reply.joined().find("The operator of this server gave the message up"), std::string::npos);
    EXPECT_NE(outcome.reply.joined().find("451 4.2.0 later"), std::string::npos);
    EXPECT_NE(explanation_of(outcome, ended, "h", "d").find("operator"), std::string::npos);
}

// DSN-13: senders who cannot receive.
TEST(BounceAddress, Dsn13TheNearestRule) {
    BounceRules rules;
    rules.hostname = "vps.example.net";
    EXPECT_EQ(bounce_address("root@vps.example.net", rules), "root@vps.example.net");
    rules.bounce_to = "admin@example.com";
    rules.domains.push_back({"shop.test", "owner@shop.test", {"sales@shop.test"}});
    rules.domains.push_back({"blog.shop.test", "editor@else.test", {}});
    EXPECT_EQ(bounce_address("root@vps.example.net", rules), "admin@example.com");
    EXPECT_EQ(bounce_address("www-data@VPS.example.NET", rules), "admin@example.com");
    EXPECT_EQ(bounce_address("cron@localhost", rules), "admin@example.com");
    EXPECT_EQ(bounce_address("cron@host.localdomain", rules), "admin@example.com");
    EXPECT_EQ(bounce_address("alice@example.com", rules), "alice@example.com");
    EXPECT_EQ(bounce_address("wordpress@shop.test", rules), "owner@shop.test");
    EXPECT_EQ(bounce_address("wordpress@www.shop.test", rules), "owner@shop.test");
    EXPECT_EQ(bounce_address("wordpress@blog.shop.test", rules), "editor@else.test");
    EXPECT_EQ(bounce_address("Sales@Shop.test", rules), "Sales@Shop.test");
    EXPECT_EQ(bounce_address("x@notshop.test", rules), "x@notshop.test");
}

TEST(MakeBounce, Dsn13SaysWhoseMailItWas) {
    mail::Message about = message();
    about.reverse_path = "wordpress@example.test";
    const queue::NewMessage made = bounce(DsnAction::failed, about, recipient(),
                                          refused(550, {5, 1, 1}, Class::rcpt_perm, {"5.1.1 No such user"}), facts("admin@else.test"));
    EXPECT_EQ(made.recipients[0].recipient.address, "admin@else.test");
    EXPECT_EQ(made.recipients[0].domain, "else.test");
    EXPECT_EQ(mail::HeaderBlock(made.message->header).value("To"), "<admin@else.test>");
    EXPECT_NE(made.message->body.bytes->find("<wordpress@example.test>"), std::string::npos);
}

TEST(BounceBudget, SoManyAnHourAndTheRestInOneSummary) {
    BounceBudget budget;
    const auto line = [](int i) {
        mail::DigestLine made;
        made.queue_id = "0id" + std::to_string(i);
        made.recipient = "r" + std::to_string(i) + "@dest.test";
        made.diagnostic = "550 no";
        return made;
    };
    EXPECT_TRUE(budget.take("a@x.test", 2, kNoon));
    EXPECT_TRUE(budget.take("a@x.test", 2, kNoon + 1min));
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(budget.take("a@x.test", 2, kNoon + 2min));
        budget.put_off("a@x.test", line(i), kNoon + 2min);
    }
    EXPECT_TRUE(budget.take("b@x.test", 2, kNoon + 2min));   // each address has its own
    EXPECT_TRUE(budget.due(kNoon + 59min).empty());
    // What was put off is told before a new window begins.
    EXPECT_FALSE(budget.take("a@x.test", 2, kNoon + 61min));
    const auto due = budget.due(kNoon + 61min);
    ASSERT_EQ(due.size(), 1U);
    EXPECT_EQ(due[0].to, "a@x.test");
    EXPECT_EQ(due[0].count, 3U);
    ASSERT_EQ(due[0].lines.size(), 3U);
    EXPECT_EQ(due[0].lines[2].recipient, "r2@dest.test");
    EXPECT_TRUE(budget.take("a@x.test", 2, kNoon + 61min));
    EXPECT_TRUE(budget.due(kNoon + 62min).empty());
    EXPECT_TRUE(budget.take("c@x.test", 0, kNoon));
}

TEST(BounceBudget, IsBoundedAndLosesNoCount) {
    BounceBudget budget;
    for (std::size_t i = 0; i < kMaxDigestLines + 10; ++i) budget.put_off("a@x.test", {}, kNoon);
    auto all = budget.drain();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].count, kMaxDigestLines + 10);
    EXPECT_EQ(all[0].lines.size(), kMaxDigestLines);
    budget.give_back(std::move(all[0]), kNoon + 1h);   // the store was full
    EXPECT_EQ(budget.due(kNoon + 3h).at(0).count, kMaxDigestLines + 10);
    for (std::size_t i = 0; i < kMaxBounceWindows + 50; ++i) EXPECT_TRUE(budget.take(std::to_string(i), 1, kNoon + 4h));
    EXPECT_EQ(budget.size(), kMaxBounceWindows);
    EXPECT_FALSE(budget.take("0", 1, kNoon + 4h));
    EXPECT_TRUE(budget.take("0", 1, kNoon + 6h));

    mail::DigestLine wordy;
    wordy.diagnostic = std::string(4000, 'x');
    budget.put_off("wordy@x.test", wordy, kNoon + 6h);
    std::size_t kept = 0;
    for (const auto& summary : budget.drain())
        if (summary.to == "wordy@x.test") kept = summary.lines.at(0).diagnostic.size();
    EXPECT_EQ(kept, kMaxDigestWords);
}

TEST(MakeSummary, NamesEachRecipient) {
    BounceBudget::Summary summary;
    summary.to = "alice@example.test";
    summary.count = 3;
    for (int i = 0; i < 2; ++i) {
        mail::DigestLine line;
        line.queue_id = "0id" + std::to_string(i);
        line.recipient = "r" + std::to_string(i) + "@dest.test";
        line.diagnostic = "550-5.1.1 first line\n550 5.1.1 caf\xc3\xa9";
        summary.lines.push_back(line);
    }
    const queue::NewMessage made = make_summary(summary, facts());
    EXPECT_TRUE(made.message->reverse_path.empty());
    EXPECT_EQ(made.recipients[0].recipient.notify, Notify::never);
    const mail::HeaderBlock header(made.message->header);
    EXPECT_EQ(header.value("Auto-Submitted"), "auto-replied");
    const std::string& body = *made.message->body.bytes;
    for (const char* words : {"<r0@dest.test> failed", "<r1@dest.test> failed", "0id1", "550-5.1.1 first line", "and 1 more"})
        EXPECT_NE(body.find(words), std::string::npos) << words << "\n" << body;
    EXPECT_FALSE(made.message->body.facts.has_8bit);
}

}  // namespace
}  // namespace posthorn::delivery
