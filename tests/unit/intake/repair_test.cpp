// What intake repairs and what it refuses, rule by rule (RFC 6409 s8, requirements SUB-2, SUB-7 to SUB-20).
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <functional>

#include "auth/dkim/canonical.hpp"
#include "intake/intake.hpp"
#include "mail/header.hpp"

namespace posthorn::intake {
namespace {

const TimePoint kNow{std::chrono::seconds(1795294321)};  // Sat, 21 Nov 2026 20:52:01 +0000

struct Case {
    Rules rules;
    Submission submission;
    mail::Envelope envelope;

    Case() {
        rules.hostname = "mail.example.net";
        rules.first_domain = "first.example";
        submission.id = QueueId(1234567890123456789);
        submission.now = kNow;
        submission.helo = "client.example.com";
        submission.client_ip = IpAddress::parse("192.0.2.7").value();
        submission.protocol = "ESMTP";
        envelope.reverse_path = "shop@example.com";
        envelope.recipients.emplace_back().address = "bob@example.org";
    }

    Verdict take(std::string_view text, std::size_t slice = 1 << 20) const {
        Intake intake(std::make_shared<Rules>(rules), submission, envelope);
        std::string file;
        for (std::size_t at = 0; at < text.size(); at += slice) {
            intake.feed(text.substr(at, slice));
            if (intake.wants_spill()) file += intake.take_spill();
        }
        // As the server's session does it.
        if (intake.spilled()) {
            while (const auto pass = intake.next_pass()) {
                if (*pass == Intake::Pass::survey) file += intake.take_spill();
                const std::string source = *pass == Intake::Pass::rewrite ? std::exchange(file, {}) : file;
                for (std::size_t at = 0; at < source.size(); at += slice) {
                    intake.feed_again(std::string_view(source).substr(at, slice));
                    if (intake.wants_spill()) file += intake.take_spill();
                }
                intake.end_pass();
            }
        }
        Verdict verdict = intake.finish();
        if (intake.spilled()) {
            file += intake.take_spill();
            if (auto* accepted = std::get_if<AcceptedMail>(&verdict)) {
                accepted->message->body.bytes = std::make_shared<const std::string>(file);
            }
        }
        return verdict;
    }
    // The header that is stored, or the reply.
    std::string header(std::string_view text) const { return show(take(text)); }
    static std::string show(const Verdict& verdict) {
        if (const auto* refusal = std::get_if<Refusal>(&verdict)) {
            return std::to_string(refusal->code) + " " + std::string(refusal->enhanced) + " " + refusal->text;
        }
        return std::get<AcceptedMail>(verdict).message->header;
    }
    std::string repaired(std::string_view text) const {
        const Verdict verdict = take(text);
        std::string all;
        if (const auto* accepted = std::get_if<AcceptedMail>(&verdict)) {
            for (const std::string& one : accepted->repaired) all += (all.empty() ? "" : ", ") + one;
        }
        return all;
    }
    std::string warnings(std::string_view text) const {
        const Verdict verdict = take(text);
        std::string all;
        if (const auto* accepted = std::get_if<AcceptedMail>(&verdict)) {
            for (const std::string& one : accepted->warnings) all += one + "\n";
        }
        return all;
    }
};

const std::string kBase = "From: a@example.com\r\nTo: b@example.org\r\nDate: Sat, 21 Nov 2026 20:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n";
bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(Repair, NothingWhereNothingIsNeeded) {
    EXPECT_EQ(Case().repaired(kBase + "Subject: x\r\n\r\nx\r\n"), "");
    EXPECT_EQ(Case().warnings(kBase + "Subject: x\r\n\r\nx\r\n"), "");
}

TEST(Repair, EachAdditionCanBeTurnedOff) {  // SUB-10, SUB-12
    Case c;
    EXPECT_TRUE(has(c.header("To: b@example.org\r\n\r\n"), "From: <shop@example.com>\r\n"));
    EXPECT_TRUE(has(c.header("From: a@example.com\r\n\r\n"), "To: undisclosed-recipients:;\r\n"));
    c.rules.options.add_from = c.rules.options.add_to = false;
    EXPECT_TRUE(has(c.header("To: b@example.org\r\n\r\n"), "550 5.6.0 The message has no From field"));
    EXPECT_FALSE(has(c.header("From: a@example.com\r\n\r\n"), "undisclosed"));
}

TEST(Repair, TheDomainOfBareAddresses) {  // SUB-2
    Case c;
    EXPECT_TRUE(has(c.header("From: alice\r\n\r\n"), "From: alice@example.com\r\n"));
    c.envelope.reverse_path.clear();
    EXPECT_TRUE(has(c.header("From: alice\r\n\r\n"), "From: alice@first.example\r\n"));
    c.rules.options.qualify_domain = "set.example";
    EXPECT_TRUE(has(c.header("From: alice\r\n\r\n"), "From: alice@set.example\r\n"));
    c.rules.options.complete_addresses = false;
    EXPECT_TRUE(has(c.header("To: b@example.org\r\nFrom: alice\r\n\r\n"), "554 5.6.0 There is an address without a domain in line 2 (From)"));
}

TEST(Repair, LocalDomainsStandForOurs) {  // SUB-18
    Case c;
    c.envelope.reverse_path = "root@localhost";
    c.rules.options.local_domains.push_back("web1.localdomain");
    const Verdict verdict = c.take("From: Cron <root@LOCALHOST>\r\nTo: admin@web1.localdomain, b@example.org\r\n\r\n");
    EXPECT_TRUE(has(Case::show(verdict), "From: Cron <root@first.example>\r\nTo: admin@first.example, b@example.org\r\n"));
    EXPECT_EQ(std::get<AcceptedMail>(verdict).message->reverse_path, "root@first.example");
    EXPECT_TRUE(has(c.header("From: root@web2\r\n\r\n"), "554 5.6.0 The domain \"web2\" is not fully qualified"));
}

TEST(Repair, UsableDatesStayAndOddOnesAreTold) {  // SUB-8
    Case c;
    EXPECT_TRUE(has(c.header("From: a@b.example\r\nDate: tomorrow\r\n\r\n"), "Date: Sat, 21 Nov 2026 20:52:01 +0000\r\n"));
    EXPECT_EQ(c.warnings("From: a@b.example\r\nDate: Fri, 20 Nov 2026 21:00:00 +0000\r\n\r\n"), "");
    EXPECT_TRUE(has(c.warnings("From: a@b.example\r\nDate: Fri, 20 Nov 2026 20:00:00 +0000\r\n\r\n"), "more than a day off"));
    EXPECT_TRUE(has(c.warnings("From: a@b.example\r\nDate: Fri, 20 Nov 2027 20:00:00 +0000\r\n\r\n"), "more than a day off"));
}

TEST(Repair, MessageIdsThatNobodyTakes) {  // SUB-7
    Case c;
    for (const std::string id : {"x", "<x>", "<a b@c>", "<>", "<a@b> <c@d>"}) {
        const std::string header = c.header("From: a@B.Example\r\nMessage-ID: " + id + "\r\n\r\n");
        EXPECT_TRUE(has(header, "@b.example>\r\n")) << header;
        EXPECT_EQ(mail::HeaderBlock(header).count("Message-ID"), 1U);
    }
    EXPECT_TRUE(has(c.repaired("From: a@b.example\r\nMessage-ID: <" + std::string(500, 'x') + "@b>\r\n\r\n"), "replaced Message-ID"));
}

TEST(Repair, TheSecondOfTwoSaysWhichLinesTheyAre) {  // SUB-11
    Case c;
    EXPECT_EQ(c.header("Subject: 1\r\n folded\r\nFrom: a@b.example\r\nsubject: 2\r\n\r\n"),
              "554 5.6.0 The message has more than one Subject field: line 1 (Subject) and line 4 (subject) differ");
    EXPECT_TRUE(has(c.header("From: a@b.example\r\nTo: x@y.example\r\nTo: X <x@y.example>\r\nTo: x@Y.example\r\n\r\n"), "To: X <x@y.example>\r\n"));
    EXPECT_EQ(mail::HeaderBlock(c.header("From: a@b.example\r\nTo: c, d@e.example\r\nTo: f\r\n\r\n")).value("To"),
              "c@example.com, d@e.example, f@example.com");
}

TEST(Repair, LimitsOfGmail) {  // SUB-20
    Case c;
    const std::string big = "X-Big:" + std::string(900, 'x');
    std::string folded = "X-Big: x\r\n";
    for (int i = 0; i < 37; ++i) folded += " " + std::string(900, 'x') + "\r\n";
    EXPECT_TRUE(has(c.header(kBase + folded + "\r\n"), "552 5.3.4 The header field in line 5 (X-Big) is larger than 32768 octets"));
    folded.resize(10 + 10 * 903);
    EXPECT_TRUE(has(c.warnings(kBase + folded + "\r\n"), "line 5 (X-Big) has"));
    std::string many;
    for (int i = 0; i < 5001; ++i) many += "X: y\r\n";
    EXPECT_TRUE(has(c.header(kBase + many + "\r\n"), "552 5.3.4 The header has more than 5000 fields"));
    std::string wide;
    for (int i = 0; i < 70; ++i) wide += "X-" + std::to_string(i) + ": " + std::string(900, 'x') + "\r\n";
    EXPECT_TRUE(has(c.warnings(kBase + wide + "\r\n"), "the header has 6"));
}

TEST(Repair, NearlyALoopIsTold) {  // SMTP-17
    Case c;
    std::string received;
    for (int i = 0; i < 44; ++i) received += "Received: by x; Sat, 21 Nov 2026 20:00:00 +0000\r\n";
    EXPECT_EQ(c.warnings(received + kBase + "\r\n"), "");
    received += "Received: by x; Sat, 21 Nov 2026 20:00:00 +0000\r\n";
    EXPECT_TRUE(has(c.warnings(received + kBase + "\r\n"), "45 Received fields"));
}

TEST(Repair, EightBitHeaders) {  // SUB-14
    Case c;
    const std::string utf8 = "Subject: \xc3\xbc\r\nFrom: \"M\xc3\xbcller, J.\" (\xc3\xa4) <a@m\xc3\xbcller.example>\r\n\r\n";
    EXPECT_TRUE(has(c.header(utf8), "Subject: =?utf-8?B?w7w=?=\r\nFrom: =?utf-8?B?TcO8bGxlciwgSi4=?= (=?utf-8?B?w6Q=?=) "
                                    "<a@xn--mller-kva.example>\r\n")) << c.header(utf8);
    c.rules.options.encode_header = false;
    EXPECT_TRUE(has(c.header(utf8), "550 5.6.7 The header has octets above 127 in line 1 (Subject)"));
    c.envelope.smtputf8 = true;
    EXPECT_TRUE(has(c.header(utf8), "Subject: \xc3\xbc\r\n"));
    EXPECT_TRUE(has(c.header("From: a@b.example\r\nSubject: \xfc\r\n\r\n"), "not UTF-8"));
    EXPECT_TRUE(has(c.header("From: \xfc <a@b.example>\r\n\r\n"), "not UTF-8"));
    // A label that is over 63 octets as an A-label is no name (RFC 5890 s2.3.2.1), whatever might be encoded beside it.
    Case fresh;
    const std::string label = "m\xc3\xbc" + std::string(61, 'l');
    EXPECT_TRUE(has(fresh.header("From: <a@" + label + ".example>\r\n\r\n"), "550 5.6.7")) << fresh.header("From: <a@" + label + ".example>\r\n\r\n");
}

TEST(Repair, EightBitBodies) {  // SUB-15, RFC 6152 s3
    Case c;
    const Verdict verdict = c.take(kBase + "\r\n\xc3\xbc\r\n");
    EXPECT_TRUE(has(Case::show(verdict), "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"));
    EXPECT_EQ(std::get<AcceptedMail>(verdict).message->body_type, mail::BodyType::eight_bit_mime);
    EXPECT_TRUE(has(c.header(kBase + "Content-Type: text/html; charset=latin1\r\n\r\n\xfc\r\n"),
                    "Content-Type: text/html; charset=latin1\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n"));
    EXPECT_FALSE(has(c.header(kBase + "MIME-Version: 1.0\r\n\r\n\xfc\r\n"), "Content-Type"));
    c.rules.options.add_mime_fields = false;
    EXPECT_FALSE(has(c.header(kBase + "\r\n\xc3\xbc\r\n"), "MIME"));
    c.rules.options.accept_undeclared_8bit = false;
    EXPECT_TRUE(has(c.header(kBase + "\r\n\xc3\xbc\r\n"), "554 5.6.3"));
    c.envelope.body = mail::BodyType::eight_bit_mime;
    EXPECT_FALSE(has(c.header(kBase + "\r\n\xc3\xbc\r\n"), "554"));
}

TEST(Repair, FieldsThatGo) {  // SMTP-14, SMTP-15, SMTP-16, SUB-19
    Case c;
    c.rules.options.remove_fields.emplace_back("user-agent");
    const std::string text = "Received: from c0ffee (unknown [172.17.0.2])\r\n\tby x; Sat, 21 Nov 2026 20:00:00 +0000\r\n"
                             "Received: from y ([192.0.2.1]) by z [10.0.0.1]; Sat, 21 Nov 2026 20:00:00 +0000\r\n"
                             "Authentication-Results: MAIL.example.net 1; spf=pass\r\nUser-Agent: x\r\nX-Mailer: y\r\n" + kBase + "\r\n";
    EXPECT_EQ(c.repaired(text), "removed Authentication-Results, removed User-Agent");
    EXPECT_TRUE(has(c.header(text), "c0ffee"));
    c.rules.options.remove_private_received = true;
    EXPECT_FALSE(has(c.header(text), "c0ffee"));
    EXPECT_TRUE(has(c.header(text), "from y ([192.0.2.1])"));
}

TEST(Repair, SignedMailIsLeftAlone) {  // SUB-17
    Case c;
    const std::string sig = "DKIM-Signature: v=1; a=rsa-sha256; d=o.example; s=x;\r\n h=from; bh=AA==; b=AA==\r\n";
    EXPECT_EQ(c.repaired(sig + kBase + "X-PHP-Script: x\r\nCc: \r\nTo: c\r\n\r\n"), "");
    EXPECT_TRUE(has(c.header(sig + kBase + "To: b@example.org\r\n\r\n"), "is signed as it is"));
    EXPECT_EQ(c.repaired(sig + "From: a@example.com\r\nBcc: x@y.example\r\n\r\n"), "removed Bcc, added Date, added Message-ID");
    for (const std::string line : {"Subject: \xc3\xbc\r\n", "Sender: x\r\n"}) {
        EXPECT_FALSE(std::holds_alternative<AcceptedMail>(c.take(sig + kBase + line + "\r\n"))) << line;
    }
    // What has only the name of a signature protects nothing.
    EXPECT_TRUE(has(c.repaired("DKIM-Signature: none\r\n" + kBase + "X-PHP-Script: x\r\n\r\n"), "removed X-PHP-Script"));
}

TEST(Repair, ReceivedKeepsTheHouseToItself) {  // SMTP-13, RFC 5321 s4.4
    Case c;
    const auto from = [&c](const char* helo, const char* address) {
        c.submission.helo = helo;
        c.submission.client_ip = IpAddress::parse(address).value();
        const std::string header = c.header(kBase + "\r\n");
        return header.substr(0, header.find(" by ")).substr(10);
    };
    EXPECT_EQ(from("client.example.com", "192.0.2.7"), "from client.example.com ([192.0.2.7])");
    EXPECT_EQ(from("c0ffee", "172.17.0.2"), "from hidden.invalid");
    EXPECT_EQ(from("shop.example.com", "fd00::1"), "from shop.example.com");
    EXPECT_EQ(from("annas-pc.fritz.box", "192.0.2.7"), "from hidden.invalid ([192.0.2.7])");
    EXPECT_EQ(from("[127.0.0.1]", "127.0.0.1"), "from hidden.invalid");
    EXPECT_EQ(from("[192.0.2.7]", "192.0.2.7"), "from [192.0.2.7] ([192.0.2.7])");
    EXPECT_EQ(from("[IPv6:fe80::1]", "fe80::1"), "from hidden.invalid");
    c.rules.options.hide_client_address = ClientAddress::hide;
    EXPECT_EQ(from("client.example.com", "192.0.2.7"), "from hidden.invalid");
    c.rules.options.hide_client_address = ClientAddress::show;
    EXPECT_EQ(from("c0ffee", "172.17.0.2"), "from c0ffee ([172.17.0.2])");
}

// A body that has all there is, with long lines in three parts.
std::string long_message(std::size_t filler) {
    std::string text = kBase + "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_x\"\r\n\r\npreamble\r\n";
    text += "--=_x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + std::string(1200, 'l') + " \xc3\xbc \r\n.\r\n";
    text += "--=_x\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n\r\nstays =3D\r\n--in\r\nContent-Type: text/html\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + std::string(1100, 'q') + "=3D\r\n--in--\r\n";
    text += "--=_x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n";
    for (std::size_t i = 0; i < filler; ++i) text += "line " + std::to_string(i) + "\r\n";
    text += std::string(1000, 'b') + "\r\n--=_x--\r\nepilogue\r\n";
    return text;
}

TEST(BodyRepair, InMemoryAndFromTheFileAlike) {  // SUB-13
    Case in_memory;
    Case spilling;
    spilling.rules.inline_body_limit = 100;
    for (const std::size_t filler : {0U, 500U}) {
        const std::string message = long_message(filler);
        const Verdict one = in_memory.take(message);
        const Verdict two = spilling.take(message, 7);
        const Verdict three = spilling.take(message, 4000);
        ASSERT_TRUE(std::holds_alternative<AcceptedMail>(one)) << Case::show(one);
        ASSERT_TRUE(std::holds_alternative<AcceptedMail>(two)) << Case::show(two);
        const mail::Message& a = *std::get<AcceptedMail>(one).message;
        const std::string& body = *a.body.bytes;
        for (const Verdict* other : {&two, &three}) {
            const mail::Message& b = *std::get<AcceptedMail>(*other).message;
            EXPECT_EQ(body, *b.body.bytes);
            EXPECT_EQ(a.header, b.header);
            EXPECT_EQ(a.relaxed_body_hash, b.relaxed_body_hash);
            EXPECT_EQ(a.body.facts.size, b.body.facts.size);
        }
        EXPECT_EQ(a.relaxed_body_hash, auth::dkim::hash_body(body, auth::Canonical::relaxed));
        EXPECT_EQ(a.body.facts.size, body.size());
        EXPECT_LE(a.body.facts.longest_line, 76U);
        EXPECT_FALSE(a.body.facts.has_8bit);
        EXPECT_TRUE(body.starts_with("preamble\r\n--=_x\r\nContent-Type: text/plain; charset=utf-8\r\n"
                                     "Content-Transfer-Encoding: quoted-printable\r\n\r\nlll"));
        EXPECT_TRUE(has(body, " =C3=BC=20\r\n=2E\r\n--=_x\r\n")) << body;
        EXPECT_TRUE(has(body, "--in\r\n\r\nstays =3D\r\n--in\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nqqq"));
        EXPECT_TRUE(has(body, "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"));
        EXPECT_TRUE(body.ends_with("\r\n--=_x--\r\nepilogue\r\n"));
    }
}

TEST(BodyRepair, DoesNotGrowPastTheBound) {  // SUB-13, EXT-5: each of these octets becomes three
    Case c;
    std::string text = kBase + "\r\n";
    for (int i = 0; i < 1000; ++i) text += "\xc3\xbc";
    text += "\r\n";
    const Verdict open = c.take(text);
    ASSERT_TRUE(std::holds_alternative<AcceptedMail>(open)) << Case::show(open);
    const mail::Message& whole = *std::get<AcceptedMail>(open).message;
    EXPECT_GT(whole.body.facts.size, 6000U);
    for (const std::size_t limit : {100U, 100000U}) {
        c.rules.inline_body_limit = limit;
        c.rules.max_message_size = 6000;
        EXPECT_TRUE(has(c.header(text), "552 5.3.4 Re-encoded because of its long lines, the message is larger than 6000 octets"))
            << c.header(text);
        c.rules.max_message_size = whole.size();
        EXPECT_TRUE(has(c.header(text), "Message-ID"));
    }
}

TEST(BodyRepair, OrRefusesWithTheLine) {
    Case c;
    c.rules.options.long_lines = LongLines::refuse;
    EXPECT_EQ(c.header(kBase + "\r\na\r\nb\r\n" + std::string(999, 'x')), "554 5.6.0 Line 3 of the body is longer than 998 octets");
    EXPECT_TRUE(has(c.header(kBase + "X: a " + std::string(999, 'x') + " b\r\n\r\n"), "554 5.6.0 The header has a line of more than 998 octets: line 5 (X)"));
    EXPECT_TRUE(has(c.header(kBase + "\r\n" + std::string(998, 'x') + "\r\n"), "Message-ID"));
}

TEST(BodyRepair, WhatIsNeverChanged) {
    Case c;
    const std::string l(1000, 'x');
    const std::pair<std::string, const char*> cases[] = {
        {"Content-Type: message/rfc822\r\n\r\n" + l, "attached message"},
        {"Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\n" + l + "\r\n--s--", "signed"},
        {"Content-Transfer-Encoding: x-uue\r\n\r\n" + l, "not known"},
        {"Content-Type: multipart/mixed; boundary=s\r\n\r\n" + l + "\r\n--s\r\n\r\n--s--", "outside"},
        {"Content-Type: multipart/mixed; boundary=s\r\n\r\n--s\r\n\r\n" + l + "\r\n--sx\r\n--s--", "told from each other"},
        {"Content-Type: multipart/mixed; boundary=s\r\n\r\n--s\r\nX-" + l + ": y\r\n\r\n\r\n--s--", "header of a MIME part"},
        {"DKIM-Signature: v=1; d=x; s=y; bh=a; b=c\r\n\r\n" + l, "signed as it is"},
    };
    for (const auto& [rest, why] : cases) {
        for (const std::size_t limit : {100U, 100000U}) {
            c.rules.inline_body_limit = limit;
            const std::string reply = c.header(kBase + "MIME-Version: 1.0\r\n" + rest);
            EXPECT_TRUE(reply.starts_with("554 5.6.0 Line ")) << reply;
            EXPECT_TRUE(has(reply, why)) << reply;
        }
    }
}

TEST(BodyRepair, TheMessageItselfIsThePart) {
    Case c;
    const std::string l(1000, 'x');
    for (const std::size_t limit : {100U, 100000U}) {
        c.rules.inline_body_limit = limit;
        EXPECT_TRUE(has(c.header(kBase + "\r\n" + l + "\xc3\xbc"),
                        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"));
        EXPECT_TRUE(has(c.header(kBase + "MIME-Version: 1.0\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + l),
                        "Content-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n"));
    }
}

TEST(Repair, EveryRefusalIsOneLineOfAscii) {  // SUB-16
    Case c;
    for (const std::string text : {"From: a@b.example\r\nX: \x01\x1b[31m\xff\r\n\r\n", "From: a@b.example\r\n\x80\xff nonsense\r\n\r\n",
                                   "From: \x80\r\n\r\n", "From: a@b.example\r\nSubject: a\rb\r\n\r\n", "From: a@\x7f\r\n\r\n",
                                   "\xc3\xbc: x\r\n\r\n", "From: \"\xc3\xbc\r\n\r\n"}) {
        const std::string reply = c.header(text);
        EXPECT_TRUE(reply.starts_with("55")) << reply;
        EXPECT_TRUE(std::all_of(reply.begin(), reply.end(), [](char ch) { return ch >= ' ' && ch < 0x7f; })) << reply;
        EXPECT_LT(reply.size(), 400U);
    }
}

// A header of 256 KiB is nobody's letter, and must not cost more than its reading (one thread serves all clients): none of
// these took less than a second of it once, some a minute.
std::string many(int count, const std::function<std::string(int)>& one) {
    std::string all;
    for (int i = 0; i < count; ++i) all += one(i);
    return all;
}
std::chrono::milliseconds time_for(const Case& c, const std::string& text) {
    // Processor time: the machine may be busy.
    const std::clock_t begin = std::clock();
    (void)c.take(text);
    return std::chrono::milliseconds(1000 * (std::clock() - begin) / CLOCKS_PER_SEC);
}

TEST(Repair, PathologicalHeadersCostLittle) {
    constexpr std::chrono::milliseconds kLittle{5000};  // of what took 10 to 100 times as long, under any sanitizer
    const std::string from = "From: a@example.com\r\n", end = "\r\n\r\n";
    const auto bare = [](int) { return std::string("a,"); };
    EXPECT_LT(time_for({}, from + "To: " + many(120000, bare) + "a" + end), kLittle);
    const auto comment = [](int) { return std::string("(\xc3\xa9)"); };
    EXPECT_LT(time_for({}, from + "To: a@example.org " + many(60000, comment) + end), kLittle);
    const auto commented = [](int) { return std::string("a@b.example(\xc3\xa9),"); };
    EXPECT_LT(time_for({}, from + "To: " + many(15000, commented) + "a@b.example" + end), kLittle);
    const auto field = [](int i) {
        return "To: a" + std::to_string(i) + "@b.example,b" + std::to_string(i) + "@b.example\r\n";
    };
    EXPECT_LT(time_for({}, from + many(4900, field) + "\r\n"), kLittle);
}

TEST(Repair, AFewFieldsAreJoinedNotThousands) {  // SUB-11
    const auto field = [](int i) { return "Cc: a" + std::to_string(i) + "@b.example\r\n"; };
    EXPECT_TRUE(has(Case().header("From: a@example.com\r\n" + many(21, field) + "\r\n"), "a0@b.example,\r\n a1@b.example"));
    EXPECT_TRUE(has(Case().header("From: a@example.com\r\n" + many(22, field) + "\r\n"),
                    "554 5.6.0 The message has too many Cc fields that differ: line 23 (Cc)"));
}

TEST(Repair, ThousandsOfRepairsAreOneShortLineOfTheLog) {
    const auto bcc = [](int) { return std::string("Bcc:\r\n"); };
    const std::string told = Case().repaired(kBase + many(4900, bcc) + "\r\n");
    EXPECT_LT(told.size(), 1000U);
    EXPECT_TRUE(told.ends_with("removed Bcc, and more"));
    EXPECT_FALSE(has(Case().header(kBase + many(4900, bcc) + "\r\n"), "Bcc"));
}

TEST(Repair, CompletedAddressesKeepTheBoundOfTheHeader) {
    Case c;
    c.rules.max_header_size = 1000;
    const auto bare = [](int) { return std::string("a,"); };
    EXPECT_TRUE(has(c.header("From: a@example.com\r\nTo: " + many(100, bare) + "a\r\n\r\n"),
                    "552 5.3.4 With its addresses completed or encoded, the field in line 2 (To) is larger than 1000 octets"));
}

}  // namespace
}  // namespace posthorn::intake
