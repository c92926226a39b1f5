// Servers that are dead, slow, lame or lie: who is asked next, and what is believed.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "dns/resolver.hpp"
#include "net/task_group.hpp"
#include "support/dns_server.hpp"
#include "support/run_awaitable.hpp"

namespace posthorn::dns {
namespace {

namespace asio = net::asio;
using net::awaitable;
using std::chrono::milliseconds;
using test::DnsServer;
using Behaviour = DnsServer::Behaviour;
using Clock = std::chrono::steady_clock;

// Long where an answer must come, on a busy machine too; short where none will.
DnsOptions options_for(std::initializer_list<const DnsServer*> servers, Duration timeout,
                       unsigned tries = 2) {
    DnsOptions options;
    for (const DnsServer* server : servers) {
        options.servers.push_back(server->endpoint());
    }
    options.timeout = timeout;
    options.tries = tries;
    return options;
}

std::unique_ptr<Resolver> resolver_for(asio::io_context& context, const DnsOptions& options) {
    auto made = Resolver::create(context.get_executor(), options);
    if (!made) {
        throw std::runtime_error(made.error().what);
    }
    return std::move(*made);
}

// A bad first server and a good second one: what comes out, and what is said of the first.
MxAnswer by_way_of(Behaviour bad) {
    DnsServer first;
    DnsServer second;
    for (DnsServer* server : {&first, &second}) {
        server->mx("example.test", 10, "mx.test");
    }
    first.behave("*", bad);
    MxAnswer out;
    test::run([&](asio::io_context& context) -> awaitable<void> {
        // The second is asked after 50 ms, and has 50 * (2^7 - 1).
        auto resolver = resolver_for(context, options_for({&first, &second}, milliseconds(50), 7));
        out = co_await resolver->mx("example.test");
        EXPECT_EQ(resolver->counters().failures, 0U);
    });
    EXPECT_GE(first.count("example.test"), 1U);
    return out;
}

// The same server alone.
MxAnswer alone(Behaviour bad, Duration timeout) {
    DnsServer server;
    server.mx("example.test", 10, "mx.test").behave("*", bad);
    MxAnswer out;
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}, timeout));
        out = co_await resolver->mx("example.test");
    });
    return out;
}

TEST(Failover, WhateverIsWrongWithTheFirstTheSecondAnswers) {
    for (const Behaviour bad :
         {Behaviour::servfail, Behaviour::refused, Behaviour::drop, Behaviour::garbage, Behaviour::lame,
          Behaviour::empty, Behaviour::wrong_id, Behaviour::wrong_question, Behaviour::truncate_only}) {
        const MxAnswer answer = by_way_of(bad);
        EXPECT_EQ(answer.status, Status::ok) << static_cast<int>(bad) << ": " << answer.detail;
        EXPECT_FALSE(answer.implicit) << static_cast<int>(bad);
    }
}

// SMTP-22: none of these is NXDOMAIN or "no MX"; an implicit MX would send mail to a web server.
TEST(Failover, AloneTheyAreTemporaryAndSayWhy) {
    const std::vector<std::pair<Behaviour, std::string>> cases = {
        {Behaviour::servfail, "SERVFAIL"},
        {Behaviour::refused, "REFUSED"},
        {Behaviour::drop, "no answer"},
        {Behaviour::garbage, "makes no sense"},
        {Behaviour::lame, "lame"},
        {Behaviour::empty, "lame"},
        {Behaviour::wrong_id, "no answer"},
        {Behaviour::wrong_question, "no answer"},
        {Behaviour::truncate_only, "truncated"},
    };
    for (const auto& [bad, words] : cases) {
        const bool silent = words == "no answer";
        const MxAnswer answer = alone(bad, milliseconds(silent ? 30 : 2000));
        EXPECT_EQ(answer.status, Status::temporary) << words;
        EXPECT_FALSE(answer.implicit) << words;
        EXPECT_FALSE(answer.local_shortage) << words;
        EXPECT_NE(answer.detail.find(words), std::string::npos) << answer.detail;
        EXPECT_NE(answer.detail.find("MX of example.test"), std::string::npos) << answer.detail;
    }
}

TEST(Failover, AllThatServersSaidIsTold) {
    DnsServer first;
    DnsServer second;
    first.behave("*", Behaviour::refused);
    second.behave("*", Behaviour::servfail);
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&first, &second}, milliseconds(2000)));
        const MxAnswer answer = co_await resolver->mx("example.test");
        EXPECT_EQ(answer.status, Status::temporary);
        for (const std::string& part : {first.endpoint().to_string() + " answered REFUSED",
                                        second.endpoint().to_string() + " answered SERVFAIL"}) {
            EXPECT_NE(answer.detail.find(part), std::string::npos) << answer.detail;
        }
    });
}

