// Findings as a report: the worst first, reverse DNS before its equals, exit codes, 80 columns, keys side by side.
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <fstream>
#include <iterator>

#include "base/text.hpp"
#include "doctor/examination.hpp"
#include "doctor/finding.hpp"
#include "doctor/key_difference.hpp"
#include "doctor/made.hpp"
#include "doctor/report_text.hpp"

namespace posthorn::doctor {
namespace {

Finding one(std::string check, Verdict verdict) {
    return made(std::move(check), "example.com", verdict, "Title", "detail");
}

// SD-82.
TEST(Report, WorstFirstAndReverseDnsBeforeItsEquals) {
    const Report report = report_of({one("spf", Verdict::pass), one("dkim", Verdict::fail), one("dmarc", Verdict::warn), one("ptr", Verdict::fail)});
    ASSERT_EQ(report.findings.size(), 4U);
    EXPECT_EQ(report.findings[0].check, "ptr");
    EXPECT_EQ(report.findings[1].check, "dkim");
    EXPECT_EQ(report.findings[2].check, "dmarc");
    EXPECT_EQ(report.findings[3].check, "spf");
    EXPECT_EQ(checks().front().id, "ptr");
}

TEST(Report, ExitCodes) {
    EXPECT_EQ(exit_code_of(report_of({one("spf", Verdict::pass), one("urls", Verdict::skipped)}), true), 0);
    EXPECT_EQ(exit_code_of(report_of({one("spf", Verdict::warn)}), false), 0);
    EXPECT_EQ(exit_code_of(report_of({one("spf", Verdict::warn)}), true), 1);
    EXPECT_EQ(exit_code_of(report_of({one("spf", Verdict::unknown)}), true), 75);
    EXPECT_EQ(exit_code_of(report_of({one("spf", Verdict::unknown), one("ptr", Verdict::fail)}), false), 1);
    EXPECT_EQ(exit_code_of(report_of({}), false), 75) << "nothing was looked at is no health";
}

TEST(Report, MeaningForAllThreeOrTheOneThatWasAskedFor) {
    EXPECT_EQ(report_of({one("spf", Verdict::fail)}).findings[0].meaning.size(), 3U);
    const Report gmail = report_of({one("spf", Verdict::fail)}, "gmail");
    ASSERT_EQ(gmail.findings[0].meaning.size(), 1U);
    EXPECT_EQ(gmail.findings[0].meaning[0].provider, "gmail");
    EXPECT_TRUE(report_of({one("spf", Verdict::pass)}).findings[0].meaning.empty());
}

TEST(Report, EveryCheckHasADifferentName) {
    std::vector<std::string_view> ids;
    for (const Check& check : checks()) {
        EXPECT_EQ(std::count(ids.begin(), ids.end(), check.id), 0) << check.id;
        ids.push_back(check.id);
    }
}

// The end of setup: what was just shown as missing is not told a second time, all else is.
TEST(Report, VerdictWithoutWhatIsKnown) {
    Finding dkim = one("dkim", Verdict::fail);
    dkim.records = {"m1._domainkey.example.com. IN TXT ( \"v=DKIM1; k=rsa; p=AAAA\"\n    \"BBBB\" )"};
    Finding helo = one("helo", Verdict::fail);
    helo.records = {"mail.example.com. IN A 192.0.2.1"};
    const Report report =
        report_of({dkim, helo, one("alignment", Verdict::fail), one("clock", Verdict::warn), one("disk", Verdict::pass), one("queue", Verdict::skipped)});
    const std::vector<std::string> known = {"m1._domainkey.example.com. IN TXT \"v=DKIM1; p=other\"", "mail.example.com. IN AAAA 2001:db8::1"};
    const std::string some = verdict_text(report, known, {});
    EXPECT_TRUE(some.starts_with(report.verdict)) << some;
    Finding config = one("config", Verdict::warn);
    config.detail = "the DKIM key m1 of example.com is not in use before its record is there\nthe DKIM key m2 of example.com is not in use";
    const std::string half = verdict_text(report_of({config}), known, {});
    EXPECT_EQ(half.find("key m1"), std::string::npos) << half;
    EXPECT_NE(half.find("key m2"), std::string::npos) << half;
    config.detail.erase(config.detail.find('\n'));
    EXPECT_EQ(verdict_text(report_of({config}), known, {}).find("[config]"), std::string::npos);
    for (const char* told : {"[helo]", "[clock]", "2 of that come from the records above"}) EXPECT_NE(some.find(told), std::string::npos) << told << "\n" << some;
    for (const char* left_out : {"[dkim]", "[alignment]", "[disk]", "[queue]"}) EXPECT_EQ(some.find(left_out), std::string::npos) << left_out << "\n" << some;
    const std::string all = verdict_text(report, {}, {});
    for (const char* told : {"[dkim]", "[alignment]", "[helo]", "[clock]"}) EXPECT_NE(all.find(told), std::string::npos) << told << "\n" << all;
    EXPECT_EQ(all.find("the records above"), std::string::npos) << all;
}

// docs/DOCTOR.md explains every check, and none that there is not.
TEST(Report, TheManualListsEveryCheck) {
    std::ifstream file(std::string(POSTHORN_SOURCE_DIR) + "/docs/DOCTOR.md");
    const std::string manual((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::size_t rows = 0;
    for (const Check& check : checks()) EXPECT_NE(manual.find("\n| `" + std::string(check.id) + "` |"), std::string::npos) << check.id;
    const std::size_t table = manual.find("## The checks");
    ASSERT_NE(table, std::string::npos);
    for (std::size_t at = manual.find("\n| `", table); at != std::string::npos; at = manual.find("\n| `", at + 1)) ++rows;
    EXPECT_EQ(rows, checks().size());
}

TEST(Report, EightyColumnsButRecordsWhole) {
    Finding finding = one("dkim", Verdict::fail);
    finding.detail = "what was found is told in a sentence that is much longer than any terminal is wide, so that it has to be broken somewhere";
    finding.repair = finding.detail;
    const std::string record = "s1._domainkey.example.com. IN TXT \"v=DKIM1; k=rsa; p=" + std::string(200, 'A') + "\"";
    finding.records.push_back(record);
    finding.seen.differs = true;
    finding.seen.at_authority = finding.detail;
    finding.seen.ttl = std::chrono::seconds(321);
    const std::string text = to_text(report_of({finding, one("spf", Verdict::pass)}), {});
    bool whole = false;
    for (const std::string_view line : text::split(text, '\n')) {
        if (line == record)
            whole = true;
        else
            EXPECT_LE(line.size(), 80U) << line;
    }
    EXPECT_TRUE(whole) << text;
    EXPECT_NE(text.find("321 s more"), std::string::npos);
    EXPECT_EQ(text.find('\x1b'), std::string::npos) << "no colour unless asked for";
    // The answer stands at the top and at the bottom.
    const std::string answer = text.substr(0, text.find('\n') + 1);
    EXPECT_EQ(text.substr(text.size() - answer.size()), answer);
    TextOptions colour;
    colour.colour = true;
    EXPECT_NE(to_text(report_of({finding}), colour).find("\x1b[1;31m"), std::string::npos);
}

TEST(Report, ColumnsHang) {
    EXPECT_EQ(wrapped("Gmail    one two three four", 2, 20), "  Gmail    one two\n           three\n           four\n");
    EXPECT_EQ(wrapped("one two three four", 2, 11), "  one two\n  three\n  four\n");
    EXPECT_EQ(wrapped("  a  b", 2, 80), "    a  b\n");
    EXPECT_EQ(wrapped("averyveryverylongword x", 0, 10), "averyveryverylongword\nx\n");
}

// PR-1, PR-8: what each provider asks for, from the findings themselves.
TEST(Report, Standings) {
    std::vector<Finding> findings;
    for (const char* const check : {"ptr", "spf", "alignment", "dmarc", "sender-domain"}) findings.push_back(one(check, Verdict::pass));
    EXPECT_TRUE(report_of(findings).standings.empty()) << "without a look at DKIM nothing can be said";
    findings.push_back(one("dkim", Verdict::fail));
    const Report report = report_of(findings);
    ASSERT_EQ(report.standings.size(), 3U);
    EXPECT_EQ(report.standings[0].provider, "gmail");
    EXPECT_EQ(report.standings[0].words, "enough for few messages; for many are missing: DKIM");
    EXPECT_EQ(report_of(findings, "yahoo").standings.size(), 1U);
    findings.back().verdict = Verdict::pass;
    EXPECT_EQ(report_of(findings).standings[2].words, "nothing is missing");
}

TEST(Report, Json) {
    const std::string json = boost::json::serialize(to_json(report_of({one("ptr", Verdict::fail)})));
    EXPECT_NE(json.find(R"("check":"ptr")"), std::string::npos) << json;
    EXPECT_NE(json.find(R"("FAIL":1)"), std::string::npos) << json;
}

// SD-22: character by character.
TEST(KeyDifference, FirstCharacterThatDiffers) {
    const std::string ours = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAabcdef";
    std::string other = ours;
    other[30] = '#';
    const std::string words = key_difference("v=DKIM1; k=rsa; p=" + other, ours);
    const std::vector<std::string_view> lines = text::split(words, '\n');
    ASSERT_EQ(lines.size(), 3U);
    const std::size_t mark = lines[2].find('^');
    EXPECT_EQ(lines[0][mark], '#') << words;
    EXPECT_EQ(lines[1][mark], ours[30]) << words;
    // Cut short: the mark stands where it ends.
    const std::string cut = key_difference("p=" + ours.substr(0, 20), ours);
    EXPECT_EQ(text::split(cut, '\n')[2].find('^'), text::split(cut, '\n')[0].size()) << cut;
    EXPECT_TRUE(key_difference("v=DKIM1; p=" + ours.substr(0, 9) + " " + ours.substr(9), ours).empty()) << "blanks in p= do not count";
    EXPECT_TRUE(key_difference("v=DKIM1; p=", ours).empty());
}

// SD-6, SD-7.
TEST(Combine, TheZoneDecidesAndBothAreShown) {
    std::vector<Finding> resolver = {one("dkim", Verdict::fail)};
    resolver[0].detail = "there is no such record";
    resolver[0].seen.ttl = std::chrono::seconds(500);
    std::vector<Finding> zone = {one("dkim", Verdict::pass)};
    zone[0].detail = "the key is the one on disk";
    const std::vector<std::vector<Finding>> both = {zone, zone};
    std::vector<Finding> combined = combine(resolver, both);
    EXPECT_EQ(combined[0].verdict, Verdict::pass);
    EXPECT_TRUE(combined[0].seen.differs);
    EXPECT_EQ(combined[0].seen.at_resolver, "there is no such record");
    EXPECT_EQ(combined[0].seen.ttl, std::chrono::seconds(500));
    EXPECT_NE(combined[0].detail.find("500 s more"), std::string::npos) << combined[0].detail;
    // One server that is behind makes it a failure.
    std::vector<Finding> behind = {one("dkim", Verdict::fail)};
    const std::vector<std::vector<Finding>> split = {zone, behind};
    combined = combine(resolver, split);
    EXPECT_EQ(combined[0].verdict, Verdict::fail);
    EXPECT_NE(combined[0].detail.find("1 of the zone's 2 servers"), std::string::npos) << combined[0].detail;
}

TEST(Combine, AZoneThatOnlyTheResolverDoesNotSeeIsBrokenDnssec) {
    std::vector<Finding> resolver = {one("dnssec", Verdict::unknown)};
    const std::vector<std::vector<Finding>> zone = {{one("dnssec", Verdict::pass)}};
    EXPECT_EQ(combine(resolver, zone)[0].verdict, Verdict::fail);
    const std::vector<std::vector<Finding>> nobody = {{one("dnssec", Verdict::unknown)}};
    EXPECT_EQ(combine(resolver, nobody)[0].verdict, Verdict::unknown);
}

}  // namespace
}  // namespace posthorn::doctor
