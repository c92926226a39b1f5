// CNAMEs, names with odd octets, big answers, and how long answers are kept: what DNS may hold, seen through
// the resolver.
#include <gtest/gtest.h>

#include "dns/resolver.hpp"
#include "support/dns_server.hpp"
#include "support/run_awaitable.hpp"

namespace posthorn::dns {
namespace {

namespace asio = net::asio;
using net::awaitable;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::DnsServer;
using Behaviour = DnsServer::Behaviour;

template <class F>
void with_resolver(const DnsServer& server, F f, bool trust_ad = false) {
    DnsOptions options;
    options.servers.push_back(server.endpoint());
    options.timeout = milliseconds(3000);
    options.tries = 2;
    options.trust_ad = trust_ad;
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto made = Resolver::create(context.get_executor(), options);
        if (!made) {
            throw std::runtime_error(made.error().what);
        }
        co_await f(**made);
    });
}

TEST(Chains, AnMxHostMayBeAnAlias) {  // RFC 2181 s10.3 forbids it; RFC 5321 s5.1 has it work nevertheless
    DnsServer server;
    server.mx("example.test", 10, "mail.test").cname("mail.test", "host.test").a("host.test", "192.0.2.1");
    with_resolver(server, [](Resolver& resolver) -> awaitable<void> {
        const MxAnswer answer = co_await resolver.mx("example.test");
        EXPECT_EQ(answer.hosts.at(0).name, "mail.test");
        const AddressAnswer addresses = co_await resolver.addresses("mail.test");
        EXPECT_EQ(addresses.status, Status::ok);
        EXPECT_EQ(addresses.v4.size(), 1U);
        EXPECT_EQ(addresses.cname_target, "host.test");
    });
}

// An alias to a name that does not exist: the rcode is about the end of the chain (RFC 6604 s3, SMTP-22).
TEST(Chains, AnAliasThatLeadsNowhere) {
    for (const bool chasing : {true, false}) {
        DnsServer server;
        server.cname("example.test", "gone.test");
        if (!chasing) {
            server.without_chasing();
        }
        with_resolver(server, [](Resolver& resolver) -> awaitable<void> {
            const MxAnswer answer = co_await resolver.mx("example.test");
            EXPECT_EQ(answer.status, Status::nxdomain);
            EXPECT_NE(answer.detail.find("gone.test"), std::string::npos) << answer.detail;
        });
    }
}

TEST(Chains, LongOnesAreBounded) {
    for (const bool chasing : {true, false}) {
        DnsServer server;
        for (int i = 0; i < 500; ++i) {
            server.cname("c" + std::to_string(i) + ".test", "c" + std::to_string(i + 1) + ".test");
        }
        server.mx("c500.test", 10, "mx.test").without_soa();
        if (!chasing) {
            server.without_chasing();
        }
        with_resolver(server, [](Resolver& resolver) -> awaitable<void> {
            const MxAnswer answer = co_await resolver.mx("c0.test");
            EXPECT_EQ(answer.status, Status::temporary);
            EXPECT_NE(answer.detail.find("too long"), std::string::npos) << answer.detail;
        });
        EXPECT_LE(server.queries().size(), 10U);
    }
}

// The end of a chain says nothing about its beginning: all of it must be authenticated (RFC 7672 s2.1.3).
TEST(Chains, APieceWithoutAdMakesTheWholeInsecure) {
    DnsServer server;
    server.cname("example.test", "there.test").without_chasing();
    server.mx("there.test", 10, "mx.test");
    server.set_ad();
    with_resolver(
        server,
        [&](Resolver& resolver) -> awaitable<void> {
            const MxAnswer secure = co_await resolver.mx("example.test");
            EXPECT_TRUE(secure.authenticated);
        },
        true);
}

// "Nothing from the network reaches a log or a command raw": whatever octets a name holds, its text is
// printable, without blanks, and no other name's.
TEST(OddNames, ComeEscaped) {
    const std::string host = std::string("\x0c", 1) + "a b" + std::string("\0\r\n.\\\xFF\x1B[", 8) + "x";
    DnsServer server;
    server.raw("example.test", 15,
               std::string("\0\x0A", 2) + host.substr(0, 13) + std::string("\4test\0", 6));
    server.raw("ptr.test", 12, host.substr(0, 13) + std::string("\4test\0", 6));
    server.raw("alias.test", 5, std::string("\3a b\0", 5));
    with_resolver(server, [](Resolver& resolver) -> awaitable<void> {
        const MxAnswer answer = co_await resolver.mx("example.test");
        EXPECT_EQ(answer.status, Status::ok) << answer.detail;
        const std::string name = answer.hosts.empty() ? std::string() : answer.hosts[0].name;
        EXPECT_EQ(name.substr(0, 18), "a\\032b\\000\\013\\010");
        EXPECT_NE(name.find("\\046"), std::string::npos) << "a dot inside a label is no dot: " << name;
        for (const char c : name) {
            EXPECT_GT(c, ' ');
            EXPECT_LT(c, '\x7F');
        }
        const AddressAnswer alias = co_await resolver.addresses("alias.test");
        EXPECT_EQ(alias.detail.find("a b"), std::string::npos) << alias.detail;
    });
}

