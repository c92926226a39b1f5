// PLAIN and LOGIN as exchanges of decoded octets.
#include "auth/sasl.hpp"

#include <gtest/gtest.h>

namespace posthorn::auth {
namespace {

using Challenge = SaslExchange::Challenge;
using Credentials = SaslExchange::Credentials;
using Malformed = SaslExchange::Malformed;
using namespace std::string_view_literals;

SaslExchange::Step plain(std::string_view response) {
    return SaslExchange::create("PLAIN")->respond(response);
}

TEST(Sasl, KnowsPlainAndLoginInAnyCaseAndNothingElse) {
    EXPECT_NE(SaslExchange::create("PLAIN"), nullptr);
    EXPECT_NE(SaslExchange::create("plain"), nullptr);
    EXPECT_NE(SaslExchange::create("Login"), nullptr);
    for (const auto name : {"", "PLAI", "PLAINX", "CRAM-MD5", "XOAUTH2", "LOGIN "})
        EXPECT_EQ(SaslExchange::create(name), nullptr) << name;
}

TEST(SaslPlain, ReadsUserAndPassword) {
    EXPECT_TRUE(SaslExchange::create("PLAIN")->client_first());
    const auto step = plain("\0tim\0tanstaaftanstaaf"sv);  // RFC 4616 s4, first example
    const auto& credentials = std::get<Credentials>(step);
    EXPECT_EQ(credentials.user, "tim");
    EXPECT_EQ(credentials.password, "tanstaaftanstaaf");
}

TEST(SaslPlain, TakesTheUserHimselfAsAuthorizationIdentity) {
    const auto step = plain("tim\0tim\0secret"sv);
    EXPECT_EQ(std::get<Credentials>(step).user, "tim");
}

TEST(SaslPlain, ActsForNobodyElse) {
    // RFC 4616 s4, second example: to a stranger it looks like a wrong password.
    const auto step = plain("Ursel\0Kurt\0xipj3plmq"sv);
    EXPECT_EQ(std::get<SaslExchange::Refused>(step).user, "Kurt");
}

TEST(SaslPlain, RefusesWhatBreaksTheSyntax) {
    for (const auto response :
         {""sv, "tim"sv, "\0tim"sv, "\0\0secret"sv, "\0tim\0"sv, "\0tim\0sec\0ret"sv, "\0\0"sv})
        EXPECT_TRUE(std::holds_alternative<Malformed>(plain(response)));
}

TEST(SaslPlain, KeepsOctetsOfUtf8AndColons) {
    const auto step = plain("\0j\xc3\xb6rg@example.com\0p\xc3\xa4ss:w\xc3\xb6rd "sv);
    EXPECT_EQ(std::get<Credentials>(step).user, "j\xc3\xb6rg@example.com");
    EXPECT_EQ(std::get<Credentials>(step).password, "p\xc3\xa4ss:w\xc3\xb6rd ");
}

TEST(SaslLogin, AsksForUserAndPassword) {
    auto exchange = SaslExchange::create("LOGIN");
    EXPECT_FALSE(exchange->client_first());
    EXPECT_EQ(std::get<Challenge>(exchange->respond("")).text, "Username:");
    EXPECT_EQ(std::get<Challenge>(exchange->respond("tim")).text, "Password:");
    const auto step = exchange->respond("secret");
    EXPECT_EQ(std::get<Credentials>(step).user, "tim");
    EXPECT_EQ(std::get<Credentials>(step).password, "secret");
    EXPECT_TRUE(std::holds_alternative<Malformed>(exchange->respond("again")));
}

TEST(SaslLogin, TakesAnInitialResponseAsUserName) {
    auto exchange = SaslExchange::create("LOGIN");
    EXPECT_EQ(std::get<Challenge>(exchange->respond("tim")).text, "Password:");
    EXPECT_EQ(std::get<Credentials>(exchange->respond("secret")).user, "tim");
}

TEST(SaslLogin, RefusesEmptyAnswersAndNul) {
    auto empty_user = SaslExchange::create("LOGIN");
    (void)empty_user->respond("");
    EXPECT_TRUE(std::holds_alternative<Malformed>(empty_user->respond("")));
    EXPECT_TRUE(std::holds_alternative<Malformed>(empty_user->respond("tim")));  // it has ended

    auto empty_password = SaslExchange::create("LOGIN");
    (void)empty_password->respond("tim");
    EXPECT_TRUE(std::holds_alternative<Malformed>(empty_password->respond("")));

    auto nul = SaslExchange::create("LOGIN");
    EXPECT_TRUE(std::holds_alternative<Malformed>(nul->respond("ti\0m"sv)));
}

}  // namespace
}  // namespace posthorn::auth
