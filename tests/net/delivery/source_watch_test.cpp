// The look at our IPv6 addresses in DNS: confirmed only where the PTR record leads to a name that leads back.
#include "delivery/source_watch.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <new>

#include "delivery/agent.hpp"
#include "dns/resolver.hpp"
#include "support/dns_server.hpp"

namespace posthorn::delivery {
namespace {

// 2001:db8::N under ip6.arpa.
std::string reverse(char n) {
    std::string name(1, n);  // in two steps: g++ 12 sees an overrun in one that is none
    return name += ".0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
}

class SourceWatchTest : public testing::Test {
protected:
    SourceWatchTest() {
        dns::DnsOptions options;
        options.servers.push_back(dns_.endpoint());
        options.timeout = std::chrono::milliseconds(300);
        options.tries = 1;
        options.cache_entries = 0;
        resolver_ = dns::Resolver::create(context_.get_executor(), options).value();
        watch_ = std::make_unique<SourceWatch>(context_.get_executor(), *resolver_);
        options_.source_v6 = "2001:db8::1";
    }
    SourceAddresses look(const std::string& domain = "example.test") {
        auto settings = std::make_shared<Settings>();
        settings->delivery = options_;
        bool ended = false;
        context_.restart();
        net::asio::co_spawn(context_, watch_->look(settings), [&](std::exception_ptr failure, bool answered) {
            EXPECT_FALSE(failure);
            answered_ = answered;
            ended = true;
            context_.stop();
        });
        context_.run_for(std::chrono::seconds(20));
        EXPECT_TRUE(ended);
        return watch_->source_for(options_, domain);
    }

