// Diagnoses on loopback: a resolver that remembers, servers of the zone that know better, and the time that both may take.
#include "delivery/diagnosing.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "auth/dkim/keys.hpp"
#include "auth/dkim/record.hpp"
#include "delivery/agent.hpp"
#include "delivery/judgement.hpp"
#include "dns/resolver.hpp"
#include "net/task_group.hpp"
#include "support/dns_server.hpp"
#include "support/run_awaitable.hpp"

namespace posthorn::delivery {
namespace {

namespace asio = net::asio;
using net::awaitable;
using test::DnsServer;
using Behaviour = DnsServer::Behaviour;

const auth::dkim::PrivateKeyPtr& key() {
    static const auth::dkim::PrivateKeyPtr made = auth::dkim::PrivateKey::generate(auth::dkim::Algorithm::ed25519).value();
    return made;
}

std::string key_text() {
    return auth::dkim::key_record("example.test", "s1", *key()).value;
}

// example.test with two servers of its own, and a resolver that still has what was there when it asked.
class Diagnosing : public ::testing::Test {
protected:
    Diagnosing() {
        for (int attempt = 0; !second && attempt < 50; ++attempt) {
            first = std::make_unique<DnsServer>("127.0.0.2");
            try {
                second = std::make_unique<DnsServer>("127.0.0.3", first->endpoint().port);
            } catch (const std::runtime_error&) {
                // taken there: another port
            }
        }
        resolver.ns("example.test", "a.ns.test").ns("example.test", "b.ns.test").a("a.ns.test", "127.0.0.2").a("b.ns.test", "127.0.0.3");
        for (DnsServer* server : all()) {
            server->soa("example.test", "a.ns.test").mx("example.test", 10, "mail.example.test").a("mail.example.test", "192.0.2.1");
            server->ptr("1.2.0.192.in-addr.arpa", "mail.example.test");
            server->txt("example.test", {"v=spf1 include:_spf.elsewhere.invalid mx -all"}).txt("_dmarc.example.test", {"v=DMARC1; p=none"});
        }
        resolver.txt("_spf.elsewhere.invalid", {"v=spf1 ip4:198.51.100.1 ~all"});
        options.servers.push_back(resolver.endpoint());
        options.timeout = std::chrono::milliseconds(400);
        options.tries = 1;
        options.authority_private = true;
        options.authority_port = first->endpoint().port;
        options.authority_timeout = std::chrono::milliseconds(200);
        question.from_domain = question.mail_from_domain = "example.test";
        question.helo = "mail.example.test";
        question.signatures.emplace_back("example.test", "s1", key());
    }

    std::vector<DnsServer*> all() { return {&resolver, first.get(), second.get()}; }
    Diagnosis look(std::chrono::seconds limit = std::chrono::seconds(15)) {
        Diagnosis found;
        test::run([&](asio::io_context& context) -> awaitable<void> {
            auto asked = std::move(*dns::Resolver::create(context.get_executor(), options));
            found = co_await diagnose(*asked, question, nullptr, limit);
            asked->close();
            co_await asio::post(context, asio::use_awaitable);
        });
        return found;
    }
    static Fact the(FactKind kind, const Diagnosis& diagnosis) {
        const auto found = std::find_if(diagnosis.facts.begin(), diagnosis.facts.end(), [&](const Fact& fact) { return fact.kind == kind; });
        return found == diagnosis.facts.end() ? Fact() : *found;
    }

