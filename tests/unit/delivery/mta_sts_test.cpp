// MTA-STS records and policies: the grammar of RFC 8461, which hosts match, and when a policy is fetched (STS-1 to STS-4).
#include "delivery/mta_sts.hpp"

#include <gtest/gtest.h>

namespace posthorn::delivery {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const TimePoint kNow(std::chrono::milliseconds(1795000000000));

std::string id_of(const std::vector<std::string>& texts) { return parse_sts_record(texts).id.value_or("none"); }

// RFC 8461 s3.2's own example.
constexpr std::string_view kExample =
    "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n";

StsPolicy policy_of(std::string_view body) {
    Result<StsPolicy> policy = parse_sts_policy(body);
    EXPECT_TRUE(policy) << policy.error().what;
    return policy ? *policy : StsPolicy();
}

std::string fault_of(std::string_view body) {
    const Result<StsPolicy> policy = parse_sts_policy(body);
    return policy ? "none" : policy.error().what;
}

TEST(StsRecord, OneRecordWithAnId) {   // STS-1, RFC 8461 s3.1
    EXPECT_EQ(id_of({"v=STSv1; id=20160831085700Z;"}), "20160831085700Z");
    EXPECT_EQ(id_of({"v=STSv1;id=1"}), "1");
    EXPECT_EQ(id_of({"v=STSv1 ; id=abc ; "}), "abc");
    EXPECT_EQ(id_of({"v=STSv1; x-new=a.b; id=7; id=8"}), "7");
    EXPECT_EQ(id_of({"v=STSv1; id=" + std::string(32, 'a')}), std::string(32, 'a'));
}

TEST(StsRecord, OthersOfTheNameAreDiscarded) {   // STS-1
    EXPECT_EQ(id_of({"v=spf1 -all", "v=STSv1; id=1", "v=STSv2; id=2", "v=STSv1x; id=3"}), "1");
    const StsRecord nothing = parse_sts_record({"v=spf1 -all", ""});
    EXPECT_FALSE(nothing.id);
    EXPECT_EQ(nothing.why, "");   // no record, no complaint
}

TEST(StsRecord, SeveralOrMalformedAreNone) {   // STS-1
    for (const std::vector<std::string>& texts : std::vector<std::vector<std::string>>{
             {"v=STSv1; id=1", "v=STSv1; id=1"},
             {"v=STSv1;"},
             {"v=STSv1; id="},
             {"v=STSv1; id=a-b"},
             {"v=STSv1; id=" + std::string(33, 'a')},
             {"v=STSv1; id"},
             {"v=STSv1; id=1; =x"},
             {"v=STSv1; id=1; ; x=1"},
             {"v=STSv1; id=a=b"}}) {
        const StsRecord record = parse_sts_record(texts);
        EXPECT_FALSE(record.id) << texts.front();
        EXPECT_NE(record.why, "") << texts.front();
    }
}

TEST(StsPolicyText, TheExampleOfTheRfc) {   // STS-3
    const StsPolicy policy = policy_of(kExample);
    EXPECT_EQ(policy.mode, StsMode::enforce);
    EXPECT_EQ(policy.mx, (std::vector<std::string>{"mail.example.com", "*.example.net", "backupmx.example.com"}));
    EXPECT_EQ(policy.max_age, seconds(604800));
    EXPECT_EQ(policy.lines().front(), "version: STSv1");
    EXPECT_EQ(policy.lines().back(), "max_age: 604800");
}

TEST(StsPolicyText, LineEndsBlanksAndUnknownFields) {   // STS-3
    const StsPolicy policy =
        policy_of("max_age:86400  \nx-new: what ever\nmode:\ttesting\nversion: STSv1\n\nmx:MX.Example.COM.\nmode: enforce\nmax_age: 1");
    EXPECT_EQ(policy.mode, StsMode::testing);   // of duplicates the first counts
    EXPECT_EQ(policy.max_age, seconds(86400));
    EXPECT_EQ(policy.mx, std::vector<std::string>{"mx.example.com"});
}

TEST(StsPolicyText, ModeNoneNeedsNoHosts) {   // STS-3, RFC 8461 s8.3
    EXPECT_EQ(policy_of("version: STSv1\nmode: none\nmax_age: 60\n").mode, StsMode::none);
    EXPECT_EQ(fault_of("version: STSv1\nmode: enforce\nmax_age: 60\n"), "the policy has no mx");
}

TEST(StsPolicyText, MaxAgeIsBounded) {   // STS-3, RFC 8461 s3.2
    const std::string rest = "version: STSv1\nmode: none\nmax_age: ";
    EXPECT_EQ(policy_of(rest + "0").max_age, seconds(0));
    EXPECT_EQ(policy_of(rest + "31557600").max_age, kMaxStsAge);
    EXPECT_EQ(policy_of(rest + "9999999999").max_age, kMaxStsAge);
    for (const char* wrong : {"99999999999", "-1", "1d", "", "1.5", "0x10"})
        EXPECT_NE(fault_of(rest + wrong).find("max_age"), std::string::npos) << wrong;
}

TEST(StsPolicyText, WhatIsNoPolicy) {   // STS-3
    EXPECT_EQ(fault_of(""), "the policy has no version");
    EXPECT_EQ(fault_of("<html>"), "a line of the policy is no \"name: value\": \"<html>\"");
    EXPECT_EQ(fault_of("version: STSv2\n"), "the policy's version is \"STSv2\", and only STSv1 is known");
    EXPECT_EQ(fault_of("version: STSv1\nmax_age: 1\nmx: a.b\n"), "the policy has no mode");
    EXPECT_EQ(fault_of("version: STSv1\nmode: report\n"), "the policy's mode is \"report\", and not enforce, testing or none");
    EXPECT_EQ(fault_of("version: STSv1\nmode: enforce\nmx: a.b\n"), "the policy has no max_age");
    EXPECT_EQ(fault_of(std::string(kMaxStsPolicySize + 1, '\n')), "the policy is larger than 64 KiB");
    EXPECT_NE(fault_of("version: STSv1\nmode: none\nmax_age: 1\nx: a\x01z\n"), "none");
    for (const char* pattern : {"*", "*.", "a.*.b", "*a.example.com", "-a.example.com", "a..b", "mx example.com", ""})
        EXPECT_NE(fault_of("version: STSv1\nmode: enforce\nmax_age: 1\nmx: " + std::string(pattern) + "\n").find("is no host name"),
                  std::string::npos) << pattern;
    std::string many = "version: STSv1\nmode: enforce\nmax_age: 1\n";
    for (int i = 0; i < 501; ++i) many += "mx: a" + std::to_string(i) + ".example\n";
    EXPECT_EQ(fault_of(many), "the policy has more than 500 mx lines");
}

TEST(StsMatch, AWildcardIsExactlyOneLabel) {   // STS-6, RFC 8461 s4.1
    const StsPolicy policy = policy_of(kExample);
    EXPECT_TRUE(policy.matches("mail.example.com"));
    EXPECT_TRUE(policy.matches("MAIL.EXAMPLE.COM."));
    EXPECT_TRUE(policy.matches("mx1.example.net"));
    EXPECT_FALSE(policy.matches("example.net"));
    EXPECT_FALSE(policy.matches("a.mx1.example.net"));
    EXPECT_FALSE(policy.matches(".example.net"));
    EXPECT_FALSE(policy.matches("mail.example.com.evil.test"));
    EXPECT_FALSE(policy.matches("xmail.example.com"));
    EXPECT_FALSE(policy.matches("sub.mail.example.com"));
    EXPECT_FALSE(policy.matches(""));
}

TEST(StsMemory, APolicyIsReadBackAsItWas) {   // STS-4
    const Result<StsPolicy> policy = policy_from(kExample, "example.com", "id7", kNow);
    ASSERT_TRUE(policy);
    EXPECT_EQ(policy->expires, kNow + seconds(604800));
    const Result<StsPolicy> again = from_remembered(remembered_form(*policy));
    ASSERT_TRUE(again) << again.error().what;
    EXPECT_EQ(again->domain, "example.com");
    EXPECT_EQ(again->id, "id7");
    EXPECT_EQ(again->mode, StsMode::enforce);
    EXPECT_EQ(again->mx, policy->mx);
    EXPECT_EQ(again->fetched, kNow);
    EXPECT_EQ(again->expires, policy->expires);
    for (const std::string_view damaged : {"", "x", "posthorn-sts 2\na\nb\n1\n", "posthorn-sts 1\na\nb\nnever\nversion: STSv1\n"})
        EXPECT_FALSE(from_remembered(damaged)) << damaged;
}

// When it is fetched: no policy, a policy in force, after failures.
TEST(StsFetch, WithoutAPolicyTheRecordDecides) {   // STS-2, STS-5
    EXPECT_FALSE(should_fetch(nullptr, std::nullopt, std::nullopt, kNow));
    EXPECT_TRUE(should_fetch(nullptr, std::nullopt, "1", kNow));
    const StsFailure failure{kNow, "1", "404"};
    EXPECT_FALSE(should_fetch(nullptr, failure, "1", kNow + minutes(4)));   // STS-2: five minutes
    EXPECT_TRUE(should_fetch(nullptr, failure, "1", kNow + minutes(5)));
    EXPECT_TRUE(should_fetch(nullptr, failure, "2", kNow + seconds(1)));    // another id, another policy
    EXPECT_TRUE(should_fetch(nullptr, failure, "1", kNow - hours(1)));      // the clock was set back
}

TEST(StsFetch, APolicyInForceIsRefreshedAheadOfItsEnd) {   // STS-4
    const StsPolicy week = *policy_from(kExample, "example.com", "1", kNow);
    EXPECT_EQ(refresh_due(week), kNow + hours(24));
    EXPECT_FALSE(should_fetch(&week, std::nullopt, "1", kNow + hours(23)));
    EXPECT_TRUE(should_fetch(&week, std::nullopt, "1", kNow + hours(24)));
    EXPECT_TRUE(should_fetch(&week, std::nullopt, std::nullopt, kNow + hours(24)));   // the record may be gone
    EXPECT_TRUE(should_fetch(&week, std::nullopt, "2", kNow + seconds(1)));           // a new id: at once
    EXPECT_FALSE(should_fetch(&week, std::nullopt, std::nullopt, kNow + hours(24 * 8)));   // expired, and no record
    const StsPolicy brief = *policy_from("version: STSv1\nmode: enforce\nmx: a.b\nmax_age: 3600\n", "b", "1", kNow);
    EXPECT_EQ(refresh_due(brief), kNow + minutes(30));
}

TEST(StsFetch, AFailedRefreshIsRepeatedPatiently) {   // STS-2, STS-4
    const StsPolicy week = *policy_from(kExample, "example.com", "1", kNow);
    const StsFailure early{kNow + hours(24), "1", "down"};
    EXPECT_FALSE(should_fetch(&week, early, "1", early.at + minutes(59)));
    EXPECT_TRUE(should_fetch(&week, early, "1", early.at + minutes(60)));
    const StsFailure late{week.expires - hours(1), "1", "down"};   // time is short: every five minutes
    EXPECT_FALSE(should_fetch(&week, late, "1", late.at + minutes(4)));
    EXPECT_TRUE(should_fetch(&week, late, "1", late.at + minutes(5)));
    const StsFailure changed{kNow + hours(1), "2", "down"};        // a new id that cannot be had yet
    EXPECT_TRUE(should_fetch(&week, changed, "2", changed.at + minutes(5)));
}

// Ten thousand domains of somebody who may send mail do not drive out another's policy, however late they came.
TEST(StsRoom, APolicyInForceIsKeptLongest) {
    const SteadyTime noon{hours(12)};
    const StsWorth old_policy{true, noon - hours(5)}, policy{true, noon}, old_failure{false, noon - hours(5)}, failure{false, noon};
    EXPECT_TRUE(is_worth_less(failure, old_policy));
    EXPECT_FALSE(is_worth_less(old_policy, failure));
    EXPECT_TRUE(is_worth_less(old_failure, failure));
    EXPECT_TRUE(is_worth_less(old_policy, policy));
    EXPECT_FALSE(is_worth_less(policy, policy));
}

}  // namespace
}  // namespace posthorn::delivery
