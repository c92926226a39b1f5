// The questions of setup without a terminal: their order, what is suggested, what is no answer, what is
// remarked.
#include "setup/interview.hpp"

#include <gtest/gtest.h>

#include "setup/machine_text.hpp"

namespace posthorn::setup {
namespace {

using auth::DnsAnswer;
using auth::DnsAnswers;
using auth::DnsStatus;
using auth::DnsType;

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

Machine server() {
    Machine machine;
    machine.name = "mail.example.com";
    machine.addresses = {ip("127.0.0.1"), ip("203.0.113.5"), ip("10.0.0.5"), ip("2001:db8::5")};
    return machine;
}

void says(DnsAnswers& known, DnsType type, const std::string& name, std::vector<std::string> texts,
          std::vector<IpAddress> addresses = {}) {
    DnsAnswer answer(texts.empty() && addresses.empty() ? DnsStatus::nxdomain : DnsStatus::ok);
    answer.texts = std::move(texts);
    answer.addresses = std::move(addresses);
    known.add({type, name}, answer);
}

// What is asked when every suggestion is taken.
std::vector<std::pair<std::string, std::string>> by_suggestion(Interview& interview,
                                                               const DnsAnswers& known) {
    std::vector<std::pair<std::string, std::string>> asked;
    while (const auto question = interview.next(known)) {
        asked.emplace_back(question->prompt, question->suggestion);
        if (question->suggestion.empty() || !interview.answer(question->topic, question->suggestion)) break;
    }
    return asked;
}

TEST(Interview, FourEntersAreEnoughOnAServerThatKnowsItsName) {
    Interview interview(server(), {});
    EXPECT_EQ(by_suggestion(interview, {}), (std::vector<std::pair<std::string, std::string>>{
                                                {"Name of this server", "mail.example.com"},
                                                {"Public IP addresses", "203.0.113.5 2001:db8::5"},
                                                {"Your domains", "example.com"},
                                                {"1 or 2", "1"},
                                                {"Address for root's mail", "postmaster@example.com"}}));
    EXPECT_EQ(interview.answers().domains, std::vector<std::string>{"example.com"});
    EXPECT_EQ(interview.answers().addresses.size(), 2U);
    EXPECT_FALSE(interview.answers().users);
}

TEST(Interview, ANameThatOnlyTheMachineKnowsGivesWayToThePtrRecord) {  // SD-51, SD-82
    Machine machine = server();
    machine.name = "web1.localdomain";
    Interview interview(machine, {});
    DnsAnswers known;
    ASSERT_FALSE(interview.wanted(known).empty());
    EXPECT_EQ(interview.wanted(known).front(), auth::DnsQuestion(DnsType::ptr, "5.113.0.203.in-addr.arpa"));
    EXPECT_EQ(interview.next(known)->suggestion, "");
    says(known, DnsType::ptr, "5.113.0.203.in-addr.arpa", {"mx.example.net"});
    EXPECT_EQ(interview.next(known)->suggestion, "mx.example.net");
}

TEST(Interview, BehindANatTheNamesAddressInDnsIsTheOne) {
    Machine machine = server();
    machine.addresses = {ip("10.0.0.5")};
    Interview interview(machine, {});
    ASSERT_TRUE(interview.answer(Topic::hostname, "Mail.Example.com."));
    EXPECT_EQ(interview.answers().hostname, "mail.example.com");
    DnsAnswers known;
    EXPECT_EQ(interview.next(known)->suggestion, "unknown");
    says(known, DnsType::a, "mail.example.com", {}, {ip("198.51.100.7")});
    EXPECT_EQ(interview.next(known)->suggestion, "198.51.100.7");
}

TEST(Interview, OfSeveralAddressesThoseThatTheNameLeadsTo) {
    Machine machine = server();
    machine.addresses = {ip("203.0.113.5"), ip("203.0.113.6"), ip("2001:db8::5")};
    Interview interview(machine, {});
    ASSERT_TRUE(interview.answer(Topic::hostname, "mail.example.com"));
    DnsAnswers known;
    says(known, DnsType::a, "mail.example.com", {}, {ip("203.0.113.6")});
    EXPECT_EQ(interview.next(known)->suggestion, "203.0.113.6 2001:db8::5");
}

TEST(Interview, BadAnswersAreAskedAgainWithTheReason) {
    struct Case {
        Topic topic;
        const char* text;
        const char* reason;
    };
    Machine machine = server();
    machine.is_file = [](const std::string& path) { return path == "/there.pem"; };
    for (const Case& one : std::initializer_list<Case>{
             {Topic::hostname, "web1", "single label"},
             {Topic::hostname, "0123456789ab", "container's id"},
             {Topic::hostname, "web1.localdomain", "only this machine knows"},
             {Topic::hostname, "203.0.113.5", "IP address"},
             {Topic::hostname, "mail_1.example.com", "not a domain name"},
             {Topic::hostname, "  ", "needs an answer"},
             {Topic::hostname, "mail.exa\x01mple.com", "belong to no text"},
             {Topic::addresses, "10.0.0.5", "only your own network knows"},
             {Topic::addresses, "203.0.113.5, mail", "no IP address"},
             {Topic::domains, "ann@example.com", "its domain alone: example.com"},
             {Topic::domains, "203.0.113.5", "wanted is a domain"},
             {Topic::domains, "example", "one looks like example.com"},
             {Topic::domains, "example.com web.local", "only this machine knows"},
             {Topic::senders, "yes", "neither 1 nor 2"},
             {Topic::certificate, "/none.pem", "no file /none.pem"},
             {Topic::key, "/none.pem", "no file /none.pem"},
             {Topic::root_mail, "ann", "no address"},
             {Topic::root_mail, "ann@localhost", "no address"},
         }) {
        Interview interview(machine, {});
        const auto taken = interview.answer(one.topic, one.text);
        ASSERT_FALSE(taken) << one.text;
        EXPECT_NE(taken.error().what.find(one.reason), std::string::npos)
            << one.text << ": " << taken.error().what;
        EXPECT_FALSE(interview.answered(one.topic));
        EXPECT_EQ(interview.next({})->topic, Topic::hostname);
    }
}

TEST(Interview, SeveralAnswersInOneLine) {
    Interview interview(server(), {});
    ASSERT_TRUE(
        interview.answer(Topic::domains, " example.com, shop.example.org;b\u00fccher.example example.com. "));
    EXPECT_EQ(interview.answers().domains,
              (std::vector<std::string>{"example.com", "shop.example.org", "xn--bcher-kva.example"}));
    ASSERT_TRUE(interview.answer(Topic::addresses, "203.0.113.5,2001:DB8::5"));
    EXPECT_EQ(interview.answers().addresses.size(), 2U);
    ASSERT_TRUE(interview.answer(Topic::root_mail, "ann@example.com,bob@example.com"));
    EXPECT_EQ(interview.answers().root_mail, "ann@example.com bob@example.com");
}

TEST(Interview, UsersNeedACertificate) {
    Machine machine = server();
    machine.certificates = {"/etc/letsencrypt/live/example.com/fullchain.pem", "/etc/letsencrypt/live/mail.example.com/fullchain.pem"};
    Interview interview(machine, {});
    ASSERT_TRUE(interview.answer(Topic::senders, "2"));
    const auto asked = by_suggestion(interview, {});
    ASSERT_EQ(asked.size(), 6U);
    EXPECT_EQ(asked[3], std::pair(std::string("Certificate file"),
                                  std::string("/etc/letsencrypt/live/mail.example.com/fullchain.pem")));
    EXPECT_EQ(asked[4], std::pair(std::string("Key file"),
                                  std::string("/etc/letsencrypt/live/mail.example.com/privkey.pem")));
    // A copy that the daemon may read is better than certbot's own.
    machine.certificates.insert(machine.certificates.begin(), "/etc/posthorn/tls/mail.example.com/fullchain.pem");
    Interview copied(machine, {});
    ASSERT_TRUE(copied.answer(Topic::senders, "2"));
    EXPECT_EQ(by_suggestion(copied, {})[3].second, "/etc/posthorn/tls/mail.example.com/fullchain.pem");
    // Without one there is no dead end.
    Interview later(server(), {});
    ASSERT_TRUE(later.answer(Topic::senders, "2"));
    EXPECT_EQ(by_suggestion(later, {})[3], std::pair(std::string("Certificate file"), std::string("later")));
    EXPECT_TRUE(later.answers().certificate_later);
    EXPECT_EQ(later.next({}), std::nullopt);
}

TEST(Interview, WhatIsConfiguredIsSuggested) {
    const config::Loaded present = config::parse(
        "hostname = \"mx.example.org\"\n[[domain]]\nname = \"b.example\"\n[[domain]]\nname = \"a.example\"\n"
        "[[listener]]\naddress = \"*:465\"\nauth = \"required\"\n[auth]\nusers_file = \"users\"\n"
        "[tls]\ncertificate_file = \"/c.pem\"\nkey_file = \"/k.pem\"\n[local]\nusers_to = [\"x@a.example\", "
        "\"y@a.example\"]\n",
        "/etc/posthorn/posthorn.toml", {});
    ASSERT_TRUE(present.mistakes.empty()) << present.mistakes.front().to_string();
    Interview interview(server(), present.config);
    const auto asked = by_suggestion(interview, {});
    ASSERT_EQ(asked.size(), 7U);
    EXPECT_EQ(asked[0].second, "mx.example.org");
    EXPECT_EQ(asked[2].second, "b.example a.example");
    EXPECT_EQ(asked[3].second, "2");
    EXPECT_EQ(asked[4].second, "/c.pem");
    EXPECT_EQ(asked[5].second, "/k.pem");
    EXPECT_EQ(asked[6].second, "x@a.example y@a.example");
}

TEST(Interview, WhoNamedNobodyForRootIsNotUrgedTo) {
    Machine machine = server();
    machine.root_alias = "ann@example.com";
    Interview fresh(machine, {});
    EXPECT_EQ(by_suggestion(fresh, {}).back().second, "ann@example.com");
    config::Config present;
    present.hostname = "mail.example.com";
    Interview again(machine, present);
    EXPECT_EQ(by_suggestion(again, {}).back().second, "none");
}

TEST(Interview, RemarksOnWhatDnsSays) {
    Interview interview(server(), {});
    ASSERT_TRUE(interview.answer(Topic::hostname, "mail.example.com"));
    DnsAnswers known;
    says(known, DnsType::a, "mail.example.com", {});
    says(known, DnsType::aaaa, "mail.example.com", {});
    ASSERT_EQ(interview.remarks(Topic::hostname, known).size(), 1U);
    EXPECT_NE(interview.remarks(Topic::hostname, known)[0].find("needs an A record"), std::string::npos);
    ASSERT_TRUE(interview.answer(Topic::addresses, "203.0.113.5 203.0.113.6"));
    says(known, DnsType::ptr, "5.113.0.203.in-addr.arpa", {"v5.provider.example"});
    says(known, DnsType::ptr, "6.113.0.203.in-addr.arpa", {});
    const auto remarks = interview.remarks(Topic::addresses, known);
    ASSERT_EQ(remarks.size(), 2U);
    EXPECT_EQ(remarks[0],
              "203.0.113.5 is called v5.provider.example (PTR record). Change that to mail.example.com where "
              "you rent the address.");
    EXPECT_TRUE(remarks[1].starts_with("203.0.113.6 has no name (PTR record)")) << remarks[1];
    ASSERT_TRUE(interview.answer(Topic::domains, "shop.exmaple.com"));
    says(known, DnsType::soa, "exmaple.com", {});
    ASSERT_EQ(interview.remarks(Topic::domains, known).size(), 1U);
    EXPECT_NE(interview.remarks(Topic::domains, known)[0].find("Is it spelt right?"), std::string::npos);
    // What DNS did not answer is no reason for a remark.
    DnsAnswers silent;
    silent.add({DnsType::soa, "exmaple.com"}, DnsAnswer(DnsStatus::temporary));
    silent.add({DnsType::ptr, "5.113.0.203.in-addr.arpa"}, DnsAnswer(DnsStatus::temporary));
    EXPECT_TRUE(interview.remarks(Topic::domains, silent).empty());
    EXPECT_TRUE(interview.remarks(Topic::addresses, silent).empty());
}

TEST(Interview, AsksDnsNothingTwice) {
    Interview interview(server(), {});
    DnsAnswers known;
    for (int rounds = 0;; ++rounds) {
        ASSERT_LT(rounds, 20);
        for (const auto& question : interview.wanted(known)) {
            EXPECT_EQ(known.find(question), nullptr);
            known.add(question, DnsAnswer(DnsStatus::temporary));
        }
        const auto question = interview.next(known);
        if (!question) break;
        ASSERT_TRUE(interview.answer(question->topic, question->suggestion));
    }
    EXPECT_TRUE(interview.wanted(known).empty());
}

TEST(MachineText, FullNameFromHosts) {
    EXPECT_EQ(full_name("mail.example.com", ""), "mail.example.com");
    EXPECT_EQ(
        full_name("mail",
                  "# mail.wrong.example mail\n127.0.0.1 localhost\n127.0.1.1\tmail.example.com  Mail\n"),
        "mail.example.com");
    EXPECT_EQ(full_name("mail", "127.0.0.1 localhost\n203.0.113.5 mail\n"), "mail");
}

TEST(MachineText, RootAlias) {
    EXPECT_EQ(root_alias("postmaster: root\nROOT: ann@example.com\n"), "ann@example.com");
    EXPECT_EQ(root_alias("root: ann\n"), "");
    EXPECT_EQ(root_alias("root: ann@example.com, bob@example.com\n"), "");
    EXPECT_EQ(root_alias(""), "");
}

}  // namespace
}  // namespace posthorn::setup
