// Each row: a reply as it was seen in the field, and what must follow from it.
#include "delivery/classify.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "delivery/provider_rules.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::Reply;
using smtp::protocol::ReplyParser;
using smtp::protocol::Stage;

Reply reply(std::string_view wire) {
    std::string text;
    for (char c : wire) {
        if (c == '\n') text += '\r';
        text += c;
    }
    text += "\r\n";
    ReplyParser parser;
    std::string_view in = text;
    EXPECT_EQ(parser.feed(in), ReplyParser::Status::reply) << wire;
    return parser.take();
}

Judgement judged(Stage stage, const Reply& words, bool strict_5xx = false, bool last_host = true) {
    ReplyFacts facts(stage, words);
    facts.strict_5xx = strict_5xx;
    facts.last_host = last_host;
    return classify(facts, *ProviderRules::built_in());
}

struct Row {
    std::string_view wire;
    Stage stage;
    Disposition result;
    Class failure_class;
};

class Classify : public testing::TestWithParam<Row> {};

TEST_P(Classify, Reply) {
    const Row& row = GetParam();
    const Judgement judgement = judged(row.stage, reply(row.wire), false);
    EXPECT_EQ(to_string(judgement.result), to_string(row.result)) << row.wire;
    EXPECT_EQ(to_string(judgement.failure_class), to_string(row.failure_class)) << row.wire;
}

INSTANTIATE_TEST_SUITE_P(
    Field, Classify,
    testing::Values(
        Row{"250 2.0.0 OK", Stage::end_of_data, Disposition::delivered, Class::none},
        // PR-44, SD-1: the text our users read, with its empty lines.
        Row{"550-5.7.26 This mail has been blocked because the sender is unauthenticated.\n"
            "550-5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM.\n"
            "550-5.7.26 \n"
            "550-5.7.26  Authentication results:\n"
            "550-5.7.26  DKIM = did not pass\n"
            "550-5.7.26  SPF [example.com] with ip: [192.0.2.1] = did not pass\n"
            "550 5.7.26 - gsmtp",
            Stage::end_of_data, Disposition::deferred, Class::auth},
        Row{"421-4.7.26 This mail has been rate limited because it is unauthenticated.\n421 4.7.26 - gsmtp", Stage::end_of_data,
            Disposition::deferred, Class::auth},
        Row{"550 5.7.515 Access denied, sending domain [EXAMPLE.COM] does not meet the required authentication level.",
            Stage::end_of_data, Disposition::deferred, Class::auth},
        Row{"550 5.7.9 This mail has been blocked because the sender is unauthenticated. Yahoo requires all senders to "
            "authenticate with either SPF or DKIM",
            Stage::end_of_data, Disposition::deferred, Class::auth},
        Row{"554 5.7.1 [HME1] This message was blocked for failing both SPF and DKIM authentication checks.",
            Stage::end_of_data, Disposition::deferred, Class::auth},
        Row{"550 5.7.25 [192.0.2.1] The IP address sending this message does not have a PTR record setup",
            Stage::end_of_data, Disposition::deferred, Class::auth},
        Row{"550 5.7.23 The message was rejected because of Sender Policy Framework violation", Stage::mail,
            Disposition::deferred, Class::auth},
        // 5.7.1 and 554 5.7.9 alone say nothing of authentication (PR-35).
        Row{"550 5.7.1 Our system has detected that this message is likely unsolicited mail.", Stage::end_of_data,
            Disposition::failed, Class::content},
        Row{"554 5.7.9 Message not accepted for policy reasons.", Stage::end_of_data, Disposition::failed, Class::permanent},
        Row{"550 5.1.1 The email account that you tried to reach does not exist.", Stage::rcpt, Disposition::failed,
            Class::rcpt_perm},
        Row{"550 5.1.10 RESOLVER.ADR.RecipientNotFound", Stage::rcpt, Disposition::failed, Class::rcpt_perm},
        Row{"552 5.3.4 Your message exceeds the size limit", Stage::mail, Disposition::failed, Class::size},
        Row{"451 4.7.1 Greylisting in action, please come back later", Stage::rcpt, Disposition::deferred, Class::grey},
        Row{"450 4.2.0 Recipient address rejected: Greylisted, try again in 300 seconds", Stage::rcpt, Disposition::deferred,
            Class::grey},
        Row{"421 4.7.28 Our system has detected an unusual rate of email", Stage::end_of_data, Disposition::deferred,
            Class::throttle},
        Row{"421 4.3.2 Service shutting down", Stage::rcpt, Disposition::deferred, Class::temp},
        Row{"452 4.2.2 The recipient's inbox is out of storage space", Stage::rcpt, Disposition::deferred, Class::rcpt_full},
        Row{"554 No SMTP service here", Stage::greeting, Disposition::failed, Class::permanent},
        Row{"556 5.1.10 null MX", Stage::rcpt, Disposition::failed, Class::rcpt_perm},
        // What a login failed for is no matter of SPF and DKIM (RFC 4954 s6).
        Row{"535 5.7.8 Authentication failed", Stage::auth, Disposition::failed, Class::relay},
        // SMTP-7: unknown codes go by their first digit.
        Row{"499 hm", Stage::mail, Disposition::deferred, Class::temp}, Row{"599 hm", Stage::mail, Disposition::failed, Class::permanent}));

