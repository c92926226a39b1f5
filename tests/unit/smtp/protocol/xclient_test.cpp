// XCLIENT: its attributes, who may say it, and what is left of the session after it (Postfix's
// XCLIENT_README).
#include "smtp/protocol/xclient.hpp"

#include "server_script.hpp"

namespace posthorn::smtp::protocol::test {
namespace {

XclientCommand parsed(std::string_view arguments) {
    auto result = parse_xclient(arguments);
    EXPECT_TRUE(std::holds_alternative<XclientCommand>(result)) << arguments;
    return std::holds_alternative<XclientCommand>(result) ? std::get<XclientCommand>(result)
                                                          : XclientCommand{};
}

TEST(Xclient, Attributes) {
    const XclientCommand all = parsed(
        "name=spike.example.org ADDR=192.0.2.7 Port=4711 PROTO=ESMTP HELO=spike login=u+20v "
        "DESTADDR=IPV6:2001:db8::1 "
        "DESTPORT=25");
    EXPECT_TRUE(all.has_address);
    EXPECT_EQ(all.address->to_string(), "192.0.2.7");
    EXPECT_EQ(all.helo, "spike");
    EXPECT_EQ(all.login, "u v");
    EXPECT_EQ(all.extended, true);
    EXPECT_EQ(parsed("ADDR=IPV6:2001:DB8::7").address->to_string(), "2001:db8::7");
    EXPECT_EQ(parsed("ADDR=2001:db8::7").address->to_string(), "2001:db8::7");
    EXPECT_EQ(parsed("PROTO=smtp").extended, false);
    EXPECT_FALSE(parsed("PROTO=SMTP").has_address);
    for (const char* none : {"[UNAVAILABLE]", "[TEMPUNAVAIL]", "[unavailable]"}) {
        const std::string value(none);
        const XclientCommand unknown =
            parsed("ADDR=" + value + " NAME=" + value + " LOGIN=" + value + " HELO=" + value +
                   " PORT=" + value + " DESTADDR=" + value + " DESTPORT=" + value);
        EXPECT_TRUE(unknown.has_address);
        EXPECT_FALSE(unknown.address);
        EXPECT_EQ(unknown.login, "");
        EXPECT_EQ(unknown.helo, "");
    }
}

TEST(Xclient, BadAttributesAreRefused) {
    for (const char* bad : {"",
                            "ADDR",
                            "ADDR=",
                            "=192.0.2.7",
                            "FOO=bar",
                            "ADDR=192.0.2",
                            "ADDR=IPV6:192.0.2.7",
                            "ADDR=IPV6:",
                            "ADDR=[192.0.2.7]",
                            "ADDR=mail.example.org",
                            "ADDR=192.0.2.7 ADDR=192.0.2.8",
                            "addr=192.0.2.7 ADDR=192.0.2.7",
                            "PORT=70000",
                            "PORT=-1",
                            "DESTPORT=http",
                            "DESTADDR=here",
                            "PROTO=LMTP",
                            "PROTO=[UNAVAILABLE]",
                            "LOGIN=a+0Db",
                            "LOGIN=a+00b",
                            "LOGIN=+FF",
                            "LOGIN=a+2",
                            "HELO=a+20b",
                            "HELO=(evil)",
                            "NAME=a+0Ab"}) {
        const auto result = parse_xclient(bad);
        ASSERT_TRUE(std::holds_alternative<Reply>(result)) << bad;
        EXPECT_EQ(std::get<Reply>(result).code, 501) << bad;
        EXPECT_EQ(std::get<Reply>(result).enhanced.to_string(), "5.5.4") << bad;
    }
}

const std::string kForbidden = "550 5.7.0 XCLIENT is not for you\r\n";

ServerFacts proxy_facts() {
    ServerFacts facts = test::facts();
    facts.xclient = true;
    return facts;
}

std::string proxy_ehlo() {
    return "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 36700160\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
           "250-DSN\r\n250-CHUNKING\r\n250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n"
           "250 ENHANCEDSTATUSCODES\r\n";
}

TEST(ServerXclient, OnlyForThoseNamed_EXT_14) {
    ServerScript()
        .ehlo()
        .says("XCLIENT ADDR=192.0.2.7 LOGIN=root\r\nXCLIENT\r\n")
        .gets(kForbidden + kForbidden)
        .run();
}

// Trust, login and the right to XCLIENT are decided anew: a client that the proxy passes through must not be
// able to say it, too.
TEST(ServerXclient, TheSessionBeginsAnew) {
    ServerScript(proxy_facts())
        .says("EHLO proxy\r\nXCLIENT ADDR=192.0.2.7 HELO=client.example PROTO=ESMTP\r\n")
        .asks(Kind::change_client,
              [](ServerSession& s) {
                  EXPECT_EQ(s.xclient_command().address->to_string(), "192.0.2.7");
                  const ServerAction action = s.on_client(ClientFacts{});
                  EXPECT_EQ(s.helo(), "client.example");
                  EXPECT_FALSE(s.authenticated());
                  return action;
              })
        .gets(proxy_ehlo() + "220 mx.example.org ESMTP\r\n")
        .says("MAIL FROM:<a@example.org>\r\n")
        .gets("503 5.5.1 Bad sequence of commands: send EHLO first\r\n")
        .ehlo()
        .says("MAIL FROM:<a@example.org>\r\nXCLIENT ADDR=127.0.0.1 LOGIN=root\r\n")
        .gets("550 5.7.1 Relaying denied\r\n" + kForbidden)
        .run();
}

TEST(ServerXclient, LoginIsAsGoodAsAuth) {
    ServerFacts facts = proxy_facts();
    facts.auth = SessionAuth::required;
    facts.mechanisms = {"PLAIN"};
    ServerScript(facts)
        .says("XCLIENT ADDR=192.0.2.7 LOGIN=user+40example.org\r\nEHLO c\r\nMAIL FROM:<a@example.org>\r\n")
        .asks(Kind::change_client, [](ServerSession& s) { return s.on_client(ClientFacts{}); })
        .asks(Kind::check_mail,
              [](ServerSession& s) {
                  EXPECT_EQ(s.user(), "user@example.org");
                  EXPECT_EQ(s.with_protocol(), "ESMTPA");
                  return s.on_verdict(Verdict::accept());
              })
        .gets("220 mx.example.org ESMTP\r\n")
        .gets(
            "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 36700160\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
            "250-DSN\r\n250-CHUNKING\r\n250 ENHANCEDSTATUSCODES\r\n250 2.1.0 Ok\r\n")
        .run();
    // And the login of the one before is none of the next one.
    ServerFacts chain = proxy_facts();
    chain.auth = SessionAuth::optional;
    chain.mechanisms = {"PLAIN"};
    chain.trusted = false;
    ClientFacts proxy;
    proxy.xclient = true;
    ServerScript(chain)
        .says("XCLIENT LOGIN=user\r\nXCLIENT ADDR=192.0.2.8\r\nNOOP\r\n")
        .asks(Kind::change_client, [=](ServerSession& s) { return s.on_client(proxy); })
        .asks(Kind::change_client,
              [](ServerSession& s) {
                  EXPECT_EQ(s.user(), "user");
                  const auto action = s.on_client(ClientFacts{});
                  EXPECT_EQ(s.user(), "");
                  return action;
              })
        .gets("220 mx.example.org ESMTP\r\n220 mx.example.org ESMTP\r\n250 2.0.0 Ok\r\n")
        .run();
}

TEST(ServerXclient, NotInATransaction) {
    ServerScript(proxy_facts())
        .says("EHLO proxy\r\nMAIL FROM:<a@example.org>\r\nXCLIENT ADDR=192.0.2.7\r\n")
        .accepts(Kind::check_mail)
        .gets(proxy_ehlo() + "250 2.1.0 Ok\r\n503 5.5.1 Bad sequence of commands\r\n")
        .says("RSET\r\nXCLIENT ADDR=nowhere\r\n")
        .gets("250 2.0.0 Ok\r\n501 5.5.4 Bad value of an attribute\r\n")
        .run();
}

TEST(ServerXclient, TheDriverMayRefuseTheClient) {
    const auto refusing = [](Reply reply) {
        return [reply](ServerSession& s) {
            ClientFacts facts;
            facts.refusal = reply;
            return s.on_client(facts);
        };
    };
    ServerScript(proxy_facts())
        .says("XCLIENT ADDR=192.0.2.7 LOGIN=user\r\nXCLIENT ADDR=192.0.2.7\r\n")
        .asks(Kind::change_client, refusing(make_reply(525, "5.7.13", "Disabled")))
        .asks(Kind::change_client, refusing(make_reply(421, "4.7.0", "Banned")))
        .gets("525 5.7.13 Disabled\r\n421 4.7.0 Banned\r\n")
        .closes(SessionEnd::turned_away)
        .run();
}

// RFC 5321 s4.3.1; not 521 (SUB-5).
TEST(ServerSession, EarlyTalkersAreRefused_SUB_5) {
    ServerSession session(facts());
    const ServerAction action = session.on_early_talk();
    EXPECT_EQ(to_string(action.kind), "close");
    EXPECT_EQ(action.output,
              "554 5.5.1 mx.example.org You spoke before the greeting, closing the connection\r\n");
    EXPECT_EQ(to_string(session.end()), "early_talk");
}

}  // namespace
}  // namespace posthorn::smtp::protocol::test
