// Records to publish, in each form in which people enter them (SD-8, SD-21).
#include "auth/dns_record.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/array.hpp>
#include <vector>

namespace posthorn::auth {
namespace {

DnsRecord at(std::string name, std::string zone) {
    DnsRecord record = txt_record(std::move(name), "x");
    record.zone = std::move(zone);
    return record;
}

TEST(DnsRecord, HostPartIsTheNameWithinItsZone) {
    EXPECT_EQ(host_part(at("s1._domainkey.example.com", "example.com")), "s1._domainkey");
    EXPECT_EQ(host_part(at("example.com", "example.com")), "@");
    EXPECT_EQ(host_part(at("Example.com", "example.COM")), "@");
    EXPECT_EQ(host_part(at("mail.example.com", "")), "mail.example.com");
    EXPECT_EQ(host_part(at("badexample.com", "example.com")), "badexample.com");
    EXPECT_EQ(host_part(at("s1._domainkey.news.example.com", "example.com")), "s1._domainkey.news");
}

TEST(DnsRecord, ZoneFileCutsTextsAtWhatDnsAllows) {   // RFC 1035 s3.3, s5.1
    EXPECT_EQ(zone_file(txt_record("a.example.com", "v=spf1 -all")), "a.example.com. IN TXT \"v=spf1 -all\"");
    EXPECT_EQ(zone_file(txt_record("a.example.com", std::string(255, 'x'))), "a.example.com. IN TXT \"" + std::string(255, 'x') + "\"");
    EXPECT_EQ(zone_file(txt_record("a.example.com", std::string(300, 'x'))),
              "a.example.com. IN TXT ( \"" + std::string(255, 'x') + "\"\n    \"" + std::string(45, 'x') + "\" )");
    EXPECT_EQ(zone_file(txt_record("a.example.com", "a\"b\\c;\xE9\n")), "a.example.com. IN TXT \"a\\\"b\\\\c;\\233\\010\"");
    EXPECT_EQ(zone_file(txt_record("a.example.com", "")), "a.example.com. IN TXT \"\"");
}

TEST(DnsRecord, NamesInZoneFilesEndInADot) {
    EXPECT_EQ(zone_file(DnsRecord("1.2.0.192.in-addr.arpa", "PTR", "mail.example.com")), "1.2.0.192.in-addr.arpa. IN PTR mail.example.com.");
    EXPECT_EQ(zone_file(DnsRecord("example.com", "MX", "10 mail.example.com")), "example.com. IN MX 10 mail.example.com.");
    EXPECT_EQ(zone_file(DnsRecord("m.example.com", "CNAME", "n.example.com")), "m.example.com. IN CNAME n.example.com.");
    EXPECT_EQ(zone_file(DnsRecord("mail.example.com", "AAAA", "2001:db8::1")), "mail.example.com. IN AAAA 2001:db8::1");
}

TEST(DnsRecord, Route53HasOneSetForEachNameAndType) {
    std::vector<DnsRecord> records = {txt_record("example.com", "v=spf1 -all"), txt_record("s._domainkey.example.com", std::string(300, 'k')),
                                      txt_record("Example.com", "a \"site\" \\ proof \xE9"), txt_record("example.com", "v=spf1 -all"),
                                      DnsRecord("example.com", "MX", "10 mail.example.com")};
    records[1].ttl = std::chrono::seconds(300);
    const boost::json::value batch = boost::json::parse(route53_batch(records, "mail of \"example.com\""));
    EXPECT_EQ(batch.at("Comment").as_string(), "mail of \"example.com\"");
    const boost::json::array& changes = batch.at("Changes").as_array();
    ASSERT_EQ(changes.size(), 3U);
    const auto& apex = changes[0].at("ResourceRecordSet");
    EXPECT_EQ(changes[0].at("Action").as_string(), "UPSERT");
    EXPECT_EQ(apex.at("Name").as_string(), "example.com.");
    EXPECT_EQ(apex.at("TTL").as_int64(), 3600);
    ASSERT_EQ(apex.at("ResourceRecords").as_array().size(), 2U);
    EXPECT_EQ(apex.at("ResourceRecords").at(0).at("Value").as_string(), "\"v=spf1 -all\"");
    EXPECT_EQ(apex.at("ResourceRecords").at(1).at("Value").as_string(), R"("a \"site\" \\ proof \351")");
    const auto& key = changes[1].at("ResourceRecordSet");
    EXPECT_EQ(key.at("TTL").as_int64(), 300);
    EXPECT_EQ(key.at("ResourceRecords").at(0).at("Value").as_string(), "\"" + std::string(255, 'k') + "\" \"" + std::string(45, 'k') + "\"");
    EXPECT_EQ(changes[2].at("ResourceRecordSet").at("Type").as_string(), "MX");
    EXPECT_EQ(changes[2].at("ResourceRecordSet").at("ResourceRecords").at(0).at("Value").as_string(), "10 mail.example.com.");
}

TEST(DnsRecord, OfNothingIsAnEmptyBatch) {
    EXPECT_TRUE(boost::json::parse(route53_batch({}, "")).at("Changes").as_array().empty());
}

TEST(DnsRecord, JsonHasAllForms) {
    DnsRecord record = at("s1._domainkey.example.com", "example.com");
    record.purpose = "DKIM key";
    const boost::json::object json = to_json(record);
    EXPECT_EQ(json.at("host").as_string(), "s1._domainkey");
    EXPECT_EQ(json.at("zone_file").as_string(), "s1._domainkey.example.com. IN TXT \"x\"");
    EXPECT_EQ(json.at("ttl").as_int64(), 3600);
    EXPECT_EQ(json.at("purpose").as_string(), "DKIM key");
}

}  // namespace
}  // namespace posthorn::auth
