// SPF: the RFC's own examples, and a table by topic. tests/interop/spf has the suite of openspf.org.
#include "auth/spf.hpp"

#include <gtest/gtest.h>

#include "auth/spf_macro.hpp"
#include "auth/spf_record.hpp"
#include "support/dns_zone.hpp"

namespace posthorn::auth::spf {
namespace {

IpAddress ip(std::string_view text) {
    return IpAddress::parse(text).value();
}

Outcome judge(const test::DnsZone& zone, std::string_view address, const std::string& domain, const std::string& local = "strong-bad",
              const std::string& helo = "mail.example.org") {
    Subject subject(ip(address), domain, helo);
    subject.local_part = local;
    return zone.settle([&](const DnsAnswers& known) { return evaluate(subject, known); });
}

std::string verdict(const test::DnsZone& zone, std::string_view address, const std::string& domain = "example.com") {
    return std::string(to_string(judge(zone, address, domain).verdict));
}

// RFC 7208 appendix A.

test::DnsZone examples() {
    return test::DnsZone(R"(
example.com MX 10 mail-a.example.com
example.com MX 20 mail-b.example.com
example.com A 192.0.2.10
example.com A 192.0.2.11
amy.example.com A 192.0.2.65
bob.example.com A 192.0.2.66
mail-a.example.com A 192.0.2.129
mail-b.example.com A 192.0.2.130
example.org MX 10 mail-c.example.org
mail-c.example.org A 192.0.2.140
10.2.0.192.in-addr.arpa PTR example.com
65.2.0.192.in-addr.arpa PTR amy.example.com
140.2.0.192.in-addr.arpa PTR mail-c.example.org
129.2.0.192.in-addr.arpa PTR mail-a.example.com
4.0.0.10.in-addr.arpa PTR bob.example.com
mary.mobile-users._spf.example.com A 127.0.0.2
fred.mobile-users._spf.example.com A 127.0.0.2
15.15.168.192.joel.remote-users._spf.example.com A 127.0.0.2
)");
}

TEST(SpfExamples, SimpleOnes) {   // A.1
    struct Case {
        const char* record;
        const char* passes;
        const char* fails;
    };
    for (const Case& one : std::vector<Case>{{"v=spf1 +all", "203.0.113.9", nullptr},
                                             {"v=spf1 a -all", "192.0.2.11", "192.0.2.65"},
                                             {"v=spf1 a:example.org -all", nullptr, "192.0.2.10"},
                                             {"v=spf1 mx -all", "192.0.2.129", "192.0.2.10"},
                                             {"v=spf1 mx:example.org -all", "192.0.2.140", "192.0.2.129"},
                                             {"v=spf1 mx mx:example.org -all", "192.0.2.140", "192.0.2.10"},
                                             {"v=spf1 mx/30 mx:example.org/30 -all", "192.0.2.131", "192.0.2.132"},
                                             {"v=spf1 ptr -all", "192.0.2.65", "192.0.2.140"},
                                             {"v=spf1 ip4:192.0.2.128/28 -all", "192.0.2.143", "192.0.2.65"}}) {
        test::DnsZone zone = examples();
        zone.add(std::string("example.com TXT ") + one.record);
        if (one.passes != nullptr) {
            EXPECT_EQ(verdict(zone, one.passes), "pass") << one.record;
        }
        if (one.fails != nullptr) {
            EXPECT_EQ(verdict(zone, one.fails), "fail") << one.record;
        }
    }
    // A name that leads to a domain but not back proves nothing.
    test::DnsZone zone = examples().add("example.com TXT v=spf1 ptr -all");
    EXPECT_EQ(verdict(zone, "10.0.0.4"), "fail");
}

TEST(SpfExamples, SeveralDomains) {   // A.2
    test::DnsZone zone = examples().add(R"(
example.org TXT v=spf1 include:example.com include:example.net -all
la.example.org TXT v=spf1 redirect=example.org
example.com TXT v=spf1 mx -all
example.net TXT v=spf1 ip4:198.51.100.0/24 -all
)");
    EXPECT_EQ(verdict(zone, "192.0.2.129", "example.org"), "pass");
    EXPECT_EQ(verdict(zone, "198.51.100.7", "la.example.org"), "pass");
    EXPECT_EQ(verdict(zone, "203.0.113.1", "la.example.org"), "fail");
}

TEST(SpfExamples, MobileUsers) {   // A.4
    test::DnsZone zone = examples().add(R"(
example.com TXT v=spf1 mx include:mobile-users._spf.%{d} include:remote-users._spf.%{d} -all
mobile-users._spf.example.com TXT v=spf1 exists:%{l1r+}.%{d}
remote-users._spf.example.com TXT v=spf1 exists:%{ir}.%{l1r+}.%{d}
)");
    EXPECT_EQ(judge(zone, "203.0.113.9", "example.com", "mary").verdict, Verdict::pass);
    EXPECT_EQ(judge(zone, "203.0.113.9", "example.com", "mary+news").verdict, Verdict::pass);   // turned round, the last part: "mary"
    EXPECT_EQ(judge(zone, "203.0.113.9", "example.com", "jane").verdict, Verdict::fail);
    EXPECT_EQ(judge(zone, "192.168.15.15", "example.com", "joel").verdict, Verdict::pass);
    EXPECT_EQ(judge(zone, "192.168.15.16", "example.com", "joel").verdict, Verdict::fail);
}

TEST(SpfMacros, ExpandAsTheRfcShows) {   // s7.4
    MacroValues values(ip("192.0.2.3"));
    values.sender_local = "strong-bad";
    values.sender_domain = values.domain = "email.example.com";
    const auto expanded = [&](std::string_view text) { return expand(text, values); };
    for (const auto& [text, wanted] : std::vector<std::pair<std::string, std::string>>{
             {"%{s}", "strong-bad@email.example.com"},
             {"%{o}", "email.example.com"},
             {"%{d}", "email.example.com"},
             {"%{d4}", "email.example.com"},
             {"%{d3}", "email.example.com"},
             {"%{d2}", "example.com"},
             {"%{d1}", "com"},
             {"%{dr}", "com.example.email"},
             {"%{d2r}", "example.email"},
             {"%{l}", "strong-bad"},
             {"%{l-}", "strong.bad"},
             {"%{lr}", "strong-bad"},
             {"%{lr-}", "bad.strong"},
             {"%{l1r-}", "strong"},
             {"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
             {"%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"},
             {"%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
             {"%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"},
             {"%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"},
             {"%%%_%-", "% %20"}})
        EXPECT_EQ(expanded(text), wanted) << text;
    values.ip = ip("2001:db8::cb01");
    EXPECT_EQ(expanded("%{ir}.%{v}._spf.%{d2}"),
              "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com");
    values.sender_local = "a/b c";
    EXPECT_EQ(expanded("%{L}"), "a%2Fb%20c");
}

TEST(SpfMacros, WhatIsNone) {
    for (const char* text : {"%", "%{", "%{}", "%{x}", "%{d0}", "%{c}", "%{d", "%{dr2}", "%a", "a b", "%{d*}"}) EXPECT_FALSE(is_macro_string(text)) << text;
    for (const char* text : {"", "com", "a.", "a..", "a.123", "%{d}com", "a.b-", "a.b:25"}) EXPECT_FALSE(is_domain_spec(text)) << text;
    for (const char* text : {"%{d}", "a.%{d}", "a.com", "a.com.", "_x.%{i}._spf.example.com"}) EXPECT_TRUE(is_domain_spec(text)) << text;
}

TEST(SpfMacros, ANameThatIsTooLongLosesItsLeft) {   // s7.3
    MacroValues values(ip("192.0.2.3"));
    values.domain = "example.com";
    std::string spec;
    for (int i = 0; i < 30; ++i) spec += "abcdefghi.";
    const std::string name = expand_domain(spec + "%{d}", values);
    EXPECT_LE(name.size(), 253U);
    EXPECT_TRUE(name.ends_with(".abcdefghi.example.com"));
    EXPECT_EQ(expand_domain("a..b.com", values), "");
}

struct Case {
    const char* topic;
    const char* zone;
    const char* ip;
    const char* verdict;
};

class SpfTable : public ::testing::TestWithParam<Case> {};

TEST_P(SpfTable, Gives) {
    const Case& one = GetParam();
    const Outcome outcome = judge(test::DnsZone(one.zone), one.ip, "example.com");
    EXPECT_EQ(to_string(outcome.verdict), one.verdict) << one.topic << ": " << outcome.why;
    const bool needs_words = outcome.verdict == Verdict::none || outcome.verdict == Verdict::temperror || outcome.verdict == Verdict::permerror;
    EXPECT_EQ(outcome.why.empty(), !needs_words && outcome.term != "") << one.topic;
}

const Case kTable[] = {
    {"no record", "example.com TXT hello", "192.0.2.1", "none"},
    {"no name", "example.net TXT v=spf1 +all", "192.0.2.1", "none"},
    {"DNS is silent", "example.com TXT !", "192.0.2.1", "temperror"},
    {"another version", "example.com TXT v=spf10 +all", "192.0.2.1", "none"},
    {"any case", "example.com TXT V=sPf1 IP4:192.0.2.1 -ALL", "192.0.2.1", "pass"},
    {"two records", "example.com TXT v=spf1 +all\nexample.com TXT v=spf1 -all", "192.0.2.1", "permerror"},
    {"beside other texts", "example.com TXT google-site-verification=x\nexample.com TXT v=spf1 +all", "192.0.2.1", "pass"},
    {"nothing matches", "example.com TXT v=spf1 ip4:192.0.2.2", "192.0.2.1", "neutral"},
    {"empty record", "example.com TXT v=spf1", "192.0.2.1", "neutral"},
    {"softfail", "example.com TXT v=spf1 ~all", "192.0.2.1", "softfail"},
    {"question mark", "example.com TXT v=spf1 ?all", "192.0.2.1", "neutral"},
    {"first match decides", "example.com TXT v=spf1 -ip4:192.0.2.1 +all", "192.0.2.1", "fail"},
    {"an error behind the match counts", "example.com TXT v=spf1 ip4:192.0.2.1 foo", "192.0.2.1", "permerror"},
    {"tabs do not separate", "example.com TXT v=spf1 a\t-all", "192.0.2.1", "permerror"},
    {"all takes nothing", "example.com TXT v=spf1 all:example.net", "192.0.2.1", "permerror"},
    {"ip4 without network", "example.com TXT v=spf1 ip4", "192.0.2.1", "permerror"},
    {"ip4 too short", "example.com TXT v=spf1 ip4:192.0.2 -all", "192.0.2.1", "permerror"},
    {"ip4 prefix 33", "example.com TXT v=spf1 ip4:192.0.2.1/33 -all", "192.0.2.1", "permerror"},
    {"ip4 prefix 032", "example.com TXT v=spf1 ip4:192.0.2.1/032 -all", "192.0.2.1", "permerror"},
    {"ip4 prefix 0", "example.com TXT v=spf1 ip4:10.0.0.0/0 -all", "192.0.2.1", "pass"},
    {"ip4 of IPv6", "example.com TXT v=spf1 ip4:0.0.0.0/0 -all", "2001:db8::1", "fail"},
    {"ip6", "example.com TXT v=spf1 ip6:2001:db8::/33 -all", "2001:db8:7fff::1", "pass"},
    {"ip6 outside", "example.com TXT v=spf1 ip6:2001:db8::/33 -all", "2001:db8:8000::1", "fail"},
    {"ip6 of everything", "example.com TXT v=spf1 ip6:::/0 -all", "192.0.2.1", "fail"},
    {"ip6 that is mapped", "example.com TXT v=spf1 ip6:::ffff:192.0.2.1 -all", "192.0.2.1", "fail"},
    {"a mapped client is IPv4", "example.com TXT v=spf1 ip4:192.0.2.1 -all", "::ffff:192.0.2.1", "pass"},
    {"a", "example.com TXT v=spf1 a -all\nexample.com A 192.0.2.1", "192.0.2.1", "pass"},
    {"a by AAAA", "example.com TXT v=spf1 a -all\nexample.com AAAA 2001:db8::1", "2001:db8::1", "pass"},
    {"a with both prefixes", "example.com TXT v=spf1 a/24//64 -all\nexample.com AAAA 2001:db8::1", "2001:db8::2", "pass"},
    {"a of nobody", "example.com TXT v=spf1 a:gone.example.com -all", "192.0.2.1", "fail"},
    {"a is silent", "example.com TXT v=spf1 a -all\nexample.com A !", "192.0.2.1", "temperror"},
    {"a:", "example.com TXT v=spf1 a: -all", "192.0.2.1", "permerror"},
    {"a with a slash at its end", "example.com TXT v=spf1 a:example.com/ -all", "192.0.2.1", "permerror"},
    {"mx does not take the name itself", "example.com TXT v=spf1 mx -all\nexample.com A 192.0.2.1", "192.0.2.1", "fail"},
    {"mx whose host is silent", "example.com TXT v=spf1 mx -all\nexample.com MX 10 m.example.com\nm.example.com A !", "192.0.2.1", "temperror"},
    {"null MX", "example.com TXT v=spf1 mx -all\nexample.com MX 0 .", "192.0.2.1", "fail"},
    {"exists asks A for IPv6, too", "example.com TXT v=spf1 exists:yes.example.com -all\nyes.example.com A 127.0.0.2", "2001:db8::1", "pass"},
    {"exists by AAAA alone", "example.com TXT v=spf1 exists:six.example.com -all\nsix.example.com AAAA 2001:db8::1", "2001:db8::1", "fail"},
    {"exists without a name", "example.com TXT v=spf1 exists -all", "192.0.2.1", "permerror"},
    {"ptr that is silent", "example.com TXT v=spf1 ptr -all\n1.2.0.192.in-addr.arpa PTR !", "192.0.2.1", "fail"},
    {"include that fails goes on", "example.com TXT v=spf1 include:b.example -all\nb.example TXT v=spf1 -all", "192.0.2.1", "fail"},
    {"include that passes, qualified", "example.com TXT v=spf1 ~include:b.example\nb.example TXT v=spf1 +all", "192.0.2.1", "softfail"},
    {"include of no record", "example.com TXT v=spf1 include:b.example +all\nb.example A 192.0.2.1", "192.0.2.1", "permerror"},
    {"include that is silent", "example.com TXT v=spf1 include:b.example +all\nb.example TXT !", "192.0.2.1", "temperror"},
    {"include of a broken record", "example.com TXT v=spf1 include:b.example +all\nb.example TXT v=spf1 foo", "192.0.2.1", "permerror"},
    {"include without a name", "example.com TXT v=spf1 include -all", "192.0.2.1", "permerror"},
    {"include in a circle", "example.com TXT v=spf1 include:b.example\nb.example TXT v=spf1 include:example.com", "192.0.2.1", "permerror"},
    {"redirect", "example.com TXT v=spf1 redirect=b.example\nb.example TXT v=spf1 a:example.com -all\nexample.com A 192.0.2.1", "192.0.2.1", "pass"},
    {"redirect behind all", "example.com TXT v=spf1 redirect=b.example ?all\nb.example TXT v=spf1 +all", "192.0.2.1", "neutral"},
    {"redirect to nothing", "example.com TXT v=spf1 redirect=b.example", "192.0.2.1", "permerror"},
    {"redirect twice", "example.com TXT v=spf1 redirect=b.example redirect=b.example", "192.0.2.1", "permerror"},
    {"redirect with a sign", "example.com TXT v=spf1 -redirect=b.example", "192.0.2.1", "permerror"},
    {"exp is no matter", "example.com TXT v=spf1 exp=why.example.com -all", "192.0.2.1", "fail"},
    {"exp twice", "example.com TXT v=spf1 exp=a.example.com exp=a.example.com -all", "192.0.2.1", "permerror"},
    {"other modifiers", "example.com TXT v=spf1 moo.cow=man:dog/cat +all", "192.0.2.1", "pass"},
    {"a modifier that cannot be", "example.com TXT v=spf1 =x +all", "192.0.2.1", "permerror"},
    {"not ASCII", "example.com TXT v=spf1 a:\xc3\xa4.example.com -all", "192.0.2.1", "permerror"},
    {"three void look-ups", "example.com TXT v=spf1 a:x1.example.com a:x2.example.com a:x3.example.com +all", "192.0.2.1", "permerror"},
    {"two void look-ups", "example.com TXT v=spf1 a:x1.example.com exists:x2.example.com +all", "192.0.2.1", "pass"},
    {"ten look-ups", "example.com A 192.0.2.9\nexample.com TXT v=spf1 a a a a a a a a a a +all", "192.0.2.1", "pass"},
    {"eleven look-ups", "example.com A 192.0.2.9\nexample.com TXT v=spf1 a a a a a a a a a a a +all", "192.0.2.1", "permerror"},
    {"redirect is the eleventh", "example.com A 192.0.2.9\nexample.com TXT v=spf1 a a a a a a a a a a redirect=b.example\nb.example TXT v=spf1 +all", "192.0.2.1",
     "permerror"},
    {"those of an include count", "example.com A 192.0.2.9\nexample.com TXT v=spf1 a a a a a a include:b.example +all\nb.example TXT v=spf1 a:example.com a:example.com "
                                  "a:example.com a:example.com ?all",
     "192.0.2.1", "permerror"},
    {"eleven MX hosts",
     "example.com TXT v=spf1 mx -all\nexample.com MX 1 a.example.com\nexample.com MX 1 b.example.com\nexample.com MX 1 c.example.com\nexample.com MX 1 d.example.com\n"
     "example.com MX 1 e.example.com\nexample.com MX 1 f.example.com\nexample.com MX 1 g.example.com\nexample.com MX 1 h.example.com\nexample.com MX 1 i.example.com\n"
     "example.com MX 1 j.example.com\nexample.com MX 1 k.example.com",
     "192.0.2.1", "permerror"},
};

INSTANTIATE_TEST_SUITE_P(Topics, SpfTable, ::testing::ValuesIn(kTable));

TEST(Spf, SaysWhichTermOfWhichRecordDecided) {
    const test::DnsZone zone("example.com TXT v=spf1 include:_spf.example.net -all\n_spf.example.net TXT v=spf1 ip4:192.0.2.0/24 ~all");
    Outcome outcome = judge(zone, "192.0.2.1", "example.com");
    EXPECT_EQ(outcome.term, "include:_spf.example.net");
    EXPECT_EQ(outcome.domain, "example.com");
    EXPECT_EQ(outcome.lookups, 1U);
    outcome = judge(zone, "203.0.113.1", "example.com");
    EXPECT_EQ(outcome.term, "-all");
}

TEST(Spf, TheHeloNameIsJudgedLikeADomain) {   // s2.3
    const test::DnsZone zone("mail.example.org TXT v=spf1 a -all\nmail.example.org A 192.0.2.1");
    EXPECT_EQ(judge(zone, "192.0.2.1", "mail.example.org", "postmaster").verdict, Verdict::pass);
    EXPECT_EQ(judge(zone, "192.0.2.1", "localhost").verdict, Verdict::none);   // s4.3
    EXPECT_EQ(judge(zone, "192.0.2.1", "[192.0.2.1]").verdict, Verdict::none);
}

TEST(Spf, AsksWhatCanBeAskedAtOnce) {
    const Subject subject(ip("192.0.2.1"), "example.com", "mail.example.com");
    DnsAnswers known;
    DnsAnswer record(DnsStatus::ok), hosts(DnsStatus::ok);
    record.texts = {"v=spf1 mx -all"};
    hosts.texts = {"a.example.com", "b.example.com", "c.example.com"};
    known.add(DnsQuestion(DnsType::txt, "example.com"), record);
    known.add(DnsQuestion(DnsType::mx, "example.com"), hosts);
    const Step step = evaluate(subject, known);
    ASSERT_EQ(step.index(), 0U);
    EXPECT_EQ(std::get<0>(step).size(), 3U);
}

TEST(SpfRecord, Suspicious) {   // Gmail's 4.7.24
    const auto doubts = [](std::string_view text) { return suspicions(parse(text).value()).size(); };
    EXPECT_EQ(doubts("v=spf1 +all"), 1U);
    EXPECT_EQ(doubts("v=spf1 all"), 1U);
    EXPECT_EQ(doubts("v=spf1 ip4:10.0.0.0/8 ip6:2000::/3 a/0 -all"), 3U);
    EXPECT_EQ(doubts("v=spf1 ip4:198.51.100.0/16 ip6:2001:db8::/32 mx a ?all"), 0U);
}

std::string repaired(std::vector<std::string> records, std::initializer_list<std::string_view> addresses) {
    std::vector<IpAddress> list;
    for (const std::string_view address : addresses) list.push_back(ip(address));
    return with_addresses(records, list);
}

TEST(SpfRecord, OurAddressIsPutFirst) {
    EXPECT_EQ(repaired({}, {"192.0.2.1"}), "v=spf1 ip4:192.0.2.1 ~all");
    EXPECT_EQ(repaired({"v=spf1 mx include:_spf.example.net -all"}, {"192.0.2.1", "2001:db8::1"}),
              "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 mx include:_spf.example.net -all");
    EXPECT_EQ(repaired({"v=spf1 redirect=_spf.example.net"}, {"192.0.2.1"}), "v=spf1 ip4:192.0.2.1 redirect=_spf.example.net");
    EXPECT_EQ(repaired({"v=spf1 a"}, {"192.0.2.1"}), "v=spf1 ip4:192.0.2.1 a");
}

TEST(SpfRecord, TwoBecomeOne) {
    EXPECT_EQ(repaired({"v=spf1 mx -all", "v=spf1 include:_spf.example.net mx ~all"}, {"192.0.2.1"}), "v=spf1 ip4:192.0.2.1 mx include:_spf.example.net ~all");
    EXPECT_EQ(repaired({"v=spf1 mx redirect=a.example", "v=spf1 redirect=b.example"}, {"192.0.2.1"}),
              "v=spf1 ip4:192.0.2.1 mx include:b.example redirect=a.example");
}

// Whatever was there: the repaired record passes, whatever limits the old one broke.
TEST(SpfRecord, TheRepairedRecordPasses) {
    for (const char* old : {"v=spf1 -all", "v=spf1 foo -all", "v=spf1 a a a a a a a a a a a a a -all", "v=spf1 include:gone.example -all", "v=spf1 -ip4:192.0.2.0/24 ~all",
                            "v=spf1 exists:x.gone a:x.gone mx:x.gone ptr ip4:1.2.3.4/99", "v=spf1"}) {
        const std::string fixed = repaired({old}, {"192.0.2.1"});
        EXPECT_EQ(verdict(test::DnsZone("example.com TXT " + fixed), "192.0.2.1"), "pass") << fixed;
    }
}

// SD-77: the tree of terms with what each costs, past the term that matches and past the limit.

Survey look_at(const test::DnsZone& zone, std::string_view address, const std::string& domain) {
    const Subject subject(ip(address), domain, "mail.example.org");
    return zone.settle([&](const DnsAnswers& known) { return survey(subject, known); });
}

TEST(SpfSurvey, EveryTermWithItsCost) {
    const test::DnsZone zone(R"(
example.com TXT v=spf1 ip4:192.0.2.1 include:a.example.net mx -all
a.example.net TXT v=spf1 a:gone.example.net include:b.example.net ~all
b.example.net TXT v=spf1 ip4:198.51.100.1 ?all
example.com MX 10 mx.example.com
mx.example.com A 203.0.113.9
)");
    const Survey found = look_at(zone, "192.0.2.1", "example.com");
    EXPECT_EQ(found.lookups, 4U);
    EXPECT_EQ(found.void_lookups, 1U);
    EXPECT_TRUE(found.complete);
    ASSERT_EQ(found.terms.size(), 9U);
    EXPECT_TRUE(found.terms[0].matches) << "ip4:192.0.2.1";
    EXPECT_EQ(found.terms[1].term, "include:a.example.net");
    EXPECT_EQ(found.terms[1].lookups, 3U);
    EXPECT_EQ(found.terms[1].void_lookups, 1U);
    EXPECT_EQ(found.terms[2].depth, 1U);
    EXPECT_EQ(found.terms[2].domain, "a.example.net");
    EXPECT_EQ(found.terms[4].depth, 2U);
    EXPECT_EQ(found.terms[7].term, "mx");
    EXPECT_EQ(found.terms[8].term, "-all");
}

TEST(SpfSurvey, CountsBeyondTheLimitAndEndsWhereRecordsIncludeThemselves) {
    std::string zone = "example.com TXT v=spf1";
    for (int i = 0; i < 12; ++i) zone += " include:s" + std::to_string(i) + ".example.net";
    zone += " -all\n";
    for (int i = 0; i < 12; ++i) zone += "s" + std::to_string(i) + ".example.net TXT v=spf1 ip4:198.51.100." + std::to_string(i) + " ~all\n";
    const Survey many = look_at(test::DnsZone(zone), "192.0.2.1", "example.com");
    EXPECT_EQ(many.lookups, 12U);
    const Survey endless = look_at(test::DnsZone("example.com TXT v=spf1 include:example.com include:example.com -all\n"), "192.0.2.1", "example.com");
    EXPECT_FALSE(endless.complete);
    EXPECT_LE(endless.terms.size(), 100U);
    const Survey redirected = look_at(test::DnsZone("example.com TXT v=spf1 redirect=b.example\nb.example TXT v=spf1 a -all\n"), "192.0.2.1", "example.com");
    EXPECT_EQ(redirected.lookups, 2U);
    EXPECT_EQ(redirected.terms.front().term, "redirect=b.example");
}

}  // namespace
}  // namespace posthorn::auth::spf
