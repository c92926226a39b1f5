// What a diagnosis says of a refusal, of a repair, and of the providers' demands.
#include "delivery/diagnosis.hpp"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "delivery/judgement.hpp"

namespace posthorn::delivery {
namespace {

using std::chrono::seconds;
constexpr FactResult kPass = FactResult::pass, kFail = FactResult::fail, kUnknown = FactResult::unknown;

Fact made(FactKind kind, FactResult result, std::string subject = "example.com") {
    Fact fact;
    fact.kind = kind;
    fact.result = result;
    fact.subject = std::move(subject);
    fact.at_resolver = fact.at_authority = result == kPass;
    return fact;
}

Diagnosis diagnosis(std::initializer_list<std::pair<FactKind, FactResult>> facts, seconds at = seconds(0)) {
    Diagnosis made_of;
    made_of.at = TimePoint(at);
    for (const auto& [kind, result] : facts) made_of.facts.push_back(made(kind, result));
    return made_of;
}

const Causes kEither{Cause::spf, Cause::dkim};                                // Google's 5.7.26
const Causes kAll({Cause::spf, Cause::dkim, Cause::dmarc}, true);             // Microsoft's 5.7.515

TEST(Explains, WhereAnyWouldDoAllMustFail) {
    EXPECT_TRUE(explains(diagnosis({{FactKind::spf, kFail}, {FactKind::dkim, kFail}}), kEither));
    EXPECT_FALSE(explains(diagnosis({{FactKind::spf, kFail}, {FactKind::dkim, kPass}}), kEither));
    EXPECT_FALSE(explains(diagnosis({{FactKind::spf, kFail}, {FactKind::dkim, kUnknown}}), kEither));   // PR-51
}

TEST(Explains, WhereAllAreNeededOneSuffices) {
    EXPECT_TRUE(explains(diagnosis({{FactKind::spf, kPass}, {FactKind::dkim, kPass}, {FactKind::dmarc, kFail}}), kAll));
    EXPECT_TRUE(explains(diagnosis({{FactKind::spf, kPass}, {FactKind::dkim, kPass}, {FactKind::dmarc, kPass}, {FactKind::alignment, kFail}}), kAll));
    EXPECT_FALSE(explains(diagnosis({{FactKind::spf, kPass}, {FactKind::dkim, kUnknown}, {FactKind::dmarc, kPass}}), kAll));
}

TEST(Explains, AnUnknownCauseByAnythingThatFails) {
    EXPECT_TRUE(explains(diagnosis({{FactKind::spf, kPass}, {FactKind::ptr, kFail}}), Causes{Cause::unknown}));
    EXPECT_TRUE(explains(diagnosis({{FactKind::dmarc, kFail}}), Causes{}));
    EXPECT_FALSE(explains(diagnosis({{FactKind::spf, kPass}, {FactKind::helo, kFail}}), Causes{Cause::unknown}));
    EXPECT_FALSE(explains(diagnosis({{FactKind::spf, kFail}}), Causes{Cause::ptr}));
}

// An Ed25519 key that is not published, beside an RSA key that is, is no reason.
TEST(Explains, TheBestSignatureCounts) {
    Diagnosis two = diagnosis({{FactKind::spf, kFail}});
    two.facts.push_back(made(FactKind::dkim, kPass, "s1"));
    two.facts.push_back(made(FactKind::dkim, kFail, "s2"));
    EXPECT_FALSE(explains(two, kEither));
}

TEST(Repaired, OneOfThoseThatWouldDo) {
    const Diagnosis before = diagnosis({{FactKind::spf, kFail}, {FactKind::dkim, kFail}, {FactKind::ptr, kFail}});
    EXPECT_FALSE(repaired(before, before, kEither));
    EXPECT_TRUE(repaired(before, diagnosis({{FactKind::spf, kFail}, {FactKind::dkim, kPass}, {FactKind::ptr, kFail}}), kEither));
    EXPECT_FALSE(repaired(before, diagnosis({{FactKind::spf, kFail}, {FactKind::dkim, kFail}, {FactKind::ptr, kPass}}), kEither));   // not what it was about
}

TEST(Repaired, AllThatAreNeeded) {
    const Diagnosis before = diagnosis({{FactKind::spf, kFail}, {FactKind::dkim, kFail}, {FactKind::dmarc, kPass}});
    EXPECT_FALSE(repaired(before, diagnosis({{FactKind::spf, kPass}, {FactKind::dkim, kFail}, {FactKind::dmarc, kPass}}), kAll));
    EXPECT_TRUE(repaired(before, diagnosis({{FactKind::spf, kPass}, {FactKind::dkim, kPass}, {FactKind::dmarc, kPass}}), kAll));
}

TEST(Repaired, UnknownIsNeitherAFailureNorARepair) {   // PR-51
    const Diagnosis open = diagnosis({{FactKind::spf, kUnknown}, {FactKind::dkim, kUnknown}}), good = diagnosis({{FactKind::spf, kPass}, {FactKind::dkim, kPass}});
    const Diagnosis bad = diagnosis({{FactKind::spf, kFail}, {FactKind::dkim, kFail}});
    EXPECT_FALSE(repaired(open, good, kEither));
    EXPECT_FALSE(repaired(bad, open, kEither));
    EXPECT_FALSE(repaired(good, good, kEither));
    EXPECT_TRUE(repaired(bad, diagnosis({{FactKind::spf, kUnknown}, {FactKind::dkim, kPass}}), kEither));
}

// It is at the zone's servers, and others may still have the old answer for its TTL: both kinds of `before` do.
TEST(Repaired, WhenTheOldAnswerCannotBeAnywhereAnyMore) {
    Diagnosis before = diagnosis({{FactKind::dkim, kFail}}, seconds(1000));
    before.facts[0].ttl = seconds(300);
    Diagnosis between = diagnosis({{FactKind::dkim, kPass}}, seconds(1100));
    between.facts[0].at_resolver = false;
    between.facts[0].ttl = seconds(200);
    EXPECT_FALSE(repaired(before, between, Causes{Cause::dkim}));
    Diagnosis later = between;
    later.at = TimePoint(seconds(1300));
    EXPECT_TRUE(repaired(before, later, Causes{Cause::dkim}));
    EXPECT_TRUE(repaired(between, later, Causes{Cause::dkim}));
    Diagnosis at_both = between;
    at_both.facts[0].at_resolver = true;
    EXPECT_TRUE(repaired(before, at_both, Causes{Cause::dkim}));
    EXPECT_TRUE(repaired(between, at_both, Causes{Cause::dkim}));
    EXPECT_FALSE(repaired(at_both, later, Causes{Cause::dkim}));
}

TEST(Repaired, OfAnUnknownCauseWhateverGotBetter) {
    const Diagnosis before = diagnosis({{FactKind::spf, kFail}, {FactKind::dmarc, kFail}});
    EXPECT_TRUE(repaired(before, diagnosis({{FactKind::spf, kPass}, {FactKind::dmarc, kFail}}), Causes{Cause::unknown}));
}

Diagnosis with_all(FactResult spf, FactResult dkim, FactResult dmarc, FactResult alignment, FactResult ptr, FactResult exists) {
    return diagnosis({{FactKind::spf, spf}, {FactKind::dkim, dkim}, {FactKind::dmarc, dmarc}, {FactKind::alignment, alignment}, {FactKind::ptr, ptr}, {FactKind::sender_domain, exists}});
}

TEST(Standing, AsTheProvidersAsk) {
    struct Case {
        const char* provider;
        Diagnosis diagnosis;
        FactResult everyone, bulk;
        const char* words;
    };
    for (const Case& one : std::vector<Case>{
             {"google", with_all(kFail, kPass, kFail, kPass, kPass, kPass), kPass, kFail, "for many are missing: SPF, a DMARC record"},   // PR-1, PR-8
             {"google", with_all(kFail, kFail, kPass, kFail, kPass, kPass), kFail, kFail, "missing: SPF or DKIM"},
             {"google", with_all(kPass, kPass, kPass, kPass, kFail, kPass), kFail, kFail, "reverse DNS"},                                 // PR-2
             {"google", with_all(kPass, kPass, kPass, kFail, kPass, kPass), kPass, kFail, "alignment"},                                   // PR-9
             {"google", with_all(kPass, kPass, kPass, kPass, kPass, kPass), kPass, kPass, "nothing is missing"},
             {"yahoo", with_all(kPass, kPass, kPass, kPass, kPass, kFail), kFail, kFail, "the sender's domain"},                         // PR-18
             {"yahoo", with_all(kPass, kFail, kPass, kPass, kPass, kPass), kPass, kFail, "DKIM"},                                        // PR-16, PR-17
             {"microsoft", with_all(kFail, kPass, kPass, kPass, kPass, kPass), kPass, kFail, "SPF"},                                      // PR-26: SPF must pass
             {"apple", with_all(kPass, kPass, kFail, kPass, kPass, kPass), kPass, kFail, "a DMARC record"},                               // PR-31
             {"docomo", with_all(kPass, kPass, kPass, kFail, kPass, kPass), kFail, kFail, "DMARC"},                                       // PR-32
             {"others", with_all(kUnknown, kFail, kPass, kPass, kPass, kPass), kUnknown, kFail, "not known: SPF or DKIM"},
             {"others", with_all(kPass, kPass, kPass, kPass, kUnknown, kPass), kUnknown, kUnknown, "not known: reverse DNS; for many"}}) {
        const Standing standing = standing_with(one.provider, one.diagnosis);
        EXPECT_EQ(standing.everyone, one.everyone) << one.provider << ": " << standing.words;
        EXPECT_EQ(standing.bulk, one.bulk) << one.provider << ": " << standing.words;
        EXPECT_NE(standing.words.find(one.words), std::string::npos) << one.provider << ": " << standing.words;
        EXPECT_EQ(standing.words.find("missing: not known"), std::string::npos) << standing.words;
    }
    EXPECT_EQ(standings(Diagnosis()).size(), 5U);
}

TEST(Standing, DocomoLooksAtFromsOwnSpf) {   // PR-32
    Diagnosis apart = with_all(kPass, kPass, kPass, kPass, kPass, kPass);
    apart.facts.push_back(made(FactKind::spf_from, kFail));
    EXPECT_EQ(standing_with("docomo", apart).everyone, kFail);
}

TEST(DiagnosisText, OneLineAndMany) {
    Diagnosis some = with_all(kFail, kPass, kPass, kPass, kUnknown, kPass);
    some.facts[0].detail = "SPF gives fail";
    some.facts[0].repair = "change the record";
    some.facts[0].record = "example.com. IN TXT \"v=spf1 -all\"";
    EXPECT_EQ(summary_of(some.facts), "SPF fails for example.com; not known: reverse DNS for example.com; DKIM, DMARC, alignment, the sender's domain in order");
    EXPECT_EQ(summary_of(with_all(kPass, kPass, kPass, kPass, kPass, kPass).facts), "SPF, DKIM, DMARC, alignment, reverse DNS, the sender's domain all pass");
    EXPECT_EQ(headline(some), "SPF fails; not known: reverse DNS");
    EXPECT_EQ(headline(with_all(kFail, kFail, kPass, kPass, kPass, kPass)), "SPF, DKIM fail");
    EXPECT_EQ(headline(with_all(kPass, kPass, kPass, kPass, kUnknown, kPass)), "nothing fails; not known: reverse DNS");
    EXPECT_EQ(headline(with_all(kPass, kPass, kPass, kPass, kPass, kPass)), "all is in order");
    const std::string text = to_text(some);
    EXPECT_TRUE(text.starts_with("FAILS    SPF (example.com): SPF gives fail\n         To do: change the record\nexample.com. IN TXT \"v=spf1 -all\"\nok       DKIM")) << text;
    EXPECT_NE(text.find("\nunknown  reverse DNS (example.com): "), std::string::npos) << text;
}

TEST(DiagnosisJson, ThereAndBack) {
    Diagnosis some = with_all(kFail, kPass, kUnknown, kPass, kUnknown, kPass);
    some.at = TimePoint(std::chrono::milliseconds(1795341600123));
    some.summary = "a \"summary\"";
    some.facts[0].detail = "d";
    some.facts[0].repair = "r";
    some.facts[0].record = "x. IN TXT ( \"a\"\n    \"b\" )";
    some.facts[0].ttl = seconds(12);
    EXPECT_EQ(diagnosis_from_json(boost::json::serialize(to_json(some))).value(), some);
    for (const char* text : {"", "[]", "{", "{}", R"({"facts": [1]})", R"({"facts": [{"kind": "luck", "result": "pass"}]})", R"({"facts": [{"kind": "spf", "result": "well"}]})"})
        EXPECT_FALSE(diagnosis_from_json(text)) << text;
}

}  // namespace
}  // namespace posthorn::delivery