    net::asio::io_context context_;
    test::DnsServer dns_;
    std::unique_ptr<dns::Resolver> resolver_;
    std::unique_ptr<SourceWatch> watch_;
    DeliveryOptions options_;
    bool answered_ = false;
};

TEST_F(SourceWatchTest, AnAddressWhoseNameLeadsBackIsUsed) {
    dns_.ptr(reverse('1'), "mail.example.test").aaaa("mail.example.test", "2001:db8::1");
    const SourceAddresses source = look();
    EXPECT_TRUE(source.allow_v6);
    EXPECT_EQ(source.v6->to_string(), "2001:db8::1");
    EXPECT_NE(source.why.find("is mail.example.test"), std::string::npos);
    EXPECT_TRUE(answered_);
}

TEST_F(SourceWatchTest, AnyOfSeveralNamesWillDo) {
    dns_.ptr(reverse('1'), "old.example.test")
        .ptr(reverse('1'), "mail.example.test")
        .aaaa("mail.example.test", "2001:db8::1");
    EXPECT_TRUE(look().allow_v6);
}

TEST_F(SourceWatchTest, WithoutAPtrRecordOrAWayBackItIsNot) {  // SD-73
    SourceAddresses source = look();
    EXPECT_FALSE(source.allow_v6);
    EXPECT_NE(source.why.find("has no PTR record"), std::string::npos);
    EXPECT_TRUE(answered_);
    dns_.ptr(reverse('1'), "mail.example.test").aaaa("mail.example.test", "2001:db8::2");
    source = look();
    EXPECT_FALSE(source.allow_v6);
    EXPECT_NE(source.why.find("does not have this address"), std::string::npos);
}

TEST_F(SourceWatchTest, NoAnswerSaysNothing) {
    dns_.behave(reverse('1'), test::DnsServer::Behaviour::servfail);
    EXPECT_FALSE(look().allow_v6);
    EXPECT_FALSE(answered_);
    dns_.behave(reverse('1'), test::DnsServer::Behaviour::normal)
        .ptr(reverse('1'), "mail.example.test")
        .aaaa("mail.example.test", "2001:db8::1");
    EXPECT_TRUE(look().allow_v6);
    dns_.behave(reverse('1'), test::DnsServer::Behaviour::servfail);
    EXPECT_TRUE(look().allow_v6);  // what was found before stays
    EXPECT_FALSE(answered_);
}

// RFC 7208 s4.6.4's bound: whoever writes the reverse zone does not have us ask without end.
TEST_F(SourceWatchTest, TenNamesOfAnAddressAreLookedUp) {
    for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"})
        dns_.ptr(reverse('1'), std::string(name) + ".example.test").exists(std::string(name) + ".example.test");
    EXPECT_FALSE(look().allow_v6);
    const std::vector<test::DnsServer::Query> asked = dns_.queries();
    EXPECT_EQ(std::count_if(asked.begin(), asked.end(), [](const auto& query) { return query.type == 28; }), 10);
}

// One name is enough, also where DNS says nothing about the others: there is no need to look again soon.
TEST_F(SourceWatchTest, SilenceAboutANameIsMadeGoodByAnother) {
    dns_.ptr(reverse('1'), "old.example.test")
        .ptr(reverse('1'), "mail.example.test")
        .aaaa("mail.example.test", "2001:db8::1")
        .behave("old.example.test", test::DnsServer::Behaviour::servfail);
    EXPECT_TRUE(look().allow_v6);
    EXPECT_TRUE(answered_);
}

TEST_F(SourceWatchTest, SilenceAboutTheWayBackSaysNothing) {
    dns_.ptr(reverse('1'), "mail.example.test").aaaa("mail.example.test", "2001:db8::1");
    EXPECT_TRUE(look().allow_v6);
    dns_.behave("mail.example.test", test::DnsServer::Behaviour::servfail);
    EXPECT_TRUE(look().allow_v6);
    EXPECT_FALSE(answered_);
}

// RFC 4193: nobody outside sees it, whatever a resolver inside says of its name.
TEST_F(SourceWatchTest, APrivateAddressIsNotOfTheInternet) {
    options_.source_v6 = "fd00::1";
    dns_.ptr("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", "mail.example.test")
        .aaaa("mail.example.test", "fd00::1");
    const SourceAddresses source = look();
    EXPECT_FALSE(source.allow_v6);
    EXPECT_NE(source.why.find("fd00::1 is not an address of the public Internet"), std::string::npos) << source.why;
    EXPECT_TRUE(answered_);
}

TEST_F(SourceWatchTest, EachSourceIsLookedAtByItself) {
    options_.sources = {{"shop.test", "", "2001:db8::7"}};
    dns_.ptr(reverse('7'), "shop.example.test").aaaa("shop.example.test", "2001:db8::7");
    EXPECT_FALSE(look().allow_v6);
    EXPECT_TRUE(watch_->source_for(options_, "shop.test").allow_v6);
    EXPECT_EQ(watch_->confirmations().size(), 2U);
}

TEST_F(SourceWatchTest, NobodyIsAskedWhereTheFamilyIsFixed) {
    options_.family = IpFamily::any;
    EXPECT_TRUE(look().allow_v6);
    EXPECT_TRUE(watch_->confirmations().empty());
}

// Out of memory in one round is no reason to look no more for the rest of the process's life.
TEST_F(SourceWatchTest, ARoundThatFailsIsFollowedByTheNext) {
    dns_.ptr(reverse('1'), "mail.example.test").aaaa("mail.example.test", "2001:db8::1");
    auto settings = std::make_shared<Settings>();
    settings->delivery = options_;
    net::TaskGroup tasks(context_.get_executor(), "test");
    int rounds = 0;
    watch_->on_confirmed([] {});
    tasks.spawn(watch_->run(
        [&]() -> std::shared_ptr<const Settings> {
            if (++rounds == 1) {
                watch_->look_again();   // at once, not in a minute
                throw std::bad_alloc();
            }
            tasks.request_stop();
            return settings;
        },
        tasks));
    context_.restart();
    context_.run_for(std::chrono::seconds(20));
    EXPECT_EQ(rounds, 2);
    EXPECT_TRUE(watch_->source_for(options_, "example.test").allow_v6);
    EXPECT_EQ(tasks.size(), 0U);
}

}  // namespace
}  // namespace posthorn::delivery
