// A zone's own servers on loopback: found by the resolver, asked one by one without recursion, and what of their answers counts.
#include "dns/authorities.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "dns/resolver.hpp"
#include "support/dns_server.hpp"
#include "support/run_awaitable.hpp"

namespace posthorn::dns {
namespace {

namespace asio = net::asio;
using net::awaitable;
using test::DnsServer;
using Behaviour = DnsServer::Behaviour;

constexpr std::uint16_t kNs = 2;
constexpr std::uint16_t kTxt = 16;

// A resolver's server, and two servers of example.test on one port.
struct Zone {
    DnsServer resolver{"127.0.0.1"};
    std::unique_ptr<DnsServer> first, second;
    DnsOptions options;

    Zone() {
        for (int attempt = 0; !second && attempt < 50; ++attempt) {
            first = std::make_unique<DnsServer>("127.0.0.2");
            try {
                second = std::make_unique<DnsServer>("127.0.0.3", first->endpoint().port);
            } catch (const std::runtime_error&) {
                // taken there: another port
            }
        }
        resolver.ns("example.test", "b.ns.test").ns("example.test", "a.ns.test").a("a.ns.test", "127.0.0.2").a("b.ns.test", "127.0.0.3");
        options.servers.push_back(resolver.endpoint());
        options.timeout = std::chrono::seconds(2);
        options.tries = 1;
        options.authority_private = true;
        options.authority_port = first->endpoint().port;
        options.authority_timeout = std::chrono::milliseconds(300);
    }
    Zone& txt(const std::string& name, const std::string& value) {
        first->txt(name, {value});
        second->txt(name, {value});
        return *this;
    }
};

AuthorityAnswers ask(Zone& zone, const std::string& name, RecordType type = RecordType::txt, int times = 1) {
    AuthorityAnswers told;
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = std::move(*Resolver::create(context.get_executor(), zone.options));
        Authorities authorities(context.get_executor(), *resolver);
        for (int i = 0; i < times; ++i) told = co_await authorities.ask(name, type);
    });
    return told;
}

TEST(Authorities, OfTheReverseZoneOfAnIpv6Address) {
    Zone zone;
    const std::string name = "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    zone.resolver.ns("8.b.d.0.1.0.0.2.ip6.arpa", "a.ns.test");
    zone.txt(name, "there");
    const AuthorityAnswers told = ask(zone, name);
    EXPECT_EQ(told.zone, "8.b.d.0.1.0.0.2.ip6.arpa") << told.detail;
    ASSERT_EQ(told.servers.size(), 1U);
    EXPECT_EQ(told.servers[0].lookup.status, Status::ok) << told.servers[0].lookup.detail;
}

// A zone whose DNSSEC is broken: a validating resolver tells nothing of it, but its servers can be found (RFC 4035 s3.2.2).
TEST(Authorities, AreFoundThoughDnssecFails) {
    Zone zone;
    zone.txt("x.example.test", "there");
    for (const char* name : {"x.example.test", "example.test", "a.ns.test", "b.ns.test"}) zone.resolver.behave(name, Behaviour::bogus);
    const AuthorityAnswers told = ask(zone, "x.example.test");
    EXPECT_EQ(told.zone, "example.test") << told.detail;
    ASSERT_EQ(told.servers.size(), 2U);
    for (const AuthorityAnswer& one : told.servers) {
        ASSERT_EQ(one.lookup.status, Status::ok) << one.lookup.detail;
        EXPECT_EQ(one.lookup.records.front().text, "there");
        EXPECT_FALSE(one.lookup.authenticated);
    }
}

