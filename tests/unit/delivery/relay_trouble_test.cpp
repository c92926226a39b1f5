// What a relay's reply says about us (AUTH-10): the replies as servers send them, each with what becomes of the mail.
#include "delivery/relay_trouble.hpp"

#include <gtest/gtest.h>

#include "delivery/classify.hpp"
#include "delivery/provider_rules.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::EnhancedCode;
using smtp::protocol::Reply;
using smtp::protocol::Stage;

Reply reply(std::uint16_t code, const std::string& text) {
    Reply out;
    out.code = code;
    out.lines.push_back(text);
    if (const auto enhanced = EnhancedCode::parse(text)) out.enhanced = *enhanced;
    return out;
}

struct Row {
    const char* who;
    Stage stage;
    std::uint16_t code;
    const char* text;
    std::optional<RelayFault> fault;
};

TEST(RelayTrouble, TellsOurFaultsFromTheRecipients) {
    const Row table[] = {
        // RFC 4954 s6
        {"Postfix with Dovecot", Stage::auth, 535, "5.7.8 Error: authentication failed: UGFzc3dvcmQ6", RelayFault::login},
        {"Google", Stage::auth, 534, "5.7.9 Application-specific password required.", RelayFault::login},
        {"Exim", Stage::auth, 535, "Incorrect authentication data", RelayFault::login},
        {"a passing trouble at AUTH", Stage::auth, 454, "4.7.0 Temporary authentication failure", RelayFault::login},
        {"encryption needed", Stage::auth, 538, "5.7.11 Encryption required", RelayFault::login},
        {"no login at all, Google", Stage::mail, 530, "5.7.0 Authentication Required. For more information, go to", RelayFault::login},
        {"Exim at MAIL", Stage::mail, 550, "authentication required", RelayFault::login},
        {"Microsoft at MAIL", Stage::mail, 530, "5.7.57 Client not authenticated to send mail.", RelayFault::login},
        {"our own words at AUTH", Stage::auth, 0, "4.7.0 the server offers CRAM-MD5, none of which is spoken here", RelayFault::login},
        {"the connection is lost at AUTH", Stage::auth, 0, "", std::nullopt},
        // tls_outcome.cpp: our own 451 where TLS is not what is demanded
        {"the certificate is another's", Stage::tls, 451, "4.7.5 the certificate of x is not what is demanded", RelayFault::identity},
        {"no STARTTLS", Stage::starttls, 451, "4.7.10 TLS is demanded of x, which does not offer it", RelayFault::identity},
        {"the handshake is cut", Stage::tls, 0, "", std::nullopt},
        {"the relay goes away during AUTH", Stage::auth, 421, "4.3.0 Shutting down", std::nullopt},
        // relaying
        {"Postfix", Stage::rcpt, 554, "5.7.1 <bob@b.example>: Relay access denied", RelayFault::relaying},
        {"Postfix, deferred", Stage::rcpt, 454, "4.7.1 <bob@b.example>: Relay access denied", RelayFault::relaying},
        {"Exim", Stage::rcpt, 550, "relay not permitted", RelayFault::relaying},
        {"Exchange", Stage::rcpt, 550, "5.7.54 SMTP; Unable to relay recipient in non-accepted domain", RelayFault::relaying},
        {"Sendmail", Stage::rcpt, 550, "5.7.1 <bob@b.example>... Relaying denied", RelayFault::relaying},
        {"qmail", Stage::rcpt, 553, "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", RelayFault::relaying},
        {"Posthorn", Stage::rcpt, 554, "5.7.1 Relay access denied", RelayFault::relaying},
        // A user's addresses are not the relay's words: he could hold up everybody's mail.
        {"Sendmail", Stage::rcpt, 550, "5.7.1 <\"must authenticate\"@b.example>... Relaying denied", RelayFault::relaying},
        {"Postfix", Stage::rcpt, 450, "4.1.8 <\"authentication required\"@a.example>: Sender address: Domain not found", std::nullopt},
        {"without brackets", Stage::mail, 550, "\"sending quota\"@a.example is nobody", std::nullopt},
        // sender
        {"Postfix", Stage::rcpt, 553, "5.7.1 <a@a.example>: Sender address rejected: not owned by user me", RelayFault::sender},
        {"SES", Stage::end_of_data, 554,
         "Message rejected: Email address is not verified. The following identities failed the check: a@a.example", RelayFault::sender},
        {"Microsoft 365", Stage::end_of_data, 554, "5.2.252 SendAsDenied; me@a.example not allowed to send as b@a.example",
         RelayFault::sender},
        // quota
        {"Google", Stage::end_of_data, 550, "5.4.5 Daily user sending limit exceeded.", RelayFault::quota},
        {"SES", Stage::end_of_data, 454, "Throttling failure: Daily message quota exceeded.", RelayFault::quota},
        {"an account", Stage::mail, 550, "5.7.1 Your account is suspended", RelayFault::quota},
        // about the recipient, the message or a passing trouble: not ours
        {"unknown user", Stage::rcpt, 550, "5.1.1 <bob@b.example>: Recipient address rejected: User unknown", std::nullopt},
        {"unknown user and a misleading word", Stage::rcpt, 550, "5.1.1 relaying denied to unknown user", std::nullopt},
        {"full mailbox", Stage::rcpt, 552, "5.2.2 Mailbox full: quota exceeded", std::nullopt},
        {"full mailbox without a code", Stage::rcpt, 452, "Mailbox quota exceeded", std::nullopt},
        {"spam", Stage::end_of_data, 554, "5.7.1 Message contains spam", std::nullopt},
        {"too large", Stage::mail, 552, "5.3.4 Message too big", std::nullopt},
        {"later", Stage::rcpt, 450, "4.2.1 Try again later", std::nullopt},
        {"no reply", Stage::mail, 0, "", std::nullopt},
        {"taken", Stage::end_of_data, 250, "2.0.0 Ok: queued; your daily sending limit is 200", std::nullopt},
        {"greeting", Stage::greeting, 554, "5.7.1 authentication required", std::nullopt},
    };
    for (const Row& row : table) {
        SCOPED_TRACE(std::string(row.who) + ": " + row.text);
        EXPECT_EQ(relay_fault(row.stage, reply(row.code, row.text)), row.fault);
    }
}

