// What intake adds, takes out and refuses, and that it does not matter how the octets are cut.
#include "intake/intake.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "auth/dkim/canonical.hpp"
#include "mail/header.hpp"

namespace posthorn::intake {
namespace {

const TimePoint kNow{std::chrono::seconds(1795294321)};   // Sat, 21 Nov 2026 20:52:01 +0000

std::shared_ptr<Rules> rules() {
    auto rules = std::make_shared<Rules>();
    rules->hostname = "mail.example.net";
    rules->postmaster = "admin@example.net";
    return rules;
}

Submission submission() {
    Submission submission;
    submission.id = QueueId(1234567890123456789);
    submission.now = kNow;
    submission.helo = "client.example.com";
    submission.client_ip = IpAddress::parse("192.0.2.7").value();
    submission.protocol = "ESMTPSA";
    submission.user = "shop";
    submission.tls_cipher = "TLS_AES_256_GCM_SHA384";
    submission.source = "user=shop";
    return submission;
}

mail::Envelope envelope(std::vector<std::string> recipients = {"bob@example.org"}) {
    mail::Envelope envelope;
    envelope.reverse_path = "shop@example.com";
    for (std::string& address : recipients) {
        mail::EnvelopeRecipient recipient;
        recipient.address = std::move(address);
        envelope.recipients.push_back(std::move(recipient));
    }
    return envelope;
}

Verdict take(std::string_view text, std::shared_ptr<const Rules> with = rules(), mail::Envelope from = envelope(),
             Submission by = submission()) {
    Intake intake(std::move(with), std::move(by), std::move(from));
    intake.feed(text);
    return intake.finish();
}

AcceptedMail accepted(Verdict verdict) {
    if (auto* refusal = std::get_if<Refusal>(&verdict)) {
        ADD_FAILURE() << "refused: " << refusal->code << ' ' << refusal->enhanced << ' ' << refusal->text;
        AcceptedMail empty;
        empty.message = std::make_shared<mail::Message>();
        return empty;
    }
    return std::get<AcceptedMail>(std::move(verdict));
}

Refusal refused(Verdict verdict) {
    if (std::holds_alternative<AcceptedMail>(verdict)) {
        ADD_FAILURE() << "accepted";
        return Refusal{0, "", ""};
    }
    return std::get<Refusal>(std::move(verdict));
}

const std::string kMessage =
    "From: Shop <shop@example.com>\r\n"
    "To: bob@example.org\r\n"
    "Subject: Your\r\n order\r\n"
    "Date: Sat, 21 Nov 2026 20:00:00 +0100\r\n"
    "Message-ID: <1@example.com>\r\n"
    "\r\n"
    "Hello  Bob\t\r\n"
    ".dot\r\n"
    "\r\n";

TEST(Intake, KeepsEveryOctetAndPutsReceivedOnTop) {
    const AcceptedMail mail = accepted(take(kMessage));
    const std::string& header = mail.message->header;
    ASSERT_TRUE(header.starts_with("Received: from client.example.com"));
    const std::string submitted = kMessage.substr(0, kMessage.find("\r\n\r\n") + 2);
    EXPECT_TRUE(header.ends_with(submitted)) << header;
    EXPECT_EQ(mail::HeaderBlock(header).count("Received"), 1U);
    EXPECT_EQ(*mail.message->body.bytes, "Hello  Bob\t\r\n.dot\r\n\r\n");
    EXPECT_EQ(mail.message->size(), header.size() + 2 + 21);
}

TEST(Intake, ReceivedTellsTheTrace) {  // RFC 5321 s4.4
    const AcceptedMail mail = accepted(take(kMessage));
    const std::string received = *mail::HeaderBlock(mail.message->header).value("Received");
    EXPECT_NE(received.find("192.0.2.7"), std::string::npos) << received;
    EXPECT_NE(received.find("by mail.example.net"), std::string::npos) << received;
    EXPECT_NE(received.find("with ESMTPSA"), std::string::npos) << received;
    EXPECT_NE(received.find("id " + submission().id.to_string()), std::string::npos) << received;
    EXPECT_NE(received.find("for <bob@example.org>"), std::string::npos) << received;
    EXPECT_NE(received.find("Sat, 21 Nov 2026 20:52:01 +0000"), std::string::npos) << received;
}

TEST(Intake, ReceivedNamesNobodyWhenThereAreSeveralRecipients) {  // RFC 5321 s7.2
    const AcceptedMail mail = accepted(take(kMessage, rules(), envelope({"bob@example.org", "eve@example.org"})));
    EXPECT_EQ(mail.message->header.find("eve@"), std::string::npos);
    EXPECT_EQ(mail.message->header.find("for <"), std::string::npos);
}

TEST(Intake, HidesTheClientAddressWhenAsked) {
    auto hiding = rules();
    hiding->options.hide_client_address = ClientAddress::hide;
    const AcceptedMail mail = accepted(take(kMessage, hiding));
    EXPECT_EQ(mail.message->header.find("192.0.2.7"), std::string::npos) << mail.message->header;
}

TEST(Intake, AddsDateAndMessageIdOfTheFromDomain) {  // RFC 6409 s8.2, s8.3
    const AcceptedMail mail = accepted(take("From: a@Example.COM\r\n\r\nx\r\n"));
    const mail::HeaderBlock header(mail.message->header);
    EXPECT_EQ(header.value("Date"), "Sat, 21 Nov 2026 20:52:01 +0000");
    const std::string id = header.value("Message-ID").value_or("");
    EXPECT_TRUE(id.starts_with("<")) << id;
    EXPECT_TRUE(id.ends_with("@example.com>")) << id;
}

TEST(Intake, RemovesBccReturnPathAndControlFields) {
    const AcceptedMail mail = accepted(take("Return-Path: <x@example.com>\r\n"
                                            "From: a@example.com\r\n"
                                            "Bcc: eve@example.org,\r\n\tmallory@example.org\r\n"
                                            "x-posthorn-note: 1\r\n"
                                            "X-Posthornish: stays\r\n"
                                            "bcc: again@example.org\r\n"
                                            "To: bob@example.org\r\n\r\n"));
    const mail::HeaderBlock header(mail.message->header);
    EXPECT_FALSE(header.contains("Bcc"));
    EXPECT_FALSE(header.contains("Return-Path"));
    EXPECT_FALSE(header.contains("X-Posthorn-Note"));
    EXPECT_TRUE(header.contains("X-Posthornish"));
    EXPECT_EQ(header.value("To"), "bob@example.org");
    EXPECT_EQ(mail.message->header.find("mallory"), std::string::npos);
}

TEST(Intake, HeaderWithoutEmptyLineIsAMessageWithoutBody) {
    const AcceptedMail mail = accepted(take("From: a@example.com\r\nSubject: x\r\n"));
    EXPECT_TRUE(mail.message->body.bytes->empty());
    EXPECT_EQ(mail.message->body.facts.size, 0U);
}

struct RefusedCase {
    const char* what;
    std::string message;
    std::uint16_t code;
    std::string_view enhanced;
    std::string_view text;   // part of it
};

TEST(Intake, Refusals) {
    const RefusedCase cases[] = {
        {"no header at all", "\r\nbody\r\n", 554, "5.6.0", "header"},
        {"text in place of a header", "Hello,\r\nthis is text\r\n\r\nx\r\n", 554, "5.6.0", "header"},
        {"a line that is no field", "From: a@example.com\r\nnonsense\r\n\r\n", 554, "5.6.0", "line 2"},
        {"empty From", "From: \r\n\r\n", 550, "5.6.0", "From"},
        {"From without an address", "From: Our Shop\r\n\r\n", 550, "5.6.0", "From"},
        {"two authors", "From: a@example.com, b@example.com\r\n\r\n", 554, "5.6.0", "exactly one"},
        {"two From", "From: a@example.com\r\nfrom: b@example.com\r\n\r\n", 554, "5.6.0", "more than one From"},
        {"two Subject", "From: a@example.com\r\nSubject: 1\r\nSubject: 2\r\n\r\n", 554, "5.6.0", "more than one Subject"},
        {"two Sender", "From: a@example.com\r\nSender: a@b.example\r\nSender: c@b.example\r\n\r\n", 554, "5.6.0", "Sender"},
        {"two Date", "From: a@example.com\r\nDate: x\r\nDate: y\r\n\r\n", 554, "5.6.0", "Date"},
        {"two Message-ID", "From: a@example.com\r\nMessage-ID: <1@x>\r\nMessage-Id: <2@x>\r\n\r\n", 554, "5.6.0", "Message-ID"},
        {"unknown stream", "From: a@example.com\r\nX-Posthorn-Stream: nosuch\r\n\r\n", 554, "5.6.0", ""},
    };
    for (const RefusedCase& test : cases) {
        const Refusal refusal = refused(take(test.message));
        EXPECT_EQ(refusal.code, test.code) << test.what;
        EXPECT_EQ(refusal.enhanced, test.enhanced) << test.what;
        EXPECT_NE(refusal.text.find(test.text), std::string::npos) << test.what << ": " << refusal.text;
        EXPECT_EQ(refusal.text.find_first_of("\r\n"), std::string::npos) << test.what;
    }
}

TEST(Intake, AFieldSaidTwiceIsSentOnce) {  // SUB-11
    const AcceptedMail mail = accepted(
        take("From: a@example.com\r\nTo: Bob <b@example.org>\r\nSubject: x\r\nX-A: 1\r\nsubject:  x\r\nfrom: a@example.com\r\n"
             "X-A: 1\r\nTo: Bob <b@example.org>\r\nCc: c@example.org\r\nCc: d@example.org\r\n\r\n"));
    const mail::HeaderBlock header(mail.message->header);
    EXPECT_EQ(header.count("From"), 1U);
    EXPECT_EQ(header.count("To"), 1U);
    EXPECT_EQ(header.count("Subject"), 1U);
    EXPECT_EQ(header.count("X-A"), 2U);   // may be there as often as it likes
    EXPECT_EQ(header.value("Cc"), "c@example.org, d@example.org");   // they differ: nothing is taken from a message
}

TEST(Intake, RefusesAMailLoop) {  // RFC 5321 s6.3
    auto strict = rules();
    strict->max_received_fields = 3;
    std::string header;
    for (int i = 0; i < 3; ++i) header += "Received: by a; Sat, 21 Nov 2026 20:00:00 +0000\r\n";
    (void)accepted(take(header + "From: a@example.com\r\n\r\n", strict));
    header += "Received: by b; Sat, 21 Nov 2026 20:00:00 +0000\r\n";
    const Refusal refusal = refused(take(header + "From: a@example.com\r\n\r\n", strict));
    EXPECT_EQ(refusal.code, 554);
    EXPECT_EQ(refusal.enhanced, "5.4.6");
}

TEST(Intake, RefusesAHugeHeaderAndKeepsNothingOfIt) {
    auto strict = rules();
    strict->max_header_size = 1000;
    Intake intake(strict, submission(), envelope());
    intake.feed("From: a@example.com\r\n");
    for (int i = 0; i < 100; ++i) intake.feed("X-Padding: " + std::string(60, 'x') + "\r\n");
    EXPECT_LE(intake.memory(), 2000U);   // room to grow included
    intake.feed("\r\n");
    intake.feed(std::string(100000, 'b'));
    EXPECT_LE(intake.memory(), 2000U);   // room to grow included
    const Refusal refusal = refused(intake.finish());
    EXPECT_EQ(refusal.code, 552);
    EXPECT_EQ(refusal.enhanced, "5.3.4");
}

// submission.limits.max_intake_memory bounds what a crowd of senders holds: a header of 256 KiB each would pass it otherwise.
TEST(Intake, AJudgedHeaderIsCountedAsHeld) {
    Intake intake(rules(), submission(), envelope());
    for (int i = 0; i < 100; ++i) intake.feed("X-Padding: " + std::string(60, 'x') + "\r\n");
    intake.feed("From: a@example.com\r\n\r\nbody");
    EXPECT_GE(intake.memory(), 7300U);
}

TEST(Intake, EnvelopeBecomesRecipientsWithTheirDomains) {
    mail::Envelope from = envelope({"bob@example.org", "postmaster", "bob@example.org", "\"a@b\"@example.net"});
    from.recipients[0].notify = mail::Notify::never;
    from.recipients[0].orcpt = "rfc822;bob@example.org";
    from.envid = "e1";
    const AcceptedMail mail = accepted(take(kMessage, rules(), std::move(from)));
    ASSERT_EQ(mail.recipients.size(), 3U);   // bob once
    EXPECT_EQ(mail.recipients[0].recipient.address, "bob@example.org");
    EXPECT_EQ(mail.recipients[0].recipient.notify, mail::Notify::never);
    EXPECT_EQ(mail.recipients[0].recipient.orcpt, "rfc822;bob@example.org");
    EXPECT_EQ(mail.recipients[0].domain, "example.org");
    EXPECT_EQ(mail.recipients[1].recipient.address, "admin@example.net");   // RFC 5321 s4.5.1
    EXPECT_EQ(mail.recipients[1].domain, "example.net");
    EXPECT_EQ(mail.recipients[2].domain, "example.net");
    EXPECT_EQ(mail.recipients[2].recipient.address, "\"a@b\"@example.net");
    for (const queue::NewRecipient& recipient : mail.recipients) {
        EXPECT_EQ(recipient.due_at, kNow);
        EXPECT_FALSE(recipient.claim);
    }
    EXPECT_EQ(mail.message->envid, "e1");
    EXPECT_EQ(mail.message->source, "user=shop");
}

TEST(Intake, ANullSenderExpiresSooner) {
    EXPECT_EQ(accepted(take(kMessage)).message->expires_at, kNow + rules()->lifetime);
    mail::Envelope from = envelope();
    from.reverse_path.clear();
    const AcceptedMail mail = accepted(take(kMessage, rules(), std::move(from)));
    EXPECT_EQ(mail.message->expires_at, kNow + rules()->dsn_lifetime);
}

// providers.md 2.7: password resets and the like are worthless after an hour.
TEST(Intake, ASubmitterMaySayHowLongAMessageIsWorthDelivering) {
    const auto with = [](const std::string& field) { return "From: shop@example.com\r\n" + field + "\r\nHi.\r\n"; };
    const auto mail = accepted(take(with("X-Posthorn-Expire: 1h\r\n")));
    EXPECT_EQ(mail.message->expires_at, kNow + std::chrono::hours(1));
    EXPECT_EQ(mail.message->header.find("X-Posthorn"), std::string::npos);
    EXPECT_EQ(accepted(take(with("x-posthorn-expire:\r\n 30m\r\n"))).message->expires_at, kNow + std::chrono::minutes(30));
    EXPECT_EQ(accepted(take(with("X-Posthorn-Expire: 90d\r\n"))).message->expires_at, kNow + std::chrono::hours(120))
        << "never longer than queue.lifetime";
    EXPECT_EQ(accepted(take(with(""))).message->expires_at, kNow + std::chrono::hours(120));
    for (const char* wrong : {"X-Posthorn-Expire: soon\r\n", "X-Posthorn-Expire: 0s\r\n", "X-Posthorn-Expire:\r\n",
                              "X-Posthorn-Expire: 1h\r\nX-Posthorn-Expire: 1h\r\n"}) {
        const Verdict verdict = take(with(wrong));
        ASSERT_TRUE(std::holds_alternative<Refusal>(verdict)) << wrong;
        EXPECT_NE(std::get<Refusal>(verdict).text.find("X-Posthorn-Expire"), std::string::npos);
    }
}

TEST(Intake, StreamIsChosenAndItsControlFieldRemoved) {
    auto with = rules();
    auth::StreamOptions stream;
    stream.name = "news";
    stream.unsubscribe_url = "https://example.com/u/{token}";
    with->streams.push_back(stream);
    const std::string message = "From: a@example.com\r\nX-Posthorn-Stream: news\r\n\r\nx\r\n";
    const AcceptedMail mail = accepted(take(message, with));
    EXPECT_EQ(mail.message->stream, "news");
    EXPECT_FALSE(mail::HeaderBlock(mail.message->header).contains("X-Posthorn-Stream"));
    EXPECT_TRUE(accepted(take(kMessage, with)).message->stream.empty());   // never by default
}

TEST(Intake, BodyHashIsThatOfTheRelaxedBody) {  // RFC 6376 s3.4.4
    const AcceptedMail mail = accepted(take(kMessage));
    EXPECT_EQ(mail.message->relaxed_body_hash, auth::dkim::hash_body(*mail.message->body.bytes, auth::Canonical::relaxed));
    EXPECT_TRUE(mail.message->body.facts.has_leading_dot);
    EXPECT_EQ(mail.message->body.facts.longest_line, 11U);
}

TEST(Intake, SpillsTheBodyInOrderAndHashesItAll) {
    auto with = rules();
    with->inline_body_limit = 1000;
    Intake intake(with, submission(), envelope());
    intake.feed("From: a@example.com\r\n\r\n");
    std::string spooled;
    std::string body;
    for (int i = 0; i < 100; ++i) {
        const std::string line = "line " + std::to_string(i) + std::string(50, '.') + "\r\n";
        body += line;
        intake.feed(line);
        if (intake.wants_spill()) spooled += intake.take_spill();
        EXPECT_LE(intake.memory(), 1000U + 16U * 1024U + 400U);   // one read beyond the limit, and the header
    }
    ASSERT_TRUE(intake.spilled());
    const AcceptedMail mail = accepted(intake.finish());
    spooled += intake.take_spill();
    EXPECT_EQ(spooled, body);
    EXPECT_EQ(mail.message->body.bytes, nullptr);
    EXPECT_EQ(mail.message->body.facts.size, body.size());
    EXPECT_EQ(mail.message->relaxed_body_hash, auth::dkim::hash_body(body, auth::Canonical::relaxed));
}

// The law: any slicing of the input gives the same verdict.
std::string show(Verdict verdict) {
    if (const auto* refusal = std::get_if<Refusal>(&verdict)) {
        return std::to_string(refusal->code) + ' ' + std::string(refusal->enhanced) + ' ' + refusal->text;
    }
    const mail::Message& message = *std::get<AcceptedMail>(verdict).message;
    std::string text = message.header + "\n--\n" + *message.body.bytes + "\n--\n" + std::to_string(message.body.facts.size) + ' ' +
                       std::to_string(message.body.facts.longest_line) + (message.body.facts.has_8bit ? " 8bit" : "") +
                       (message.body.facts.has_leading_dot ? " dot" : "") + (message.header_has_8bit ? " header8" : "") + "\n";
    text.append(reinterpret_cast<const char*>(message.relaxed_body_hash.data()), message.relaxed_body_hash.size());
    return text;
}

TEST(Intake, AnySlicingGivesTheSameVerdict) {
    const std::string messages[] = {
        kMessage,
        "\r\nno header\r\n",
        "Hello\r\n\r\nFrom: a@example.com\r\n\r\n",
        "From: a@example.com\r\n",
        "From: a@example.com\r\n\r\n",
        "From: a@example.com\r\n\r\n\r\n\r\n",
        "From: a@example.com\r\nSubject: \xc3\xa4\r\n\r\n\xc3\xa4 \t \r\n.\r\n\r\n\r\n",
        "From: a@example.com\r\nbroken\r\n\r\nbody\r\n",
        "From: a@example.com\r\nBcc: b@example.com\r\n c@example.com\r\n\r\nbody\r\n",
        " continued\r\nFrom: a@example.com\r\n\r\nbody\r\n",
        "",
    };
    std::mt19937 random(20261121);
    for (const std::string& message : messages) {
        const std::string whole = show(take(message));
        for (std::size_t cut = 0; cut <= message.size(); ++cut) {
            Intake intake(rules(), submission(), envelope());
            intake.feed(std::string_view(message).substr(0, cut));
            intake.feed(std::string_view(message).substr(cut));
            EXPECT_EQ(show(intake.finish()), whole) << "cut at " << cut << " of: " << message;
        }
        for (int round = 0; round < 50; ++round) {
            Intake intake(rules(), submission(), envelope());
            for (std::size_t at = 0; at < message.size();) {
                const std::size_t size = std::min<std::size_t>(1 + random() % 9, message.size() - at);
                intake.feed(std::string_view(message).substr(at, size));
                at += size;
            }
            EXPECT_EQ(show(intake.finish()), whole) << message;
        }
    }
}

}  // namespace
}  // namespace posthorn::intake
