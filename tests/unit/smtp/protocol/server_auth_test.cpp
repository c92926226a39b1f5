// AUTH in the server's dialogue: order, coding, limits and failures; the mechanisms are played by the script
// (RFC 4954).
#include "base/base64.hpp"
#include "server_script.hpp"

namespace posthorn::smtp::protocol::test {
namespace {

ServerFacts auth_facts() {
    ServerFacts facts = submission_facts();
    facts.tls = SessionTls::active;
    return facts;
}

std::string ehlo_reply(const std::string& auth) {
    return "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 36700160\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
           "250-DSN\r\n250-CHUNKING\r\n" +
           auth + "250 ENHANCEDSTATUSCODES\r\n";
}

ServerScript login(ServerFacts facts = auth_facts()) {
    return ServerScript(std::move(facts)).says("EHLO c\r\n").gets(ehlo_reply("250-AUTH PLAIN LOGIN\r\n"));
}

std::string b64(std::string_view octets) {
    return base64_encode(octets);
}

const std::string kYes = "235 2.7.0 Authentication successful\r\n";
const std::string kNo = "535 5.7.8 Authentication credentials invalid\r\n";
const std::string kNoop = "250 2.0.0 Ok\r\n";

TEST(ServerAuth, InitialResponse_AUTH_1_AUTH_4) {
    login()
        .says("AUTH PLAIN " + b64(std::string("\0user\0secret", 12)) + "\r\nMAIL FROM:<a@example.org>\r\n")
        .sasl({"PLAIN", true, std::string("\0user\0secret", 12)}, SaslAnswer::accepted("user"))
        .asks(Kind::check_mail,
              [](ServerSession& s) {
                  EXPECT_EQ(s.user(), "user");
                  EXPECT_EQ(s.with_protocol(), "ESMTPSA");
                  EXPECT_FALSE(s.sasl_turn().response) << "what was said is forgotten";
                  return s.on_verdict(Verdict::accept());
              })
        .gets(kYes + "250 2.1.0 Ok\r\n")
        .run();
}

TEST(ServerAuth, WithoutInitialResponse_AUTH_4) {
    login()
        .says("auth plain\r\n")
        .sasl({"PLAIN", true, std::nullopt}, SaslAnswer::challenge(""))
        .gets("334 \r\n")
        .says(b64("who and what") + "\r\n")
        .sasl({"PLAIN", false, "who and what"}, SaslAnswer::accepted("user"))
        .gets(kYes)
        .run();
}

TEST(ServerAuth, EmptyResponses_RFC4954_s4) {
    login()
        .says("AUTH LOGIN =\r\n")
        .sasl({"LOGIN", true, ""}, SaslAnswer::challenge("Username:"))
        .gets("334 VXNlcm5hbWU6\r\n")
        .says("\r\n")  // in a continuation the empty line is the empty response
        .sasl({"LOGIN", false, ""}, SaslAnswer::malformed())
        .gets("501 5.5.2 Malformed authentication response\r\n")
        .says("AUTH LOGIN\r\n")
        .sasl({"LOGIN", true, std::nullopt}, SaslAnswer::challenge("Username:"))
        .gets("334 VXNlcm5hbWU6\r\n")
        .says("=\r\n")  // and "=" is not base64 there
        .gets("501 5.5.2 Response is not base64\r\n")
        .run();
}

TEST(ServerAuth, ManyTurns_RFC4422_s3) {
    login()
        .says("AUTH LOGIN\r\n")
        .sasl({"LOGIN", true, std::nullopt}, SaslAnswer::challenge("one"))
        .gets("334 " + b64("one") + "\r\n")
        .says(b64("a") + "\r\n")
        .sasl({"LOGIN", false, "a"}, SaslAnswer::challenge("two"))
        .gets("334 " + b64("two") + "\r\n")
        .says(b64("b") + "\r\n")
        .sasl({"LOGIN", false, "b"}, SaslAnswer::accepted("u"))
        .gets(kYes)
        .run();
}

// RFC 4954 s4: SMTP's 235 has no place for the mechanism's last words; they go in a 334 that the client
// answers empty.
TEST(ServerAuth, LastWordsOfTheMechanism_RFC4954_s4) {
    const auto begin = [] {
        return login()
            .says("AUTH PLAIN " + b64("x") + "\r\n")
            .sasl({"PLAIN", true, "x"}, SaslAnswer::accepted("user", "v=proof"))
            .asks(Kind::read,
                  [](ServerSession& s) {
                      EXPECT_FALSE(s.authenticated()) << "not before the client heard all";
                      return ServerAction(Kind::read);
                  })
            .gets("334 " + b64("v=proof") + "\r\n");
    };
    begin()
        .says("\r\nMAIL FROM:<a@example.org>\r\n")
        .asks(Kind::check_mail,
              [](ServerSession& s) {
                  EXPECT_EQ(s.user(), "user");
                  return s.on_verdict(Verdict::accept());
              })
        .gets(kYes + "250 2.1.0 Ok\r\n")
        .run();
    const std::string denied = "530 5.7.0 Authentication required\r\n";
    begin()
        .says("*\r\nMAIL FROM:<a@example.org>\r\n")
        .gets("501 5.7.0 Authentication cancelled\r\n" + denied)
        .run();
    for (const std::string& words : {b64("x"), std::string("="), std::string("NOOP")})
        begin()
            .says(words + "\r\nMAIL FROM:<a@example.org>\r\n")
            .gets("501 5.5.2 An empty response was expected\r\n" + denied)
            .run();
    begin()
        .says(std::string(13000, 'A') + "\r\nMAIL FROM:<a@example.org>\r\n")
        .gets("500 5.5.6 Authentication exchange line is too long\r\n" + denied)
        .says("AUTH PLAIN\r\n")
        .sasl({"PLAIN", true, std::nullopt}, SaslAnswer::challenge(""))
        .gets("334 \r\n")
        .says("\r\n")  // nothing is left of the user of before
        .sasl({"PLAIN", false, ""}, SaslAnswer::malformed())
        .gets("501 5.5.2 Malformed authentication response\r\n")
        .run();
}

TEST(ServerAuth, Errors_AUTH_4_AUTH_5) {
    const struct {
        const char* says;
        const char* gets;
    } kTable[] = {
        {"AUTH", "501 5.5.4 Syntax: AUTH mechanism [initial-response]\r\n"},
        {"AUTH PLAIN a b", "501 5.5.4 Syntax: AUTH mechanism [initial-response]\r\n"},
        {"AUTH CRAM-MD5", "504 5.5.4 Unrecognized authentication mechanism\r\n"},
        {"AUTH DIGEST-MD5", "504 5.5.4 Unrecognized authentication mechanism\r\n"},
        {"AUTH SCRAM-SHA-256-PLUS", "504 5.5.4 Unrecognized authentication mechanism\r\n"},
        {"AUTH PLAINX", "504 5.5.4 Unrecognized authentication mechanism\r\n"},
        {"AUTH PLAIN !", "501 5.5.2 Response is not base64\r\n"},
        {"AUTH PLAIN ==", "501 5.5.2 Response is not base64\r\n"},
        {"AUTH PLAIN YQ", "501 5.5.2 Response is not base64\r\n"},
        {"AUTH PLAIN *", "501 5.5.2 Response is not base64\r\n"},
    };
    for (const auto& row : kTable) {
        SCOPED_TRACE(row.says);
        login().says(std::string(row.says) + "\r\nNOOP\r\n").gets(row.gets).gets(kNoop).run();
    }
}

TEST(ServerAuth, Cancelled_AUTH_4) {
    ServerFacts once = auth_facts();
    once.limits.max_auth_failures = 1;
    login(once)
        .says("AUTH PLAIN\r\n")
        .sasl({"PLAIN", true, std::nullopt}, SaslAnswer::challenge(""))
        .gets("334 \r\n")
        .says("*\r\nNOOP\r\n")
        .asks(Kind::read,
              [](ServerSession& s) {
                  EXPECT_EQ(s.errors(), 1U) << "an error, but no wrong password";
                  return ServerAction(Kind::read);
              })
        .gets("501 5.7.0 Authentication cancelled\r\n" + kNoop)
        .says("AUTH PLAIN\r\n")
        .sasl({"PLAIN", true, std::nullopt}, SaslAnswer::challenge(""))
        .gets("334 \r\n")
        .says("***\r\n")
        .gets("501 5.5.2 Response is not base64\r\n")
        .run();
}

TEST(ServerAuth, OnlyOnceAndOutsideOfTransactions_AUTH_5) {
    ServerFacts optional = auth_facts();
    optional.auth = SessionAuth::optional;
    optional.trusted = true;
    login(optional)
        .says("MAIL FROM:<a@example.org>\r\nAUTH PLAIN\r\n")
        .accepts(Kind::check_mail)
        .gets("250 2.1.0 Ok\r\n503 5.5.1 Bad sequence of commands\r\n")
        .says("RSET\r\nAUTH PLAIN eA==\r\n")
        .sasl({"PLAIN", true, "x"}, SaslAnswer::accepted("u"))
        .gets(kNoop + kYes)
        .says("AUTH PLAIN eA==\r\nAUTH NONSENSE\r\n")
        .gets("503 5.5.1 Already authenticated\r\n503 5.5.1 Already authenticated\r\n")
        .says("EHLO c\r\nAUTH LOGIN\r\n")
        .gets(ehlo_reply("250-AUTH PLAIN LOGIN\r\n") + "503 5.5.1 Already authenticated\r\n")
        .says("MAIL FROM:<a@example.org> AUTH=<>\r\n")
        .accepts(Kind::check_mail)
        .gets("250 2.1.0 Ok\r\n")
        .run();
}

TEST(ServerAuth, LineLimits_AUTH_4) {
    const std::string longest(12288 - 2, 'A');
    const std::string too_long = "500 5.5.6 Authentication exchange line is too long\r\n";
    login()
        .says("AUTH PLAIN\r\n")
        .sasl({"PLAIN", true, std::nullopt}, SaslAnswer::challenge(""))
        .gets("334 \r\n")
        .says(longest + "A\r\nNOOP\r\n")
        .gets(too_long + kNoop)
        .says("AUTH PLAIN\r\n")
        .sasl({"PLAIN", true, std::nullopt}, SaslAnswer::challenge(""))
        .gets("334 \r\n")
        .says(longest.substr(0, 12284) + "\r\n")
        .sasl({"PLAIN", false, std::string(9213, '\0')}, SaslAnswer::malformed())
        .gets("501 5.5.2 Malformed authentication response\r\n")
        .says("AUTH PLAIN " + longest + "\r\nNOOP\r\n")
        .gets(too_long + kNoop)
        .says("NOOP " + longest.substr(0, 4000) + "\r\n")
        .gets("500 5.5.2 Line too long\r\n")
        .run();
}

TEST(ServerAuth, WrongPasswords_AUTH_5) {
    const std::string command = "AUTH PLAIN " + b64("x") + "\r\n";
    ServerScript script = login();
    for (int i = 0; i < 2; ++i)
        script.says(command).sasl({"PLAIN", true, "x"}, SaslAnswer::rejected()).gets(kNo);
    script.says(command)
        .sasl({"PLAIN", true, "x"}, SaslAnswer::unavailable())
        .gets("454 4.7.0 Temporary authentication failure, try again later\r\n")
        .says(command)
        .sasl({"PLAIN", true, "x"}, SaslAnswer::malformed())
        .gets("501 5.5.2 Malformed authentication response\r\n")
        .says(command + "MAIL FROM:<>\r\n")
        .sasl({"PLAIN", true, "x"}, SaslAnswer::rejected())
        .gets(kNo + "421 4.7.0 mx.example.org Too many failed authentications, closing the connection\r\n")
        .closes(SessionEnd::too_many_auth_failures)
        .run();
}

// What nobody could look at is no failure, but there is an end to asking.
TEST(ServerAuth, AskingInVainHasAnEnd_AUTH_5) {
    const std::string command = "AUTH PLAIN " + b64("x") + "\r\n";
    const std::string later = "454 4.7.0 Temporary authentication failure, try again later\r\n";
    ServerScript script = login();
    for (int i = 0; i < 2; ++i)
        script.says(command).sasl({"PLAIN", true, "x"}, SaslAnswer::unavailable()).gets(later);
    script.says(command)
        .sasl({"PLAIN", true, "x"}, SaslAnswer::unavailable())
        .gets(later + "421 4.7.0 mx.example.org Too many failed authentications, closing the connection\r\n")
        .closes(SessionEnd::too_many_auth_failures)
        .run();
}

// A mechanism that gives nobody a name has authenticated nobody.
TEST(ServerAuth, NamelessUsersAreNobody_AUTH_5) {
    login()
        .says("AUTH PLAIN eA==\r\nMAIL FROM:<>\r\n")
        .sasl({"PLAIN", true, "x"}, SaslAnswer::accepted(""))
        .gets(kNo + "530 5.7.0 Authentication required\r\n")
        .run();
}

// What came with the answer to a challenge waits for the mechanism.
TEST(ServerAuth, PipelinedExchange_EXT_4) {
    login()
        .says("AUTH LOGIN\r\n" + b64("user") + "\r\n" + b64("secret") + "\r\nNOOP\r\n")
        .sasl({"LOGIN", true, std::nullopt}, SaslAnswer::challenge("Username:"))
        .sasl({"LOGIN", false, "user"}, SaslAnswer::challenge("Password:"))
        .sasl({"LOGIN", false, "secret"}, SaslAnswer::accepted("user"))
        .gets("334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n" + kYes + kNoop)
        .run();
}

// RFC 5802 s6, RFC 5929 s4: a -PLUS mechanism exists only where the channel can be bound.
TEST(ServerAuth, PlusOnlyWithAChannelBinding_AUTH_1) {
    ServerFacts facts = submission_facts();
    facts.auth_without_tls = true;
    ServerScript(facts)
        .says("EHLO c\r\nAUTH SCRAM-SHA-256-PLUS\r\n")
        .gets(ehlo_reply("250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n") +
              "504 5.5.4 Unrecognized authentication mechanism\r\n")
        .says("STARTTLS\r\n")
        .asks(Kind::start_tls,
              [](ServerSession& s) { return s.on_tls(TlsFacts("TLSv1.3", "x", "the certificate's hash")); })
        .gets("220 2.0.0 Ready to start TLS\r\n")
        .says("EHLO c\r\nauth scram-sha-256-plus eA==\r\n")
        .sasl({"SCRAM-SHA-256-PLUS", true, "x"}, SaslAnswer::accepted("u", "v=1"))
        .gets(ehlo_reply("250-AUTH SCRAM-SHA-256-PLUS PLAIN LOGIN\r\n") + "334 dj0x\r\n")
        .says("\r\n")
        .gets(kYes)
        .run();
}

TEST(ServerAuth, NobodyToAsk_AUTH_5) {
    ServerFacts none = auth_facts();
    none.mechanisms.clear();
    ServerScript(none)
        .says("EHLO c\r\nAUTH PLAIN\r\nMAIL FROM:<>\r\n")
        .gets(ehlo_reply("") + "454 4.7.0 Temporary authentication failure, try again later\r\n")
        .gets("530 5.7.0 Authentication required\r\n")
        .run();
}

TEST(ServerAuth, MechanismsMayBeAnyAndKeepTheirOrder) {
    ServerFacts facts = auth_facts();
    facts.mechanisms = {"OAUTHBEARER", "PLAIN"};
    ServerScript(facts)
        .says("EHLO c\r\nAUTH oauthbearer eA==\r\n")
        .sasl({"OAUTHBEARER", true, "x"}, SaslAnswer::accepted("u"))
        .gets(ehlo_reply("250-AUTH OAUTHBEARER PLAIN\r\n") + kYes)
        .run();
}

// Guessing passwords does not begin anew with TLS.
TEST(ServerAuth, FailuresOutliveStartTls_AUTH_7) {
    ServerFacts facts = submission_facts();
    facts.auth_without_tls = true;
    facts.limits.max_auth_failures = 2;
    ServerSession session(facts);
    (void)session.start();
    (void)session.on_bytes("EHLO c\r\n");
    (void)session.on_bytes("AUTH PLAIN eA==\r\n");
    (void)session.on_sasl(SaslAnswer::rejected());
    (void)session.on_bytes("STARTTLS\r\n");
    (void)session.on_tls(TlsFacts("TLSv1.3", "TLS_AES_128_GCM_SHA256"));
    (void)session.on_bytes("EHLO c\r\n");
    (void)session.on_bytes("AUTH PLAIN eA==\r\n");
    EXPECT_EQ(to_string(session.on_sasl(SaslAnswer::rejected()).kind), "close");
    EXPECT_EQ(to_string(session.end()), "too_many_auth_failures");
}

}  // namespace
}  // namespace posthorn::smtp::protocol::test
