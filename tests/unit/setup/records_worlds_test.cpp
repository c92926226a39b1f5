// What `posthorn dns show` finds missing in the worlds of tests/worlds, and what it would have published.
#include "auth/dkim/record.hpp"
#include "setup/records.hpp"
#include "support/world_test.hpp"

namespace posthorn::setup {
namespace {

using auth::DnsAnswers;
using auth::DnsQuestion;
using test::DnsWorld;
using test::WorldExpectation;

RecordsQuestion question_of(const test::WorldSender& sender) {
    RecordsQuestion question;
    question.domain = sender.domain;
    question.hostname = sender.hostname;
    for (const std::string& ip : sender.ips) question.ips.push_back(test::ip_of(ip));
    for (const test::WorldKey& key : sender.keys)
        question.keys.emplace_back(key.selector, auth::dkim::key_record(key.domain, key.selector, *test::key_of(key.file)).value);
    question.report_to = sender.report_to;
    return question;
}

std::vector<WantedRecord> records_in(const DnsWorld& world) {
    const RecordsQuestion question = question_of(world.sender);
    std::vector<DnsAnswers> known(1 + world.servers.size());
    for (int round = 0; round < 60; ++round) {
        std::vector<DnsQuestion> wanted;
        for (const DnsAnswers& place : known)
            for (DnsQuestion& one : wanted_records(question, place).wanted) wanted.push_back(std::move(one));
        if (wanted.empty()) {
            std::vector<std::vector<WantedRecord>> at_servers;
            for (std::size_t i = 1; i < known.size(); ++i) at_servers.push_back(wanted_records(question, known[i]).records);
            return combine(wanted_records(question, known[0]).records, at_servers);
        }
        for (const DnsQuestion& one : wanted) {
            known[0].add(one, world.resolver.answer(one));
            for (std::size_t i = 0; i < world.servers.size(); ++i)
                known[i + 1].add(one, (is_ours(question, one.name) ? world.servers[i] : world.resolver).answer(one));
        }
    }
    throw std::runtime_error("it never has enough answers");
}

std::string one_line(const WantedRecord& one) {
    return std::string(to_string(one.state)) + " " + std::string(to_string(one.kind)) + " [" + one.record.name + "] " + one.record.value + "\nfound: " + one.found +
           "\n" + one.words + "\n";
}

class RecordsWorlds : public ::testing::TestWithParam<DnsWorld> {};

TEST_P(RecordsWorlds, LackWhatTheyLack) {
    const DnsWorld& world = GetParam();
    ASSERT_EQ(world.kind, "records") << world.about;
    SCOPED_TRACE(world.about);
    const std::vector<WantedRecord> records = records_in(world);
    std::vector<bool> expected(records.size(), false);
    for (const WorldExpectation& wanted : world.expected) {
        std::string of_kind;
        bool found = false;
        for (std::size_t i = 0; i < records.size(); ++i) {
            if (to_string(records[i].kind) != wanted.check) continue;
            of_kind += one_line(records[i]);
            if ((!wanted.subject.empty() && records[i].record.name != wanted.subject) || to_string(records[i].state) != wanted.verdict) continue;
            found = expected[i] = true;
            test::expect_words(wanted, one_line(records[i]));
        }
        EXPECT_TRUE(found) << "no " << wanted.verdict << " " << wanted.check << ", but:\n" << of_kind;
    }
    for (std::size_t i = 0; i < records.size(); ++i)
        EXPECT_TRUE(expected[i] || records[i].state == WantedRecord::State::present) << "not expected: " << one_line(records[i]);
}

INSTANTIATE_TEST_SUITE_P(All, RecordsWorlds, ::testing::ValuesIn(test::worlds_of("records")), test::name_of_world);

}  // namespace
}  // namespace posthorn::setup
