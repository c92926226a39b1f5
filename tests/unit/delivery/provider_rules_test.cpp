// The built-in rules: that each is reached by its own examples, and what a file of the operator's may do to them.
#include "delivery/provider_rules.hpp"

#include <gtest/gtest.h>

#include "delivery/built_in_rules.hpp"
#include "delivery/configured_rules.hpp"
#include "delivery/reply_rule.hpp"

namespace posthorn::delivery {
namespace {

using smtp::protocol::Reply;
using smtp::protocol::Stage;

std::string all(const std::vector<RuleMistake>& mistakes) {
    std::string out;
    for (const RuleMistake& mistake : mistakes) out += mistake.to_string() + "\n";
    return out;
}

// PR-34, PR-39, peers.md 4.1: each shipped rule is shown to be reached by a real reply, and so none is dead.
TEST(BuiltInRules, EachIsReachedByItsExamples) {
    const auto loaded = ProviderRules::alone(built_in_rules(), "providers.toml");
    EXPECT_EQ(all(loaded.mistakes), "");
    ASSERT_NE(loaded.rules, nullptr);
    EXPECT_GT(loaded.rules->rules().size(), 150U);
}

std::string mistakes_of(std::string_view text) { return all(ProviderRules::with(text, "own.toml").mistakes); }

Judgement judged(const ProviderRules& rules, std::string_view provider, std::string_view wire, Stage stage = Stage::end_of_data) {
    const Reply reply = *reply_from(wire);
    ReplyFacts facts(stage, reply);
    facts.provider = provider;
    return classify(facts, rules);
}

// PR-34, PR-39: the operator's rules come before ours, whatever ours are about.
TEST(OwnRules, ComeFirst) {
    constexpr std::string_view kRefusal = "550 5.7.1 This message is likely unsolicited mail";
    EXPECT_EQ(judged(*ProviderRules::built_in(), "google", kRefusal).rule, "google/unsolicited");
    const auto loaded = ProviderRules::with(R"(
[[rule]]
name = "newsletter"
code = "550"
text = 'unsolicited'
class = "rep"
whose = ["dkim-domain", "source-ip"]
pause = "3h"
rate = "10/1m"
meaning = "They do not like the newsletter."
example = "550 5.7.1 unsolicited"
)", "own.toml");
    ASSERT_NE(loaded.rules, nullptr) << all(loaded.mistakes);
    for (const char* provider : {"google", "yahoo", ""}) {
        const Judgement judgement = judged(*loaded.rules, provider, kRefusal);
        EXPECT_EQ(judgement.rule, "default/newsletter");
        EXPECT_EQ(judgement.where, "own.toml:2:1");
        EXPECT_EQ(judgement.failure_class, Class::rep);
        EXPECT_EQ(judgement.whose, (Whose{Party::source_ip, Party::dkim_domain}));
        EXPECT_EQ(judgement.pause, std::chrono::hours(3));
        EXPECT_EQ(judgement.rate, (Rate{10, std::chrono::minutes(1)}));
    }
    // What it says nothing of is as it was.
    EXPECT_EQ(judged(*loaded.rules, "google", "550 5.1.1 no such user", Stage::rcpt).rule, "google/no-account");
}

// A 5xx that means "later", but not for those who want every 5xx to be final (PR-52).
TEST(OwnRules, MayKeepWhatIsRefused) {
    const auto loaded = ProviderRules::with(
        "[[rule]]\nname = \"x\"\ntext = 'not now'\nclass = \"temp\"\nretry = true\nwait = \"7m\"\nexample = \"550 not now\"\n", "own.toml");
    ASSERT_NE(loaded.rules, nullptr) << all(loaded.mistakes);
    const Reply reply = *reply_from("550 not now");
    ReplyFacts facts(Stage::rcpt, reply);
    EXPECT_EQ(classify(facts, *loaded.rules).result, Disposition::deferred);
    EXPECT_EQ(classify(facts, *loaded.rules).wait, std::chrono::minutes(7));
    facts.strict_5xx = true;
    EXPECT_EQ(classify(facts, *loaded.rules).result, Disposition::failed);
}

// 2.6: what providers want is built in.
TEST(BuiltInProviders, HaveTheirLimits) {
    struct Row {
        const char* name;
        std::uint32_t connections, messages;
        bool tls;
        std::uint32_t mark;
    };
    const Row table[] = {
        {"google", 5, 50, true, 5000},     // PR-3, PR-8, PR-41
        {"yahoo", 5, 20, false, 0},        // PR-19
        {"yahoo-jp", 2, 20, false, 0},     // PR-25
        {"outlook", 5, 50, true, 5000},    // PR-26, PR-28: far from the 500 connections that are allowed
        {"m365", 5, 50, false, 0},         // PR-29
        {"apple", 5, 5, true, 0},          // PR-31
        {"docomo", 2, 10, false, 0},
    };
    for (const Row& row : table) {
        SCOPED_TRACE(row.name);
        const ProviderOptions* provider = ProviderRules::built_in()->provider(row.name);
        ASSERT_NE(provider, nullptr);
        EXPECT_EQ(provider->connections, row.connections);
        EXPECT_EQ(provider->messages_per_connection, row.messages);
        EXPECT_EQ(provider->tls == TlsPolicy::required, row.tls);
        EXPECT_EQ(provider->daily_mark, row.mark);
        EXPECT_EQ(provider->daily_warning, row.mark == 0 ? 0U : 4000U);
    }
}

TEST(OwnRules, ChangeLimitsAndAddProviders) {
    const auto loaded = ProviderRules::with(R"(
[[provider]]
name = "google"
connections = 2
rate = "600/1h"
[[provider]]
name = "microsoft"
messages_per_connection = 7
[[provider]]
name = "freemail"
mx = ["*.freemail.example"]
[[rule]]
name = "x"
provider = "freemail"
text = 'sieste'
class = "temp"
example = "450 sieste"
)", "own.toml");
    ASSERT_NE(loaded.rules, nullptr) << all(loaded.mistakes);
    const ProviderRules& rules = *loaded.rules;
    EXPECT_EQ(rules.provider("google")->connections, 2U);
    EXPECT_EQ(rules.provider("google")->messages_per_connection, 50U);
    EXPECT_EQ(rules.provider("google")->rate, (Rate{600, std::chrono::hours(1)}));
    EXPECT_EQ(rules.provider("google")->daily_mark, 5000U);   // PR-8
    EXPECT_EQ(rules.provider("outlook")->messages_per_connection, 7U);
    EXPECT_EQ(rules.provider("m365")->messages_per_connection, 7U);
    ASSERT_NE(rules.provider("freemail"), nullptr);
    EXPECT_EQ(judged(rules, "freemail", "450 sieste").rule, "freemail/x");
    EXPECT_EQ(judged(rules, "google", "450 sieste").rule, "default/temporary");
    // [[provider]] of the configuration outweighs both files.
    ProviderOptions given;
    given.name = "google";
    given.connections = 1;
    const auto providers = rules.with_settings({given});
    const auto google = std::find_if(providers.begin(), providers.end(), [](const auto& p) { return p.name == "google"; });
    EXPECT_EQ(google->connections, 1U);
    EXPECT_EQ(google->rate, (Rate{600, std::chrono::hours(1)}));
}

// The operator is told of a rule that never holds: one before it takes its replies, or its conditions do not fit its example.
TEST(OwnRules, ThatAreNeverReachedAreMistakes) {
    const std::string shadowed = mistakes_of(
        "[[rule]]\nname = \"wide\"\ncode = \"5xx\"\nclass = \"temp\"\nexample = \"550 x\"\n"
        "[[rule]]\nname = \"narrow\"\ncode = \"550\"\ntext = 'no more'\nclass = \"mbr\"\nexample = \"550 no more\"\n");
    EXPECT_EQ(shadowed.substr(0, shadowed.find('\n')),
              "own.toml:6:1: the rule default/narrow is not what its example \"550 no more\" comes to, but default/wide (own.toml:1:1): put the "
              "narrower rule first, or narrow that one");
    // peers.md 4.1: an escape too many in a literal wants a back-slash and never matches.
    const std::string back_slash =
        mistakes_of("[[rule]]\nname = \"k\"\nprovider = \"apple\"\ntext = '\\\\[HCM9\\\\]'\nclass = \"throttle\"\nexample = \"421 [HCM9] later\"\n");
    EXPECT_NE(back_slash.find("own.toml:1:1: the rule apple/k is not what its example"), std::string::npos) << back_slash;
}

TEST(OwnRules, MistakesHavePlaces) {
    const auto rule = [](const std::string& lines) { return "[[rule]]\nname = \"x\"\n" + lines; };
    const struct {
        std::string text, expected;
    } table[] = {
        {"[[rule]\n", "own.toml:1:"},
        {"[[rules]]\nname = \"x\"\n", "own.toml:1:3: there is no \"rules\" here; allowed: [[provider]], [[rule]]\n"},
        {"rule = 3\n", "own.toml:1:8: rule is written [[rule]], once for each\n"},
        {rule("code = \"550\"\nclass = \"auht\"\nexample = \"550 x\"\n"), "own.toml:4:9: the class \"auht\" is unknown; allowed: temp, grey, "},
        {rule("code = \"550\"\nclass = \"local\"\nexample = \"550 x\"\n"), "own.toml:4:9: the class \"local\" is unknown; allowed: temp, "},
        {rule("code = \"250\"\nclass = \"temp\"\nexample = \"550 x\"\n"), "own.toml:3:8: \"250\" is no code of a refusal; "},
        {rule("code = \"5x0\"\nclass = \"temp\"\nexample = \"550 x\"\n"), "own.toml:3:8: \"5x0\" is no code of a refusal; "},
        {rule("enhanced = \"5.7\"\nclass = \"temp\"\nexample = \"550 x\"\n"), "own.toml:3:12: \"5.7\" is no enhanced code; "},
        {rule("text = '(a'\nclass = \"temp\"\nexample = \"550 (a\"\n"), "own.toml:3:8: text is no regular expression: missing ): (a; allowed: RE2's "},
        {rule("text = '(?P<who>a)'\nclass = \"temp\"\nexample = \"550 a\"\n"), "own.toml:3:8: text has a group named \"who\"; "},
        {rule("txt = 'a'\ncode = \"550\"\nclass = \"temp\"\nexample = \"550 a\"\n"), "own.toml:3:1: there is no key \"txt\"; did you mean text?\n"},
        {rule("stage = \"conect\"\ncode = \"550\"\nclass = \"temp\"\nexample = \"550 a\"\n"), "own.toml:3:9: \"conect\" is unknown; allowed: greeting, "},
        {rule("provider = \"gogle\"\ncode = \"550\"\nclass = \"temp\"\nexample = \"550 a\"\n"),
         "own.toml:1:1: the rule \"x\" is about the provider \"gogle\", which is unknown; did you mean google?\n"},
        {rule("code = \"550\"\nexample = \"550 a\"\n"), "own.toml:1:1: the rule \"x\" has no class; docs/REFUSALS.md lists them\n"},
        {rule("code = \"550\"\nclass = \"temp\"\n"), "own.toml:1:1: the rule \"x\" has no example; "},
        {rule("code = \"550\"\nclass = \"temp\"\nexample = \"hello\"\n"), "own.toml:5:11: \"hello\" is no refusal as a server sends it; "},
        {rule("class = \"temp\"\nexample = \"550 a\"\n"), "own.toml:1:1: the rule \"x\" matches everything; "},
        {rule("code = \"550\"\nclass = \"rep\"\nsuppress_after = 1\nexample = \"550 a\"\n"), "own.toml:1:1: suppress_after is of class rcpt-perm"},   // PR-54
        {rule("code = \"550\"\nclass = \"rep\"\ncauses = \"spf\"\nexample = \"550 a\"\n"), "own.toml:1:1: causes are of class auth only"},
        {rule("code = \"450\"\nclass = \"throttle\"\npause = \"ten\"\nexample = \"450 a\"\n"), "own.toml:5:9: \"ten\" is no duration; "},
        {rule("code = \"450\"\nclass = \"throttle\"\nrate = \"10\"\nexample = \"450 a\"\n"), "own.toml:5:8: \"10\" is no rate; "},
        {rule("code = \"450\"\nclass = \"throttle\"\nconnections = 0\nexample = \"450 a\"\n"), "own.toml:5:15: 0 is out of range; "},
        {"[[provider]]\nname = \"x y\"\nmx = \"*.a.example\"\n", "own.toml:1:1: this provider needs a name; "},
        {"[[provider]]\nname = \"x\"\n", "own.toml:1:1: the provider \"x\" has no mx to know it by; "},
        {"[[provider]]\nname = \"google\"\n[[provider]]\nname = \"google\"\n", "own.toml:3:1: the provider \"google\" is given twice; "},
        {"[[provider]]\nname = \"x\"\nmx = [\"a b\"]\n", "own.toml:3:7: \"a b\" is no host; "},
        {rule("code = \"550\"\nclass = \"temp\"\nexample = \"550 a\"\n") + rule("code = \"551\"\nclass = \"temp\"\nexample = \"551 a\"\n"),
         "own.toml:6:1: the rule \"default/x\" is given twice; "},
    };
    for (const auto& row : table) EXPECT_EQ(mistakes_of(row.text).substr(0, row.expected.size()), row.expected) << row.text << mistakes_of(row.text);
    EXPECT_EQ(mistakes_of(""), "");
    EXPECT_NE(all(ProviderRules::load("/nowhere/rules.toml").mistakes).find("/nowhere/rules.toml: cannot be read"), std::string::npos);
}

// What is no file of rules is not read to its end.
TEST(OwnRules, AFileWithoutEndIsAMistake) {
    EXPECT_NE(all(ProviderRules::load("/dev/zero").mistakes).find("/dev/zero: is larger than any file of rules"), std::string::npos);
    EXPECT_NE(all(ProviderRules::load("/").mistakes).find("/: cannot be read"), std::string::npos);
    EXPECT_NE(ProviderRules::load("/dev/null").rules, nullptr) << "empty: our rules as they are";
}

// peers.md 6: our own words never match a rule, whatever they say.
TEST(OwnWords, MatchNoRule) {
    const Reply reply = *reply_from("550 5.7.26 sender is unauthenticated, dkim, spamhaus");
    ReplyFacts facts(Stage::mail, reply);
    facts.provider = "google";
    facts.local = true;
    const Judgement judgement = classify(facts, *ProviderRules::built_in());
    EXPECT_EQ(judgement.failure_class, Class::permanent);
    EXPECT_TRUE(judgement.rule.empty());
    Reply lost;
    lost.lines.emplace_back("421 4.7.0 rate limit, dkim");
    const ReplyFacts nothing(Stage::data, lost);
    EXPECT_EQ(classify(nothing, *ProviderRules::built_in()).failure_class, Class::connection);
}

// PR-49: what is no domain of ours can never be repaired by us.
TEST(OwnDomains, AForeignFromIsReturnedAtOnce) {
    const Reply reply = *reply_from("550 5.7.26 Unauthenticated email from visitor.example is not accepted due to domain's DMARC policy");
    ReplyFacts facts(Stage::end_of_data, reply);
    facts.provider = "google";
    facts.ours = [](std::string_view domain) { return domain == "shop.example"; };
    const Judgement foreign = classify(facts, *ProviderRules::built_in());
    EXPECT_EQ(foreign.result, Disposition::failed);
    EXPECT_EQ(foreign.failure_class, Class::rfc);
    EXPECT_EQ(foreign.domain, "visitor.example");
    facts.ours = [](std::string_view domain) { return domain == "visitor.example"; };
    EXPECT_EQ(classify(facts, *ProviderRules::built_in()).failure_class, Class::auth);
    EXPECT_EQ(classify(facts, *ProviderRules::built_in()).result, Disposition::deferred);
}

TEST(Providers, AfterFixIsTheProviders) {
    const std::string_view refusal = "550 5.7.515 Access denied, sending domain [example.com] does not meet the required authentication level";
    EXPECT_EQ(judged(*ProviderRules::built_in(), "outlook", refusal).after_fix, AfterFix::resend_once);
    EXPECT_EQ(judged(*ProviderRules::built_in(), "google", refusal).after_fix, AfterFix::resend);
    // [[provider]] of the configuration counts here, too; of a family's name for its members.
    ProviderOptions given;
    given.name = "microsoft";
    given.after_fix = AfterFix::bounce;
    const auto rules = configured(*ProviderRules::built_in(), {given});
    EXPECT_EQ(judged(*rules, "outlook", refusal).after_fix, AfterFix::bounce);
    EXPECT_EQ(judged(*rules, "outlook", refusal).rule, judged(*ProviderRules::built_in(), "outlook", refusal).rule);
    EXPECT_EQ(judged(*rules, "google", refusal).after_fix, AfterFix::resend);
}

}  // namespace
}  // namespace posthorn::delivery
