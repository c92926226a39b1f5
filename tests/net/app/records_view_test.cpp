// Records in the forms that people and programs take: what goes into one zone, and what must not.
#include "app/records_view.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace posthorn::app {
namespace {

using setup::Need;
using setup::RecordKind;
using setup::WantedRecord;

WantedRecord wanted(RecordKind kind, auth::DnsRecord record, std::string zone, Need need = Need::required) {
    WantedRecord one;
    one.kind = kind;
    one.need = need;
    one.record = std::move(record);
    one.record.zone = std::move(zone);
    one.record.purpose = "purpose";
    one.state = WantedRecord::State::missing;
    return one;
}

RecordsShown some() {
    RecordsShown shown;
    shown.domain = "example.com";
    shown.zone = "example.com";
    shown.records.push_back(wanted(RecordKind::ptr, auth::DnsRecord("1.2.0.192.in-addr.arpa", "PTR", "mail.example.net"), ""));
    shown.records.push_back(wanted(RecordKind::address, auth::DnsRecord("mail.example.net", "A", "192.0.2.1"), "example.net"));
    shown.records.push_back(wanted(RecordKind::spf, auth::txt_record("example.com", "v=spf1 -all"), "example.com"));
    shown.records.push_back(wanted(RecordKind::dkim, auth::txt_record("s._domainkey.example.com", std::string(300, 'k')), "example.com"));
    shown.records.push_back(wanted(RecordKind::mta_sts, auth::txt_record("_mta-sts.example.com", std::string(300, 'h')), "example.com", Need::hint));
    return shown;
}

TEST(RecordsView, OnlyLinesOfItsZoneAreLinesOfTheFile) {
    const std::string text = records_text(some(), RecordForm::zone);
    EXPECT_NE(text.find("\nexample.com. IN TXT \"v=spf1 -all\"\n"), std::string::npos) << text;
    EXPECT_NE(text.find("\n;1.2.0.192.in-addr.arpa. IN PTR mail.example.net.\n"), std::string::npos) << text;
    EXPECT_NE(text.find("\n;mail.example.net. IN A 192.0.2.1\n"), std::string::npos) << text;
    // A hint of two strings is a comment as a whole.
    EXPECT_NE(text.find("\n;_mta-sts.example.com. IN TXT ( \"" + std::string(255, 'h') + "\"\n;    \"" + std::string(45, 'h') + "\" )\n"), std::string::npos) << text;
    EXPECT_EQ(records_remarks(some(), RecordForm::zone),
              "not of the zone example.com: PTR 1.2.0.192.in-addr.arpa (who gives you the address sets it), A mail.example.net; --zone chooses another zone");
    RecordsShown other = some();
    other.zone = "example.net";
    EXPECT_NE(records_text(other, RecordForm::zone).find("\nmail.example.net. IN A 192.0.2.1\n"), std::string::npos);
}

// A record that is right may be another's text: a DMARC record above ours, say.
TEST(RecordsView, OctetsThatTerminalsObeyAreSpelledOut) {
    RecordsShown shown;
    shown.domain = shown.zone = "example.com";
    shown.records.push_back(wanted(RecordKind::dmarc, auth::txt_record("_dmarc.example.com", "v=DMARC1; p=none; x=\x1b[31m\xff"), "example.com"));
    for (const RecordForm form : {RecordForm::all, RecordForm::brief, RecordForm::line, RecordForm::zone}) {
        const std::string text = records_text(shown, form);
        EXPECT_EQ(text.find_first_of("\x1b\xff"), std::string::npos) << text;
        EXPECT_NE(text.find("p=none; x="), std::string::npos) << text;
    }
}

TEST(RecordsView, Route53HasTheZonesRecordsAlone) {
    const auto batch = boost::json::parse(records_text(some(), RecordForm::route53));
    ASSERT_EQ(batch.at("Changes").as_array().size(), 2U);
    RecordsShown blind = some();
    blind.records[2].state = WantedRecord::State::unknown;
    EXPECT_NE(records_remarks(blind, RecordForm::route53).find("look before you send this"), std::string::npos);
    EXPECT_EQ(records_remarks(some(), RecordForm::route53).find("look before"), std::string::npos);
}

TEST(RecordsView, ALineForAPanelHasFourFields) {
    EXPECT_EQ(records_text(some(), RecordForm::line).substr(0, 130),
              "-\t1.2.0.192.in-addr.arpa\tPTR\tmail.example.net\nexample.net\tmail\tA\t192.0.2.1\nexample.com\t@\tTXT\tv=spf1 -all\n"
              "example.com\ts._domainkey\t");
}

// What wants more than a record, such as a policy on a web server, is not to be entered by itself.
TEST(RecordsView, LinesForAPanelAreWithoutHints) {
    EXPECT_EQ(records_text(some(), RecordForm::line).find("_mta-sts"), std::string::npos);
    EXPECT_NE(records_text(some(), RecordForm::zone).find(";_mta-sts"), std::string::npos);
}

TEST(RecordsView, SaysThatAllIsThere) {
    RecordsShown none = some();
    none.records.clear();
    EXPECT_EQ(records_text(none, RecordForm::all), "Every record of example.com is there.\n");
}

}  // namespace
}  // namespace posthorn::app