TEST(Classify, Strict5xxFailsAuthenticationRefusalsAtOnce) {  // PR-52
    const Reply refusal = reply("550-5.7.26 blocked because the sender is unauthenticated.\n550 5.7.26 - gsmtp");
    EXPECT_EQ(judged(Stage::end_of_data, refusal, true).result, Disposition::failed);
    const Reply temporary = reply("421 4.7.26 rate limited because it is unauthenticated.");
    EXPECT_EQ(judged(Stage::end_of_data, temporary, true).result, Disposition::deferred);
}

TEST(Classify, HostRefusalIsFinalOnlyAtTheLastHost) {  // PR-38, SMTP-4
    const Reply refusal = reply("554 not accepting connections");
    const Judgement judgement = judged(Stage::greeting, refusal, false, false);
    EXPECT_EQ(judgement.result, Disposition::deferred);
    EXPECT_EQ(judgement.scope, Scope::host);
    EXPECT_EQ(judged(Stage::greeting, refusal, false).result, Disposition::failed);
}

// What a refusal says something about, stage by stage; 421 is of the session wherever it comes (RFC 5321 s3.8, PR-37).
TEST(Classify, ScopeOfEachStage) {
    const struct {
        Stage stage;
        Scope scope;
    } kTable[] = {
        {Stage::greeting, Scope::host}, {Stage::ehlo, Scope::host},      {Stage::helo, Scope::host},
        {Stage::starttls, Scope::host}, {Stage::auth, Scope::host},      {Stage::rset, Scope::host},
        {Stage::mail, Scope::message},  {Stage::rcpt, Scope::recipient}, {Stage::data, Scope::message},
        {Stage::end_of_data, Scope::message},
    };
    for (const auto& row : kTable) {
        SCOPED_TRACE(to_string(row.stage));
        for (const char* no : {"450 4.2.0 later", "454 4.7.0 later", "550 5.0.0 no", "554 5.3.0 no"})
            EXPECT_EQ(judged(row.stage, reply(no), false).scope, row.scope) << no;
        const Judgement gone = judged(row.stage, reply("421 4.3.2 closing"), false);
        EXPECT_EQ(gone.scope, Scope::session);
        EXPECT_EQ(gone.result, Disposition::deferred);
    }
}

TEST(Classify, NoReplyIsAConnectionFailure) {  // SMTP-10
    const Judgement judgement = judged(Stage::end_of_data, Reply{}, false);
    EXPECT_EQ(judgement.result, Disposition::deferred);
    EXPECT_EQ(judgement.failure_class, Class::connection);
}

// What a reply quotes of the envelope is the sender's choice, and must not pass for the server's word.
TEST(Classify, AddressesAreNoWords) {
    const auto words = [](std::string_view wire) { return telling_words(reply(wire)); };
    EXPECT_EQ(words("550 5.1.1 <DKIM@example.com>: No such user"), "550 5.1.1 <@>: no such user");
    EXPECT_EQ(words("550 5.1.1 spf@dmarc.example unknown"), "550 5.1.1 <@> unknown");
    EXPECT_EQ(words("550 <\"a> greylisted\"@x.test> no"), "550 <@> no");
    EXPECT_EQ(words("550 \"a \\\" rate limit\"@x.test no"), "550 <@> no");
    EXPECT_EQ(words("550 see <https://x.test/dkim> (a@b)"), "550 see <https://x.test/dkim> (<@>)");
    for (const char* odd : {"550 @", "550 @@@", "550 \"@", "550 \"\"@x", "550 <@", "550 <\"@", "550 \\\"@", "550 a@\"b@\""})
        EXPECT_EQ(words(odd).substr(0, 3), "550") << odd;
    // A mailbox that does not exist fails at once, whatever its name.
    for (const char* wire : {"550 5.1.1 <dkim@example.com>: No such user", "550 5.1.1 dmarc@example.com unknown"})
        EXPECT_EQ(judged(Stage::rcpt, reply(wire), false).result, Disposition::failed) << wire;
    EXPECT_EQ(judged(Stage::rcpt, reply("450 4.2.0 <\"rate limit\"@x.test>: later"), false).failure_class, Class::temp);
}

// "try again in N seconds".
TEST(Classify, TheWaitIsRead) {
    EXPECT_EQ(named_wait("greylisted, try again in 300 seconds"), std::chrono::seconds(300));
    EXPECT_EQ(named_wait("greylisting in effect, retry in 5 minutes"), std::chrono::minutes(5));
    EXPECT_FALSE(named_wait("greylisting in action"));
    EXPECT_FALSE(named_wait("problem in 999999999999999999 parts"));
}

}  // namespace
}  // namespace posthorn::delivery