    DnsServer resolver{"127.0.0.1"};
    std::unique_ptr<DnsServer> first, second;
    dns::DnsOptions options;
    DiagnosisQuestion question;
};

TEST_F(Diagnosing, AllIsWellEverywhere) {
    for (DnsServer* server : all()) server->txt("s1._domainkey.example.test", {key_text()});
    const Diagnosis found = look();
    EXPECT_EQ(found.facts.size(), 8U);
    for (const Fact& fact : found.facts) {
        EXPECT_EQ(fact.result, FactResult::pass) << to_string(fact.kind) << ": " << fact.detail;
        EXPECT_TRUE(fact.at_resolver) << to_string(fact.kind);
        // The reverse zone has no servers here that the resolver knows.
        EXPECT_EQ(fact.at_authority, fact.kind != FactKind::ptr) << to_string(fact.kind) << ": " << fact.detail;
    }
    EXPECT_EQ(found.summary, "SPF, SPF of the EHLO name, DKIM, DMARC, alignment, reverse DNS, the sender's domain, the EHLO name all pass");
    // What others publish is asked at the resolver alone.
    EXPECT_EQ(first->count("_spf.elsewhere.invalid"), 0U);
    EXPECT_EQ(resolver.count("_spf.elsewhere.invalid", 16), 1U);
}

// PR-46: published at the zone's servers, while the resolver still says that there is none; then its TTL is over.
TEST_F(Diagnosing, FromFailToPassAtTheZoneWhileTheResolverRemembers) {
    const Diagnosis before = look();
    ASSERT_EQ(the(FactKind::dkim, before).result, FactResult::fail);
    EXPECT_EQ(the(FactKind::dkim, before).record, zone_file(auth::dkim::key_record("example.test", "s1", *key())));
    EXPECT_EQ(the(FactKind::dkim, before).ttl, std::chrono::seconds(30));   // of the SOA: so long others may believe that there is none
    EXPECT_TRUE(explains(before, Causes{Cause::dkim}));

    first->txt("s1._domainkey.example.test", {key_text()});
    const Diagnosis half = look();
    EXPECT_EQ(the(FactKind::dkim, half).result, FactResult::fail) << "the second server does not have it yet";
    EXPECT_NE(the(FactKind::dkim, half).detail.find("of the zone's"), std::string::npos) << the(FactKind::dkim, half).detail;

    second->txt("s1._domainkey.example.test", {key_text()});
    Diagnosis now = look();
    EXPECT_EQ(the(FactKind::dkim, now).result, FactResult::pass) << the(FactKind::dkim, now).detail;
    EXPECT_TRUE(the(FactKind::dkim, now).at_authority);
    EXPECT_FALSE(the(FactKind::dkim, now).at_resolver);
    EXPECT_FALSE(repaired(before, now, Causes{Cause::dkim}));
    now.at = before.at + std::chrono::seconds(30);
    EXPECT_TRUE(repaired(before, now, Causes{Cause::dkim}));

    resolver.txt("s1._domainkey.example.test", {key_text()});
    EXPECT_TRUE(repaired(before, look(), Causes{Cause::dkim})) << "our own cache must not be in the way";
}

TEST_F(Diagnosing, ADeadServerOfTheZoneHasNoSay) {
    for (DnsServer* server : {&resolver, first.get()}) server->txt("s1._domainkey.example.test", {key_text()});
    second->behave("*", Behaviour::drop);
    const Fact fact = the(FactKind::dkim, look());
    EXPECT_EQ(fact.result, FactResult::pass) << fact.detail;
    EXPECT_TRUE(fact.at_authority);
}

TEST_F(Diagnosing, WithoutTheZonesServersTheResolverDecides) {
    options.authority_servers = 0;
    resolver.txt("s1._domainkey.example.test", {key_text()});
    const Fact fact = the(FactKind::dkim, look());
    EXPECT_EQ(fact.result, FactResult::pass);
    EXPECT_FALSE(fact.at_authority);
    EXPECT_TRUE(first->queries().empty());
}

// PR-51.
TEST_F(Diagnosing, SilenceIsUnknownAndEndsInTime) {
    for (DnsServer* server : all()) server->behave("*", Behaviour::drop);
    options.timeout = std::chrono::seconds(30);
    question.ips.push_back(IpAddress::parse("192.0.2.1").value());
    const auto began = std::chrono::steady_clock::now();
    const Diagnosis found = look(std::chrono::seconds(1));
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
    ASSERT_FALSE(found.facts.empty());
    for (const Fact& fact : found.facts) EXPECT_EQ(fact.result, FactResult::unknown) << to_string(fact.kind) << ": " << fact.detail;
    EXPECT_FALSE(explains(found, Causes{Cause::unknown}));
}

TEST_F(Diagnosing, StopsWithItsGroup) {
    resolver.behave("*", Behaviour::drop);
    options.timeout = std::chrono::seconds(30);
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto asked = std::move(*dns::Resolver::create(context.get_executor(), options));
        net::TaskGroup group(context.get_executor(), "test");
        asio::post(context, [&group] { group.request_stop(); });
        const Diagnosis found = co_await diagnose(*asked, question, &group);
        EXPECT_FALSE(found.facts.empty());
        asked->close();
        co_await asio::post(context, asio::use_awaitable);
    });
}

TEST_F(Diagnosing, ACnameOfTheKeyLeadsToItsOwner) {
    for (DnsServer* server : all()) server->cname("s1._domainkey.example.test", "keys.elsewhere.invalid").without_chasing();
    resolver.txt("keys.elsewhere.invalid", {key_text()});
    const Fact fact = the(FactKind::dkim, look());
    EXPECT_EQ(fact.result, FactResult::pass) << fact.detail;
    EXPECT_TRUE(fact.at_authority);
}

TEST(QuestionAbout, TakesNamesKeysAndAddressesFromTheSettings) {
    Settings settings;
    settings.hostname = "Mail.Example.TEST";
    auth::DomainOptions domain;
    domain.name = "example.test";
    domain.keys.push_back({"s1", "key"});
    settings.keys = auth::dkim::KeyTable::build({domain}, settings.dkim, [](const std::string&) { return Result<auth::dkim::PrivateKeyPtr>(key()); });
    settings.delivery.tls_report.contact = "tls@example.test";
    DiagnosisQuestion question = question_about(settings, "News.example.test", "bounce.example.test", "203.0.113.7");
    EXPECT_EQ(question.helo, "mail.example.test");
    EXPECT_EQ(question.from_domain, "news.example.test");
    ASSERT_EQ(question.signatures.size(), 1U);
    EXPECT_EQ(question.signatures[0].domain, "example.test");
    EXPECT_EQ(question.ips, (std::vector<IpAddress>{IpAddress::parse("203.0.113.7").value()}));
    EXPECT_EQ(question.report_to, "mailto:tls@example.test");
    EXPECT_TRUE(question_about(settings, "example.test", "", "").ips.empty());
    settings.delivery.tls_report.contact.clear();
    EXPECT_EQ(question_about(settings, "example.test", "", "").report_to, "mailto:postmaster@example.test") << "as dns show";
    settings.delivery.source_v4 = "10.0.0.5";   // behind NAT: nobody sees that one
    settings.delivery.source_v6 = "2001:db8::5";
    EXPECT_EQ(question_about(settings, "example.test", "example.test", "").ips, (std::vector<IpAddress>{IpAddress::parse("2001:db8::5").value()}));
    settings.delivery.family = IpFamily::v4;
    EXPECT_TRUE(question_about(settings, "example.test", "example.test", "").ips.empty());
    EXPECT_NE(question_about(settings, "elsewhere.test", "elsewhere.test", "").unsigned_reason, "");
}

}  // namespace
}  // namespace posthorn::delivery
