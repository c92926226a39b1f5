// Accounts that are disabled: the reply to a login, and the end of a session that was open (RFC 5248 s2).
#include "base/base64.hpp"
#include "server_script.hpp"

namespace posthorn::smtp::protocol::test {
namespace {

const std::string kDisabled = "525 5.7.13 This account is disabled; ask its administrator\r\n";

ServerFacts login_facts() {
    ServerFacts facts = test::facts();
    facts.trusted = false;
    facts.auth = SessionAuth::required;
    facts.auth_without_tls = true;
    facts.mechanisms = {"PLAIN"};
    return facts;
}

TEST(ServerAccount, ADisabledLoginCountsLikeAWrongOneAndLogsNobodyIn) {
    const std::string command = "AUTH PLAIN " + base64_encode("x") + "\r\n";
    ServerScript script(login_facts());
    script.says(command)
        .gets("503 5.5.1 Bad sequence of commands: send EHLO first\r\n")
        .says("EHLO c.example\r\n")
        .gets("250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE " + std::to_string(login_facts().limits.max_message_size) +
              "\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-CHUNKING\r\n250-AUTH PLAIN\r\n250 ENHANCEDSTATUSCODES\r\n")
        .says(command)
        .sasl({"PLAIN", true, "x"}, SaslAnswer::disabled())
        .gets(kDisabled)
        .says("MAIL FROM:<a@example.org>\r\n")
        .gets("530 5.7.0 Authentication required\r\n")
        .says(command)
        .sasl({"PLAIN", true, "x"}, SaslAnswer::disabled())
        .gets(kDisabled)
        .says(command)
        .sasl({"PLAIN", true, "x"}, SaslAnswer::disabled())
        .gets(kDisabled + "421 4.7.0 mx.example.org Too many failed authentications, closing the connection\r\n")
        .closes(SessionEnd::too_many_auth_failures)
        .run();
}

TEST(ServerAccount, DisabledMeanwhileTheSessionEndsAtItsNextStep) {
    const Reply refusal = make_reply(550, "5.7.13", "This account is disabled");
    const auto disable = [refusal](ServerSession& s) { return s.on_verdict(Verdict::disable(refusal)); };
    const std::string end =
        "550 5.7.13 This account is disabled\r\n421 4.7.0 mx.example.org This account is disabled, closing the connection\r\n";
    ServerScript()
        .ehlo()
        .says("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n")
        .asks(Kind::check_mail, disable)
        .gets(end)
        .closes(SessionEnd::account_disabled)
        .run();
    ServerScript()
        .up_to_rcpt()
        .says("RCPT TO:<c@example.net>\r\n")
        .asks(Kind::check_recipient, disable)
        .gets(end)
        .closes(SessionEnd::account_disabled)
        .run();
    ServerScript()
        .up_to_rcpt()
        .says("DATA\r\n")
        .asks(Kind::begin_data, disable)
        .gets(end)
        .closes(SessionEnd::account_disabled)
        .run();
    EXPECT_EQ(to_string(SessionEnd::account_disabled), "account_disabled");
}

}  // namespace
}  // namespace posthorn::smtp::protocol::test
