// Facts from zones: what is found, which repair is named, and that the repair repairs.
#include "delivery/examination.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "auth/dkim/record.hpp"
#include "support/dns_zone.hpp"

namespace posthorn::delivery {
namespace {

IpAddress ip(std::string_view text) {
    return IpAddress::parse(text).value();
}

const auth::dkim::PrivateKeyPtr& key() {
    static const auth::dkim::PrivateKeyPtr made = auth::dkim::PrivateKey::generate(auth::dkim::Algorithm::ed25519).value();
    return made;
}

DiagnosisQuestion question() {
    DiagnosisQuestion question;
    question.from_domain = question.mail_from_domain = "example.com";
    question.helo = "mail.example.com";
    question.ips = {ip("192.0.2.1")};
    question.signatures.emplace_back("example.com", "s1", key());
    return question;
}

std::string published() {
    return "s1._domainkey.example.com TXT " + auth::dkim::key_record("example.com", "s1", *key()).value + "\n";
}

// All is well there.
test::DnsZone good() {
    return test::DnsZone(R"(
example.com SOA ns.example.com
example.com MX 10 mail.example.com
example.com TXT v=spf1 mx -all
_dmarc.example.com TXT v=DMARC1; p=none
mail.example.com A 192.0.2.1
1.2.0.192.in-addr.arpa PTR mail.example.com
)").add(published());
}

std::vector<Fact> facts(const test::DnsZone& zone, const DiagnosisQuestion& about = question()) {
    auth::DnsAnswers known;
    for (int round = 0; round < 50; ++round) {
        Examination found = examine(about, known);
        if (found.wanted.empty()) return found.facts;
        for (const auth::DnsQuestion& wanted : found.wanted) known.add(wanted, zone.answer(wanted));
    }
    ADD_FAILURE() << "it never ends";
    return {};
}

Fact the(FactKind kind, const std::vector<Fact>& facts) {
    const auto found = std::find_if(facts.begin(), facts.end(), [&](const Fact& fact) { return fact.kind == kind; });
    return found == facts.end() ? Fact() : *found;
}

bool has(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

TEST(Examination, AllIsWell) {
    for (const Fact& fact : facts(good())) {
        EXPECT_EQ(fact.result, FactResult::pass) << to_string(fact.kind) << ": " << fact.detail;
        EXPECT_EQ(fact.repair, "");
    }
    EXPECT_EQ(facts(good()).size(), 8U);
}

TEST(Examination, NothingIsWell) {
    const std::vector<Fact> all = facts(test::DnsZone());
    for (const Fact& fact : all) {
        if (fact.kind == FactKind::spf_helo) continue;   // without a record nothing says no
        EXPECT_EQ(fact.result, FactResult::fail) << to_string(fact.kind) << ": " << fact.detail;
        EXPECT_NE(fact.repair, "") << to_string(fact.kind);
        EXPECT_NE(fact.detail, "") << to_string(fact.kind);
    }
    EXPECT_EQ(the(FactKind::spf, all).record, "example.com. IN TXT \"v=spf1 ip4:192.0.2.1 ~all\"");
    EXPECT_EQ(the(FactKind::dkim, all).record, zone_file(auth::dkim::key_record("example.com", "s1", *key())));
    EXPECT_EQ(the(FactKind::dmarc, all).record, "_dmarc.example.com. IN TXT \"v=DMARC1; p=none\"");
    EXPECT_EQ(the(FactKind::ptr, all).record, "1.2.0.192.in-addr.arpa. IN PTR mail.example.com.");
    EXPECT_TRUE(has(the(FactKind::ptr, all).repair, "hoster")) << the(FactKind::ptr, all).repair;
    EXPECT_EQ(the(FactKind::helo, all).record, "mail.example.com. IN A 192.0.2.1");
}

// PR-51: no answer is not "there is none".
TEST(Examination, SilenceIsUnknown) {
    auth::DnsAnswers known;
    std::vector<Fact> all;
    for (int round = 0; round < 50; ++round) {
        Examination found = examine(question(), known);
        all = found.facts;
        if (found.wanted.empty()) break;
        for (const auth::DnsQuestion& wanted : found.wanted) known.add(wanted, auth::DnsAnswer(auth::DnsStatus::temporary));
    }
    for (const Fact& fact : all) EXPECT_EQ(fact.result, FactResult::unknown) << to_string(fact.kind) << ": " << fact.detail;
    EXPECT_EQ(all.size(), 8U);
}

TEST(ExaminedSpf, TwoRecordsAreMerged) {
    test::DnsZone zone = good();
    zone.add("example.com TXT v=spf1 include:_spf.example.net ~all\n_spf.example.net TXT v=spf1 -all");
    const Fact fact = the(FactKind::spf, facts(zone));
    EXPECT_EQ(fact.result, FactResult::fail);
    EXPECT_TRUE(has(fact.detail, "permerror")) << fact.detail;
    EXPECT_TRUE(has(fact.repair, "in place of its 2 SPF records")) << fact.repair;
    EXPECT_EQ(fact.record, "example.com. IN TXT \"v=spf1 ip4:192.0.2.1 mx include:_spf.example.net ~all\"");
}

TEST(ExaminedSpf, OfSeveralAddressesThoseThatFailAreAdded) {
    DiagnosisQuestion about = question();
    about.ips.push_back(ip("2001:db8::1"));
    const std::vector<Fact> all = facts(good(), about);
    ASSERT_EQ(all[0].subject, "example.com from 192.0.2.1");
    EXPECT_EQ(all[0].result, FactResult::pass);
    ASSERT_EQ(all[1].subject, "example.com from 2001:db8::1");
    EXPECT_EQ(all[1].result, FactResult::fail);
    EXPECT_EQ(all[1].record, "example.com. IN TXT \"v=spf1 ip6:2001:db8::1 mx -all\"");
}

// Gmail's 4.7.24 comes although SPF passes.
TEST(ExaminedSpf, ASuspiciousRecordFails) {
    test::DnsZone zone = good();
    zone.remove("TXT", "example.com").add("example.com TXT v=spf1 +all");
    const Fact fact = the(FactKind::spf, facts(zone));
    EXPECT_EQ(fact.result, FactResult::fail);
    EXPECT_TRUE(has(fact.detail, "4.7.24")) << fact.detail;
    EXPECT_TRUE(has(fact.repair, "ip4:192.0.2.1")) << fact.repair;
}

// RFC 7208 s2.4: mail with the null sender has the EHLO name's SPF.
TEST(ExaminedSpf, OfTheNullSender) {
    DiagnosisQuestion about = question();
    about.mail_from_domain.clear();
    test::DnsZone zone = good();
    zone.add("mail.example.com TXT v=spf1 a -all");
    const std::vector<Fact> all = facts(zone, about);
    EXPECT_EQ(the(FactKind::spf, all).subject, "mail.example.com from 192.0.2.1");
    EXPECT_EQ(the(FactKind::spf, all).result, FactResult::pass);
    EXPECT_EQ(the(FactKind::alignment, all).result, FactResult::pass);
}

TEST(ExaminedSpf, OfTheHeloName) {
    test::DnsZone zone = good();
    zone.add("mail.example.com TXT v=spf1 -all");
    const Fact fact = the(FactKind::spf_helo, facts(zone));
    EXPECT_EQ(fact.result, FactResult::fail);
    EXPECT_EQ(fact.record, "mail.example.com. IN TXT \"v=spf1 ip4:192.0.2.1 -all\"");
}

// PR-32.
TEST(ExaminedSpf, OfFromWhereMailFromIsAnother) {
    DiagnosisQuestion about = question();
    about.mail_from_domain = "bounce.example.com";
    test::DnsZone zone = good();
    zone.add("bounce.example.com TXT v=spf1 ip4:192.0.2.1 -all\nbounce.example.com MX 10 mail.example.com");
    EXPECT_EQ(the(FactKind::spf_from, facts(zone, about)).result, FactResult::pass);
    EXPECT_EQ(the(FactKind::spf_from, facts(good())).subject, "") << "one domain, one fact";
    zone.remove("TXT", "example.com");
    const Fact none = the(FactKind::spf_from, facts(zone, about));
    EXPECT_EQ(none.result, FactResult::fail);
    EXPECT_EQ(none.record, "example.com. IN TXT \"v=spf1 ip4:192.0.2.1 ~all\"");
}

TEST(ExaminedDkim, OtherKeysAndUnsignedMail) {
    test::DnsZone zone = good();
    zone.remove("TXT", "s1._domainkey.example.com").add("s1._domainkey.example.com TXT v=DKIM1; k=ed25519; p=");
    Fact fact = the(FactKind::dkim, facts(zone));
    EXPECT_EQ(fact.result, FactResult::fail);
    EXPECT_TRUE(has(fact.detail, "revoked")) << fact.detail;
    DiagnosisQuestion about = question();
    about.signatures.clear();
    about.unsigned_reason = "domain example.com has no DKIM key";
    fact = the(FactKind::dkim, facts(good(), about));
    EXPECT_EQ(fact.result, FactResult::fail);
    EXPECT_TRUE(has(fact.detail, "has no DKIM key"));
    EXPECT_TRUE(has(fact.repair, "what the reason names")) << "a reason has its remedy with it";
}

TEST(ExaminedDmarc, SuggestsWhereTheOrganisationIs) {
    DiagnosisQuestion about = question();
    about.from_domain = "news.example.com";
    about.report_to = "mailto:postmaster@example.com";
    test::DnsZone zone = good();
    zone.remove("TXT", "_dmarc.example.com");
    EXPECT_EQ(the(FactKind::dmarc, facts(zone, about)).record, "_dmarc.example.com. IN TXT \"v=DMARC1; p=none; rua=mailto:postmaster@example.com\"");
    zone.add("_dmarc.news.example.com TXT v=DMARC1; p=whatever");
    EXPECT_EQ(the(FactKind::dmarc, facts(zone, about)).record, "_dmarc.news.example.com. IN TXT \"v=DMARC1; p=none; rua=mailto:postmaster@example.com\"");
}

// PR-9, RFC 7489 s3.1: what passes must be aligned.
TEST(ExaminedAlignment, NeedsSomethingThatPasses) {
    DiagnosisQuestion about = question();
    about.from_domain = "example.net";
    test::DnsZone zone = good();
    zone.add("example.net SOA x\nexample.net A 192.0.2.1\n_dmarc.example.net TXT v=DMARC1; p=reject");
    Fact fact = the(FactKind::alignment, facts(zone, about));
    EXPECT_EQ(fact.result, FactResult::fail);
    EXPECT_TRUE(has(fact.detail, "neither of which speaks for")) << fact.detail;
    // A key that is not in DNS and MAIL FROM of somebody else: aligned, but in vain.
    about = question();
    about.mail_from_domain = "example.net";
    zone = good();
    zone.remove("TXT", "s1._domainkey.example.com");
    fact = the(FactKind::alignment, facts(zone, about));
    EXPECT_EQ(fact.result, FactResult::fail);
    EXPECT_TRUE(has(fact.detail, "does not pass")) << fact.detail;
}

TEST(ExaminedAlignment, StrictAndRelaxed) {
    DiagnosisQuestion about = question();
    about.from_domain = "news.example.com";
    about.mail_from_domain = "bounce.example.com";
    test::DnsZone zone = good();
    zone.add("bounce.example.com TXT v=spf1 ip4:192.0.2.1 -all");
    EXPECT_EQ(the(FactKind::alignment, facts(zone, about)).result, FactResult::pass);
    zone.remove("TXT", "_dmarc.example.com").add("_dmarc.example.com TXT v=DMARC1; p=reject; aspf=s; adkim=s");
    const Fact strict = the(FactKind::alignment, facts(zone, about));
    EXPECT_EQ(strict.result, FactResult::fail);
    EXPECT_TRUE(has(strict.detail, "very same name")) << strict.detail;
}

TEST(ExaminedAlignment, IsOpenWhileTheKeyIsUnknown) {
    DiagnosisQuestion about = question();
    about.mail_from_domain = "example.net";
    test::DnsZone zone = good();
    zone.remove("TXT", "s1._domainkey.example.com").add("s1._domainkey.example.com TXT !");
    EXPECT_EQ(the(FactKind::alignment, facts(zone, about)).result, FactResult::unknown);
}

// PR-2, PR-20.
TEST(ExaminedPtr, MustLeadBack) {
    test::DnsZone zone = good();
    zone.remove("PTR", "1.2.0.192.in-addr.arpa").add("1.2.0.192.in-addr.arpa PTR host.hoster.example");
    Fact fact = the(FactKind::ptr, facts(zone));
    EXPECT_EQ(fact.result, FactResult::fail);
    EXPECT_TRUE(has(fact.detail, "has no such address")) << fact.detail;
    zone.add("host.hoster.example A !");
    EXPECT_EQ(the(FactKind::ptr, facts(zone)).result, FactResult::unknown);
    zone.remove("A", "host.hoster.example").add("host.hoster.example A 192.0.2.1");
    EXPECT_EQ(the(FactKind::ptr, facts(zone)).result, FactResult::pass);
    zone.add("1.2.0.192.in-addr.arpa PTR v192-0-2-1.hoster.example\nv192-0-2-1.hoster.example A 192.0.2.1").remove("A", "host.hoster.example");
    fact = the(FactKind::ptr, facts(zone));
    EXPECT_EQ(fact.result, FactResult::pass);
    EXPECT_TRUE(has(fact.detail, "looks like one that a hoster gives")) << fact.detail;
}

TEST(ExaminedPtr, AnyOctetsMayBeInAName) {
    test::DnsZone zone = good();
    zone.remove("PTR", "1.2.0.192.in-addr.arpa").add("1.2.0.192.in-addr.arpa PTR \x1b[2J\xff.example");
    const Fact fact = the(FactKind::ptr, facts(zone));
    EXPECT_EQ(fact.result, FactResult::fail);
    for (const std::string& words : {fact.detail, fact.repair, fact.record}) {
        EXPECT_FALSE(text::has_control(words)) << words;
        EXPECT_TRUE(text::is_utf8(words)) << words;
    }
    EXPECT_EQ(fact.record, "");
}

// PR-18, PR-32, RFC 7505.
TEST(ExaminedSenderDomain, ExistsAndTakesMail) {
    test::DnsZone zone = good();
    zone.remove("MX", "example.com").add("example.com MX 0 .");
    Fact fact = the(FactKind::sender_domain, facts(zone));
    EXPECT_EQ(fact.result, FactResult::fail);
    EXPECT_TRUE(has(fact.detail, "null MX")) << fact.detail;
    zone.remove("MX", "example.com");
    fact = the(FactKind::sender_domain, facts(zone));
    EXPECT_EQ(fact.result, FactResult::fail);
    EXPECT_EQ(fact.record, "example.com. IN MX 10 mail.example.com.");
    zone.add("example.com AAAA 2001:db8::1");
    EXPECT_EQ(the(FactKind::sender_domain, facts(zone)).result, FactResult::pass);
    DiagnosisQuestion about = question();
    about.mail_from_domain = "gone.example.com";
    const std::vector<Fact> all = facts(good(), about);
    const auto gone = std::find_if(all.begin(), all.end(), [](const Fact& one) { return one.kind == FactKind::sender_domain && one.subject == "gone.example.com"; });
    ASSERT_NE(gone, all.end());
    EXPECT_TRUE(has(gone->detail, "does not exist")) << gone->detail;
}

TEST(ExaminedHelo, HasOurAddress) {
    DiagnosisQuestion about = question();
    about.ips = {ip("198.51.100.7")};
    const Fact fact = the(FactKind::helo, facts(good(), about));
    EXPECT_EQ(fact.result, FactResult::fail);
    EXPECT_EQ(fact.record, "mail.example.com. IN A 198.51.100.7");
}

// Where the peer named no address, it is that of the EHLO name: right behind NAT, too.
TEST(OwnAddresses, AreThoseOfTheHeloName) {
    DiagnosisQuestion about = question();
    about.ips.clear();
    const std::vector<auth::DnsQuestion> asked = ask_own_addresses(about);
    ASSERT_EQ(asked.size(), 2U);
    const test::DnsZone zone("mail.example.com A 192.0.2.1\nmail.example.com A 10.0.0.1\nmail.example.com AAAA 2001:db8::1");
    auth::DnsAnswers known;
    for (const auth::DnsQuestion& one : asked) known.add(one, zone.answer(one));
    EXPECT_EQ(own_addresses(about, known), (std::vector<IpAddress>{ip("192.0.2.1"), ip("2001:db8::1")}));
    about.ipv6 = false;
    EXPECT_EQ(own_addresses(about, known), (std::vector<IpAddress>{ip("192.0.2.1")}));
    EXPECT_TRUE(ask_own_addresses(question()).empty());
}

TEST(OwnZones, AreThoseOfOurDomainsAndAddresses) {
    for (const char* name : {"example.com", "_dmarc.example.com", "s1._domainkey.example.com", "1.2.0.192.in-addr.arpa"}) EXPECT_TRUE(is_ours(question(), name)) << name;
    for (const char* name : {"_spf.google.com", "example.net", "notexample.com", "2.2.0.192.in-addr.arpa"}) EXPECT_FALSE(is_ours(question(), name)) << name;
}

Fact one_fact(FactResult result, int ttl = 0) {
    Fact fact;
    fact.kind = FactKind::spf;
    fact.subject = "example.com from 192.0.2.1";
    fact.result = result;
    fact.detail = std::string("SPF: ") + std::string(to_string(result));
    fact.ttl = std::chrono::seconds(ttl);
    if (result == FactResult::fail) fact.repair = "do it";
    return fact;
}

Fact combined(FactResult at_resolver, std::vector<FactResult> at_authorities) {
    std::vector<std::vector<Fact>> views;
    for (const FactResult result : at_authorities) views.push_back({one_fact(result)});
    return combine({one_fact(at_resolver, 77)}, views).front();
}

TEST(Combined, TheZonesServersDecideWhereTheyAnswer) {
    constexpr FactResult kPass = FactResult::pass, kFail = FactResult::fail, kUnknown = FactResult::unknown;
    struct Case {
        FactResult resolver;
        std::vector<FactResult> authorities;
        FactResult result;
        bool at_authority, at_resolver;
        const char* words;
    };
    for (const Case& one : std::vector<Case>{{kPass, {kPass, kPass}, kPass, true, true, ""},
                                             {kFail, {kPass, kPass}, kPass, true, false, "old answer for 77 s"},
                                             {kUnknown, {kPass}, kPass, true, false, ""},
                                             {kPass, {kFail, kFail}, kFail, false, true, "older answer that passes"},
                                             {kFail, {kFail}, kFail, false, false, ""},
                                             {kPass, {kPass, kFail}, kFail, false, true, "1 of the zone's 2 servers"},
                                             {kFail, {kUnknown, kPass}, kPass, true, false, "77 s"},      // a dead secondary has no say
                                             {kPass, {kUnknown, kUnknown}, kPass, false, true, ""},
                                             {kFail, {}, kFail, false, false, ""},
                                             {kUnknown, {}, kUnknown, false, false, ""}}) {
        const Fact fact = combined(one.resolver, one.authorities);
        EXPECT_EQ(fact.result, one.result) << fact.detail;
        EXPECT_EQ(fact.at_authority, one.at_authority) << fact.detail;
        EXPECT_EQ(fact.at_resolver, one.at_resolver) << fact.detail;
        EXPECT_EQ(fact.ttl, std::chrono::seconds(77));
        EXPECT_TRUE(has(fact.detail, one.words)) << fact.detail;
        EXPECT_EQ(fact.repair.empty(), fact.result != FactResult::fail);
    }
}

}  // namespace
}  // namespace posthorn::delivery
