// When a message must become 7-bit, and that its 7-bit form is a whole message: facts, hash, file.
#include "delivery/conversion.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "auth/dkim/canonical.hpp"
#include "base/base64.hpp"
#include "base/text.hpp"
#include "delivery/bounce.hpp"
#include "mail/body_scanner.hpp"
#include "queue/body_spool.hpp"
#include "support/temp_dir.hpp"

namespace posthorn::delivery {
namespace {

const std::string kHeader = "From: a@example.org\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n";
const std::string kBody = ".caf\xc3\xa9, and some more text that is plain\r\n";

mail::Message letter(std::string header = kHeader, std::string body = kBody) {
    mail::Message message;
    message.id = QueueId(77);
    message.reverse_path = "a@example.org";
    mail::BodyScanner scanner;
    scanner.feed(body);
    message.body.facts = scanner.facts();
    message.header_has_8bit = !text::is_ascii(header);
    message.header = std::move(header);
    message.body.bytes = std::make_shared<const std::string>(std::move(body));
    return message;
}

smtp::protocol::Extensions offers(bool eight_bit, bool utf8) {
    smtp::protocol::Extensions extensions;
    extensions.eight_bit_mime = eight_bit;
    extensions.smtputf8 = utf8;
    return extensions;
}

bool needs(const mail::Message& message, const smtp::protocol::Extensions& offered) {
    return conversion_need(message, offered) == ConversionNeed::seven_bit;
}

TEST(Conversion, WhenItIsNeeded_EXT_8_EXT_10) {
    const mail::Message body = letter();
    EXPECT_FALSE(needs(body, offers(true, false)));
    EXPECT_TRUE(needs(body, offers(false, false)));
    EXPECT_FALSE(needs(letter(kHeader, "plain\r\n"), offers(false, false)));

    mail::Message header = letter("Subject: \xc3\xa9\r\n", "plain\r\n");
    header.smtputf8 = true;
    EXPECT_TRUE(needs(header, offers(true, false)));
    EXPECT_FALSE(needs(header, offers(true, true)));
    // Never declared: it goes where 8-bit text goes.
    header.smtputf8 = false;
    EXPECT_FALSE(needs(header, offers(true, false)));
    EXPECT_TRUE(needs(header, offers(false, false)));

    // Nothing helps: the session refuses these at once, 5.6.7 and 5.3.4.
    mail::Message sender = letter();
    sender.reverse_path = "\xc3\xa9@example.org";
    EXPECT_FALSE(needs(sender, offers(false, false)));
    smtp::protocol::Extensions small = offers(false, false);
    small.size_limit = 10;
    EXPECT_FALSE(needs(letter(), small));
}

TEST(Conversion, AWholeMessageComesOut_EXT_8) {
    mail::Message message = letter();
    message.smtputf8 = true;
    message.body_type = mail::BodyType::eight_bit_mime;
    const Converted converted = to_seven_bit(message, "/nowhere", QueueId(78));
    ASSERT_TRUE(converted.message) << converted.refusal.reply.joined();
    const mail::Message& made = *converted.message;
    EXPECT_EQ(made.id, message.id);
    EXPECT_EQ(made.header, kHeader + "Content-Transfer-Encoding: quoted-printable\r\n");
    EXPECT_EQ(*made.body.bytes, "=2Ecaf=C3=A9, and some more text that is plain\r\n");
    EXPECT_EQ(made.body.facts.size, made.body.bytes->size());
    EXPECT_FALSE(made.body.facts.has_8bit || made.body.facts.has_leading_dot || made.smtputf8 || made.header_has_8bit);
    EXPECT_EQ(made.body_type, mail::BodyType::seven_bit);
    EXPECT_EQ(made.relaxed_body_hash, auth::dkim::hash_body(*made.body.bytes, auth::Canonical::relaxed));
    // The original is untouched.
    EXPECT_EQ(*message.body.bytes, kBody);
}

TEST(Conversion, WhatHasNoFormIsRefused_EXT_8_EXT_10) {
    const Converted sealed = to_seven_bit(letter("DKIM-Signature: v=1\r\n" + kHeader), "/nowhere", QueueId(78));
    EXPECT_FALSE(sealed.message);
    EXPECT_EQ(sealed.refusal.result, Disposition::failed);
    EXPECT_EQ(sealed.refusal.scope, Scope::message);
    EXPECT_EQ(sealed.refusal.reply.joined(),
              "554 5.6.3 The server does not offer 8BITMIME, and the message cannot be made 7-bit: it is signed (DKIM or ARC), and must "
              "not be changed");
    const Converted address = to_seven_bit(letter("From: \xc3\xa9@example.org\r\n"), "/nowhere", QueueId(78));
    EXPECT_FALSE(address.message);
    EXPECT_EQ(address.refusal.reply.joined(),
              "553 5.6.7 The server does not offer SMTPUTF8, and the message cannot do without: its header has UTF-8 that has no ASCII "
              "form in the field From");
}

// RFC 6533 s3: the parts of a report about UTF-8 mail may be encoded, and are, for a sender whose server takes seven bits.
TEST(Conversion, OfAReportAboutUtf8Mail_EXT_8_DSN_10) {
    mail::Message about = letter("Subject: Gr\xc3\xbc\xc3\x9f" "e\r\n");
    about.smtputf8 = true;
    queue::Recipient recipient;
    recipient.address = "j\xc3\xb6rg@example.com";
    Outcome outcome = own_outcome(Disposition::failed, Class::rcpt_perm, Scope::recipient, 550, {5, 1, 1}, "gibt es nicht: Gr\xc3\xbc\xc3\x9f" "e");
    outcome.stage = smtp::protocol::Stage::rcpt;
    outcome.host = "mx.example.com";
    Settling settling;
    settling.recipient = &recipient;
    settling.outcome = &outcome;
    BounceFacts facts;
    facts.to = about.reverse_path;
    facts.hostname = "mail.example.org";
    facts.from_domain = "example.org";
    facts.id = QueueId(2);
    const queue::NewMessage report = make_bounce(mail::DsnAction::failed, about, {settling}, facts);
    ASSERT_TRUE(report.message->body.facts.has_8bit);
    ASSERT_TRUE(needs(*report.message, offers(false, false)));

    const Converted converted = to_seven_bit(*report.message, "/nowhere", QueueId(3));
    ASSERT_TRUE(converted.message) << converted.refusal.reply.joined();
    const std::string& body = *converted.message->body.bytes;
    EXPECT_TRUE(text::is_ascii(body) && text::is_ascii(converted.message->header)) << body;
    const auto part = [&](const std::string& type) {
        const std::size_t at = body.find("Content-Type: " + type);
        const std::size_t begin = body.find("\r\n\r\n", at) + 4;
        EXPECT_NE(body.substr(at, begin - at).find("Content-Transfer-Encoding: base64\r\n"), std::string::npos) << body;
        return base64_decode_folded(body.substr(begin, body.find("\r\n--", begin) - begin)).value_or("");
    };
    EXPECT_NE(part("message/global-delivery-status").find("Final-Recipient: utf-8; " + recipient.address), std::string::npos);
    EXPECT_EQ(part("message/global-headers").find("Subject: Gr\xc3\xbc\xc3\x9f" "e"), 0U);
}

// A body in a file: the form is a file of its own, which goes with its last owner.
TEST(Conversion, FromFileToFile_EXT_8) {
    const test::TempDir directory;
    const std::string spool = directory.path();
    std::string body;
    while (body.size() < 300'000) body += kBody;
    mail::Message message = letter(kHeader, body);
    {
        auto file = queue::BodySpool::open(spool, message.id);
        ASSERT_TRUE(file);
        ASSERT_TRUE(file->write(body));
        message.body.spool_file = *file->finish();
        message.body.bytes.reset();
    }
    Converted in_memory = to_seven_bit(letter(kHeader, body), spool, QueueId(78));
    Converted converted = to_seven_bit(message, spool, QueueId(79));
    ASSERT_TRUE(converted.message) << converted.refusal.reply.joined();
    EXPECT_FALSE(converted.message->body.bytes);
    const std::string path = spool + "/" + converted.message->body.spool_file;
    EXPECT_NE(converted.message->body.spool_file, message.body.spool_file);
    std::ifstream file(path, std::ios::binary);
    std::ostringstream octets;
    octets << file.rdbuf();
    EXPECT_EQ(octets.str(), *in_memory.message->body.bytes);
    EXPECT_EQ(converted.message->relaxed_body_hash, in_memory.message->relaxed_body_hash);
    EXPECT_EQ(converted.message->body.facts.size, octets.str().size());
    converted.message.reset();
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_TRUE(std::filesystem::exists(spool + "/" + message.body.spool_file));

    // The disk is at fault: the message waits.
    std::filesystem::remove(spool + "/" + message.body.spool_file);
    const Converted lost = to_seven_bit(message, spool, QueueId(80));
    EXPECT_FALSE(lost.message);
    EXPECT_EQ(lost.refusal.result, Disposition::deferred);
    EXPECT_EQ(lost.refusal.failure_class, Class::local);
}

}  // namespace
}  // namespace posthorn::delivery
