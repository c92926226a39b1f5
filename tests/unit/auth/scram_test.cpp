// SCRAM-SHA-256 and -PLUS: the example of RFC 7677, every rule of the grammar, and what a prober sees.
#include "auth/scram.hpp"

#include <gtest/gtest.h>

#include "scram_client.hpp"

namespace posthorn::auth {
namespace {

using testing::ScramClient;
using Challenge = SaslExchange::Challenge;
using Malformed = SaslExchange::Malformed;
using Proven = SaslExchange::Proven;
using Refused = SaslExchange::Refused;
using namespace std::string_view_literals;

constexpr auto kServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

ScramSecret pencil() {
    return make_scram_secret("pencil", *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096);
}

ScramIdentity only_user(std::string_view name) {
    return ScramIdentity{name == "user" || name == "u,s=r" ? std::string(name) : std::string(), pencil()};
}

ScramTerms terms(bool plus = false, const std::string& binding = {}) {
    ScramTerms agreed;
    agreed.plus = plus;
    agreed.nonce = kServerNonce;
    if (!binding.empty()) {
        agreed.channel_bindings.push_back({"tls-exporter", "of another type"});
        agreed.channel_bindings.push_back({"tls-server-end-point", binding});
    }
    return agreed;
}

SaslExchange::Step say_first(std::string_view message, ScramTerms agreed = terms()) {
    return ScramExchange(only_user, std::move(agreed)).respond(message);
}

SaslExchange::Step whole(ScramClient client, ScramTerms agreed = terms()) {
    ScramExchange exchange(only_user, std::move(agreed));
    auto step = exchange.respond(client.first());
    if (const auto* challenge = std::get_if<Challenge>(&step))
        return exchange.respond(client.final(challenge->text));
    return step;
}

// RFC 7677 s3.
TEST(Scram, SpeaksTheExampleOfTheRfc) {
    ScramExchange exchange(only_user, terms());
    EXPECT_TRUE(exchange.client_first());
    auto step = exchange.respond("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    EXPECT_EQ(std::get<Challenge>(step).text,
              "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    step = exchange.respond(
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    ASSERT_TRUE(std::holds_alternative<Proven>(step));
    EXPECT_EQ(std::get<Proven>(step).user, "user");
    EXPECT_EQ(std::get<Proven>(step).last_words, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    EXPECT_TRUE(std::holds_alternative<Malformed>(exchange.respond("c=biws")));
}

TEST(Scram, SecretsAreWrittenAsRfc5803Says) {
    const auto text = pencil().to_string();
    EXPECT_EQ(text,
              "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
              "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
    EXPECT_EQ(*ScramSecret::parse(text), pencil());
}

TEST(Scram, SaysWhatIsWrongWithASecret) {
    const auto keys =
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    const auto wrong = [](const std::string& text) {
        const auto secret = ScramSecret::parse(text);
        return secret ? std::string("nothing") : secret.error().what;
    };
    for (const auto text :
         {"", "x", "SCRAM-SHA-256", "SCRAM-SHA-256$4096:c2FsdA==", "SCRAM-SHA-1$4096:c2FsdA==$a:b"})
        EXPECT_NE(wrong(text).find("RFC 5803"), std::string::npos) << text;
    for (const auto count : {"", "4095", "-4096", "4096 ", "99999999999", "10000001"})
        EXPECT_NE(wrong(std::string("SCRAM-SHA-256$") + count + ":c2FsdA==$" + keys).find("iterations"),
                  std::string::npos)
            << count;
    for (const auto salt : {"", "c2Fs dA==", "!"})
        EXPECT_NE(wrong(std::string("SCRAM-SHA-256$4096:") + salt + "$" + keys).find("salt"),
                  std::string::npos)
            << salt;
    for (const auto pair : {"", ":", "YQ==:YQ==", "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="})
        EXPECT_NE(wrong(std::string("SCRAM-SHA-256$4096:c2FsdA==$") + pair).find("32 octets"),
                  std::string::npos)
            << pair;
    EXPECT_EQ(wrong(std::string("SCRAM-SHA-256$4096:c2FsdA==$") + keys), "nothing");
}

TEST(Scram, NoncesAreNewEachTimeAndWithoutCommas) {
    const auto one = make_scram_nonce(), two = make_scram_nonce();
    EXPECT_NE(one, two);
    EXPECT_EQ(one.size(), 24U);
    EXPECT_EQ(one.find(','), std::string::npos);
}

TEST(Scram, KnowsAWrongPasswordAndAnUnknownUserOnlyAtTheEnd) {
    ScramClient wrong, unknown;
    wrong.password = "pencils";
    unknown.user = "nobody";
    const auto first_wrong = whole(wrong), first_unknown = whole(unknown);
    EXPECT_EQ(std::get<Refused>(first_wrong).reason, "wrong password");
    EXPECT_EQ(std::get<Refused>(first_wrong).user, "user");
    // The right password of another does not help.
    EXPECT_EQ(std::get<Refused>(first_unknown).user, "nobody");
    EXPECT_TRUE(std::holds_alternative<Challenge>(say_first("n,,n=nobody,r=abc")));
}

TEST(Scram, UnescapesNames) {
    // RFC 5802 s5.1: "=2C" and "=3D", nothing else.
    ScramClient client;
    client.user = "u=2Cs=3Dr";
    EXPECT_EQ(std::get<Proven>(whole(client)).user, "u,s=r");
    for (const auto name : {"", "u=", "u=2", "u=2c", "u=41", "=", "a=b", "\xff"})
        EXPECT_TRUE(std::holds_alternative<Malformed>(say_first(std::string("n,,n=") + name + ",r=abc")))
            << name;
}

TEST(Scram, RefusesWhatBreaksTheGrammarOfTheFirstMessage) {
    for (const auto message : {""sv,
                               "n"sv,
                               "n,"sv,
                               "n,,"sv,
                               "n,,n=user"sv,
                               "n,,r=abc,n=user"sv,
                               "n,,n=user,r="sv,
                               "n,,n=user,r=a b"sv,
                               "n,,n=user,r=a\x7f"sv,
                               "n,,n=user,r=a\0b"sv,
                               "x,,n=user,r=abc"sv,
                               "N,,n=user,r=abc"sv,
                               "p=,,n=user,r=abc"sv,
                               "p,,n=user,r=abc"sv,
                               "n,user,n=user,r=abc"sv,
                               "n,a=,n=user,r=abc"sv,
                               "n,a=us=er,n=user,r=abc"sv,
                               "n,b=user,n=user,r=abc"sv,
                               "n,,n=user,r=abc,"sv,
                               "n,,n=user,r=abc,x"sv,
                               "n,,n=user,r=abc,1=x"sv,
                               "n,,n=user,r=abc,x=1,"sv,
                               "n,,n=user,r=abc,x=\xff"sv,
                               "n,, n=user,r=abc"sv,
                               "n,,n=us\0er,r=abc"sv})
        EXPECT_TRUE(std::holds_alternative<Malformed>(say_first(message))) << message;
}

TEST(Scram, SkipsOptionalExtensionsAndRefusesMandatoryOnes) {
    EXPECT_TRUE(std::holds_alternative<Challenge>(say_first("n,,n=user,r=abc,x=1,y=a=b")));
    EXPECT_TRUE(std::holds_alternative<Refused>(say_first("n,,m=1,n=user,r=abc")));  // RFC 5802 s5.1
}

TEST(Scram, ActsForNobodyButTheUserHimself) {
    EXPECT_TRUE(std::holds_alternative<Challenge>(say_first("n,a=user,n=user,r=abc")));
    EXPECT_TRUE(std::holds_alternative<Challenge>(say_first("n,a=u=2Cs=3Dr,n=u=2Cs=3Dr,r=abc")));
    EXPECT_TRUE(std::holds_alternative<Refused>(say_first("n,a=root,n=user,r=abc")));
    ScramClient client;
    client.gs2_header = "n,a=user,";
    EXPECT_TRUE(std::holds_alternative<Proven>(whole(client)));
}

TEST(Scram, RefusesWhatBreaksTheGrammarOfTheFinalMessage) {
    const auto final = [](std::string_view message) {
        ScramExchange exchange(only_user, terms());
        EXPECT_TRUE(std::holds_alternative<Challenge>(exchange.respond("n,,n=user,r=abc")));
        return exchange.respond(message);
    };
    const std::string proof = ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const std::string nonce = std::string(",r=abc") + kServerNonce;
    for (const auto& message :
         {std::string(), std::string("c=biws"), "c=biws" + nonce, nonce + proof, "c=biws" + proof,
          "c=" + nonce + proof, "c=b!ws" + nonce + proof, "d=biws" + nonce + proof, "c=biws" + nonce + ",p=",
          "c=biws" + nonce + ",p=YQ==", "c=biws" + nonce + proof + ",x=1", "c=biws" + nonce + ",x" + proof,
          "c=biws" + nonce + "," + proof, "c=biws,r=" + proof, proof.substr(1)})
        EXPECT_TRUE(std::holds_alternative<Malformed>(final(message))) << message;
    // Right grammar, wrong content: like a wrong password.
    for (const auto& message : {"c=biws,r=abc" + proof, "c=biws,r=other" + std::string(kServerNonce) + proof,
                                "c=eSws" + nonce + proof, "c=biwsYQ==" + nonce + proof,
                                "c=biws" + nonce + proof, "c=biws" + nonce + ",x=1" + proof}) {
        if (message.starts_with("c=biwsY")) continue;  // base64 with padding inside is not base64
        EXPECT_TRUE(std::holds_alternative<Refused>(final(message))) << message;
    }
}

TEST(Scram, SkipsExtensionsOfTheFinalMessage) {
    ScramClient client;
    ScramExchange exchange(only_user, terms());
    client.server_first = std::get<Challenge>(exchange.respond(client.first())).text;
    const std::string without_proof = "c=biws,r=" + client.nonce + kServerNonce + ",x=y=z";
    const auto proof = client.proof(pencil().salt, 4096, without_proof);
    EXPECT_TRUE(std::holds_alternative<Proven>(exchange.respond(without_proof + ",p=" + proof)));
}

// RFC 5802 s6.
TEST(ScramPlus, BindsTheChannel) {
    const auto binding = std::string("\x01\x02 thirty-two octets of a certificate", 32);
    ScramClient client;
    client.gs2_header = "p=tls-server-end-point,,";
    client.channel_binding = binding;
    EXPECT_TRUE(std::holds_alternative<Proven>(whole(client, terms(true, binding))));
    // In the middle sits somebody with another certificate, who passes all else on.
    client.channel_binding[5] ^= 1;
    EXPECT_NE(std::get<Refused>(whole(client, terms(true, binding))).reason.find("in between"),
              std::string_view::npos);
    client.channel_binding.clear();
    EXPECT_TRUE(std::holds_alternative<Refused>(whole(client, terms(true, binding))));
    // The client chooses the type.
    client.gs2_header = "p=tls-exporter,,";
    client.channel_binding = "of another type";
    EXPECT_TRUE(std::holds_alternative<Proven>(whole(client, terms(true, binding))));
    client.channel_binding = binding;
    EXPECT_TRUE(std::holds_alternative<Refused>(whole(client, terms(true, binding))));
}

TEST(ScramPlus, KnowsADowngrade) {
    ScramClient client;
    client.gs2_header = "y,,";
    // We did not offer it: the client is right.
    EXPECT_TRUE(std::holds_alternative<Proven>(whole(client, terms(false, ""))));
    // We did: somebody took it off the list.
    EXPECT_NE(std::get<Refused>(whole(client, terms(false, "binding"))).reason.find("no -PLUS"),
              std::string_view::npos);
    // A client that cannot bind says so, and may.
    client.gs2_header = "n,,";
    EXPECT_TRUE(std::holds_alternative<Proven>(whole(client, terms(false, "binding"))));
}

TEST(ScramPlus, WantsTheFlagThatGoesWithTheMechanism) {
    for (const auto header : {"n,,", "y,,", "p=tls-unique,,", "p=TLS-EXPORTER,,"})
        EXPECT_TRUE(std::holds_alternative<Refused>(
            say_first(std::string(header) + "n=user,r=abc", terms(true, "binding"))))
            << header;
    EXPECT_TRUE(std::holds_alternative<Refused>(
        say_first("p=tls-server-end-point,,n=user,r=abc", terms(false, "binding"))));
}

}  // namespace
}  // namespace posthorn::auth
