// What a domain must publish, and what is found of it: nothing there, all there, each thing wrong, silence, places that differ.
#include "setup/records.hpp"

#include <gtest/gtest.h>

#include "support/dns_zone.hpp"

namespace posthorn::setup {
namespace {

using State = WantedRecord::State;

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }

// A key's text is compared, not used: any will do.
const std::string kKey = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const std::string kOtherKey = "v=DKIM1; k=ed25519; p=22qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

RecordsQuestion question() {
    RecordsQuestion question;
    question.domain = "example.com";
    question.hostname = "mail.example.com";
    question.ips = {ip("192.0.2.1"), ip("2001:db8::1")};
    question.keys.emplace_back("s1", kKey);
    return question;
}

const std::string kReverse6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";

test::DnsZone all_right() {
    return test::DnsZone("example.com SOA ns.example.com\n"
                         "example.com TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all\n"
                         "example.com TXT site-verification=1\n"
                         "example.com MX 10 mx.example.com\n"
                         "mail.example.com A 192.0.2.1\nmail.example.com AAAA 2001:db8::1\n"
                         "mail.example.com TXT v=spf1 a -all\n"
                         "1.2.0.192.in-addr.arpa PTR mail.example.com\n" +
                         kReverse6 + " PTR mail.example.com\n" + "s1._domainkey.example.com TXT " + kKey +
                         "\n"
                         "_dmarc.example.com TXT v=DMARC1; p=reject; rua=mailto:d@example.com\n"
                         "_smtp._tls.example.com TXT v=TLSRPTv1; rua=mailto:t@example.com\n"
                         "_mta-sts.example.com TXT v=STSv1; id=20260101\n");
}

std::vector<WantedRecord> seen(const test::DnsZone& zone, const RecordsQuestion& about = question()) {
    auth::DnsAnswers known;
    for (int round = 0; round < 100; ++round) {
        WantedRecords found = wanted_records(about, known);
        if (found.wanted.empty()) return std::move(found.records);
        for (const auth::DnsQuestion& one : found.wanted) known.add(one, zone.answer(one));
    }
    ADD_FAILURE() << "it never ends";
    return {};
}

const WantedRecord& the(const std::vector<WantedRecord>& records, RecordKind kind) {
    for (const WantedRecord& one : records)
        if (one.kind == kind) return one;
    throw std::runtime_error("no such record: " + std::string(to_string(kind)));
}

bool says(const WantedRecord& record, std::string_view words) { return record.words.find(words) != std::string::npos; }

TEST(WantedRecords, AllIsThere) {
    const auto records = seen(all_right());
    for (const WantedRecord& one : records) EXPECT_EQ(one.state, State::present) << to_string(one.kind) << ": " << one.words;
    ASSERT_EQ(records.size(), 10U);
    EXPECT_EQ(records.front().kind, RecordKind::ptr);  // SD-82: first
    EXPECT_EQ(the(records, RecordKind::spf).record.value, "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all");
    EXPECT_EQ(the(records, RecordKind::spf).others, (std::vector<std::string>{"site-verification=1"}));
    EXPECT_EQ(the(records, RecordKind::dmarc).record.value, "v=DMARC1; p=reject; rua=mailto:d@example.com");
}

TEST(WantedRecords, OfANewDomain) {
    const auto records = seen(test::DnsZone("example.com SOA ns.example.com\n"));
    std::vector<std::string> lines;
    for (const WantedRecord& one : records) {
        EXPECT_EQ(one.state, State::missing) << to_string(one.kind);
        lines.push_back(auth::zone_file(one.record));
        EXPECT_EQ(one.record.zone, one.kind == RecordKind::ptr ? "" : "example.com") << one.record.name;
    }
    EXPECT_EQ(lines, (std::vector<std::string>{
                         "1.2.0.192.in-addr.arpa. IN PTR mail.example.com.", kReverse6 + ". IN PTR mail.example.com.", "mail.example.com. IN A 192.0.2.1",
                         "mail.example.com. IN AAAA 2001:db8::1", "example.com. IN TXT \"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all\"",
                         "s1._domainkey.example.com. IN TXT \"" + kKey + "\"", "_dmarc.example.com. IN TXT \"v=DMARC1; p=none; rua=mailto:postmaster@example.com\"",
                         "mail.example.com. IN TXT \"v=spf1 a -all\""}));  // no MX, no hints
}

TEST(WantedRecords, WithNothingAskedAreThoseOfANewDomainAndUnknown) {
    const WantedRecords offline = wanted_records(question(), auth::DnsAnswers());
    ASSERT_EQ(offline.records.size(), 10U);  // with the hints: whether there is an MX is not known
    for (const WantedRecord& one : offline.records) EXPECT_EQ(one.state, State::unknown) << to_string(one.kind);
    EXPECT_EQ(the(offline.records, RecordKind::spf).record.value, "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all");
    EXPECT_EQ(the(offline.records, RecordKind::dkim).record.zone, "example.com");
    EXPECT_TRUE(says(the(offline.records, RecordKind::spf), "there must be only one"));
    EXPECT_FALSE(offline.wanted.empty());
}

TEST(WantedRecords, WithoutAddressesSpfNamesTheHost) {
    RecordsQuestion about = question();
    about.ips.clear();
    EXPECT_EQ(the(seen(test::DnsZone("example.com SOA x\n"), about), RecordKind::spf).record.value, "v=spf1 a:mail.example.com ~all");
}

TEST(WantedRecords, PtrThatLeadsElsewhere) {
    const auto elsewhere = seen(all_right().remove("PTR", "1.2.0.192.in-addr.arpa").add("1.2.0.192.in-addr.arpa PTR vps1.hoster.example\n"));
    EXPECT_EQ(the(elsewhere, RecordKind::ptr).state, State::differs);
    EXPECT_EQ(the(elsewhere, RecordKind::ptr).found, "vps1.hoster.example");
    EXPECT_TRUE(says(the(elsewhere, RecordKind::ptr), "hoster's control panel"));
    const auto back = seen(all_right()
                               .remove("PTR", "1.2.0.192.in-addr.arpa")
                               .add("1.2.0.192.in-addr.arpa PTR vps1.hoster.example\nvps1.hoster.example A 192.0.2.1\n"));
    EXPECT_EQ(the(back, RecordKind::ptr).state, State::present);
    EXPECT_TRUE(says(the(back, RecordKind::ptr), "would be better"));
}

TEST(WantedRecords, AddressThatIsAnother) {
    const auto records = seen(all_right().remove("A", "mail.example.com").add("mail.example.com A 203.0.113.9\n"));
    const WantedRecord& address = the(records, RecordKind::address);
    EXPECT_EQ(address.state, State::differs);
    EXPECT_EQ(address.found, "203.0.113.9");
    EXPECT_EQ(address.record.value, "192.0.2.1");
}

TEST(WantedRecords, SpfIsMerged) {
    const auto records =
        seen(all_right().remove("TXT", "example.com").add("example.com TXT v=spf1 include:_spf.example.net -all\nexample.com TXT proof\n"
                                                          "_spf.example.net TXT v=spf1 ip4:203.0.113.0/24 -all\n"));
    const WantedRecord& spf = the(records, RecordKind::spf);
    EXPECT_EQ(spf.state, State::differs);
    EXPECT_EQ(spf.found, "v=spf1 include:_spf.example.net -all");
    EXPECT_EQ(spf.record.value, "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 include:_spf.example.net -all");
    EXPECT_TRUE(says(spf, "look-ups: 1 of 10")) << spf.words;
    // Route 53 replaces whole sets (SD-8).
    const std::vector<WantedRecord> one = {spf};
    const auto all = with_neighbours(one);
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[1].value, "proof");
    EXPECT_EQ(all[1].name, "example.com");
}

