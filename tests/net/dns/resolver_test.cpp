// The resolver against a real (small) DNS server on loopback: answers, failures, and how often it asks.
#include "dns/resolver.hpp"

#include <gtest/gtest.h>

#include "net/task_group.hpp"
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

constexpr std::uint16_t kA = 1;
constexpr std::uint16_t kMx = 15;
constexpr std::uint16_t kAaaa = 28;

DnsOptions options_for(std::initializer_list<const DnsServer*> servers,
                       Duration timeout = milliseconds(2000)) {
    DnsOptions options;
    for (const DnsServer* server : servers) {
        options.servers.push_back(server->endpoint());
    }
    options.timeout = timeout;
    options.tries = 2;
    return options;
}

std::unique_ptr<Resolver> resolver_for(asio::io_context& context, const DnsOptions& options) {
    auto made = Resolver::create(context.get_executor(), options);
    if (!made) {
        throw std::runtime_error(made.error().what);
    }
    return std::move(*made);
}

std::vector<std::string> names(const MxAnswer& answer) {
    std::vector<std::string> list;
    for (const MxHost& host : answer.hosts) {
        list.push_back(std::to_string(host.preference) + " " + host.name);
    }
    return list;
}

TEST(Mx, LowestPreferenceFirstAndEqualsInDnsOrder) {
    DnsServer server;
    server.mx("example.test", 20, "backup.test")
        .mx("example.test", 10, "B.test.")
        .mx("example.test", 10, "a.test");
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}));
        const MxAnswer answer = co_await resolver->mx("EXAMPLE.test.");
        EXPECT_EQ(answer.status, Status::ok);
        const std::vector<std::string> expected = {"10 b.test", "10 a.test", "20 backup.test"};
        EXPECT_EQ(names(answer), expected);
        EXPECT_FALSE(answer.implicit);
        EXPECT_FALSE(answer.null_mx);
        EXPECT_EQ(answer.cname_target, "");
        EXPECT_EQ(answer.ttl, seconds(300));
        EXPECT_FALSE(answer.authenticated);
    });
}

// RFC 5321 s5.1: implicit MX only where the answer says that there is no MX.
TEST(Mx, NoMxMeansTheNameItself) {
    DnsServer server;
    server.a("plain.test", "192.0.2.7");
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}));
        const MxAnswer answer = co_await resolver->mx("plain.test");
        EXPECT_EQ(answer.status, Status::ok);
        EXPECT_TRUE(answer.implicit);
        const std::vector<std::string> expected = {"0 plain.test"};
        EXPECT_EQ(names(answer), expected);
    });
}

TEST(Mx, NullMxTakesNoMail) {
    DnsServer server;
    server.null_mx("nomail.test");
    server.mx("mixed.test", 0, ".").mx("mixed.test", 10, "mx.test");
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}));
        const MxAnswer answer = co_await resolver->mx("nomail.test");
        EXPECT_EQ(answer.status, Status::ok);
        EXPECT_TRUE(answer.null_mx);
        EXPECT_TRUE(answer.hosts.empty());
        EXPECT_NE(answer.detail.find("RFC 7505"), std::string::npos);
        const MxAnswer mixed = co_await resolver->mx("mixed.test");
        EXPECT_FALSE(mixed.null_mx);
        EXPECT_EQ(mixed.hosts.size(), 1U);
    });
}

TEST(Mx, ANameThatDoesNotExistIsNotImplicit) {
    DnsServer server;
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}));
        const MxAnswer answer = co_await resolver->mx("nowhere.test");
        EXPECT_EQ(answer.status, Status::nxdomain);
        EXPECT_FALSE(answer.implicit);
        EXPECT_TRUE(answer.hosts.empty());
        EXPECT_NE(answer.detail.find("nowhere.test does not exist"), std::string::npos) << answer.detail;
        const MxAnswer bad = co_await resolver->mx(std::string(70, 'x') + ".test");
        EXPECT_EQ(bad.status, Status::nxdomain);
        EXPECT_NE(bad.detail.find("not a valid domain name"), std::string::npos) << bad.detail;
    });
}

