// DMARC: records, discovery and alignment, with the examples of RFC 7489 appendix B.
#include "auth/dmarc.hpp"

#include <gtest/gtest.h>

#include "support/dns_zone.hpp"

namespace posthorn::auth::dmarc {
namespace {

Discovery find(std::string_view zone, std::string_view from) {
    return test::DnsZone(zone).settle([&](const DnsAnswers& known) { return discover(from, known); });
}

TEST(DmarcRecord, Reads) {   // s6.3
    const Record record = parse("v=DMARC1; p=reject; sp=quarantine; adkim=s; aspf=r; pct=50; rua=mailto:a@example.com, mailto:b@example.net!10m; fo=1").value();
    EXPECT_EQ(record.policy, Policy::reject);
    EXPECT_EQ(record.subdomain_policy, Policy::quarantine);
    EXPECT_EQ(record.dkim, Alignment::strict);
    EXPECT_EQ(record.spf, Alignment::relaxed);
    EXPECT_EQ(record.percent, 50U);
    EXPECT_EQ(record.reports_to, (std::vector<std::string>{"mailto:a@example.com", "mailto:b@example.net!10m"}));
    EXPECT_TRUE(record.complaints.empty());
    EXPECT_EQ(parse(" v = DMARC1 ;p = None;").value().policy, Policy::none);
    EXPECT_EQ(parse("v=DMARC1;p=reject").value().subdomain_policy, Policy::reject);
}

TEST(DmarcRecord, VersionComesFirstAndAsItIs) {   // s6.4
    for (const char* text : {"v=DMARC1", "v=DMARC1;p=none", "v=DMARC1 ; p=none", "V=DMARC1; p=none"}) EXPECT_TRUE(is_record(text)) << text;
    for (const char* text : {"v=dmarc1; p=none", "p=none; v=DMARC1", "v=DMARC10; p=none", "v=spf1 -all", "", ";v=DMARC1"}) EXPECT_FALSE(is_record(text)) << text;
}

TEST(DmarcRecord, WithoutAPolicyItCountsOnlyWhereReportsAreWanted) {   // s6.6.3 step 6
    EXPECT_FALSE(parse("v=DMARC1"));
    EXPECT_FALSE(parse("v=DMARC1; p=monitor"));
    EXPECT_FALSE(parse("v=DMARC1; p=reject; sp=maybe"));
    const Record record = parse("v=DMARC1; p=monitor; rua=mailto:d@example.com").value();
    EXPECT_EQ(record.policy, Policy::none);
    EXPECT_EQ(record.complaints.size(), 1U);
    EXPECT_EQ(parse("v=DMARC1; p=none; pct=lots; adkim=maybe").value().complaints.size(), 2U);
}

TEST(DmarcDiscovery, TheDomainsOwnRecordFirst) {
    const Discovery found = find("_dmarc.news.example.com TXT v=DMARC1; p=none\n_dmarc.example.com TXT v=DMARC1; p=reject", "News.Example.com");
    EXPECT_EQ(found.found, Discovery::Found::record);
    EXPECT_EQ(found.at, "_dmarc.news.example.com");
    EXPECT_FALSE(found.inherited);
    EXPECT_EQ(found.policy(), Policy::none);
}

TEST(DmarcDiscovery, ElseThatOfTheOrganisation) {   // s6.6.3 step 3; sp counts then
    const Discovery found = find("_dmarc.example.co.uk TXT v=DMARC1; p=reject; sp=quarantine", "a.b.example.co.uk");
    EXPECT_EQ(found.found, Discovery::Found::record);
    EXPECT_EQ(found.at, "_dmarc.example.co.uk");
    EXPECT_TRUE(found.inherited);
    EXPECT_EQ(found.policy(), Policy::quarantine);
}

TEST(DmarcDiscovery, NoneBrokenAndUnknown) {
    EXPECT_EQ(find("", "example.com").found, Discovery::Found::none);
    EXPECT_EQ(find("_dmarc.example.com TXT v=spf1 -all", "example.com").found, Discovery::Found::none);
    EXPECT_EQ(find("_dmarc.example.com TXT v=DMARC1; p=no", "example.com").found, Discovery::Found::broken);
    // Step 5: two are none, and the search is over.
    EXPECT_EQ(find("_dmarc.a.example.com TXT v=DMARC1; p=none\n_dmarc.a.example.com TXT v=DMARC1; p=reject\n_dmarc.example.com TXT v=DMARC1; p=none", "a.example.com").found,
              Discovery::Found::broken);
    EXPECT_EQ(find("_dmarc.example.com TXT !", "example.com").found, Discovery::Found::temporary);
    EXPECT_NE(find("", "a.example.com").why.find("_dmarc.example.com"), std::string::npos);
}

TEST(DmarcAlignment, AsInAppendixB) {   // B.1
    EXPECT_TRUE(aligned("example.com", "example.com", Alignment::strict));
    EXPECT_TRUE(aligned("child.example.com", "example.com", Alignment::relaxed));
    EXPECT_FALSE(aligned("child.example.com", "example.com", Alignment::strict));
    EXPECT_TRUE(aligned("Example.COM", "child.example.com", Alignment::relaxed));
    EXPECT_FALSE(aligned("example.net", "child.example.com", Alignment::relaxed));
    EXPECT_FALSE(aligned("one.co.uk", "two.co.uk", Alignment::relaxed));
    EXPECT_FALSE(aligned("", "", Alignment::relaxed));
}

}  // namespace
}  // namespace posthorn::auth::dmarc