TEST(WantedRecords, DkimKeysOfAllKinds) {  // SD-46
    const auto with = [](const std::string& text) {
        test::DnsZone zone = all_right().remove("TXT", "s1._domainkey.example.com");
        if (!text.empty()) zone.add("s1._domainkey.example.com TXT " + text + "\n");
        return the(seen(zone), RecordKind::dkim);
    };
    EXPECT_EQ(with("").state, State::missing);
    EXPECT_EQ(with(kOtherKey).state, State::differs);
    EXPECT_TRUE(says(with("v=DKIM1; k=ed25519; p="), "revoked"));
    EXPECT_EQ(with("v=DKIM1; k=ed25519; t=y; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=").state, State::present);
    EXPECT_TRUE(says(with("v=DKIM1; k=ed25519; t=y; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="), "t=y"));
    const WantedRecord two = with(kKey + "\ns1._domainkey.example.com TXT " + kOtherKey);
    EXPECT_EQ(two.state, State::differs);
    EXPECT_TRUE(says(two, "2 records"));
    EXPECT_EQ(two.found, kKey + "\n" + kOtherKey);
}

TEST(WantedRecords, DmarcOfTheDomainAboveCounts) {  // RFC 7489 s6.6.3
    RecordsQuestion about = question();
    about.domain = "news.example.com";
    const auto records = seen(all_right(), about);
    EXPECT_EQ(the(records, RecordKind::dmarc).state, State::present);
    EXPECT_EQ(the(records, RecordKind::dmarc).record.name, "_dmarc.example.com");
    EXPECT_TRUE(says(the(records, RecordKind::dmarc), "none of its own"));
    // news.example.com is no zone of its own.
    EXPECT_EQ(host_part(the(records, RecordKind::dkim).record), "s1._domainkey.news");
}

TEST(WantedRecords, DmarcWithoutReportsIsToldWhatItMisses) {
    const auto records = seen(all_right().remove("TXT", "_dmarc.example.com").add("_dmarc.example.com TXT v=DMARC1; p=none\n"));
    EXPECT_EQ(the(records, RecordKind::dmarc).state, State::present);
    EXPECT_TRUE(says(the(records, RecordKind::dmarc), "rua=mailto:postmaster@example.com"));
}

