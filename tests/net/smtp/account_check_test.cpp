// What an account says at each step, and in which words.
#include "smtp/server/account_check.hpp"

#include <gtest/gtest.h>

namespace posthorn::smtp::server {
namespace {

using namespace std::chrono_literals;

const SteadyTime kStart{std::chrono::hours(1000)};

class AccountCheckTest : public testing::Test {
protected:
    AccountCheckTest() {
        auth::AuthOptions options;
        options.account.senders = {"@example.com"};
        options.account.messages_per_hour = 2;
        options.account.recipients_per_hour = 5;
        accounts_ = auth::Accounts(options);
    }
    AccountCheck check(std::string_view user = "alice") { return {accounts_, allowances_, &suspensions_, user}; }
    static std::string words(const std::optional<AccountRefusal>& refusal) {
        return refusal ? refusal->reply.joined() : "";
    }

    auth::Accounts accounts_;
    auth::Allowances allowances_;
    auth::Suspensions suspensions_;
    const mail::Address own_{"alice", "example.com"}, foreign_{"alice", "example.net"}, null_;
};

// SUB-6: 550 5.7.1 at MAIL. SUB-4: the null reverse-path is never a reason.
TEST_F(AccountCheckTest, TheEnvelopeSender) {
    EXPECT_EQ(words(check().at_mail(own_, kStart)), "");
    EXPECT_EQ(words(check().at_mail(null_, kStart)), "");
    EXPECT_EQ(words(check().at_mail(foreign_, kStart)), "550 5.7.1 This account may not send from that address");
}

TEST_F(AccountCheckTest, TheUserIsToldWhenToComeBack) {
    EXPECT_EQ(words(check().at_data(1, kStart)), "");
    EXPECT_EQ(words(check().at_data(1, kStart)), "");
    EXPECT_EQ(words(check().at_data(1, kStart)),
              "450 4.7.1 This account may send 2 messages an hour; try again in 30 minutes");
    EXPECT_EQ(words(check().at_mail(own_, kStart + 29min)),
              "450 4.7.1 This account may send 2 messages an hour; try again in 60 seconds");
    EXPECT_EQ(words(check().at_mail(own_, kStart + 30min)), "");
    EXPECT_EQ(words(check("bob").at_mail(own_, kStart)), "");
}

TEST_F(AccountCheckTest, RecipientsAreCountedAsTheyCome) {
    EXPECT_EQ(words(check().at_data(3, kStart)), "");
    EXPECT_EQ(words(check().at_recipient(2, kStart)), "");
    EXPECT_EQ(words(check().at_recipient(3, kStart)),
              "450 4.7.1 This account may send 5 recipients an hour; try again in 12 minutes");
    EXPECT_EQ(words(check().at_recipient(6, kStart)),
              "452 4.5.3 This account may send to 5 recipients at once; send the rest in another message");
}

// RFC 5248 s2: X.7.13 is for somebody who has proved to be the user.
TEST_F(AccountCheckTest, SuspendedAtEveryStep) {
    EXPECT_FALSE(check().suspended());
    suspensions_.add("alice", {TimePoint(), "stolen"});
    EXPECT_TRUE(check().suspended());
    EXPECT_FALSE(check("bob").suspended());
    for (const auto& refusal : {check().at_mail(own_, kStart), check().at_mail(null_, kStart), check().at_recipient(1, kStart),
                                check().at_data(1, kStart), check().at_end_of_data()}) {
        ASSERT_TRUE(refusal);
        EXPECT_TRUE(refusal->suspended);
        EXPECT_EQ(words(refusal), "550 5.7.13 This account is disabled; ask its administrator");  // and not why
    }
    EXPECT_EQ(words(check("bob").at_end_of_data()), "");
}

TEST_F(AccountCheckTest, WithoutAListNobodyIsSuspended) {
    const AccountCheck alone(accounts_, allowances_, nullptr, "alice");
    EXPECT_FALSE(alone.suspended());
    EXPECT_FALSE(alone.at_end_of_data());
}

}  // namespace
}  // namespace posthorn::smtp::server