TEST(Mx, ServfailIsTemporaryAndSaysWhoSaidIt) {
    DnsServer server;
    server.behave("*", Behaviour::servfail);
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}));
        const MxAnswer answer = co_await resolver->mx("example.test");
        EXPECT_EQ(answer.status, Status::temporary);
        EXPECT_FALSE(answer.implicit);
        EXPECT_NE(answer.detail.find("SERVFAIL"), std::string::npos) << answer.detail;
        EXPECT_NE(answer.detail.find(server.endpoint().to_string()), std::string::npos) << answer.detail;
        EXPECT_NE(answer.detail.find("MX of example.test"), std::string::npos) << answer.detail;
        // Not remembered: repaired at once.
        server.behave("*", Behaviour::normal).mx("example.test", 10, "mx.test");
        const MxAnswer repaired = co_await resolver->mx("example.test");
        EXPECT_EQ(repaired.status, Status::ok);
        EXPECT_EQ(resolver->counters().failures, 1U);
    });
}

TEST(Mx, TheSecondServerIsAskedWhenTheFirstFails) {
    for (const Behaviour behaviour : {Behaviour::servfail, Behaviour::refused, Behaviour::drop}) {
        DnsServer first;
        DnsServer second("127.0.0.2");
        first.behave("*", behaviour);
        second.mx("example.test", 10, "mx.test");
        test::run([&](asio::io_context& context) -> awaitable<void> {
            auto resolver = resolver_for(context, options_for({&first, &second}, milliseconds(100)));
            const MxAnswer answer = co_await resolver->mx("example.test");
            EXPECT_EQ(answer.status, Status::ok) << answer.detail;
            EXPECT_EQ(answer.hosts.size(), 1U);
        });
        EXPECT_GE(first.count("example.test", kMx), 1U);
        EXPECT_GE(second.count("example.test", kMx), 1U);
    }
}

TEST(Mx, NoAnswerAtAllIsTemporaryWithinTheTimeGiven) {
    DnsServer server;
    server.behave("*", Behaviour::drop);
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}, milliseconds(40)));
        const auto start = std::chrono::steady_clock::now();
        const MxAnswer answer = co_await resolver->mx("example.test");
        EXPECT_EQ(answer.status, Status::temporary);
        EXPECT_NE(answer.detail.find("no answer"), std::string::npos) << answer.detail;
        EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(5));
        EXPECT_EQ(server.count("example.test"), 2U);
    });
}

TEST(Mx, AServerThatIsNotThereIsTemporary) {
    DnsOptions options;
    {
        DnsServer gone;
        options = options_for({&gone}, milliseconds(50));
    }
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options);
        const MxAnswer answer = co_await resolver->mx("example.test");
        EXPECT_EQ(answer.status, Status::temporary);
        EXPECT_FALSE(answer.detail.empty());
    });
}

TEST(Mx, RubbishIsTemporary) {
    DnsServer server;
    server.behave("*", Behaviour::garbage);
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}, milliseconds(50)));
        const MxAnswer answer = co_await resolver->mx("example.test");
        EXPECT_EQ(answer.status, Status::temporary);
        EXPECT_NE(answer.detail.find("makes no sense"), std::string::npos) << answer.detail;
    });
}

TEST(Mx, ATruncatedAnswerIsFetchedByTcp) {
    DnsServer server;
    server.behave("big.test", Behaviour::truncate);
    for (int i = 0; i < 60; ++i) {
        server.mx("big.test", static_cast<std::uint16_t>(i),
                  "a-rather-long-host-name-" + std::to_string(i) + ".big.test");
    }
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}));
        const MxAnswer answer = co_await resolver->mx("big.test");
        EXPECT_EQ(answer.status, Status::ok) << answer.detail;
        EXPECT_EQ(answer.hosts.size(), 60U);
    });
    const auto queries = server.queries();
    ASSERT_EQ(queries.size(), 2U);
    EXPECT_FALSE(queries[0].tcp);
    EXPECT_TRUE(queries[1].tcp);
}