TEST(BigAnswers, ThousandsOfMxByTcpAreCutToTheBest) {
    DnsServer server;
    for (int i = 0; i < 1200; ++i) {
        server.mx("big.test", static_cast<std::uint16_t>(2000 - i),
                  "mail-host-number-" + std::to_string(i) + ".test");
    }
    server.behave("big.test", Behaviour::truncate);
    with_resolver(server, [](Resolver& resolver) -> awaitable<void> {
        const MxAnswer answer = co_await resolver.mx("big.test");
        EXPECT_EQ(answer.status, Status::ok) << answer.detail;
        EXPECT_EQ(answer.hosts.size(), 100U);
        if (!answer.hosts.empty()) {
            EXPECT_EQ(answer.hosts[0].name, "mail-host-number-1199.test");
        }
    });
}

// RFC 2308 s5: "no" is kept for the SOA's minimum (30 s here), at most dns.negative_ttl; without an SOA not
// at all.
TEST(Keeping, NegativeAnswersByTheirSoa) {
    DnsServer with;
    DnsServer without;
    with.exists("empty.test");
    without.exists("empty.test").without_soa();
    with_resolver(with, [&](Resolver& resolver) -> awaitable<void> {
        const TxtAnswer first = co_await resolver.txt("empty.test");
        EXPECT_EQ(first.status, Status::no_data);
        EXPECT_EQ(first.ttl, seconds(30));
        const TxtAnswer second = co_await resolver.txt("empty.test");
        EXPECT_EQ(second.status, Status::no_data);
        EXPECT_EQ(with.count("empty.test"), 1U);
        EXPECT_EQ(resolver.counters().cache_entries, 1U);
    });
    with_resolver(without, [&](Resolver& resolver) -> awaitable<void> {
        for (int i = 0; i < 2; ++i) {
            const TxtAnswer answer = co_await resolver.txt("empty.test");
            EXPECT_EQ(answer.status, Status::no_data);
        }
        EXPECT_EQ(without.count("empty.test"), 2U);
    });
}

// One type's absence says nothing of another's; a name's absence is asked per type as well.
TEST(Keeping, EachTypeOnItsOwn) {
    DnsServer server;
    server.a("four.test", "192.0.2.1").tlsa("_25._tcp.four.test", 3, 1, 1, "octets");
    with_resolver(server, [&](Resolver& resolver) -> awaitable<void> {
        const TxtAnswer none = co_await resolver.txt("four.test");
        EXPECT_EQ(none.status, Status::no_data);
        const AddressAnswer some = co_await resolver.addresses("four.test");
        EXPECT_EQ(some.status, Status::ok);
        const TlsaAnswer tlsa = co_await resolver.tlsa("_25._TCP.Four.test.");
        EXPECT_EQ(tlsa.status, Status::ok) << tlsa.detail;
        EXPECT_EQ(tlsa.records.size(), 1U);
        EXPECT_FALSE(tlsa.authenticated);
        const TlsaAnswer again = co_await resolver.tlsa("_25._tcp.four.test");
        EXPECT_EQ(again.records.size(), 1U);
    });
    EXPECT_EQ(server.count("_25._tcp.four.test"), 1U);
}

// A TLSA record too short to be one: rubbish, which must not look like "no TLSA" (DA-6).
TEST(Keeping, AMalformedTlsaIsTemporary) {
    DnsServer server;
    server.raw("_25._tcp.h.test", 52, std::string("\3\1", 2));
    with_resolver(server, [](Resolver& resolver) -> awaitable<void> {
        const TlsaAnswer answer = co_await resolver.tlsa("_25._tcp.h.test");
        EXPECT_EQ(answer.status, Status::temporary);
    });
}

// DA-2: AD is asked for where it will be believed, and not elsewhere.
TEST(Asking, AdIsInTheQuestionWhereItIsTrusted) {
    for (const bool trusted : {true, false}) {
        DnsServer server;
        server.mx("example.test", 10, "mx.test");
        with_resolver(
            server, [](Resolver& resolver) -> awaitable<void> { (void)co_await resolver.mx("example.test"); },
            trusted);
        EXPECT_EQ(server.queries().at(0).ad, trusted);
        EXPECT_TRUE(server.queries().at(0).edns);
    }
}

}  // namespace
}  // namespace posthorn::dns
