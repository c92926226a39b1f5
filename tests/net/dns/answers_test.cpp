// What mail makes of DNS records: the rules, on records made by hand, without a network.
#include "dns/answers.hpp"

#include <gtest/gtest.h>

namespace posthorn::dns {
namespace {

using std::chrono::seconds;

Record record(const std::string& owner, RecordType type, std::string text, std::uint16_t preference = 0,
              seconds ttl = seconds(300)) {
    Record made;
    made.owner = owner;
    made.type = type;
    made.ttl = ttl;
    made.preference = preference;
    made.text = std::move(text);
    return made;
}

Lookup found(const std::string& name, std::vector<Record> records, bool authenticated = false) {
    Lookup lookup;
    lookup.status = Status::ok;
    lookup.final_name = name;
    lookup.records = std::move(records);
    lookup.ttl = seconds(300);
    lookup.authenticated = authenticated;
    return lookup;
}

Lookup nothing(const std::string& name, Status status) {
    Lookup lookup;
    lookup.status = status;
    lookup.final_name = name;
    lookup.detail = "why";
    return lookup;
}

std::vector<std::string> names(const MxAnswer& answer) {
    std::vector<std::string> list;
    for (const MxHost& host : answer.hosts) {
        list.push_back(host.name);
    }
    return list;
}

// RFC 7505 s3: "." alone says that there is no mail; beside others it is a mistake, and the others count
// (SMTP-27).
TEST(MxRules, NullMxAloneAndAmongOthers) {
    const MxAnswer alone = mx_answer(found("d.test", {record("d.test", RecordType::mx, "")}), "d.test");
    EXPECT_TRUE(alone.null_mx);
    EXPECT_TRUE(alone.hosts.empty());
    const MxAnswer twice = mx_answer(
        found("d.test", {record("d.test", RecordType::mx, "", 0), record("d.test", RecordType::mx, "", 5)}),
        "d.test");
    EXPECT_TRUE(twice.null_mx);
    const MxAnswer mixed = mx_answer(found("d.test", {record("d.test", RecordType::mx, "", 0),
                                                      record("d.test", RecordType::mx, "mx.test", 9)}),
                                     "d.test");
    EXPECT_FALSE(mixed.null_mx);
    EXPECT_EQ(names(mixed), std::vector<std::string>{"mx.test"});
}

TEST(MxRules, OnlyAnEmptyListIsImplicit) {  // RFC 5321 s5.1, SMTP-22, SMTP-23
    EXPECT_TRUE(mx_answer(nothing("d.test", Status::no_data), "d.test").implicit);
    for (const Status status : {Status::nxdomain, Status::temporary}) {
        const MxAnswer answer = mx_answer(nothing("d.test", status), "d.test");
        EXPECT_FALSE(answer.implicit);
        EXPECT_TRUE(answer.hosts.empty());
        EXPECT_EQ(answer.status, status);
        EXPECT_EQ(answer.detail, "why");
    }
}

TEST(MxRules, ThousandsOfHostsAreCutToTheBest) {
    std::vector<Record> many;
    for (int i = 3000; i > 0; --i) {
        many.push_back(record("d.test", RecordType::mx, "h" + std::to_string(i) + ".test",
                              static_cast<std::uint16_t>(i)));
    }
    const MxAnswer answer = mx_answer(found("d.test", std::move(many)), "d.test");
    ASSERT_EQ(answer.hosts.size(), kMaxMxHosts);
    EXPECT_EQ(answer.hosts.front().name, "h1.test");
    EXPECT_EQ(answer.hosts.back().preference, kMaxMxHosts);
}

TEST(MxRules, OurOwnShortageIsPassedOn) {
    Lookup shortage = nothing("d.test", Status::temporary);
    shortage.local_shortage = true;
    EXPECT_TRUE(mx_answer(shortage, "d.test").local_shortage);
    EXPECT_TRUE(txt_answer(shortage).local_shortage);
    EXPECT_TRUE(tlsa_answer(shortage, "d.test").local_shortage);
    EXPECT_TRUE(ptr_answer(shortage).local_shortage);
    const Lookup none = nothing("d.test", Status::no_data);
    EXPECT_TRUE(address_answer(&shortage, &none, "d.test").local_shortage);
    EXPECT_TRUE(address_answer(&none, &shortage, "d.test").local_shortage);
    EXPECT_EQ(address_answer(&none, &shortage, "d.test").status, Status::temporary);
}

Lookup v4_of(const std::string& name, bool authenticated) {
    return found(name, {record(name, RecordType::a, std::string("\xC0\x00\x02\x01", 4))}, authenticated);
}
Lookup v6_of(const std::string& name, bool authenticated) {
    return found(name, {record(name, RecordType::aaaa, std::string(16, '\x20'))}, authenticated);
}

TEST(AddressRules, OneFamilyThatFailsTakesNothingFromTheOther) {
    const Lookup failed = nothing("h.test", Status::temporary);
    const Lookup v4 = v4_of("h.test", true);
    const AddressAnswer answer = address_answer(&v4, &failed, "h.test");
    EXPECT_EQ(answer.status, Status::ok);
    EXPECT_EQ(answer.v4.size(), 1U);
    EXPECT_EQ(answer.detail, "why");
    EXPECT_TRUE(answer.authenticated) << "of what is used";
}

TEST(AddressRules, AllThatIsUsedMustBeAuthenticated) {  // RFC 7672 s2.1.3
    for (const bool four : {true, false}) {
        for (const bool six : {true, false}) {
            const Lookup v4 = v4_of("h.test", four);
            const Lookup v6 = v6_of("h.test", six);
            EXPECT_EQ(address_answer(&v4, &v6, "h.test").authenticated, four && six);
        }
    }
}

// RFC 7672 s2.2.3, DA-7.
TEST(AddressRules, AliasesAndTheirSecurity) {
    const Lookup v4 = v4_of("target.test", false);
    AddressAnswer answer = address_answer(&v4, nullptr, "alias.test");
    EXPECT_EQ(answer.cname_target, "target.test");
    EXPECT_FALSE(answer.alias_authenticated);
    add_alias(answer, found("alias.test", {record("alias.test", RecordType::cname, "target.test")}, true));
    EXPECT_TRUE(answer.alias_authenticated);
    EXPECT_FALSE(answer.authenticated);
    add_alias(answer, found("alias.test", {record("alias.test", RecordType::cname, "target.test")}, false));
    EXPECT_FALSE(answer.alias_authenticated);
    EXPECT_EQ(answer.status, Status::ok);
    add_alias(answer, nothing("alias.test", Status::temporary));
    EXPECT_EQ(answer.status, Status::temporary) << "nobody knows whether DANE applies";

    const Lookup secure = v4_of("target.test", true);
    EXPECT_TRUE(address_answer(&secure, nullptr, "alias.test").alias_authenticated);
    EXPECT_FALSE(address_answer(&secure, nullptr, "target.test").alias_authenticated) << "no alias";
}

TEST(AddressRules, ThousandsAreCut) {
    std::vector<Record> many(5000, record("h.test", RecordType::a, std::string("\x01\x02\x03\x04", 4)));
    const Lookup v4 = found("h.test", std::move(many));
    EXPECT_EQ(address_answer(&v4, nullptr, "h.test").v4.size(), kMaxAddresses);
}

TEST(TlsaRules, FieldsAreReadAsTheyAre) {  // RFC 6698 s2.1
    const TlsaAnswer answer = tlsa_answer(
        found("_25._tcp.h.test",
              {record("_25._tcp.h.test", RecordType::tlsa, std::string("\x03\x01\x01", 3) + "abc"),
               record("_25._tcp.h.test", RecordType::tlsa, std::string("\xFF\x00\x02", 3))},
              true),
        "_25._tcp.h.test");
    ASSERT_EQ(answer.records.size(), 2U);
    EXPECT_EQ(answer.records[0], TlsaRecord(3, 1, 1, "abc"));
    EXPECT_EQ(answer.records[1], TlsaRecord(255, 0, 2, ""));
    EXPECT_TRUE(answer.authenticated);
    EXPECT_EQ(answer.cname_target, "");
}

TEST(PtrRules, ReverseNames) {
    EXPECT_EQ(reverse_name(*IpAddress::parse("192.0.2.7")), "7.2.0.192.in-addr.arpa");
    EXPECT_EQ(reverse_name(*IpAddress::parse("2001:db8::1")),
              "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

}  // namespace
}  // namespace posthorn::dns