TEST(Authorities, AreAskedOneByOneWithoutRecursion) {
    Zone zone;
    zone.txt("x.example.test", "new");
    zone.resolver.txt("x.example.test", {"old"});
    const AuthorityAnswers told = ask(zone, "X.example.test.");
    EXPECT_EQ(told.zone, "example.test");
    ASSERT_EQ(told.servers.size(), 2U);
    EXPECT_EQ(told.servers[0].server, "a.ns.test");
    EXPECT_EQ(told.servers[1].server, "b.ns.test");
    EXPECT_EQ(told.servers[1].address, zone.second->endpoint().to_string());
    for (const AuthorityAnswer& one : told.servers) {
        ASSERT_EQ(one.lookup.status, Status::ok) << one.lookup.detail;
        EXPECT_EQ(one.lookup.records.front().text, "new");
    }
    for (const DnsServer* server : {zone.first.get(), zone.second.get()}) {
        ASSERT_EQ(server->count("x.example.test", kTxt), 1U);
        EXPECT_FALSE(server->queries().front().recursion);
    }
    EXPECT_TRUE(zone.resolver.queries().front().recursion);
    EXPECT_EQ(zone.resolver.count("x.example.test", kTxt), 0U);
}

TEST(Authorities, AZoneIsLookedForOnce) {
    Zone zone;
    zone.txt("x.example.test", "new");
    ask(zone, "a.b.x.example.test", RecordType::txt, 3);
    EXPECT_EQ(zone.resolver.count("example.test", kNs), 1U);
    EXPECT_EQ(zone.first->count("a.b.x.example.test", kTxt), 3U);
}

TEST(Authorities, AZoneBelowHasServersOfItsOwn) {
    Zone zone;
    zone.resolver.ns("sub.example.test", "a.ns.test");
    zone.first->txt("x.sub.example.test", {"below"});
    const AuthorityAnswers told = ask(zone, "x.sub.example.test");
    EXPECT_EQ(told.zone, "sub.example.test");
    ASSERT_EQ(told.servers.size(), 1U);
    EXPECT_EQ(told.servers[0].lookup.records.front().text, "below");
}

TEST(Authorities, SayWhatIsNotThereAndForHowLong) {
    Zone zone;
    const AuthorityAnswers told = ask(zone, "none.example.test");
    ASSERT_EQ(told.servers.size(), 2U);
    EXPECT_EQ(told.servers[0].lookup.status, Status::nxdomain);
    EXPECT_EQ(told.servers[0].lookup.ttl, std::chrono::seconds(30));
}

TEST(Authorities, TruncatedRepliesComeAgainByTcp) {
    Zone zone;
    zone.first->txt("x.example.test", {std::string(200, 'a'), std::string(200, 'b')}).behave("*", Behaviour::truncate);
    zone.second->txt("x.example.test", {"b"});
    const AuthorityAnswers told = ask(zone, "x.example.test");
    ASSERT_EQ(told.servers[0].lookup.status, Status::ok) << told.servers[0].lookup.detail;
    EXPECT_EQ(told.servers[0].lookup.records.front().text.size(), 400U);
    EXPECT_TRUE(zone.first->queries().back().tcp);
}

// A cache in front, or a server that was never told of the zone: what it says is not what is published.
TEST(Authorities, WhoDoesNotSpeakForTheZoneDoesNotCount) {
    for (const Behaviour behaviour : {Behaviour::no_authority, Behaviour::lame, Behaviour::refused, Behaviour::servfail, Behaviour::garbage}) {
        Zone zone;
        zone.txt("x.example.test", "new");
        zone.first->behave("*", behaviour);
        const AuthorityAnswers told = ask(zone, "x.example.test");
        EXPECT_EQ(told.servers[0].lookup.status, Status::temporary);
        EXPECT_NE(told.servers[0].lookup.detail, "");
        EXPECT_EQ(told.servers[1].lookup.status, Status::ok);
    }
}

TEST(Authorities, WhoIsSilentIsAskedOnce) {
    Zone zone;
    zone.txt("x.example.test", "new");
    zone.first->behave("*", Behaviour::drop);
    const auto began = std::chrono::steady_clock::now();
    const AuthorityAnswers told = ask(zone, "x.example.test", RecordType::txt, 4);
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(8));
    EXPECT_EQ(told.servers[0].lookup.status, Status::temporary);
    EXPECT_NE(told.servers[0].lookup.detail.find("gave no answer"), std::string::npos) << told.servers[0].lookup.detail;
    EXPECT_EQ(told.servers[1].lookup.status, Status::ok);
    EXPECT_LE(zone.first->count("x.example.test", kTxt), 2U) << "two tries of one question, and none of the others";
}