TEST(Cname, IsFollowedInOneAnswerAndAcrossSeveral) {
    for (const bool chasing : {true, false}) {
        DnsServer server;
        server.cname("www.test", "web.test", 60).cname("web.test", "host.test").mx("host.test", 5, "mx.test");
        server.cname("bare.test", "there.test").a("there.test", "192.0.2.1");
        if (!chasing) {
            server.without_chasing();
        }
        test::run([&](asio::io_context& context) -> awaitable<void> {
            auto resolver = resolver_for(context, options_for({&server}));
            const MxAnswer answer = co_await resolver->mx("www.test");
            EXPECT_EQ(answer.status, Status::ok);
            EXPECT_EQ(answer.cname_target, "host.test");
            EXPECT_EQ(answer.ttl, seconds(60));
            const std::vector<std::string> expected = {"5 mx.test"};
            EXPECT_EQ(names(answer), expected);
            // RFC 5321 s5.1: "the resulting name is processed as if it were the initial name".
            const MxAnswer implicit = co_await resolver->mx("bare.test");
            EXPECT_TRUE(implicit.implicit);
            const std::vector<std::string> itself = {"0 there.test"};
            EXPECT_EQ(names(implicit), itself);
        });
    }
}

TEST(Cname, ACircleEndsAsTemporary) {
    for (const bool chasing : {true, false}) {
        DnsServer server;
        server.cname("one.test", "two.test").cname("two.test", "one.test").without_soa();
        if (!chasing) {
            server.without_chasing();
        }
        test::run([&](asio::io_context& context) -> awaitable<void> {
            auto resolver = resolver_for(context, options_for({&server}));
            const MxAnswer answer = co_await resolver->mx("one.test");
            EXPECT_EQ(answer.status, Status::temporary);
            EXPECT_NE(answer.detail.find("circle"), std::string::npos) << answer.detail;
        });
    }
}

TEST(Addresses, BothFamiliesAreAskedAtOnce) {
    DnsServer server;
    server.a("mx.test", "192.0.2.1").a("mx.test", "192.0.2.2").aaaa("mx.test", "2001:db8::1", 60);
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}));
        const AddressAnswer answer = co_await resolver->addresses("mx.test");
        EXPECT_EQ(answer.status, Status::ok);
        EXPECT_EQ(answer.v4.size(), 2U);
        EXPECT_EQ(answer.v6.size(), 1U);
        EXPECT_EQ(answer.v4[0].to_string(), "192.0.2.1");
        EXPECT_EQ(answer.all().back().to_string(), "2001:db8::1");
        EXPECT_EQ(answer.ttl, seconds(60));
        const AddressAnswer only = co_await resolver->addresses("mx.test", Family::v4);
        EXPECT_TRUE(only.v6.empty());
        EXPECT_EQ(only.v4.size(), 2U);
    });
    EXPECT_EQ(server.count("mx.test", kA), 1U);
    EXPECT_EQ(server.count("mx.test", kAaaa), 1U);
}

TEST(Addresses, NoneAndNoSuchName) {
    DnsServer server;
    server.exists("empty.test");
    server.a("four.test", "192.0.2.1");
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}));
        const AddressAnswer empty = co_await resolver->addresses("empty.test");
        EXPECT_EQ(empty.status, Status::no_data);
        EXPECT_NE(empty.detail.find("neither A nor AAAA"), std::string::npos) << empty.detail;
        const AddressAnswer missing = co_await resolver->addresses("missing.test");
        EXPECT_EQ(missing.status, Status::nxdomain);
        const AddressAnswer four = co_await resolver->addresses("four.test");
        EXPECT_EQ(four.status, Status::ok);
        EXPECT_EQ(four.detail, "");
        const AddressAnswer six = co_await resolver->addresses("four.test", Family::v6);
        EXPECT_EQ(six.status, Status::no_data);
    });
}

TEST(Txt, StringsOfARecordAreJoined) {
    DnsServer server;
    server.txt("k._domainkey.test", {"v=DKIM1; k=rsa; p=MIIB", "IjANBg"}).txt("k._domainkey.test", {"other"});
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}));
        const TxtAnswer answer = co_await resolver->txt("k._domainkey.test");
        EXPECT_EQ(answer.status, Status::ok);
        const std::vector<std::string> expected = {"v=DKIM1; k=rsa; p=MIIBIjANBg", "other"};
        EXPECT_EQ(answer.texts, expected);
        const TxtAnswer none = co_await resolver->txt("missing.test");
        EXPECT_EQ(none.status, Status::nxdomain);
    });
}