TEST(Failover, AServerWithoutEdnsIsAskedWithoutIt) {  // RFC 6891 s6.2.2
    DnsServer server;
    for (const char* name : {"a.test", "b.test", "c.test"}) {
        server.mx(name, 10, "mx.test");
    }
    server.behave("*", Behaviour::no_edns);
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}, milliseconds(2000)));
        for (const char* name : {"a.test", "b.test", "c.test"}) {
            const MxAnswer answer = co_await resolver->mx(name);
            EXPECT_EQ(answer.status, Status::ok) << answer.detail;
        }
    });
    EXPECT_EQ(server.count("c.test"), 1U) << "by then it is known";
    EXPECT_FALSE(server.queries().back().edns);
    EXPECT_TRUE(server.queries().front().edns);
}

// It knows EDNS, and does not understand the question all the same: c-ares must not cut that off, as it does where it has put
// an OPT record there; nobody answers such octets, and the question would last as long as all its tries.
TEST(Failover, AQuestionWithoutEdnsStaysWhole) {
    DnsServer server;
    server.mx("a.test", 10, "mx.test").behave("*", Behaviour::formerr_and_opt);
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}, milliseconds(300)));
        for (int i = 0; i < 2; ++i) {
            const MxAnswer answer = co_await resolver->mx("a.test");
            EXPECT_EQ(answer.status, Status::temporary);
            EXPECT_NE(answer.detail.find("FORMERR"), std::string::npos) << answer.detail;
        }
    });
    EXPECT_EQ(server.malformed(), 0U);
    EXPECT_FALSE(server.queries().back().edns);
}

// A dead first server costs its time-out once.
TEST(Failover, ASilentServerIsPassedOver) {
    DnsServer dead;
    DnsServer alive;
    dead.behave("*", Behaviour::drop);
    for (int i = 0; i < 5; ++i) {
        alive.mx("d" + std::to_string(i) + ".test", 10, "mx.test");
    }
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&dead, &alive}, milliseconds(1000)));
        for (int i = 0; i < 5; ++i) {
            const MxAnswer answer = co_await resolver->mx("d" + std::to_string(i) + ".test");
            EXPECT_EQ(answer.status, Status::ok) << answer.detail;
        }
        const std::vector<ServerFigures> figures = resolver->servers();
        EXPECT_TRUE(figures[0].passed_over);
        EXPECT_FALSE(figures[1].passed_over);
        EXPECT_EQ(figures[0].queries, 1U);
        EXPECT_GE(figures[0].silences, 1U);
        EXPECT_EQ(figures[1].answers, 5U);
    });
    EXPECT_EQ(dead.count("d1.test") + dead.count("d4.test"), 0U);
}

TEST(Failover, ASlowAnswerCountsThoughAnotherServerWasAskedMeanwhile) {
    DnsServer slow;
    DnsServer dead;
    slow.mx("example.test", 10, "mx.test").slow(milliseconds(300));
    dead.behave("*", Behaviour::drop);
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&slow, &dead}, milliseconds(200), 4));
        const MxAnswer answer = co_await resolver->mx("example.test");
        EXPECT_EQ(answer.status, Status::ok) << answer.detail;
    });
    EXPECT_EQ(dead.count("example.test"), 1U);
}

// EMFILE is nobody else's fault.
TEST(Failover, WithoutDescriptorsItIsOurOwnShortage) {
    DnsServer server;
    server.mx("example.test", 10, "mx.test");
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&server}, milliseconds(2000)));
        rlimit whole{};
        EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &whole), 0);
        rlimit none = whole;
        none.rlim_cur = 3;
        EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
        const MxAnswer answer = co_await resolver->mx("example.test");
        const AddressAnswer addresses = co_await resolver->addresses("mx.test");
        const TlsaAnswer tlsa = co_await resolver->tlsa("_25._tcp.mx.test");
        ::setrlimit(RLIMIT_NOFILE, &whole);
        EXPECT_EQ(answer.status, Status::temporary);
        EXPECT_TRUE(answer.local_shortage);
        EXPECT_TRUE(addresses.local_shortage);
        EXPECT_TRUE(tlsa.local_shortage);
        EXPECT_NE(answer.detail.find("no descriptors"), std::string::npos) << answer.detail;
        EXPECT_EQ(resolver->counters().failures, 0U);
        EXPECT_FALSE(resolver->servers()[0].passed_over) << "the server has done nothing";
        const MxAnswer again = co_await resolver->mx("example.test");
        EXPECT_EQ(again.status, Status::ok) << again.detail;
    });
}

TEST(Failover, NobodyIsLeftOutWhenAllAreSilent) {
    DnsServer first;
    DnsServer second;
    for (DnsServer* server : {&first, &second}) {
        server->mx("later.test", 10, "mx.test").behave("early.test", Behaviour::drop);
    }
    test::run([&](asio::io_context& context) -> awaitable<void> {
        auto resolver = resolver_for(context, options_for({&first, &second}, milliseconds(200)));
        const MxAnswer early = co_await resolver->mx("early.test");
        EXPECT_EQ(early.status, Status::temporary);
        EXPECT_TRUE(resolver->servers()[0].passed_over);
        EXPECT_TRUE(resolver->servers()[1].passed_over);
        const MxAnswer later = co_await resolver->mx("later.test");
        EXPECT_EQ(later.status, Status::ok) << later.detail;
        EXPECT_FALSE(resolver->servers()[0].passed_over) << "with a reply it is back";
    });
}

}  // namespace
}  // namespace posthorn::dns
