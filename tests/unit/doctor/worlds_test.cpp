// What the doctor finds in the worlds of tests/worlds (SD-5, and what each world cites).
#include "doctor/examination.hpp"
#include "support/world_test.hpp"

namespace posthorn::doctor {
namespace {

using auth::DnsAnswers;
using auth::DnsQuestion;
using test::DnsWorld;
using test::WorldExpectation;

Question question_of(const test::WorldSender& sender) {
    Question question;
    delivery::DiagnosisQuestion domain;
    domain.from_domain = sender.domain;
    domain.mail_from_domain = sender.envelope;
    domain.helo = sender.hostname;
    for (const std::string& ip : sender.ips) domain.ips.push_back(test::ip_of(ip));
    for (const test::WorldKey& key : sender.keys) domain.signatures.emplace_back(key.domain, key.selector, test::key_of(key.file));
    if (sender.keys.empty()) domain.unsigned_reason = "domain " + sender.domain + " has no DKIM key";
    domain.report_to = sender.report_to;
    question.domains.push_back(std::move(domain));
    question.prefers_v4 = sender.prefers_v4;
    question.block_lists = sender.block_lists;
    return question;
}

// As the doctor's coroutines do: whatever a place wants is asked there, and of others' zones at the resolver.
std::vector<Finding> findings_in(const DnsWorld& world) {
    const Question question = question_of(world.sender);
    std::vector<DnsAnswers> known(1 + world.servers.size());  // the resolver's, then the servers'
    for (int round = 0; round < 60; ++round) {
        std::vector<DnsQuestion> wanted;
        for (const DnsAnswers& place : known)
            for (DnsQuestion& one : examine(question, place).wanted) wanted.push_back(std::move(one));
        if (wanted.empty()) {
            std::vector<std::vector<Finding>> at_servers;
            for (std::size_t i = 1; i < known.size(); ++i) at_servers.push_back(examine(question, known[i]).findings);
            return report_of(combine(examine(question, known[0]).findings, at_servers)).findings;
        }
        for (const DnsQuestion& one : wanted) {
            known[0].add(one, world.resolver.answer(one));
            for (std::size_t i = 0; i < world.servers.size(); ++i)
                known[i + 1].add(one, (is_ours(question, one.name) ? world.servers[i] : world.resolver).answer(one));
        }
    }
    throw std::runtime_error("it never has enough answers");
}

std::string all_words(const Finding& finding) {
    std::string said = finding.title + "\n" + finding.detail + "\n" + finding.repair + "\n" + finding.seen.at_authority + "\n" + finding.seen.at_resolver;
    for (const Meaning& one : finding.meaning) said += "\n" + one.provider + ": " + one.words;
    for (const std::string& one : finding.records) said += "\n" + one;
    for (const std::string& one : finding.commands) said += "\n$ " + one;
    if (finding.seen.ttl.count() > 0) said += "\n" + std::to_string(finding.seen.ttl.count()) + " s";
    return said;
}

std::string one_line(const Finding& finding) {
    return std::string(to_string(finding.verdict)) + " " + finding.check + " [" + finding.subject + "]\n" + all_words(finding) + "\n";
}

void check(const DnsWorld& world) {
    const std::vector<Finding> findings = findings_in(world);
    std::vector<bool> expected(findings.size(), false);
    for (const WorldExpectation& wanted : world.expected) {
        bool found = false;
        std::string of_check;
        for (std::size_t i = 0; i < findings.size(); ++i) {
            const Finding& finding = findings[i];
            if (finding.check != wanted.check) continue;
            of_check += one_line(finding);
            if ((!wanted.subject.empty() && finding.subject != wanted.subject) || to_string(finding.verdict) != wanted.verdict) continue;
            found = expected[i] = true;
            test::expect_words(wanted, all_words(finding));
            EXPECT_TRUE(finding.verdict != Verdict::fail || !finding.repair.empty()) << "a failure without a remedy: " << one_line(finding);
        }
        EXPECT_TRUE(found) << "no " << wanted.verdict << " of " << wanted.check << " " << wanted.subject << ", but:\n" << of_check;
    }
    // What a world does not speak of is right there.
    for (std::size_t i = 0; i < findings.size(); ++i) {
        const Verdict verdict = findings[i].verdict;
        EXPECT_TRUE(expected[i] || verdict == Verdict::pass || verdict == Verdict::skipped) << "not expected: " << one_line(findings[i]);
    }
}

class DoctorWorlds : public ::testing::TestWithParam<DnsWorld> {};

TEST_P(DoctorWorlds, AreFoundOut) {
    ASSERT_EQ(GetParam().kind, "doctor") << GetParam().about;
    check(GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, DoctorWorlds, ::testing::ValuesIn(test::worlds_of("doctor")), test::name_of_world);

// Issue 7 asks for eighty worlds at least.
TEST(WorldFiles, AreEnough) { EXPECT_GE(test::WorldFiles::read_all().size(), 80U); }

}  // namespace
}  // namespace posthorn::doctor