TEST(Ptr, ForBothFamilies) {
    DnsServer server;
    server.ptr("7.2.0.192.in-addr.arpa", "mail.example.test");
    server.ptr("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
               "six.example.test");
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}));
        const PtrAnswer four = co_await resolver->ptr(*IpAddress::parse("192.0.2.7"));
        const std::vector<std::string> name4 = {"mail.example.test"};
        EXPECT_EQ(four.names, name4);
        const PtrAnswer six = co_await resolver->ptr(*IpAddress::parse("2001:db8::1"));
        const std::vector<std::string> name6 = {"six.example.test"};
        EXPECT_EQ(six.names, name6);
    });
}

TEST(Asking, AKnownAnswerIsNotAskedAgainUntilFlushed) {
    DnsServer server;
    server.mx("example.test", 10, "mx.test").mx("fleeting.test", 10, "mx.test", 0);
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}));
        for (int i = 0; i < 5; ++i) {
            const MxAnswer answer = co_await resolver->mx("example.test");
            EXPECT_EQ(answer.hosts.size(), 1U);
            const MxAnswer none = co_await resolver->mx("missing.test");
            EXPECT_EQ(none.status, Status::nxdomain);
            const MxAnswer fleeting = co_await resolver->mx("fleeting.test");
            EXPECT_EQ(fleeting.status, Status::ok);
        }
        EXPECT_EQ(server.count("example.test"), 1U);
        EXPECT_EQ(server.count("missing.test"), 1U);
        EXPECT_EQ(server.count("fleeting.test"), 5U);  // TTL 0: not for reuse (RFC 1035 s3.2.1)
        EXPECT_EQ(resolver->counters().cache_hits, 8U);
        resolver->flush();
        const MxAnswer fresh = co_await resolver->mx("example.test");
        EXPECT_EQ(fresh.hosts.size(), 1U);
        EXPECT_EQ(server.count("example.test"), 2U);
    });
}

awaitable<void> ask(Resolver& resolver, int& ok) {
    const MxAnswer answer = co_await resolver.mx("example.test");
    ok += answer.hosts.size() == 1 ? 1 : 0;
}

TEST(Asking, EqualQuestionsUnderWayAreAskedOnce) {
    DnsServer server;
    // TTL 0 is for all who ask at the same time (RFC 1035 s3.2.1: "for the transaction in progress").
    server.mx("example.test", 10, "mx.test", 0).slow(milliseconds(30));
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}));
        net::TaskGroup group(context.get_executor(), "ask");
        int ok = 0;
        for (int i = 0; i < 20; ++i) {
            group.spawn(ask(*resolver, ok));
        }
        const bool idle = co_await group.wait_idle(std::chrono::steady_clock::now() + seconds(10));
        EXPECT_TRUE(idle);
        EXPECT_EQ(ok, 20);
        EXPECT_EQ(server.count("example.test"), 1U);
        EXPECT_EQ(resolver->counters().joined, 19U);
        EXPECT_EQ(resolver->counters().queries, 1U);
    });
}

awaitable<void> ask_many(Resolver& resolver, int first, int& ok) {
    for (int i = 0; i < 100; ++i) {
        const AddressAnswer answer = co_await resolver.addresses("h" + std::to_string(first + i) + ".test");
        ok += answer.status == Status::nxdomain ? 1 : 0;
    }
}

TEST(Asking, ManyDifferentOnesAtOnce) {
    DnsServer server;
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}));
        net::TaskGroup group(context.get_executor(), "ask");
        int ok = 0;
        for (int i = 0; i < 10; ++i) {
            group.spawn(ask_many(*resolver, i * 100, ok));
        }
        const bool idle = co_await group.wait_idle(std::chrono::steady_clock::now() + seconds(15));
        EXPECT_TRUE(idle);
        EXPECT_EQ(ok, 1000);
    });
}

TEST(Reload, NewServersAreAskedAndOldQuestionsEndWithTheOld) {
    DnsServer before;
    DnsServer after;
    before.mx("example.test", 10, "old.test").slow(milliseconds(40));
    after.mx("example.test", 10, "new.test");
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&before}));
        net::TaskGroup group(context.get_executor(), "ask");
        int ok = 0;
        group.spawn(ask(*resolver, ok));
        while (before.count("example.test") == 0) {
            asio::steady_timer timer(context, milliseconds(1));
            co_await timer.async_wait(net::kAwait);
        }
        const Result<void> changed = resolver->reconfigure(options_for({&after}));
        EXPECT_TRUE(changed.has_value());
        const MxAnswer answer = co_await resolver->mx("example.test");
        EXPECT_EQ(answer.hosts.at(0).name, "new.test");
        const bool idle = co_await group.wait_idle(std::chrono::steady_clock::now() + seconds(10));
        EXPECT_TRUE(idle);
        EXPECT_EQ(ok, 1);
        const MxAnswer again = co_await resolver->mx("example.test");
        EXPECT_EQ(again.hosts.at(0).name, "new.test") << "the old answer came later and must not be kept";
    });
}

