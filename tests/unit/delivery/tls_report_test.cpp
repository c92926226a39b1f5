// TLS results and reports: counting, the TXT record, JSON, gzip and the mail of RFC 8460 (RPT-1 to RPT-4, RPT-6).
#include "delivery/tls_report.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "base/base64.hpp"
#include "base/text.hpp"
#include "delivery/plan.hpp"
#include "delivery/tls_report_text.hpp"

namespace posthorn::delivery {
namespace {

using std::chrono::hours;

const Day kDay = *parse_day("2026-11-22");
const TimePoint kNoon = TimePoint(kDay) + hours(12);

TlsResult result(TlsResultType type, const std::string& domain = "example.com") {
    TlsResult one;
    one.policy_domain = domain;
    one.policy_type = TlsPolicyType::sts;
    one.policy_strings = {"version: STSv1", "mode: enforce", "mx: *.example.com", "max_age: 604800"};
    one.mx_patterns = {"*.example.com"};
    one.result = type;
    if (type != TlsResultType::success) {
        one.sending_address = "192.0.2.1";
        one.receiving_mx = "mx1.example.com";
        one.receiving_address = "198.51.100.2";
        one.receiving_helo = "mx1";
        one.detail = "certificate has expired";
    }
    return one;
}

Reporter reporter() { return {"mail.example.net", "Example Network", "tls@example.net"}; }

TlsDay counted() {
    TlsResults results;
    results.note(result(TlsResultType::success), kNoon);
    results.note(result(TlsResultType::success), kNoon);
    results.note(result(TlsResultType::certificate_expired), kNoon);
    results.note(result(TlsResultType::certificate_expired), kNoon);
    results.note(result(TlsResultType::starttls_not_supported), kNoon);
    return *results.find(kDay, "example.com");
}

std::string gunzipped(const std::string& octets) {
    z_stream stream{};
    EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
    std::string out(100000, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(octets.data()));
    stream.avail_in = static_cast<uInt>(octets.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    inflateEnd(&stream);
    return out;
}

TEST(TlsDays, AreUtcAndReadBack) {   // RPT-2
    EXPECT_EQ(to_string(day_of(TimePoint(kDay) + hours(24) - Duration(1))), "2026-11-22");
    EXPECT_EQ(to_string(day_of(TimePoint(kDay) + hours(24))), "2026-11-23");
    for (const char* wrong : {"", "2026-11-31", "2026-13-01", "2026-1-1", "22.11.2026", "2026-11-2x"}) EXPECT_FALSE(parse_day(wrong)) << wrong;
}

// RFC 8460 s4.1, s5.5: after a random part of the delay, and no longer than a day behind the whole of it.
TEST(TlsDays, ReportsAreSpreadAndGivenUp) {   // RPT-2, RPT-4
    const TimePoint midnight(kDay + std::chrono::days(1));
    EXPECT_EQ(report_due(kDay, hours(4), 0.0), midnight);
    EXPECT_EQ(report_due(kDay, hours(4), 0.5), midnight + hours(2));
    EXPECT_EQ(report_due(kDay, hours(4), 1.0), midnight + hours(4));
    EXPECT_EQ(report_due(kDay, Duration(0), 0.7), midnight);
    EXPECT_FALSE(report_is_too_late(kDay, hours(4), midnight + hours(28)));
    EXPECT_TRUE(report_is_too_late(kDay, hours(4), midnight + hours(28) + Duration(1)));
}

TEST(TlsNames, AreThoseOfTheRfc) {   // RPT-3
    for (const char* name : {"starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted",
                             "validation-failure", "tlsa-invalid", "dnssec-invalid", "dane-required", "sts-policy-fetch-error",
                             "sts-policy-invalid", "sts-webpki-invalid"}) {
        ASSERT_TRUE(parse_tls_result_type(name)) << name;
        EXPECT_EQ(to_string(*parse_tls_result_type(name)), name);
    }
    for (const char* name : {"tlsa", "sts", "no-policy-found"}) {
        ASSERT_TRUE(parse_tls_policy_type(name)) << name;
        EXPECT_EQ(to_string(*parse_tls_policy_type(name)), name);
    }
    EXPECT_FALSE(parse_tls_result_type("bad"));
}

TEST(TlsCounts, ByDayDomainAndPolicy) {   // RPT-2
    TlsResults results;
    results.note(result(TlsResultType::success, "Example.COM"), kNoon);
    results.note(result(TlsResultType::success), kNoon + hours(12));
    TlsResult other = result(TlsResultType::success);
    other.policy_type = TlsPolicyType::no_policy_found;
    other.policy_strings.clear();
    results.note(other, kNoon);
    EXPECT_EQ(results.days(), (std::vector<Day>{kDay, kDay + std::chrono::days(1)}));
    EXPECT_EQ(results.domains(kDay), std::vector<std::string>{"example.com"});
    ASSERT_EQ(results.find(kDay, "example.com")->policies.size(), 2U);
    EXPECT_EQ(results.find(kDay, "example.com")->sessions(), 2U);
    EXPECT_EQ(results.take_changed().size(), 2U);
    EXPECT_TRUE(results.take_changed().empty());
    results.forget(kDay, "example.com");
    EXPECT_EQ(results.days().size(), 1U);
}

TEST(TlsCounts, AreBounded) {
    TlsResults results;
    for (std::size_t i = 0; i < TlsResults::kMaxFailures + 50; ++i) {
        TlsResult one = result(TlsResultType::validation_failure);
        one.detail = std::to_string(i);
        results.note(std::move(one), kNoon);
    }
    const TlsPolicyCount& policy = results.find(kDay, "example.com")->policies.front();
    EXPECT_EQ(policy.failures, TlsResults::kMaxFailures + 50);
    EXPECT_EQ(policy.details.size(), TlsResults::kMaxFailures + 1);
    std::uint64_t all = 0;
    for (const auto& [failure, sessions] : policy.details) all += sessions;
    EXPECT_EQ(all, policy.failures);   // every session is in some detail
    for (int i = 0; i < 50; ++i) {
        TlsResult one = result(TlsResultType::success);
        one.policy_strings.push_back(std::to_string(i));
        results.note(std::move(one), kNoon);
    }
    EXPECT_EQ(results.find(kDay, "example.com")->policies.size(), TlsResults::kMaxPolicies);
    EXPECT_EQ(results.find(kDay, "example.com")->sessions(), TlsResults::kMaxFailures + 100);
    for (std::size_t i = 0; i <= TlsResults::kMaxDomains; ++i) results.note(result(TlsResultType::success, std::to_string(i)), kNoon);
    EXPECT_EQ(results.domains(kDay).size(), TlsResults::kMaxDomains);
    EXPECT_EQ(results.totals().left_out, 2U);
}

// A domain may have a policy of 64 KiB and a hundred failures, and whoever sends mail any number of domains.
TEST(TlsCounts, OctetsAreBounded) {
    TlsResults results;
    for (int i = 0; i < 3000; ++i) {
        TlsResult one = result(TlsResultType::validation_failure, "d" + std::to_string(i) + ".test");
        one.policy_strings.assign(100, std::string(500, 'x'));
        one.detail = std::string(500, 'y');
        results.note(std::move(one), kNoon);
    }
    EXPECT_GE(results.octets(), TlsResults::kMaxOctets);
    EXPECT_LT(results.octets(), TlsResults::kMaxOctets + 3 * 1024 * 1024);
    const TlsDay* last = results.find(kDay, "d2999.test");
    ASSERT_NE(last, nullptr);
    EXPECT_EQ(last->sessions(), 1U);             // still counted
    EXPECT_TRUE(last->policies.front().strings.empty());
    for (const std::string& domain : results.domains(kDay)) results.forget(kDay, domain);
    EXPECT_EQ(results.octets(), 0U);
    results.restore(counted());
    EXPECT_GT(results.octets(), 0U);
    results.forget(kDay, "example.com");
    EXPECT_EQ(results.octets(), 0U);
}

// RFC 8460 asks no receiver whether he wants to be one.
TEST(ReportBudget, IsOfOneReceiverAndDay) {
    ReportBudget budget;
    const Day next = kDay + std::chrono::days(1);
    for (std::uint32_t i = 0; i < ReportBudget::kMaxOfReceiver; ++i) EXPECT_TRUE(budget.take(kDay, "victim.test"));
    EXPECT_FALSE(budget.take(kDay, "victim.test"));
    EXPECT_TRUE(budget.take(kDay, "other.test"));
    EXPECT_TRUE(budget.take(next, "victim.test"));
    budget.give_back(kDay, "victim.test");
    EXPECT_TRUE(budget.take(kDay, "victim.test"));
    EXPECT_FALSE(budget.take(kDay, "victim.test"));
    budget.forget_before(next);
    EXPECT_TRUE(budget.take(kDay, "victim.test"));
}

TEST(TlsCounts, TotalsAreKeptWithoutReports) {   // RPT-6
    TlsResults results;
    results.enable(false);
    results.note(result(TlsResultType::certificate_expired), kNoon);
    EXPECT_TRUE(results.days().empty());
    EXPECT_EQ(results.totals().sessions.at(TlsResultType::certificate_expired), 1U);
}

TEST(TlsCounts, SurviveARestart) {
    const TlsDay day = counted();
    const Result<TlsDay> again = from_remembered_day(remembered_form(day));
    ASSERT_TRUE(again) << again.error().what;
    EXPECT_EQ(remembered_form(*again), remembered_form(day));
    TlsResults results;
    results.note(result(TlsResultType::success), kNoon);
    results.restore(*again);
    EXPECT_EQ(results.find(kDay, "example.com")->sessions(), day.sessions() + 1);
    EXPECT_EQ(results.find(kDay, "example.com")->policies.front().details, day.policies.front().details);
    for (const char* damaged : {"", "{", "[]", "{}", R"({"day":"x","domain":"a","policies":[]})",
                                R"({"day":"2026-11-22","domain":"a","policies":[{"policy":{"policy-type":"new"},"summary":{}}]})"})
        EXPECT_FALSE(from_remembered_day(damaged)) << damaged;
}

std::string addresses_of(const std::vector<std::string>& texts) {
    std::string all;
    for (const ReportAddress& one : parse_report_record(texts).addresses)
        all += one.by_mail() ? one.mailbox + " " : one.host + ":" + std::to_string(one.port) + one.target + " ";
    return all;
}

TEST(ReportRecords, NameWhereReportsGo) {   // RPT-1, RFC 8460 s3
    EXPECT_EQ(addresses_of({"v=TLSRPTv1; rua=mailto:reports@example.com"}), "reports@example.com ");
    EXPECT_EQ(addresses_of({"v=TLSRPTv1;rua=https://reporting.example.com/v1/tlsrpt"}), "reporting.example.com:443/v1/tlsrpt ");
    EXPECT_EQ(addresses_of({"v=TLSRPTv1; rua=mailto:a%2Cb@example.com?subject=x , https://R.example.com:8443?a=b#c; x=y;"}),
              "r.example.com:8443/?a=b ");   // a comma in a local part has to be quoted in SMTP: that one is passed over
    EXPECT_EQ(addresses_of({"v=spf1 -all", "v=TLSRPTv1; rua=mailto:tls%2Brua@example.com"}), "tls+rua@example.com ");
    EXPECT_EQ(parse_report_record({"v=spf1 -all"}).why, "");
    EXPECT_EQ(addresses_of({"v=TLSRPTv1; rua=mailto:a@b.test,mailto:a@b.test?x,MAILTO:a@b.test#y,https://b.test/,https://b.test/"}),
              "a@b.test b.test:443/ ");
    const ReportRecord both = parse_report_record({"v=TLSRPTv1; rua=mailto:a@Sub.B.test, https://C.test/x"});
    ASSERT_EQ(both.addresses.size(), 2U);
    EXPECT_EQ(both.addresses[0].receiver(), "sub.b.test");
    EXPECT_EQ(both.addresses[1].receiver(), "c.test");
}

TEST(ReportRecords, UrisAreVisibleAndShort) {   // they go to the log and the disk, also behind what is used of them
    for (const std::string& wrong : {std::string("mailto:a@b.test?x\ry"), std::string("mailto:a@b.test?x\x1b[2J"), std::string("https://b.test/a#b c"),
                                     std::string("mailto:a@b.test?\xc3\xa4"), "mailto:a@b.test?" + std::string(2000, 'x')})
        EXPECT_EQ(addresses_of({"v=TLSRPTv1; rua=" + wrong}), "") << wrong;
}

TEST(ReportRecords, WrongOnesAreNone) {   // RPT-1: exactly one
    EXPECT_EQ(parse_report_record({"v=TLSRPTv1; rua=mailto:a@b.c", "v=TLSRPTv1; rua=mailto:a@b.c"}).why,
              "it has 2 TLSRPT TXT records where one is allowed");
    for (const char* wrong : {"v=TLSRPTv1;", "v=TLSRPTv1; rua=", "v=TLSRPTv1; rua=mailto:", "v=TLSRPTv1; rua=mailto:nobody",
                              "v=TLSRPTv1; rua=mailto:a%0d%0ax@example.com", "v=TLSRPTv1; rua=mailto:a%zz@example.com",
                              "v=TLSRPTv1; rua=http://example.com/", "v=TLSRPTv1; rua=https://", "v=TLSRPTv1; rua=https://127.0.0.1/",
                              "v=TLSRPTv1; rua=https://example.com:0/", "v=TLSRPTv1; rua=https://example.com:x/",
                              "v=TLSRPTv1; rua=https://u@example.com/"}) {
        EXPECT_EQ(addresses_of({wrong}), "") << wrong;
        EXPECT_NE(parse_report_record({wrong}).why, "") << wrong;
    }
    std::string many = "v=TLSRPTv1; rua=mailto:a@b.c";
    for (int i = 0; i < 20; ++i) many += ",mailto:a" + std::to_string(i) + "@b.c";
    EXPECT_EQ(parse_report_record({many}).addresses.size(), kMaxReportAddresses);
}

TEST(Reports, TheJsonOfTheRfc) {   // RPT-2, RFC 8460 s4.4
    const boost::json::value value = boost::json::parse(report_json(reporter(), counted()));
    const boost::json::object& report = value.as_object();
    EXPECT_EQ(report.at("organization-name").as_string(), "Example Network");
    EXPECT_EQ(report.at("contact-info").as_string(), "tls@example.net");
    EXPECT_EQ(report.at("date-range").as_object().at("start-datetime").as_string(), "2026-11-22T00:00:00Z");
    EXPECT_EQ(report.at("date-range").as_object().at("end-datetime").as_string(), "2026-11-22T23:59:59Z");
    EXPECT_TRUE(report.at("report-id").is_string());
    const boost::json::object& policy = report.at("policies").as_array().at(0).as_object();   // an array, also of one
    EXPECT_EQ(policy.at("policy").as_object().at("policy-type").as_string(), "sts");
    EXPECT_EQ(policy.at("policy").as_object().at("policy-domain").as_string(), "example.com");
    EXPECT_EQ(policy.at("policy").as_object().at("policy-string").as_array().size(), 4U);
    EXPECT_EQ(policy.at("policy").as_object().at("mx-host").as_array().at(0).as_string(), "*.example.com");
    EXPECT_EQ(policy.at("summary").as_object().at("total-successful-session-count").to_number<int>(), 2);
    EXPECT_EQ(policy.at("summary").as_object().at("total-failure-session-count").to_number<int>(), 3);
    const boost::json::array& details = policy.at("failure-details").as_array();
    ASSERT_EQ(details.size(), 2U);
    const boost::json::object& expired = details.at(1).as_object();
    EXPECT_EQ(expired.at("result-type").as_string(), "certificate-expired");
    EXPECT_EQ(expired.at("failed-session-count").to_number<int>(), 2);
    EXPECT_EQ(expired.at("sending-mta-ip").as_string(), "192.0.2.1");
    EXPECT_EQ(expired.at("receiving-mx-hostname").as_string(), "mx1.example.com");
    EXPECT_EQ(expired.at("receiving-mx-helo").as_string(), "mx1");
    EXPECT_EQ(expired.at("receiving-ip").as_string(), "198.51.100.2");
    EXPECT_EQ(expired.at("failure-reason-code").as_string(), "certificate has expired");
}

TEST(Reports, HostileWordsOfPeersStayText) {
    TlsResults results;
    TlsResult one = result(TlsResultType::validation_failure);
    one.receiving_helo = "\x80\xff\n\"x";
    one.detail = std::string(5000, 'x');
    results.note(std::move(one), kNoon);
    const std::string json = report_json(reporter(), *results.find(kDay, "example.com"));
    EXPECT_NO_THROW((void)boost::json::parse(json));
    EXPECT_LT(json.size(), 2000U);
}

TEST(Reports, NameAndIdAreTheSameForTheSameDay) {   // RPT-4
    const TlsDay day = counted();
    EXPECT_EQ(report_id(reporter(), day), report_id(reporter(), day));
    TlsDay next = day;
    next.day += std::chrono::days(1);
    EXPECT_NE(report_id(reporter(), day), report_id(reporter(), next));
    const std::string begin = std::to_string(std::chrono::duration_cast<std::chrono::seconds>(kDay.time_since_epoch()).count());
    const std::string name = report_file_name(reporter(), day);
    EXPECT_TRUE(name.starts_with("mail.example.net!example.com!" + begin + "!")) << name;
    EXPECT_TRUE(name.ends_with("!" + report_number(reporter(), day) + ".json.gz")) << name;
}

TEST(Reports, TheMailOfTheRfc) {   // RPT-4, RFC 8460 s5.3
    ReportAddress to = parse_report_record({"v=TLSRPTv1; rua=mailto:rua@example.com"}).addresses.front();
    const queue::NewMessage added = make_report_mail(reporter(), counted(), to, QueueId(77), kNoon + hours(24));
    const mail::Message& message = *added.message;
    EXPECT_EQ(message.reverse_path, "tls@example.net");
    EXPECT_EQ(message.expires_at, kNoon + hours(48));   // RFC 8460 s5.5: no retries after a day
    ASSERT_EQ(added.recipients.size(), 1U);
    EXPECT_EQ(added.recipients.front().recipient.address, "rua@example.com");
    EXPECT_EQ(added.recipients.front().recipient.notify, mail::Notify::never);
    EXPECT_EQ(added.recipients.front().domain, "example.com");
    EXPECT_TRUE(terms_of(message).ignore_policy);   // delivered though what it reports stands against it
    for (const char* field : {"From: <tls@example.net>\r\n", "TLS-Report-Domain: example.com\r\n",
                              "TLS-Report-Submitter: mail.example.net\r\n", "TLS-Required: No\r\n", "MIME-Version: 1.0\r\n",
                              "Subject: Report Domain: example.com\r\n Submitter: mail.example.net\r\n Report-ID: <",
                              "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n"})
        EXPECT_NE(message.header.find(field), std::string::npos) << field << message.header;
    const std::string& body = *message.body.bytes;
    EXPECT_NE(body.find("Content-Type: application/tlsrpt+gzip\r\n"), std::string::npos);
    EXPECT_NE(body.find("filename=\"" + report_file_name(reporter(), counted()) + "\""), std::string::npos);
    EXPECT_LE(message.body.facts.longest_line, 998U);
    const std::size_t begin = body.find("\r\n\r\n", body.find("application/tlsrpt+gzip")) + 4;
    const auto octets = base64_decode_folded(body.substr(begin, body.find("\r\n--", begin) - begin));
    ASSERT_TRUE(octets);
    EXPECT_EQ(gunzipped(*octets), report_json(reporter(), counted()));
}

}  // namespace
}  // namespace posthorn::delivery
