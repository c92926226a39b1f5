// As whom and how much users may send: sender rules, accounts from options, allowances with given times.
#include "auth/account.hpp"

#include <gtest/gtest.h>

#include "auth/allowance.hpp"

namespace posthorn::auth {
namespace {

using namespace std::chrono_literals;

SenderRules rules(std::vector<std::string> texts) {
    return SenderRules(texts);
}

// SUB-6, RFC 6409 s6.1.
TEST(SenderRules, WhoMaySendAsWhom) {
    struct Row {
        const char* rule;
        const char* local;
        const char* domain;
        bool allowed;
    };
    const Row rows[] = {
        {"alice@example.com", "alice", "example.com", true},
        {"alice@example.com", "ALICE", "Example.COM", true},           // without case, on both sides
        {"Alice@EXAMPLE.com", "alice", "example.com", true},
        {"alice@example.com", "\"alice\"", "example.com", true},       // RFC 5321 s4.1.2: the same local part
        {"alice@example.com", "\"al\\ice\"", "example.com", true},
        {"\"odd one\"@example.com", "\"odd one\"", "example.com", true},
        {"alice@example.com", "alice+news", "example.com", true},      // RFC 5233: her own subaddress
        {"alice@example.com", "alice+", "example.com", true},
        {"alice+news@example.com", "alice", "example.com", false},     // a subaddress is not the whole mailbox
        {"alice+news@example.com", "alice+other", "example.com", false},
        {"alice@example.com", "alice2", "example.com", false},
        {"alice@example.com", "alice-news", "example.com", false},
        {"alice@example.com", "malice", "example.com", false},
        {"alice@example.com", "bob", "example.com", false},
        {"alice@example.com", "alice", "mail.example.com", false},
        {"alice@example.com", "alice", "example.com.evil.test", false},
        {"@example.com", "anybody", "example.com", true},
        {"@example.com", "anybody", "mail.example.com", false},        // exactly that domain
        {"@example.com", "anybody", "badexample.com", false},
        {"@*.example.com", "anybody", "mail.example.com", true},
        {"@*.example.com", "anybody", "a.b.example.com", true},
        {"@*.example.com", "anybody", "example.com", false},           // only what lies below
        {"@*.example.com", "anybody", "badexample.com", false},
        {"*", "anybody", "anywhere.test", true},
        {"*", "anybody", "[192.0.2.1]", true},
        {"@example.com", "anybody", "[192.0.2.1]", false},
        {"@xn--mnchen-3ya.example", "anybody", "m\xc3\xbcnchen.example", true},   // U-label against A-label
        {"@xn--mnchen-3ya.example", "anybody", "XN--MNCHEN-3YA.EXAMPLE", true},
        {"@xn--mnchen-3ya.example", "anybody", "munchen.example", false},
        {"j\xc3\xb6rg@example.com", "j\xc3\xb6rg", "example.com", true},          // RFC 6532: octets as they are
        {"j\xc3\xb6rg@example.com", "jorg", "example.com", false},
        {"@example.com", "", "example.com", false},
        {"@example.com", "a", "", false},
        {"@example.com", "a", "ex ample.com", false},
        {"example.com", "a", "example.com", false},                    // no rule at all: allows nobody
        {"@", "a", "example.com", false},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(rules({row.rule}).allow(row.local, row.domain), row.allowed)
            << row.rule << " for " << row.local << "@" << row.domain;
    }
}

TEST(SenderRules, AnyOfSeveralIsEnoughAndNoneAllowsNobody) {
    const SenderRules several = rules({"alice@example.com", "@example.org"});
    EXPECT_TRUE(several.allow("alice", "example.com"));
    EXPECT_TRUE(several.allow("bob", "example.org"));
    EXPECT_FALSE(several.allow("bob", "example.com"));
    EXPECT_FALSE(SenderRules().allow("alice", "example.com"));
    EXPECT_TRUE(SenderRules::anybody().allow("alice", "example.com"));
}

TEST(Accounts, WithoutSendersTheSigningDomainsDecide) {
    AuthOptions options;
    options.domains.resize(1);
    options.domains[0].name = "example.com";
    EXPECT_TRUE(Accounts(options).of("shop").senders.allow("a", "example.com"));
    EXPECT_TRUE(Accounts(options).of("shop").senders.allow("a", "mail.example.com"));  // signed with the same key
    EXPECT_FALSE(Accounts(options).of("shop").senders.allow("a", "example.net"));
    // Where unsigned mail may leave, or nothing can be signed yet, the accounts are not where it is decided.
    options.dkim.unknown_domain = UnsignedPolicy::send_unsigned;
    EXPECT_TRUE(Accounts(options).of("shop").senders.allow("a", "example.net"));
    EXPECT_TRUE(Accounts(AuthOptions()).of("shop").senders.allow("a", "example.net"));
    EXPECT_TRUE(Accounts().of("shop").senders.allow("a", "example.net"));
}

TEST(Accounts, AUserOfItsOwnAndAllOthers) {
    AuthOptions options;
    options.account.messages_per_hour = 10;
    options.account.senders = {"@example.com"};
    AccountOptions shop;
    shop.name = "shop";
    shop.senders = {"shop@example.org"};
    shop.messages_per_hour = 500;
    options.accounts = {shop};
    const Accounts accounts(options);
    EXPECT_EQ(accounts.of("shop").limits.messages_per_hour, 500U);
    EXPECT_EQ(accounts.of("Shop").limits.messages_per_hour, 10U);  // names are exact
    EXPECT_FALSE(accounts.of("shop").senders.allow("shop", "example.com"));
    EXPECT_TRUE(accounts.of("bob").senders.allow("shop", "example.com"));
}

const SteadyTime kStart{std::chrono::hours(1000)};

AllowanceLimits limits(std::uint32_t messages, std::uint32_t recipients, Duration burst = 1h) {
    return {messages, recipients, burst};
}

TEST(TokenBucket, BeginsFullAndFillsAtItsRate) {
    TokenBucket bucket;
    bucket.fill(3600, 10, kStart);
    EXPECT_DOUBLE_EQ(bucket.tokens(), 10);
    bucket.take(10);
    bucket.fill(3600, 10, kStart + 3s);
    EXPECT_NEAR(bucket.tokens(), 3, 1e-9);
    bucket.fill(3600, 10, kStart + 1h);
    EXPECT_DOUBLE_EQ(bucket.tokens(), 10);
    bucket.fill(3600, 4, kStart + 1h);  // a reload made it smaller
    EXPECT_DOUBLE_EQ(bucket.tokens(), 4);
    bucket.fill(3600, 4, kStart);  // never backwards
    EXPECT_DOUBLE_EQ(bucket.tokens(), 4);
}

TEST(TokenBucket, TheBurstIsItsSize) {
    EXPECT_EQ(TokenBucket::capacity(600, 1h), 600);
    EXPECT_EQ(TokenBucket::capacity(600, 10min), 100);
    EXPECT_EQ(TokenBucket::capacity(600, 24h), 14400);
    EXPECT_EQ(TokenBucket::capacity(1, 1min), 1);  // or nothing could ever be sent
}

TEST(Allowances, ABurstThenTheRate) {
    Allowances allowances;
    const auto some = limits(6, 0, 30min);  // three at once, one each ten minutes
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(allowances.take("alice", some, 1, kStart));
    const auto over = allowances.take("alice", some, 1, kStart);
    ASSERT_TRUE(over);
    EXPECT_EQ(over->what, Allowances::Overrun::What::messages);
    EXPECT_EQ(over->per_hour, 6U);
    EXPECT_EQ(over->wait, 10min);
    EXPECT_TRUE(allowances.ask("alice", some, 1, kStart + 10min - 1s));
    EXPECT_FALSE(allowances.ask("alice", some, 1, kStart + 10min));
    EXPECT_FALSE(allowances.take("alice", some, 1, kStart + 10min));  // asking took nothing
    EXPECT_TRUE(allowances.take("alice", some, 1, kStart + 10min));
    EXPECT_FALSE(allowances.take("bob", some, 1, kStart));  // each his own
}

TEST(Allowances, RecipientsCountByThemselves) {
    Allowances allowances;
    const auto some = limits(100, 10);
    EXPECT_FALSE(allowances.take("alice", some, 8, kStart));
    EXPECT_FALSE(allowances.ask("alice", some, 2, kStart));
    const auto over = allowances.ask("alice", some, 3, kStart);
    ASSERT_TRUE(over);
    EXPECT_EQ(over->what, Allowances::Overrun::What::recipients);
    EXPECT_EQ(over->wait, 6min);
    EXPECT_TRUE(allowances.take("alice", some, 3, kStart));
    EXPECT_FALSE(allowances.take("alice", some, 2, kStart));  // what was refused has cost nothing
}

TEST(Allowances, MoreThanTheBucketHoldsIsAnotherMessagesBusiness) {
    Allowances allowances;
    const auto over = allowances.ask("alice", limits(100, 10), 11, kStart);
    ASSERT_TRUE(over);
    EXPECT_EQ(over->what, Allowances::Overrun::What::one_message);
    EXPECT_EQ(over->at_once, 10U);
    EXPECT_FALSE(over->report);  // one long list is no stolen password
}

TEST(Allowances, NoLimitKeepsNoBooks) {
    Allowances allowances;
    for (int i = 0; i < 100'000; ++i) ASSERT_FALSE(allowances.take("alice", limits(0, 0), 1000, kStart));
    EXPECT_FALSE(allowances.ask("alice", limits(0, 0), 1000, kStart));
    EXPECT_EQ(allowances.size(), 0U);
}

TEST(Allowances, TheOperatorIsToldOnceAnHourAndUser) {
    Allowances allowances;
    const auto one = limits(1, 0);
    EXPECT_FALSE(allowances.take("alice", one, 1, kStart));
    EXPECT_TRUE(allowances.take("alice", one, 1, kStart)->report);
    EXPECT_FALSE(allowances.take("alice", one, 1, kStart + 59min)->report);
    EXPECT_FALSE(allowances.take("bob", one, 1, kStart));
    EXPECT_TRUE(allowances.take("bob", one, 1, kStart)->report);
    EXPECT_FALSE(allowances.take("alice", one, 1, kStart + 1h));
    EXPECT_TRUE(allowances.take("alice", one, 1, kStart + 1h)->report);
}

TEST(Allowances, ANewLimitHoldsAtOnce) {
    Allowances allowances;
    for (int i = 0; i < 10; ++i) EXPECT_FALSE(allowances.take("alice", limits(10, 0), 1, kStart));
    EXPECT_TRUE(allowances.take("alice", limits(10, 0), 1, kStart));
    EXPECT_FALSE(allowances.take("alice", limits(0, 5), 1, kStart));  // lifted by a reload
    EXPECT_TRUE(allowances.ask("alice", limits(100, 0), 1, kStart));  // raised: it fills faster, not at once
    EXPECT_FALSE(allowances.ask("alice", limits(100, 0), 1, kStart + 36s));
}

TEST(Allowances, AreBoundedAndForgetWhoWasSilentLongest) {
    Allowances allowances;
    const auto one = limits(1, 0);
    for (std::size_t i = 0; i < Allowances::kMostUsers; ++i) {
        ASSERT_FALSE(allowances.take("user" + std::to_string(i), one, 1, kStart + std::chrono::seconds(i)));
    }
    const SteadyTime later = kStart + std::chrono::seconds(Allowances::kMostUsers);
    ASSERT_FALSE(allowances.take("one more", one, 1, later));
    EXPECT_EQ(allowances.size(), Allowances::kMostUsers);
    EXPECT_TRUE(allowances.take("user9999", one, 1, later));
    EXPECT_FALSE(allowances.take("user0", one, 1, later));
}

}  // namespace
}  // namespace posthorn::auth