TEST(Authorities, PrivateAddressesOnlyWhereThatIsAllowed) {
    Zone zone;
    zone.options.authority_private = false;
    zone.txt("x.example.test", "new");
    const AuthorityAnswers told = ask(zone, "x.example.test");
    ASSERT_EQ(told.servers.size(), 2U);
    EXPECT_EQ(told.servers[0].lookup.status, Status::temporary);
    EXPECT_NE(told.servers[0].lookup.detail.find("dns.authority_private"), std::string::npos) << told.servers[0].lookup.detail;
    EXPECT_TRUE(zone.first->queries().empty());
}

TEST(Authorities, AreBounded) {
    Zone zone;
    for (int i = 0; i < 20; ++i) zone.resolver.ns("example.test", "n" + std::to_string(i) + ".ns.test").a("n" + std::to_string(i) + ".ns.test", "127.0.0.2");
    zone.txt("x.example.test", "new");
    EXPECT_EQ(ask(zone, "x.example.test").servers.size(), 4U);
    zone.options.authority_servers = 0;
    const AuthorityAnswers none = ask(zone, "x.example.test");
    EXPECT_TRUE(none.servers.empty());
    EXPECT_NE(none.detail.find("authority_servers is 0"), std::string::npos);
}

TEST(Authorities, NoZoneIsNoAnswer) {
    Zone zone;
    EXPECT_TRUE(ask(zone, "x.elsewhere.invalid").servers.empty());
    EXPECT_NE(ask(zone, "x.elsewhere.invalid").detail.find("knows no zone"), std::string::npos);
    zone.resolver.behave("*", Behaviour::servfail);
    const AuthorityAnswers told = ask(zone, "x.example.test");
    EXPECT_TRUE(told.servers.empty());
    EXPECT_NE(told.detail.find("SERVFAIL"), std::string::npos) << told.detail;
}

TEST(Authorities, AChainOutOfTheZoneStaysOpen) {
    Zone zone;
    for (DnsServer* server : {zone.first.get(), zone.second.get()}) server->cname("x.example.test", "x.elsewhere.invalid").without_chasing();
    const AuthorityAnswers told = ask(zone, "x.example.test");
    EXPECT_TRUE(told.servers[0].lookup.chain_is_open) << told.servers[0].lookup.detail;
    EXPECT_EQ(told.servers[0].lookup.final_name, "x.elsewhere.invalid");
}

TEST(Resolver, LooksUpAnyTypeAndPastItsOwnCache) {
    DnsServer server;
    server.ns("example.test", "ns.example.test").soa("example.test", "NS.example.test").txt("example.test", {"one"});
    test::run([&](asio::io_context& context) -> awaitable<void> {
        DnsOptions options;
        options.servers.push_back(server.endpoint());
        auto resolver = std::move(*Resolver::create(context.get_executor(), options));
        const Lookup soa = co_await resolver->look_up("example.test", RecordType::soa);
        EXPECT_EQ(soa.records.at(0).text, "ns.example.test");
        const Lookup ns = co_await resolver->look_up("Example.test.", RecordType::ns);
        EXPECT_EQ(ns.records.at(0).text, "ns.example.test");
        for (int i = 0; i < 2; ++i) (void)co_await resolver->look_up("example.test", RecordType::txt);
        EXPECT_EQ(server.count("example.test", kTxt), 1U);
        (void)co_await resolver->look_up("example.test", RecordType::txt, true);
        EXPECT_EQ(server.count("example.test", kTxt), 2U);
    });
}

}  // namespace
}  // namespace posthorn::dns
