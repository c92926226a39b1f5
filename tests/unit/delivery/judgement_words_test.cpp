// What the operator reads of a judgement, and of which refusals he hears at once.
#include "delivery/judgement_words.hpp"

#include <gtest/gtest.h>

#include "delivery/provider_rules.hpp"
#include "delivery/reply_rule.hpp"

namespace posthorn::delivery {
namespace {

Outcome answered(const char* wire, std::string_view provider = "google") {
    Outcome outcome;
    outcome.reply = *reply_from(wire);
    outcome.stage = smtp::protocol::Stage::end_of_data;
    outcome.host = "mx.google.test[192.0.2.1]";
    ReplyFacts facts(outcome.stage, outcome.reply);
    facts.provider = provider;
    facts.tls = false;
    facts.attempts = 9;
    adopt(outcome, classify(facts, *ProviderRules::built_in()));
    return outcome;
}

std::string all(const Outcome& outcome) {
    std::string text;
    for (const std::string& sentence : consequences(*outcome.judgement)) text += sentence + "\n";
    return text;
}

TEST(JudgementWords, SayWhatFollows) {
    EXPECT_NE(all(answered("550 5.7.26 sender is unauthenticated")).find("Mail of the sender's domain to the provider is suspended"), std::string::npos);
    EXPECT_NE(all(answered("550 5.7.25 no PTR record")).find("All mail from this address to the provider is suspended"), std::string::npos);
    EXPECT_NE(all(answered("550 5.7.29 not over TLS")).find("The next attempt is made with TLS"), std::string::npos);
    EXPECT_NE(all(answered("421 4.7.28 unusual rate of email from your IP address")).find("the address we send from to the provider rests for 10m, "
                                                                                          "then goes on with one connection"),
              std::string::npos);
    EXPECT_NE(all(answered("421 4.7.0 IP not in whitelist for RCPT domain")).find("given up 1d after it was accepted"), std::string::npos);
    EXPECT_NE(all(answered("550 5.7.511 banned sender", "outlook")).find("until `posthorn resume`"), std::string::npos);
    // 2.7: what the provider's after_fix makes of what a 5xx refused, and of that only.
    const char* level = "550 5.7.515 Access denied, sending domain [example.com] does not meet the required authentication level";
    EXPECT_NE(all(answered(level, "outlook")).find("goes out once more when DNS is repaired"), std::string::npos);
    EXPECT_NE(all(answered(level, "google")).find("it goes out when DNS is repaired"), std::string::npos);
    EXPECT_NE(all(answered("450 4.7.26 must pass SPF or DKIM, this message is not signed", "outlook")).find("it goes out when DNS is repaired"),
              std::string::npos);
    EXPECT_EQ(concerns(*answered("421 4.7.28 unusual rate of email").judgement),
              "the address we send from, the domain that signs (DKIM d=) and the envelope's sender domain");   // PR-13
    for (auto kind = Class::none; kind <= Class::permanent; kind = static_cast<Class>(static_cast<int>(kind) + 1)) {
        EXPECT_EQ(class_of(to_string(kind)), kind);
    }
    EXPECT_EQ(class_of("recipient"), Class::rcpt_perm) << "what older versions stored";
    EXPECT_FALSE(class_of("nonsense"));
}

// Each refusal has one alarm: those that suspend, slow down or are about form have their own.
TEST(JudgementWords, AlarmsAreOfRulesThatSayAlert) {
    const auto loud = alarm_of(answered("421 4.7.0 suspicious due to the nature of the content"));
    ASSERT_TRUE(loud);
    EXPECT_EQ(loud->kind, alarm_kind::kRefusal);
    EXPECT_EQ(loud->subject, "google/content-for-now");
    EXPECT_TRUE(loud->incident);
    EXPECT_NE(loud->text.find("nature of the content"), std::string::npos);
    EXPECT_FALSE(alarm_of(answered("550 5.7.26 sender is unauthenticated")));
    EXPECT_FALSE(alarm_of(answered("554 5.6.0 Mail message is malformed")));
    EXPECT_FALSE(alarm_of(answered("450 4.2.1 too quickly")));
    EXPECT_FALSE(alarm_of(Outcome()));
}

}  // namespace
}  // namespace posthorn::delivery
