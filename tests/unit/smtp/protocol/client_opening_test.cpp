// The way to a session that is ready: HELO after EHLO, STARTTLS with other limits behind it, AUTH in all its ends.
#include <memory>

#include "base/base64.hpp"
#include "client_script.hpp"

namespace posthorn::smtp::protocol::test {
namespace {

const std::string kEhlo = "EHLO out.example.org\r\n";
const std::string kHelo = "HELO out.example.org\r\n";

// A mechanism whose every answer the test knows: it says "answer to " and the challenge, and fails at "bad".
class Echo : public auth::SaslClient {
public:
    Echo(std::string name, std::optional<std::string> first, bool proved)
        : name_(std::move(name)), first_(std::move(first)), proved_(proved) {}
    [[nodiscard]] std::string mechanism() const override { return name_; }
    [[nodiscard]] std::optional<std::string> initial() override { return first_; }
    [[nodiscard]] Result<std::string> step(std::string_view challenge) override {
        if (challenge == "bad") return Error{"the server does not know our secret"};
        return "answer to " + std::string(challenge);
    }
    [[nodiscard]] Result<void> succeeded() const override {
        if (!proved_) return Error{"it has not proved that it knows our secret"};
        return {};
    }
    [[nodiscard]] bool says_password() const override { return false; }

private:
    std::string name_;
    std::optional<std::string> first_;
    bool proved_;
};

// Takes whatever is offered first.
ClientOptions with_login(std::optional<std::string> first, bool proved = true) {
    ClientOptions options = client_options();
    options.login_in_clear = true;
    options.login = [first, proved](const std::vector<std::string>& offered) -> Result<std::unique_ptr<auth::SaslClient>> {
        if (offered.front() == "UNKNOWN") return Error{"the server offers UNKNOWN, which is not known here"};
        return std::unique_ptr<auth::SaslClient>(std::make_unique<Echo>(offered.front(), first, proved));
    };
    return options;
}

ClientScript offered(const ClientOptions& options, const std::string& auth) {
    ClientScript script(options);
    script.peer("220 x\r\n").sends(kEhlo).peer("250-mx.example.net\r\n250-PIPELINING\r\n250 AUTH " + auth + "\r\n");
    return script;
}

void expect_failure(ClientScript& script, Stage stage, std::string words, bool local) {
    script.closes()
        .checks([=](const ClientSession& s) {
            ASSERT_TRUE(s.failure());
            EXPECT_EQ(s.failure()->stage, stage);
            EXPECT_EQ(s.failure()->reply.joined(), words);
            EXPECT_EQ(s.failure()->local, local);
        })
        .run();
}

std::string coded(std::string_view octets) { return base64_encode(octets) + "\r\n"; }

// RFC 5321 s3.2, s4.1.1.1. What is said at HELO counts; a peer that only hangs up there has said no to EHLO.
TEST(ClientOpening, HeloRefusedOrLost_SMTP_3) {
    ClientScript refused;
    refused.peer("220 x\r\n").sends(kEhlo).peer("554 5.7.1 not you\r\n").sends(kHelo).peer("550 5.7.1 no, really\r\n");
    expect_failure(refused, Stage::helo, "550 5.7.1 no, really", false);

    ClientSession session(client_options());
    (void)session.start();
    (void)session.on_bytes("220 x\r\n");
    EXPECT_EQ(session.on_bytes("554 5.7.1 not you\r\n").output, kHelo);
    EXPECT_EQ(to_string(session.on_lost("connection closed").kind), "close");
    EXPECT_EQ(session.failure()->stage, Stage::ehlo);
    EXPECT_EQ(session.failure()->reply.joined(), "554 5.7.1 not you");
}

// For a peer that hung up at EHLO; and never where TLS is required, which HELO cannot ask for.
TEST(ClientOpening, HeloAtOnce_SMTP_3) {
    ClientOptions options = client_options();
    options.helo = true;
    ClientScript(options)
        .peer("220 x\r\n")
        .sends(kHelo)
        .peer("250 x\r\n")
        .ready()
        .checks([](const ClientSession& s) { EXPECT_FALSE(s.extensions().esmtp); })
        .run();
    options.tls = TlsUse::required;
    ClientScript required(options);
    required.peer("220 x\r\n");
    expect_failure(required, Stage::starttls, "4.7.10 TLS is required, and the server does not know EHLO", true);
}

// Under required TLS a refusal of EHLO that is not about EHLO keeps its words.
TEST(ClientOpening, RequiredTlsKeepsTheRefusal) {
    ClientOptions options = client_options();
    options.tls = TlsUse::required;
    ClientScript script(options);
    script.peer("220 x\r\n").sends(kEhlo).peer("554 5.7.1 your address is listed\r\n");
    expect_failure(script, Stage::ehlo, "554 5.7.1 your address is listed", false);
}

// RFC 5321 s4.2: 250 answers EHLO. A second 220 would shift every answer by one; 3yz belongs to DATA and AUTH alone.
TEST(ClientOpening, OutOfStep_SMTP_7) {
    ClientScript twice;
    twice.peer("220 x\r\n").sends(kEhlo).peer("220 x\r\n");
    expect_failure(twice, Stage::ehlo, "4.5.0 the peer answered 220, neither yes nor no, after EHLO", false);
    ClientScript at_helo;
    at_helo.peer("220 x\r\n").sends(kEhlo).peer("500 what?\r\n").sends(kHelo).peer("220 x\r\n");
    expect_failure(at_helo, Stage::helo, "4.5.0 the peer answered 220, neither yes nor no, after HELO", false);
    ClientScript greeting;
    greeting.peer("354 x\r\n");
    expect_failure(greeting, Stage::greeting, "4.5.0 the peer answered 354, neither yes nor no, while waiting for the greeting",
                   false);
    ClientScript ehlo;
    ehlo.peer("220 x\r\n").sends(kEhlo).peer("334 x\r\n");
    expect_failure(ehlo, Stage::ehlo, "4.5.0 the peer answered 334, neither yes nor no, after EHLO", false);
}

// RFC 3207 s4.2: what EHLO said in the clear is forgotten, limits too; RFC 1870 s6.1 by what it says now.
TEST(ClientOpening, SecondEhloCounts_TLS_1_EXT_5) {
    ClientScript()
        .peer("220 x\r\n")
        .sends(kEhlo)
        .peer("250-mx\r\n250-SIZE 5000\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-LIMITS MAILMAX=1\r\n250 STARTTLS\r\n")
        .sends("STARTTLS\r\n")
        .peer("220 go\r\n")
        .handshakes()
        .sends(kEhlo)
        .peer("250-mx\r\n250 SIZE 999\r\n")
        .ready()
        .checks([](const ClientSession& s) { EXPECT_FALSE(s.extensions().chunking); })
        .begins(letter())
        .ready()
        .results({"mail refused local 552 5.3.4 the message has 1000 octets, the server takes 999"})
        .run();
    // HELO under TLS is still TLS.
    ClientOptions required = client_options();
    required.tls = TlsUse::required;
    ClientScript(required)
        .peer("220 x\r\n")
        .sends(kEhlo)
        .peer("250-mx\r\n250 STARTTLS\r\n")
        .sends("STARTTLS\r\n")
        .peer("220 go\r\n")
        .handshakes()
        .sends(kEhlo)
        .peer("502 what?\r\n")
        .sends(kHelo)
        .peer("250 mx\r\n")
        .ready()
        .run();
}

TEST(ClientOpening, LoginWithInitialResponse_AUTH_10) {
    offered(with_login("\1user\1pass"), "PLAIN LOGIN")
        .sends("AUTH PLAIN " + coded("\1user\1pass"))
        .peer("235 2.7.0 welcome\r\n")
        .ready()
        .checks([](const ClientSession& s) { EXPECT_EQ(s.login_mechanism(), "PLAIN"); })
        .begins(letter())
        // AUTH= of RFC 4954 s5 says on whose behalf a relay speaks, which nobody asked us: it is not sent.
        .sends("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
        .run();
    // RFC 4954 s4: an empty one is "=".
    offered(with_login(""), "EXTERNAL").sends("AUTH EXTERNAL =\r\n").peer("235 x\r\n").ready().run();
}

TEST(ClientOpening, LoginByChallenges_AUTH_10) {
    offered(with_login(std::nullopt), "LOGIN")
        .sends("AUTH LOGIN\r\n")
        .peer("334 " + coded("Username:"))
        .logs_in()
        .sends(coded("answer to Username:"))
        .peer("334 " + coded("Password:"))
        .logs_in()
        .sends(coded("answer to Password:"))
        .peer("235 2.7.0 x\r\n")
        .ready()
        .run();
    // RFC 4954 s4: "334 " alone is an empty challenge, also without its blank.
    for (const char* empty : {"334 \r\n", "334\r\n"})
        offered(with_login(std::nullopt), "X").sends("AUTH X\r\n").peer(empty).logs_in().sends(coded("answer to ")).run();
}

// RFC 4954 s4: one that makes the command longer than 512 octets waits for an empty challenge.
TEST(ClientOpening, LongInitialResponseWaits) {
    const std::string token(900, 't');
    offered(with_login(token), "XOAUTH")
        .sends("AUTH XOAUTH\r\n")
        .peer("334 \r\n")
        .sends(coded(token))
        .peer("235 x\r\n")
        .ready()
        .run();
    ClientScript endless = offered(with_login(std::string(9300, 't')), "XOAUTH");
    endless.sends("AUTH XOAUTH\r\n").peer("334 \r\n").sends("*\r\n").peer("501 5.7.0 cancelled\r\n");
    expect_failure(endless, Stage::auth, "4.7.0 the response to AUTH is longer than RFC 4954 allows", true);
}

TEST(ClientOpening, LoginAfterTlsOnly_AUTH_3) {
    ClientOptions options = with_login("x");
    options.login_in_clear = false;
    ClientScript clear = offered(options, "PLAIN");
    expect_failure(clear, Stage::auth, "4.7.10 the login is for TLS only, and there is no TLS with this server", true);
    // What was offered in the clear is forgotten (RFC 3207 s4.2).
    ClientScript(options)
        .peer("220 x\r\n")
        .sends(kEhlo)
        .peer("250-mx\r\n250-AUTH CLEAR\r\n250 STARTTLS\r\n")
        .sends("STARTTLS\r\n")
        .peer("220 go\r\n")
        .handshakes()
        .sends(kEhlo)
        .peer("250-mx\r\n250 AUTH SAFE\r\n")
        .sends("AUTH SAFE " + coded("x"))
        .peer("235 x\r\n")
        .ready()
        .run();
}

TEST(ClientOpening, NoMailWithoutTheLogin) {
    ClientScript none(with_login("x"));
    none.peer("220 x\r\n").sends(kEhlo).peer("250 mx.example.net\r\n");
    expect_failure(none, Stage::auth, "4.7.0 a login is set up, and the server does not offer AUTH", true);
    ClientScript helo(with_login("x"));
    helo.peer("220 x\r\n").sends(kEhlo).peer("500 what?\r\n").sends(kHelo).peer("250 x\r\n");
    expect_failure(helo, Stage::auth, "4.7.0 a login is set up, and the server does not offer AUTH", true);
    ClientScript unknown = offered(with_login("x"), "UNKNOWN");
    expect_failure(unknown, Stage::auth, "4.7.0 the server offers UNKNOWN, which is not known here", true);
}

// RFC 4954 s6: 454, 530, 534, 535, 538 and all the others are the server's words, at the stage of the login.
TEST(ClientOpening, LoginRefused_AUTH_5) {
    for (const char* no : {"454 4.7.0 later", "535 5.7.8 wrong", "538 5.7.11 encryption", "530 5.7.0 no", "500 5.5.6 long", "421 4.3.2 x"}) {
        ClientScript script = offered(with_login("x"), "PLAIN LOGIN");
        script.sends("AUTH PLAIN " + coded("x")).peer(std::string(no) + "\r\n");
        expect_failure(script, Stage::auth, no, false);
    }
    // 504 and 534: the next mechanism, once.
    for (const char* no : {"504 5.5.4 not that", "534 5.7.9 too weak"}) {
        offered(with_login("x"), "A B C")
            .sends("AUTH A " + coded("x"))
            .peer(std::string(no) + "\r\n")
            .sends("AUTH B " + coded("x"))
            .peer("235 x\r\n")
            .ready()
            .run();
        ClientScript twice = offered(with_login("x"), "A B C");
        twice.sends("AUTH A " + coded("x")).peer(std::string(no) + "\r\n").sends("AUTH B " + coded("x")).peer("504 nor that\r\n");
        expect_failure(twice, Stage::auth, "504 nor that", false);
        ClientScript last = offered(with_login("x"), "A");
        last.sends("AUTH A " + coded("x")).peer(std::string(no) + "\r\n");
        expect_failure(last, Stage::auth, no, false);
        // The other one will not do: the refusal is what is told.
        ClientScript useless = offered(with_login("x"), "A UNKNOWN");
        useless.sends("AUTH A " + coded("x")).peer(std::string(no) + "\r\n");
        expect_failure(useless, Stage::auth, no, false);
    }
}

TEST(ClientOpening, LoginThatGoesWrong) {
    // RFC 5802 s5: who does not prove that he knows the secret is not believed.
    ClientScript impostor = offered(with_login("x", false), "SCRAM");
    impostor.sends("AUTH SCRAM " + coded("x")).peer("235 welcome\r\n");
    expect_failure(impostor, Stage::auth,
                   "4.7.0 the server says that the login succeeded: it has not proved that it knows our secret", true);
    ClientScript bad = offered(with_login(std::nullopt), "X");
    bad.sends("AUTH X\r\n").peer("334 " + coded("bad")).logs_in().sends("*\r\n").peer("501 cancelled\r\n");
    expect_failure(bad, Stage::auth, "4.7.0 the server does not know our secret", true);
    for (const char* challenge : {"334 !!!\r\n", "334-YQ==\r\n334 YQ==\r\n"}) {
        ClientScript script = offered(with_login(std::nullopt), "X");
        script.sends("AUTH X\r\n").peer(challenge).sends("*\r\n").peer("501 cancelled\r\n");
        expect_failure(script, Stage::auth, "4.7.0 the server sent a challenge that is not base64", true);
    }
    ClientScript other = offered(with_login("x"), "X");
    other.sends("AUTH X " + coded("x")).peer("354 go\r\n");
    expect_failure(other, Stage::auth, "4.5.0 the peer answered 354, neither yes nor no, after AUTH", false);

    ClientScript endless = offered(with_login(std::nullopt), "X");
    endless.sends("AUTH X\r\n");
    for (int i = 0; i < 16; ++i) endless.peer("334 YQ==\r\n").logs_in().sends(coded("answer to a"));
    endless.peer("334 YQ==\r\n").sends("*\r\n").peer("501 x\r\n");
    expect_failure(endless, Stage::auth, "4.7.0 the server never ends the exchange of AUTH", true);
}

}  // namespace
}  // namespace posthorn::smtp::protocol::test
