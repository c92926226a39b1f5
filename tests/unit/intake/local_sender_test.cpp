// What becomes of the header and the envelope of a message that a program of this machine hands in (SD-2, SD-17, SM-4, SM-23, SM-50).
#include <gtest/gtest.h>

#include "intake/intake.hpp"
#include "mail/header.hpp"

namespace posthorn::intake {
namespace {

std::shared_ptr<Rules> rules(SenderOptions options = {}, std::vector<SiteOptions> sites = {}) {
    auto rules = std::make_shared<Rules>();
    rules->hostname = "mail.example.net";
    rules->postmaster = "postmaster@site.example";
    Sites::Facts facts;
    facts.domains = {"site.example"};
    facts.machine_names = {"mail.example.net", "kusanagi71.localdomain"};
    facts.hostname = rules->hostname;
    rules->sites = Sites(options, sites, facts);
    return rules;
}

// What a program says beside the message.
struct Said {
    const char* sender = nullptr;   // null: sendmail without -f
    std::string full_name = {};
    std::string user = "httpd";
    bool utf8 = false;
};

Verdict take(std::string_view header, const Said& said = {}, std::shared_ptr<Rules> with = rules()) {
    Submission submission;
    submission.id = QueueId(1234567890123456789);
    submission.now = TimePoint(std::chrono::seconds(1795294321));
    submission.protocol = "ESMTP";
    Caller caller;
    caller.uid = 48;
    caller.user = said.user;
    caller.caller_pid = 812;
    submission.caller = caller;
    submission.source = source_of(caller);
    submission.sender_asked = said.sender != nullptr;
    submission.full_name = said.full_name;
    submission.sender_policy = with->sites.of(caller);
    mail::Envelope envelope;
    if (said.sender != nullptr) envelope.reverse_path = said.sender;
    envelope.smtputf8 = said.utf8;
    mail::EnvelopeRecipient recipient;
    recipient.address = "bob@example.org";
    envelope.recipients.push_back(std::move(recipient));
    Intake intake(std::move(with), std::move(submission), std::move(envelope));
    intake.feed(std::string(header) + "\r\nHello\r\n");
    return intake.finish();
}

struct Taken {
    std::string path, from, reply_to, sender, to, repaired, origin, text;
};

std::string value(const mail::HeaderBlock& header, const char* name) {
    EXPECT_LE(header.count(name), 1U) << name;
    return header.value(name).value_or("");
}

Taken accepted(Verdict verdict) {
    Taken taken;
    if (const auto* refusal = std::get_if<Refusal>(&verdict)) {
        ADD_FAILURE() << "refused: " << refusal->code << ' ' << refusal->enhanced << ' ' << refusal->text;
        return taken;
    }
    const auto& mail = std::get<AcceptedMail>(verdict);
    const mail::HeaderBlock header(mail.message->header);
    taken.path = mail.message->reverse_path;
    taken.from = value(header, "From");
    taken.reply_to = value(header, "Reply-To");
    taken.sender = value(header, "Sender");
    taken.to = value(header, "To");
    taken.origin = mail.message->origin;
    taken.text = mail.message->header;
    for (const std::string& what : mail.repaired) taken.repaired += (taken.repaired.empty() ? "" : "; ") + what;
    return taken;
}

const std::string kRest = "To: bob@example.org\r\nSubject: x\r\nDate: Sat, 21 Nov 2026 20:00:00 +0100\r\nMessage-ID: <1@site.example>\r\n";

// SM-22, SM-23: `echo text | sendmail bob`.
TEST(LocalSender, TextAloneBecomesMail) {
    for (const char* text : {"", "Hello there,\r\n"}) {
        const Taken mail = accepted(take(text, {.full_name = "Night Watch"}));
        EXPECT_EQ(mail.from, "Night Watch <httpd@site.example>") << text;
        EXPECT_NE(mail.text.find("\r\nDate: "), std::string::npos) << mail.text;
        EXPECT_NE(mail.text.find("\r\nMessage-ID: "), std::string::npos) << mail.text;
        EXPECT_EQ(mail.text.find("Hello"), std::string::npos) << mail.text;
    }
}

TEST(LocalSender, FieldReport0) {
    const Taken mail = accepted(take("From: httpd@kusanagi71.localdomain\r\n" + kRest));
    EXPECT_EQ(mail.path, "httpd@site.example");
    EXPECT_EQ(mail.from, "httpd@site.example");
    EXPECT_EQ(mail.repaired, "rewrote From httpd@kusanagi71.localdomain -> httpd@site.example");
    EXPECT_EQ(mail.origin, "uid=48 user=httpd pid=812");
    EXPECT_EQ(mail.text.find("localdomain"), std::string::npos);
}

TEST(LocalSender, AMappedUserSendsAsTheSite) {
    SiteOptions site;
    site.users = {"httpd"};
    site.sender = "wordpress@site.example";
    const Taken mail = accepted(take("From: Kusanagi <httpd@kusanagi71.localdomain>\r\n" + kRest, {}, rules({}, {site})));
    EXPECT_EQ(mail.path, "wordpress@site.example");
    EXPECT_EQ(mail.from, "Kusanagi <wordpress@site.example>");
}

TEST(LocalSender, AVisitorBecomesWhomToAnswer) {
    Taken mail = accepted(take("From: Anna Visitor <visitor@gmail.com>\r\n" + kRest));
    EXPECT_EQ(mail.from, "\"Anna Visitor via site.example\" <httpd@site.example>");
    EXPECT_EQ(mail.reply_to, "Anna Visitor <visitor@gmail.com>");
    EXPECT_EQ(mail.repaired, "rewrote From visitor@gmail.com -> httpd@site.example; added Reply-To");
    mail = accepted(take("From: visitor@gmail.com\r\nReply-To: office@site.example\r\n" + kRest, {.sender = "form@site.example"}));
    EXPECT_EQ(mail.from, "\"visitor via site.example\" <form@site.example>");
    EXPECT_EQ(mail.reply_to, "office@site.example");
    mail = accepted(take("From: =?UTF-8?Q?=C3=89ric?= <e@gmail.com>\r\nReply-To: \r\n" + kRest));
    EXPECT_EQ(mail.from, "=?UTF-8?Q?=C3=89ric?= \"via site.example\" <httpd@site.example>");
    EXPECT_EQ(mail.reply_to, "=?UTF-8?Q?=C3=89ric?= <e@gmail.com>");
}

// RFC 5322 s2.2: nothing that a form's visitor writes can begin a field of ours.
// RFC 5321 s2.3.5: a name in an address has no dot at its end; receivers refuse such a From.
TEST(LocalSender, ADotBehindOurDomainGoes) {
    const Taken taken = accepted(take("From: Shop <orders@Site.example.>\r\nSubject: x\r\n"));
    EXPECT_EQ(taken.from, "Shop <orders@Site.example>");
    EXPECT_EQ(taken.path, "orders@Site.example");
    EXPECT_NE(taken.repaired.find("rewrote From orders@Site.example. -> orders@Site.example"), std::string::npos) << taken.repaired;
}

TEST(LocalSender, AVisitorsNameCannotMakeFields) {
    const Taken mail = accepted(take("From: \"Eve\\\"\r\n X\" <e@gmail.com>\r\n" + kRest));
    EXPECT_EQ(mail.from, "\"Eve\\\" X via site.example\" <httpd@site.example>");
    const Taken utf8 = accepted(take("From: \"\xc3\x89ric, jr\" <e@gmail.com>\r\n" + kRest));
    EXPECT_TRUE(utf8.text.find("\xc3") == std::string::npos);
    EXPECT_EQ(utf8.reply_to, "=?utf-8?B?w4lyaWMsIGpy?= <e@gmail.com>");
}

TEST(LocalSender, RefusedWhereThatIsWished) {
    SenderOptions options;
    options.from = ForeignFrom::refuse;
    Verdict verdict = take("From: visitor@gmail.com\r\n" + kRest, {}, rules(options));
    const auto* refusal = std::get_if<Refusal>(&verdict);
    ASSERT_NE(refusal, nullptr);
    EXPECT_EQ(refusal->code, 550);
    EXPECT_EQ(refusal->enhanced, "5.7.1");
    EXPECT_TRUE(refusal->of_sender);
    EXPECT_EQ(accepted(take("From: a@site.example\r\n" + kRest, {}, rules(options))).from, "a@site.example");
}

TEST(LocalSender, AMissingFromIsMadeOfTheCaller) {
    EXPECT_EQ(accepted(take(kRest, {.full_name = "Apache, Inc."})).from, "\"Apache, Inc.\" <httpd@site.example>");
    EXPECT_EQ(accepted(take(kRest)).from, "<httpd@site.example>");
    const Taken null = accepted(take(kRest, {.sender = ""}));
    EXPECT_EQ(null.path, "");
    EXPECT_EQ(null.from, "<httpd@site.example>");
    EXPECT_EQ(accepted(take(kRest, {.sender = "shop@site.example", .full_name = "J\xc3\xb6rg"})).from, "=?utf-8?B?SsO2cmc=?= <shop@site.example>");
}

// SM-50, as Debian's cron writes it.
TEST(LocalSender, CronsMail) {
    const Taken mail = accepted(take("From: root (Cron Daemon)\r\nTo: root\r\nSubject: Cron <root@web1> true\r\nMIME-Version: 1.0\r\n"
                                     "X-Cron-Env: <SHELL=/bin/sh>\r\nX-Cron-Env: <LOGNAME=root>\r\n",
                                     {.sender = "root", .user = "root"}));
    EXPECT_EQ(mail.path, "root@site.example");
    EXPECT_EQ(mail.from, "root@site.example (Cron Daemon)");
    EXPECT_EQ(mail.to, "root@site.example");
    EXPECT_NE(mail.text.find("Auto-Submitted: auto-generated\r\n"), std::string::npos);
    const Taken said = accepted(take("From: root@localhost\r\nX-Cron-Env: <A=b>\r\nAuto-Submitted: auto-notified\r\n" + kRest));
    EXPECT_EQ(said.text.find("auto-generated"), std::string::npos);
}

TEST(LocalSender, OtherFieldsNameNoMachineEither) {
    const Taken mail = accepted(take("From: a@site.example\r\nSender: httpd@kusanagi71.localdomain\r\nReply-To: root@3f2a9c1b7d44\r\n"
                                     "To: Admin <root@localhost>, bob@example.org, web\r\nSubject: x\r\nReturn-Path: <httpd@localhost>\r\n"));
    EXPECT_EQ(mail.sender, "");
    EXPECT_EQ(mail.reply_to, "root@site.example");
    EXPECT_EQ(mail.to, "Admin <root@site.example>, bob@example.org, web@site.example");
    EXPECT_EQ(mail.text.find("localhost"), std::string::npos);
    EXPECT_EQ(mail.text.find("localdomain"), std::string::npos);
}

// X-PHP-Originating-Script leads to the site that was broken into; others must not read it.
TEST(LocalSender, ThePhpScriptIsTheOperatorsOnly) {
    const Taken mail = accepted(take("From: a@site.example\r\nX-PHP-Originating-Script: 48:mailer.php(3) : eval()'d code\r\n" + kRest));
    EXPECT_EQ(mail.origin, "uid=48 user=httpd pid=812 script=\"48:mailer.php(3) : eval()'d code\"");
    EXPECT_EQ(mail.text.find("mailer.php"), std::string::npos);
}

// A signature covers From (RFC 6376 s5.4). One that a new From breaks goes; one that stays whole stays, and so does all of the message.
TEST(LocalSender, SignaturesOfOthers) {
    const std::string signature = "DKIM-Signature: v=1; a=rsa-sha256; d=gmail.com; s=x; h=from; bh=YQ==; b=YQ==\r\n";
    const Taken rewritten = accepted(take(signature + "From: v@gmail.com\r\n" + kRest));
    EXPECT_EQ(rewritten.from, "\"v via site.example\" <httpd@site.example>");
    EXPECT_EQ(rewritten.text.find("DKIM-Signature"), std::string::npos);
    SenderOptions keep;
    keep.from = ForeignFrom::keep;
    const Taken kept = accepted(take(signature + "From: v@gmail.com\r\n" + kRest, {.sender = "v@gmail.com"}, rules(keep)));
    EXPECT_EQ(kept.path, "v@gmail.com");
    EXPECT_EQ(kept.from, "v@gmail.com");
    EXPECT_NE(kept.text.find("DKIM-Signature"), std::string::npos);
}

TEST(LocalSender, OneFromAndNotSeveral) {
    for (const char* from : {"From: a@site.example, visitor@gmail.com\r\n", "From: a@site.example\r\nFrom: b@localhost\r\n", "From: x: y@z;\r\n",
                             "From: =?UTF-8?Q?root?=@localhost\r\n"}) {
        const Verdict verdict = take(from + kRest);
        EXPECT_TRUE(std::holds_alternative<Refusal>(verdict)) << from;
    }
}

// A client over TCP has no name; its machine's names become the site's all the same.
TEST(LocalSender, AClientInAContainer) {
    auto with = rules();
    Submission submission;
    submission.id = QueueId(1);
    submission.now = TimePoint(std::chrono::seconds(1795294321));
    submission.protocol = "ESMTP";
    submission.sender_policy = with->sites.of_clients();
    mail::Envelope envelope;
    envelope.reverse_path = "root@3f2a9c1b7d44";
    mail::EnvelopeRecipient recipient;
    recipient.address = "bob@example.org";
    envelope.recipients.push_back(std::move(recipient));
    Intake intake(std::move(with), std::move(submission), std::move(envelope));
    intake.feed("From: httpd@kusanagi71.localdomain\r\n" + kRest + "\r\nHello\r\n");
    const Taken mail = accepted(intake.finish());
    EXPECT_EQ(mail.path, "root@site.example");
    EXPECT_EQ(mail.from, "httpd@site.example");
    EXPECT_EQ(mail.origin, "");
}

}  // namespace
}  // namespace posthorn::intake