TEST(WantedRecords, ReportsToAnotherDomainNeedItsConsent) {  // RFC 7489 s7.1, SD-80
    RecordsQuestion about = question();
    about.report_to = "mailto:reports@example.net";
    test::DnsZone zone = all_right().remove("TXT", "_dmarc.example.com");
    auto records = seen(zone, about);
    EXPECT_EQ(the(records, RecordKind::dmarc).record.value, "v=DMARC1; p=none; rua=mailto:reports@example.net");
    EXPECT_EQ(the(records, RecordKind::dmarc_report).state, State::missing);
    EXPECT_EQ(the(records, RecordKind::dmarc_report).record.name, "example.com._report._dmarc.example.net");
    EXPECT_EQ(the(records, RecordKind::dmarc_report).record.zone, "example.net");
    records = seen(zone.add("example.com._report._dmarc.example.net TXT v=DMARC1\n"), about);
    EXPECT_EQ(the(records, RecordKind::dmarc_report).state, State::present);
}

TEST(WantedRecords, HintsOnlyForDomainsThatTakeMail) {
    const auto records = seen(all_right().remove("TXT", "_mta-sts.example.com"));
    EXPECT_EQ(the(records, RecordKind::mta_sts).state, State::missing);
    EXPECT_EQ(the(records, RecordKind::mta_sts).need, Need::hint);
    EXPECT_TRUE(says(the(records, RecordKind::mta_sts), "https://mta-sts.example.com/.well-known/mta-sts.txt"));
    const auto null_mx = seen(all_right().remove("MX", "example.com").add("example.com MX 0 .\n"));
    for (const WantedRecord& one : null_mx) EXPECT_NE(one.need, Need::hint);
}

TEST(WantedRecords, SilenceIsUnknown) {  // never "missing"
    test::DnsZone silent;
    for (const char* name : {"example.com", "mail.example.com", "s1._domainkey.example.com", "_dmarc.example.com", "_smtp._tls.example.com", "_mta-sts.example.com"})
        silent.add(std::string(name) + " TXT !\n");
    silent.add("mail.example.com A !\nmail.example.com AAAA !\nmail.example.com SOA !\nexample.com MX !\n1.2.0.192.in-addr.arpa PTR !\n" + kReverse6 + " PTR !\n");
    for (const WantedRecord& one : seen(silent)) EXPECT_EQ(one.state, State::unknown) << to_string(one.kind);
}

TEST(WantedRecords, WhatStrangersPublishIsSafeToShow) {
    const auto records = seen(all_right().remove("TXT", "s1._domainkey.example.com").add("s1._domainkey.example.com TXT v=DKIM1; p=\x1b[31m\n"));
    EXPECT_EQ(the(records, RecordKind::dkim).found.find('\x1b'), std::string::npos);
    EXPECT_EQ(the(records, RecordKind::dkim).words.find('\x1b'), std::string::npos);
}

TEST(WantedRecords, EachIsPresentOnceItIsPublished) {
    const auto first = seen(test::DnsZone("example.com SOA x\nexample.com MX 10 mx.example.com\n"));
    test::DnsZone after("example.com SOA x\nexample.com MX 10 mx.example.com\n");
    for (const WantedRecord& one : first) after.add(one.record.name + " " + one.record.type + " " + one.record.value + "\n");
    for (const WantedRecord& one : seen(after)) EXPECT_EQ(one.state, State::present) << to_string(one.kind) << ": " << one.words;
}

// SD-6, SD-7.

TEST(Combined, TheZonesServersDecide) {
    const auto old_view = seen(all_right().remove("TXT", "s1._domainkey.example.com"));
    const std::vector<std::vector<WantedRecord>> servers = {seen(all_right()), seen(all_right())};
    const auto records = combine(old_view, servers);
    const WantedRecord& dkim = the(records, RecordKind::dkim);
    EXPECT_EQ(dkim.state, State::present);
    EXPECT_EQ(dkim.at_resolver, State::missing);
    EXPECT_EQ(dkim.ttl, std::chrono::seconds(60));
    EXPECT_TRUE(says(dkim, "for 60 s")) << dkim.words;
    EXPECT_EQ(the(records, RecordKind::spf).words, "DNS look-ups: 0 of 10");
}

TEST(Combined, AServerThatLagsIsTold) {
    const auto without = seen(all_right().remove("TXT", "s1._domainkey.example.com"));
    const std::vector<std::vector<WantedRecord>> servers = {seen(all_right()), without};
    const auto records = combine(seen(all_right()), servers);
    const WantedRecord& dkim = the(records, RecordKind::dkim);
    EXPECT_EQ(dkim.state, State::missing);
    EXPECT_EQ(dkim.at_resolver, State::present);
    EXPECT_TRUE(says(dkim, "1 of the zone's 2 servers"));
}

TEST(Combined, SilentServersHaveNoSay) {
    const std::vector<std::vector<WantedRecord>> servers = {wanted_records(question(), auth::DnsAnswers()).records};
    for (const WantedRecord& one : combine(seen(all_right()), servers)) EXPECT_EQ(one.state, State::present);
}

}  // namespace
}  // namespace posthorn::setup
