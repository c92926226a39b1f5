// AUTH-10, the client's side of SASL: the example of RFC 7677, the choice of the strongest, and servers that do not
// prove themselves.
#include "auth/sasl_client.hpp"

#include <gtest/gtest.h>

#include "base/base64.hpp"

namespace posthorn::auth {
namespace {

using namespace std::string_literals;

constexpr auto kNonce = "rOprNGfwEbeRWgbNEkqO";
constexpr auto kServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr auto kServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

SaslCredentials pencil(std::vector<std::string> mechanisms = {}) {
    SaslCredentials credentials;
    credentials.user = "user";
    credentials.password = "pencil";
    credentials.mechanisms = std::move(mechanisms);
    return credentials;
}

SaslConnection connection(bool safe = true, std::vector<ChannelBinding> bindings = {}) {
    SaslConnection facts;
    facts.password_is_safe = safe;
    facts.channel_bindings = std::move(bindings);
    facts.nonce = kNonce;
    return facts;
}

const ChannelBinding kExporter{"tls-exporter", "thirty-two octets of this channel"};

std::unique_ptr<SaslClient> chosen(const std::vector<std::string>& offered,
                                   SaslConnection facts = connection(),
                                   const SaslCredentials& credentials = pencil()) {
    auto client = SaslClient::choose(offered, credentials, std::move(facts));
    EXPECT_TRUE(client.has_value()) << client.error().what;
    return client ? std::move(*client) : nullptr;
}

std::string refused(const std::vector<std::string>& offered, SaslConnection facts = connection(),
                    const SaslCredentials& credentials = pencil()) {
    const auto client = SaslClient::choose(offered, credentials, std::move(facts));
    return client ? "chose " + (*client)->mechanism() : client.error().what;
}

// RFC 7677 s3, to the octet.
TEST(SaslClient, SpeaksTheExampleOfTheRfc) {
    const auto client = chosen({"SCRAM-SHA-256"});
    EXPECT_EQ(client->initial(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    EXPECT_FALSE(client->says_password());
    const auto proof = client->step(kServerFirst);
    ASSERT_TRUE(proof.has_value());
    EXPECT_EQ(*proof,
              "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+"
              "Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    EXPECT_FALSE(client->succeeded().has_value());
    EXPECT_EQ(client->step(kServerFinal).value(), "");
    EXPECT_TRUE(client->succeeded().has_value());
}

// RFC 4954 s4: who did not see the initial response asks for it with an empty challenge.
TEST(SaslClient, SaysTheFirstMessageWhenAskedForIt) {
    const auto scram = chosen({"SCRAM-SHA-256"});
    EXPECT_EQ(scram->step("").value(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    const auto plain = chosen({"PLAIN"});
    EXPECT_EQ(plain->step("").value(), "\0user\0pencil"s);
    EXPECT_FALSE(plain->step("more?").has_value());
}

TEST(SaslClient, PlainAndLogin) {
    const auto plain = chosen({"plain"});  // names in any case
    EXPECT_EQ(plain->mechanism(), "PLAIN");
    EXPECT_EQ(plain->initial(), "\0user\0pencil"s);  // RFC 4616
    EXPECT_TRUE(plain->says_password());
    EXPECT_TRUE(plain->succeeded().has_value());

    const auto login = chosen({"LOGIN"});
    EXPECT_EQ(login->initial(), std::nullopt);
    EXPECT_EQ(login->step("Username:").value(), "user");
    EXPECT_EQ(login->step("anything").value(), "pencil");
    EXPECT_FALSE(login->step("And your mother's name?").has_value());
}

struct Choice {
    const char* name;
    std::vector<std::string> offered, allowed;
    bool safe, binding;
    const char* mechanism;  // "": none
    const char* begins;     // of the initial response
};

TEST(SaslClient, ChoosesTheStrongestThatFits) {
    const std::vector<std::string> all = {"LOGIN", "PLAIN", "CRAM-MD5", "SCRAM-SHA-256",
                                          "SCRAM-SHA-256-PLUS"};
    const std::vector<std::string> no_plus = {"LOGIN", "PLAIN", "SCRAM-SHA-256"};
    const std::vector<Choice> table = {
        {"everything", all, {}, true, true, "SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=user"},
        {"no binding to be had", all, {}, true, false, "SCRAM-SHA-256", "n,,n=user"},
        // RFC 5802 s6: "y" tells a server that did offer -PLUS that somebody took it off the list.
        {"-PLUS is not offered", no_plus, {}, true, true, "SCRAM-SHA-256", "y,,n=user"},
        {"the operator wants no -PLUS", all, {"SCRAM-SHA-256"}, true, true, "SCRAM-SHA-256", "n,,n=user"},
        {"passwords only", {"LOGIN", "PLAIN"}, {}, true, false, "PLAIN", "\0"},
        {"the old one", {"LOGIN", "CRAM-MD5"}, {}, true, false, "LOGIN", ""},
        {"the operator says LOGIN", all, {"LOGIN"}, true, true, "LOGIN", ""},
        {"unproved server with SCRAM", no_plus, {}, false, false, "SCRAM-SHA-256", "n,,"},
        {"unproved server, passwords only", {"LOGIN", "PLAIN"}, {}, false, false, "", ""},
        {"CRAM-MD5 is never spoken", {"CRAM-MD5", "DIGEST-MD5"}, {}, true, true, "", ""},
        {"nothing offered", {}, {}, true, true, "", ""},
        {"nothing the operator allows", {"PLAIN"}, {"SCRAM-SHA-256"}, true, true, "", ""},
    };
    for (const Choice& row : table) {
        SCOPED_TRACE(row.name);
        const auto client = SaslClient::choose(
            row.offered, pencil(row.allowed),
            connection(row.safe, row.binding ? std::vector{kExporter} : std::vector<ChannelBinding>{}));
        ASSERT_EQ(client ? (*client)->mechanism() : "", row.mechanism);
        if (client) {
            EXPECT_EQ((*client)->initial().value_or("").substr(0, std::string(row.begins).size()),
                      row.begins);
        }
    }
}

TEST(SaslClient, BindsTheChannel) {
    const auto client = chosen({"SCRAM-SHA-256-PLUS"}, connection(true, {kExporter}));
    (void)client->initial();
    const std::string proof = client->step(kServerFirst).value();
    EXPECT_TRUE(proof.starts_with("c=" + base64_encode("p=tls-exporter,," + kExporter.octets) + ",r="));
}

// Both ends are ours here: the server's side is tested by itself against the RFC's example.
TEST(SaslClient, AgreesWithOurServer) {
    const ScramSecret secret = make_scram_secret("pass, word = x", "some salt", 4096);
    ScramTerms terms;
    terms.plus = true;
    terms.channel_bindings = {kExporter};
    terms.nonce = "server";
    ScramExchange server(
        [&](std::string_view name) {
            return ScramIdentity{std::string(name), secret};
        },
        terms);
    SaslCredentials credentials;
    credentials.user = "a,b=c";  // saslname: "=2C" and "=3D"
    credentials.password = "pass, word = x";
    const auto client = chosen({"SCRAM-SHA-256-PLUS"}, connection(true, {kExporter}), credentials);
    auto step = server.respond(client->initial().value());
    step = server.respond(client->step(std::get<SaslExchange::Challenge>(step).text).value());
    ASSERT_TRUE(std::holds_alternative<SaslExchange::Proven>(step));
    EXPECT_EQ(std::get<SaslExchange::Proven>(step).user, "a,b=c");
    EXPECT_TRUE(client->step(std::get<SaslExchange::Proven>(step).last_words).has_value());
    EXPECT_TRUE(client->succeeded().has_value());
}

// RFC 5802 s5: a server that does not know the password cannot sign, and must not be believed whatever it
// says.
TEST(SaslClient, RefusesServersThatDoNotProveThemselves) {
    for (const char* last :
         {"v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "v=6rri", "v=", "e=invalid-proof", "", "nonsense",
          "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=AA"}) {
        SCOPED_TRACE(last);
        const auto client = chosen({"SCRAM-SHA-256"});
        (void)client->initial();
        ASSERT_TRUE(client->step(kServerFirst).has_value());
        EXPECT_FALSE(client->step(last).has_value());
        EXPECT_FALSE(client->succeeded().has_value());
    }
    const auto early = chosen({"SCRAM-SHA-256"});
    (void)early->initial();
    EXPECT_FALSE(early->succeeded().has_value());  // 235 at once
    ASSERT_TRUE(early->step(kServerFirst).has_value());
    EXPECT_FALSE(early->succeeded().has_value());  // 235 without a signature
}

TEST(SaslClient, RefusesFirstMessagesThatBreakTheRules) {
    for (const char* first :
         {"r=another%hvY,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",              // not our nonce: a replay
          "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",     // nothing of the server's own
          "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095",    // RFC 7677 s4
          "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=600001",  // would keep us busy
          "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999999999999",
          "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096", "r=rOprNGfwEbeRWgbNEkqOx,s=not base64,i=4096",
          "r=rOprNGfwEbeRWgbNEkqOx,i=4096",
          "m=ext,r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",  // RFC 5802 s5.1
          "", ",,,", "\0"}) {
        SCOPED_TRACE(first);
        const auto client = chosen({"SCRAM-SHA-256"});
        (void)client->initial();
        EXPECT_FALSE(client->step(first).has_value());
        EXPECT_FALSE(client->step(kServerFirst).has_value());  // and there is no second try
        EXPECT_FALSE(client->succeeded().has_value());
    }
}

TEST(SaslClient, SaysWhyNothingFitsAndNeverThePassword) {
    EXPECT_NE(refused({"PLAIN"}, connection(false)).find("has not proved who it is"), std::string::npos);
    EXPECT_NE(refused({"CRAM-MD5"}).find("offers CRAM-MD5, none of which is spoken"), std::string::npos);
    EXPECT_NE(refused({"PLAIN"}, connection(), pencil({"SCRAM-SHA-256"})).find("allow"), std::string::npos);
    EXPECT_NE(refused({}).find("no way to log in"), std::string::npos);
    for (const auto& words : {refused({"PLAIN"}, connection(false)), refused({"CRAM-MD5"}), refused({})})
        EXPECT_EQ(words.find("pencil"), std::string::npos);
}

// RFC 4013: what two keyboards make of the same password.
TEST(SaslClient, PreparesNameAndPassword) {
    SaslCredentials credentials = pencil();
    credentials.user =
        "us\xC2\xAD"
        "er";  // a soft hyphen vanishes
    const auto client = chosen({"SCRAM-SHA-256"}, connection(), credentials);
    EXPECT_EQ(client->initial(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
}

}  // namespace
}  // namespace posthorn::auth