TEST(Reload, ServersMustBeAddresses) {
    asio::io_context context(1);
    DnsOptions options;
    options.servers.emplace_back();
    options.servers[0].host = "dns.example";
    options.servers[0].port = 53;
    const auto made = Resolver::create(context.get_executor(), options);
    ASSERT_FALSE(made.has_value());
    EXPECT_NE(made.error().what.find("dns.servers"), std::string::npos) << made.error().what;
}

TEST(Dnssec, AdIsBelievedOnlyWhenTheOperatorTrustsTheServer) {  // DA-1
    DnsServer server;
    server.mx("example.test", 10, "mx.test").set_ad();
    for (const bool trust : {false, true}) {
        test::run([&](asio::io_context& context) -> awaitable<void> {
            DnsOptions options = options_for({&server});
            options.trust_ad = trust;
            auto resolver = resolver_for(context, options);
            const MxAnswer answer = co_await resolver->mx("example.test");
            EXPECT_EQ(answer.authenticated, trust);
        });
        EXPECT_EQ(server.queries().back().ad, trust);
    }
}

TEST(Ending, TheResolverMayGoWhileAQuestionIsUnderWay) {
    DnsServer server;
    server.behave("*", Behaviour::drop);
    auto context = std::make_unique<asio::io_context>(1);
    auto resolver = resolver_for(*context, options_for({&server}));
    int ok = 0;
    asio::co_spawn(*context, ask(*resolver, ok), asio::detached);
    while (server.count("example.test") == 0) {
        context->run_for(milliseconds(1));
    }
    resolver.reset();  // the shard's thread has stopped: first the resolver, then the context with the
                       // waiting frame
    context.reset();
    EXPECT_EQ(ok, 0);
}

TEST(Ending, SoMayOneThatWasReloadedSinceTheQuestion) {
    DnsServer server;
    server.behave("*", Behaviour::drop);
    auto context = std::make_unique<asio::io_context>(1);
    auto resolver = resolver_for(*context, options_for({&server}));
    int ok = 0;
    for (int reload = 0; reload < 3; ++reload) {
        const std::size_t asked = server.count("example.test");
        asio::co_spawn(*context, ask(*resolver, ok), asio::detached);
        while (server.count("example.test") == asked) {
            context->run_for(milliseconds(1));
        }
        ASSERT_TRUE(resolver->reconfigure(options_for({&server})));
    }
    resolver.reset();
    context.reset();
    EXPECT_EQ(ok, 0);
}

TEST(Ending, CloseAnswersWhatIsUnderWayAndWhatIsAskedAfterwards) {
    DnsServer server;
    server.behave("*", Behaviour::drop);
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}, seconds(30)));
        net::TaskGroup group(context.get_executor(), "questions");
        int ok = 0;
        for (std::size_t reload = 0; reload < 2; ++reload) {  // also of a channel that a reload replaced
            const std::size_t asked = server.count("example.test");
            group.spawn(ask(*resolver, ok));
            while (server.count("example.test") == asked) {
                asio::steady_timer timer(context, milliseconds(1));
                co_await timer.async_wait(net::kAwait);
            }
            if (reload == 0) {
                const Result<void> changed = resolver->reconfigure(options_for({&server}, seconds(30)));
                EXPECT_TRUE(changed.has_value());
            }
        }
        resolver->close();
        const bool idle = co_await group.wait_idle(std::chrono::steady_clock::now() + seconds(10));
        EXPECT_TRUE(idle);
        EXPECT_EQ(ok, 0);
        const MxAnswer answer = co_await resolver->mx("later.test");
        EXPECT_EQ(answer.status, Status::temporary);
        EXPECT_EQ(server.count("later.test"), 0U);
    });
}

}  // namespace
}  // namespace posthorn::dns
