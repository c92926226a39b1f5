// Tests of mail/dsn.hpp (RFC 3464, RFC 6522, RFC 6533; DSN-8 to DSN-12).
#include "mail/dsn.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/text.hpp"
#include "mail/body_scanner.hpp"
#include "mail/dsn_words.hpp"
#include "mail/header.hpp"
#include "mail/mime_text.hpp"
#include "mail/split.hpp"

namespace posthorn::mail {
namespace {

struct Part {
    HeaderBlock header;
    std::string body;
};

// Takes a report apart as a receiver does, by the boundary in its header.
std::vector<Part> parts_of(const DsnText& dsn) {
    const std::string type = HeaderBlock(dsn.header).value("Content-Type").value();
    const std::size_t quote = type.find("boundary=\"") + 10;
    const std::string mark = "\r\n--" + type.substr(quote, type.find('"', quote) - quote);
    std::vector<Part> parts;
    std::size_t at = dsn.body.find(mark);
    while (at != std::string::npos && dsn.body.substr(at + mark.size(), 2) != "--") {
        const std::size_t begin = at + mark.size() + 2;
        at = dsn.body.find(mark, begin);
        const SplitMessage split = split_message(std::string_view(dsn.body).substr(begin, at - begin));
        parts.push_back({HeaderBlock(std::string(split.header)), std::string(split.body)});
    }
    EXPECT_NE(at, std::string::npos) << "no closing boundary";
    EXPECT_TRUE(dsn.body.ends_with(mark + "--\r\n"));
    return parts;
}

std::string type_of(const Part& part) {
    return part.header.value("Content-Type").value_or("");
}

// What holds for every report.
std::vector<Part> checked(const DsnText& dsn) {
    const HeaderBlock header(dsn.header);
    EXPECT_FALSE(header.fault()) << header.fault()->what;
    for (const char* name :
         {"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Auto-Submitted"})
        EXPECT_EQ(header.count(name), 1U) << name;
    EXPECT_EQ(header.value("Auto-Submitted"), "auto-replied");  // DSN-11
    EXPECT_TRUE(header.value("Content-Type")->starts_with("multipart/report; report-type=delivery-status;"));
    BodyScanner scanner;
    scanner.feed(dsn.body);
    EXPECT_LE(scanner.facts().longest_line, 998U);
    EXPECT_EQ(scanner.facts().has_8bit, dsn.has_8bit);
    EXPECT_TRUE(scanner.facts().ends_with_crlf);
    for (std::size_t at = 0; at < dsn.body.size(); ++at) {
        const bool bare_lf = dsn.body[at] == '\n' && (at == 0 || dsn.body[at - 1] != '\r');
        const bool bare_cr = dsn.body[at] == '\r' && (at + 1 == dsn.body.size() || dsn.body[at + 1] != '\n');
        EXPECT_FALSE(bare_lf || bare_cr) << at;
    }
    auto parts = parts_of(dsn);
    EXPECT_EQ(parts.size(), 3U);
    for (const auto& part : parts) EXPECT_FALSE(part.header.fault());
    // RFC 3464 s2.1: each group of fields is well formed.
    std::string_view groups = parts.at(1).body;
    while (!groups.empty()) {
        const std::size_t end = std::min(groups.find("\r\n\r\n"), groups.size() - 2);
        const HeaderBlock group{std::string(groups.substr(0, end + 2))};
        EXPECT_FALSE(group.fault()) << group.fault()->what << groups;
        groups.remove_prefix(std::min(groups.size(), end + 4));
    }
    return parts;
}

// A wrapped text as one line with single blanks.
std::string words_of(std::string_view text) {
    std::string words;
    for (const char c : text) {
        if (!text::is_space(c))
            words += c;
        else if (!words.ends_with(' '))
            words += ' ';
    }
    return words;
}

DsnReport failed_report() {
    DsnReport report;
    report.kind = DsnAction::failed;
    report.reporting_mta = "mail.example.com";
    report.arrival_date = TimePoint(Duration(1'795'294'321'000));
    report.from = "MAILER-DAEMON@example.com";
    report.to = "sender@example.com";
    report.message_id = "<0abc@example.com>";
    report.boundary_seed = "0abc";
    report.now = report.arrival_date + std::chrono::hours(1);
    report.original_id = "0original";
    report.original_header = "From: sender@example.com\r\nTo: user@example.org\r\nSubject: hello\r\n";
    report.original_body = "the body\r\n";
    DsnRecipient recipient;
    recipient.final_address = "user@example.org";
    recipient.status = "5.7.26";
    recipient.remote_mta = "mx.example.org[192.0.2.1]";
    recipient.diagnostic =
        "550-5.7.26 Your email has been blocked because the sender is unauthenticated.\n550-5.7.26 \n"
        "550 5.7.26 For instructions go to https://support.google.com/mail/answer/81126#authentication";
    recipient.last_attempt = report.now;
    report.recipients.push_back(recipient);
    return report;
}

HeaderBlock fields(const std::vector<Part>& parts, std::size_t group) {
    std::string_view text = parts.at(1).body;
    for (; group > 0; --group) text.remove_prefix(text.find("\r\n\r\n") + 4);
    const std::size_t end = text.find("\r\n\r\n");
    std::string block(end == std::string_view::npos ? text : text.substr(0, end + 2));
    if (!block.ends_with("\r\n")) block += "\r\n";  // the CRLF before the boundary is the boundary's
    return HeaderBlock(std::move(block));
}

TEST(Dsn, Dsn8AndDsn9AFailedReport) {
    DsnReport report = failed_report();
    report.envid = "QQ314159";
    report.recipients[0].orcpt = "rfc822;User@Example.ORG";
    const DsnText dsn = make_dsn(report);
    const auto parts = checked(dsn);
    EXPECT_FALSE(dsn.has_8bit);
    EXPECT_FALSE(dsn.needs_smtputf8);
    const HeaderBlock header(dsn.header);
    EXPECT_EQ(header.value("From"), "Mail Delivery System <MAILER-DAEMON@example.com>");  // DSN-12
    EXPECT_EQ(header.value("To"), "<sender@example.com>");
    EXPECT_EQ(header.value("Message-ID"), "<0abc@example.com>");
    EXPECT_EQ(header.value("Date"), "Sat, 21 Nov 2026 21:52:01 +0000");

    EXPECT_TRUE(type_of(parts[0]).starts_with("text/plain"));
    EXPECT_NE(parts[0].body.find("<user@example.org>"), std::string::npos);
    EXPECT_NE(words_of(parts[0].body).find("needs SPF and DKIM records in DNS"), std::string::npos);
    EXPECT_NE(parts[0].body.find("support.google.com"), std::string::npos);
    EXPECT_NE(parts[0].body.find("0original"), std::string::npos);

    EXPECT_EQ(type_of(parts[1]), "message/delivery-status");
    const HeaderBlock message = fields(parts, 0);
    EXPECT_EQ(message.value("Original-Envelope-Id"), "QQ314159");
    EXPECT_EQ(message.value("Reporting-MTA"), "dns; mail.example.com");
    EXPECT_EQ(message.value("Arrival-Date"), "Sat, 21 Nov 2026 20:52:01 +0000");
    const HeaderBlock recipient = fields(parts, 1);
    EXPECT_EQ(recipient.value("Original-Recipient"), "rfc822; User@Example.ORG");
    EXPECT_EQ(recipient.value("Final-Recipient"), "rfc822; user@example.org");
    EXPECT_EQ(recipient.value("Action"), "failed");
    EXPECT_EQ(recipient.value("Status"), "5.7.26");
    EXPECT_EQ(recipient.value("Remote-MTA"), "dns; mx.example.org");
    EXPECT_EQ(recipient.value("Diagnostic-Code"),
              "smtp; 550-5.7.26 Your email has been blocked because the sender is unauthenticated. "
              "550-5.7.26 550 5.7.26 For "
              "instructions go to https://support.google.com/mail/answer/81126#authentication");
    EXPECT_EQ(recipient.value("Last-Attempt-Date"), "Sat, 21 Nov 2026 21:52:01 +0000");
    EXPECT_FALSE(recipient.contains("Will-Retry-Until"));

    EXPECT_EQ(type_of(parts[2]), "text/rfc822-headers");
    EXPECT_EQ(parts[2].body + "\r\n", std::string(report.original_header) + "\r\n");
}

TEST(Dsn, Dsn9OptionalFieldsAreLeftOut) {
    DsnReport report = failed_report();
    report.recipients[0].remote_mta.clear();
    report.recipients[0].diagnostic.clear();
    report.recipients[0].status = "nonsense";
    const auto parts = checked(make_dsn(report));
    EXPECT_FALSE(fields(parts, 0).contains("Original-Envelope-Id"));
    const HeaderBlock recipient = fields(parts, 1);
    for (const char* name : {"Original-Recipient", "Remote-MTA", "Diagnostic-Code"})
        EXPECT_FALSE(recipient.contains(name)) << name;
    EXPECT_EQ(recipient.value("Status"), "5.0.0");
}

TEST(Dsn, Dsn9SeveralRecipientsHaveABlockEach) {
    DsnReport report = failed_report();
    report.recipients.push_back(report.recipients[0]);
    report.recipients[1].final_address = "other@example.net";
    report.recipients[1].status = "4.2.2";  // refused for now until the time was up
    report.recipients[1].explanation = "Ask the operator.";
    const auto parts = checked(make_dsn(report));
    EXPECT_EQ(fields(parts, 2).value("Final-Recipient"), "rfc822; other@example.net");
    EXPECT_EQ(fields(parts, 2).value("Status"), "5.2.2");
    EXPECT_NE(parts[0].body.find("Ask the operator."), std::string::npos);
}

TEST(Dsn, DelayedReportSaysThatNothingNeedsToBeDone) {
    DsnReport report = failed_report();
    report.kind = DsnAction::delayed;
    report.recipients[0].action = DsnAction::delayed;
    report.recipients[0].status = "4.7.0";
    report.recipients[0].will_retry_until = report.now + std::chrono::hours(48);
    report.return_full = true;  // only a failure returns the message (RFC 3461 s6.2)
    const auto parts = checked(make_dsn(report));
    EXPECT_NE(words_of(parts[0].body).find("DO NOT NEED TO SEND YOUR MESSAGE AGAIN"), std::string::npos);
    EXPECT_NE(parts[0].body.find("Mon, 23 Nov 2026 21:52:01 +0000"), std::string::npos);
    EXPECT_EQ(fields(parts, 1).value("Action"), "delayed");
    EXPECT_EQ(fields(parts, 1).value("Will-Retry-Until"), "Mon, 23 Nov 2026 21:52:01 +0000");
    EXPECT_EQ(type_of(parts[2]), "text/rfc822-headers");
}

TEST(Dsn, RelayedReport) {  // DSN-4
    DsnReport report = failed_report();
    report.kind = DsnAction::relayed;
    report.recipients[0].action = DsnAction::relayed;
    report.recipients[0].status = "2.1.9";
    report.recipients[0].diagnostic = "250 2.0.0 OK";
    const auto parts = checked(make_dsn(report));
    EXPECT_EQ(fields(parts, 1).value("Action"), "relayed");
    EXPECT_EQ(fields(parts, 1).value("Status"), "2.1.9");
}

TEST(Dsn, Dsn8WholeMessageOnlyWhenAskedAndSmall) {
    DsnReport report = failed_report();
    report.return_full = true;
    const auto parts = checked(make_dsn(report));
    EXPECT_EQ(type_of(parts[2]), "message/rfc822");
    EXPECT_EQ(parts[2].body + "\r\n",
              std::string(report.original_header) + "\r\n" + std::string(report.original_body) + "\r\n");
    report.full_limit = 20;
    EXPECT_EQ(type_of(checked(make_dsn(report))[2]), "text/rfc822-headers");
    report = failed_report();
    report.return_full = true;
    const std::string long_line(2000, 'x');
    report.original_body = long_line;
    EXPECT_EQ(type_of(checked(make_dsn(report))[2]), "text/rfc822-headers");
}

TEST(Dsn, EightBitOriginalsAreLabelled) {
    DsnReport report = failed_report();
    report.return_full = true;
    report.original_body = "caf\xc3\xa9\r\n";
    const DsnText dsn = make_dsn(report);
    const auto parts = checked(dsn);
    EXPECT_TRUE(dsn.has_8bit);
    EXPECT_EQ(parts[2].header.value("Content-Transfer-Encoding"), "8bit");
    EXPECT_EQ(HeaderBlock(dsn.header).value("Content-Transfer-Encoding"), "8bit");
    // Raw 8-bit in a header returned alone is coded, so that the report stays 7-bit.
    report.return_full = false;
    report.original_header = "Subject: caf\xe9\r\n";
    const DsnText headers = make_dsn(report);
    const auto coded = checked(headers);
    EXPECT_FALSE(headers.has_8bit);
    EXPECT_EQ(coded[2].header.value("Content-Transfer-Encoding"), "quoted-printable");
    EXPECT_NE(coded[2].body.find("Subject: caf=E9"), std::string::npos);
}

// A peer may say anything; the report stays well-formed MIME and the peer's words stay readable.
TEST(Dsn, HostileReplies) {
    std::string all;
    for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
    const DsnText plain = make_dsn(failed_report());
    const std::string type = HeaderBlock(plain.header).value("Content-Type").value();
    const std::string boundary = type.substr(type.find("=_"), type.rfind('"') - type.find("=_"));
    for (const std::string& words :
         {all, "550 \n--" + boundary + "--\n\nSubject: gone\n", std::string(20000, 'x'),
          std::string("\n\n\n"), std::string("550 Gr\xc3\xbc\xc3\x9f Gott \xe2\x80\xae"),
          std::string(3000, '\xc3')}) {
        DsnReport report = failed_report();
        report.recipients[0].diagnostic = words;
        report.recipients[0].remote_mta = words;
        report.recipients[0].orcpt = "rfc822;" + words;
        report.recipients[0].explanation = words;
        report.envid = words;
        const DsnText dsn = make_dsn(report);
        const auto parts = checked(dsn);
        EXPECT_EQ(type_of(parts[1]), "message/delivery-status");
        EXPECT_TRUE(text::is_ascii(parts[1].body));
        EXPECT_EQ(fields(parts, 1).value("Action"), "failed");
    }
    DsnReport report = failed_report();
    report.recipients[0].diagnostic = "550 Gr\xc3\xbc\xc3\x9f";
    const auto parts = checked(make_dsn(report));
    EXPECT_EQ(parts[0].header.value("Content-Transfer-Encoding"), "quoted-printable");
    EXPECT_NE(parts[0].body.find("550 Gr=C3=BC=C3=9F"), std::string::npos);
    EXPECT_EQ(fields(parts, 1).value("Diagnostic-Code"), "smtp; 550 Gr\\xc3\\xbc\\xc3\\x9f");
}

TEST(Dsn, TheOriginalCannotEndTheReport) {
    const std::string type = HeaderBlock(make_dsn(failed_report()).header).value("Content-Type").value();
    const std::string boundary = type.substr(type.find("=_"), type.rfind('"') - type.find("=_"));
    DsnReport report = failed_report();
    report.return_full = true;
    const std::string evil = "x\r\n--" + boundary + "--\r\n";
    report.original_body = evil;
    const auto parts = checked(make_dsn(report));
    EXPECT_NE(parts[2].body.find(boundary), std::string::npos);
}

TEST(Dsn, Dsn10InternationalAddresses) {
    // About a message that came without SMTPUTF8: all in ASCII, the address in its escaped form (RFC 6533 s3).
    DsnReport report = failed_report();
    report.recipients[0].final_address = "j\xc3\xbcrgen+\xf0\x9f\x93\xa8@example.org";
    DsnText dsn = make_dsn(report);
    auto parts = checked(dsn);
    EXPECT_FALSE(dsn.needs_smtputf8);
    EXPECT_FALSE(dsn.has_8bit);
    EXPECT_EQ(type_of(parts[1]), "message/delivery-status");
    EXPECT_EQ(fields(parts, 1).value("Final-Recipient"), "utf-8; j\\x{FC}rgen\\x{2B}\\x{1F4E8}@example.org");

    // About a message of SMTPUTF8: the UTF-8 forms, though its sender's own address is ASCII.
    report.smtputf8 = true;
    dsn = make_dsn(report);
    EXPECT_FALSE(dsn.needs_smtputf8);
    EXPECT_EQ(type_of(checked(dsn)[1]), "message/global-delivery-status");

    report.to = "\xe7\x94\xb2@example.jp";
    report.original_header = "Subject: \xe7\x94\xb2\r\n";
    dsn = make_dsn(report);
    parts = checked(dsn);
    EXPECT_TRUE(dsn.needs_smtputf8);
    EXPECT_TRUE(dsn.has_8bit);
    EXPECT_EQ(type_of(parts[1]), "message/global-delivery-status");
    EXPECT_EQ(fields(parts, 1).value("Final-Recipient"), "utf-8; j\xc3\xbcrgen+\xf0\x9f\x93\xa8@example.org");
    EXPECT_EQ(type_of(parts[2]), "message/global-headers");
}

TEST(DsnWords, EachStatusHasWordsAndTheParticularComesFirst) {
    EXPECT_NE(explain_status("5.1.1"), explain_status("5.1.10"));
    EXPECT_NE(explain_status("5.7.26"), explain_status("5.7.99"));
    EXPECT_EQ(explain_status("4.7.26"), explain_status("5.7.26"));
    // A command that is named is one that there is.
    for (const char* status : {"5.7.26", "5.7.515"})
        EXPECT_NE(explain_status(status).find("`posthorn dkim record`"), std::string_view::npos) << status;
    EXPECT_EQ(explain_status("5.1.99"), explain_status("5.1.98"));
    for (const char* status : {"5.0.0", "4.0.0", "", "x", "5.", "9.9.9", "5.7.1"})
        EXPECT_FALSE(explain_status(status).empty());
}

}  // namespace
}  // namespace posthorn::mail