// The queue behind a relay that refuses us is kept; what it passes on about a recipient fails (peers.md: N 2.2, O#64).
TEST(RelayTrouble, OurFaultKeepsTheMail) {
    const auto outcome_of = [](Stage stage, std::uint16_t code, const char* text) {
        Outcome outcome;
        outcome.stage = stage;
        outcome.reply = reply(code, text);
        adopt(outcome, classify(ReplyFacts(stage, outcome.reply), *ProviderRules::built_in()));
        return outcome;
    };
    Outcome denied = outcome_of(Stage::rcpt, 554, "5.7.1 Relay access denied");
    EXPECT_EQ(denied.result, Disposition::failed);
    EXPECT_EQ(heed_relay(denied), RelayFault::relaying);
    EXPECT_EQ(denied.result, Disposition::deferred);
    EXPECT_EQ(denied.failure_class, Class::local);

    Outcome unknown = outcome_of(Stage::rcpt, 550, "5.1.1 User unknown");
    EXPECT_EQ(heed_relay(unknown), std::nullopt);
    EXPECT_EQ(unknown.result, Disposition::failed);
    EXPECT_EQ(unknown.failure_class, Class::rcpt_perm);
}

TEST(RelayTrouble, IsListedUntilMailIsTaken) {
    RelayTroubles troubles;
    Outcome outcome;
    outcome.reply = reply(535, "5.7.8 no");
    troubles.note("isp", RelayFault::login, outcome, TimePoint(Duration(1000)));
    troubles.note("isp", RelayFault::login, outcome, TimePoint(Duration(9000)));
    troubles.note("isp", RelayFault::quota, outcome, TimePoint(Duration(2000)));
    troubles.note("other", RelayFault::login, outcome, TimePoint(Duration(3000)));
    ASSERT_EQ(troubles.list().size(), 3U);
    EXPECT_EQ(troubles.list()[0].since, TimePoint(Duration(1000)));
    EXPECT_EQ(troubles.list()[0].words, "535 5.7.8 no");
    troubles.clear("isp");
    ASSERT_EQ(troubles.list().size(), 1U);
    EXPECT_EQ(troubles.list()[0].relay, "other");
    troubles.keep_only({"isp"});
    EXPECT_TRUE(troubles.list().empty());
}

}  // namespace
}  // namespace posthorn::delivery
