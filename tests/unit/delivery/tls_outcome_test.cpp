// What the opening of a session says about TLS (RFC 8460 s4.3, RPT-3), and what becomes of mail that must not go
// that way.
#include "delivery/tls_outcome.hpp"

#include <gtest/gtest.h>

#include "delivery/broken_tls.hpp"

namespace posthorn::delivery {
namespace {

using net::CertificateFault;
using smtp::protocol::TlsUse;

HostSecurity under(Security security, TlsUse use) {
    HostSecurity out;
    out.security = security;
    out.tls = use;
    out.why = "its certificate must be for mx.example.net (MTA-STS, enforce)";
    return out;
}

OpeningFacts open_session(bool secure, CertificateFault fault = CertificateFault::none) {
    OpeningFacts facts;
    facts.open = true;
    facts.secure = facts.shook_hands = secure;
    facts.fault = fault;
    return facts;
}

OpeningFacts broken_session(bool shook_hands, CertificateFault fault, std::string words) {
    OpeningFacts facts;
    facts.tls_failed = true;
    facts.shook_hands = shook_hands;
    facts.fault = fault;
    facts.words = std::move(words);
    return facts;
}

TEST(TlsResults, OfSessionsThatOpened) {
    const HostSecurity opportunistic = under(Security::opportunistic, TlsUse::opportunistic);
    EXPECT_EQ(tls_result(opportunistic, open_session(true)), TlsResultType::success);
    EXPECT_EQ(tls_result(opportunistic, open_session(false)), TlsResultType::starttls_not_supported);
    EXPECT_FALSE(tls_result(under(Security::none, TlsUse::never), open_session(false)).has_value());
}

TEST(TlsResults, OfTestingSayWhatEnforceWouldHaveSaid) {  // STS-7
    const HostSecurity testing = under(Security::sts_testing, TlsUse::opportunistic);
    EXPECT_EQ(tls_result(testing, open_session(true, CertificateFault::expired)),
              TlsResultType::certificate_expired);
    EXPECT_EQ(tls_result(testing, open_session(true, CertificateFault::host_mismatch)),
              TlsResultType::certificate_host_mismatch);
    HostSecurity elsewhere = testing;
    elsewhere.finding = TlsResultType::validation_failure;
    EXPECT_EQ(tls_result(elsewhere, open_session(true)), TlsResultType::validation_failure);
}

TEST(TlsResults, OfUnusableTlsaRecords) {  // DA-8
    HostSecurity unusable = under(Security::dane_unusable, TlsUse::required);
    unusable.finding = TlsResultType::tlsa_invalid;
    EXPECT_EQ(tls_result(unusable, open_session(true)), TlsResultType::tlsa_invalid);
}

TEST(TlsResults, OfSessionsThatBroke) {
    const HostSecurity sts = under(Security::sts, TlsUse::required);
    EXPECT_EQ(tls_result(sts, broken_session(true, CertificateFault::not_trusted, "self-signed")),
              TlsResultType::certificate_not_trusted);
    EXPECT_EQ(tls_result(sts, broken_session(true, CertificateFault::none, "wrong version")),
              TlsResultType::validation_failure);
    EXPECT_EQ(tls_result(sts, broken_session(false, CertificateFault::none, "")),
              TlsResultType::starttls_not_supported);
    EXPECT_FALSE(tls_result(sts, OpeningFacts()).has_value());  // it never came to EHLO: nothing about TLS
}

TEST(NotSecured, IsTemporaryAndSaysWhy) {  // STS-6, DA-8
    const HostSecurity sts = under(Security::sts, TlsUse::required);
    const Outcome outcome =
        not_secured(sts, broken_session(true, CertificateFault::expired, "certificate has expired"),
                    "mx.example.net[192.0.2.1]");
    EXPECT_EQ(outcome.result, Disposition::deferred);
    EXPECT_EQ(outcome.scope, Scope::message);  // other mail to the same host may be under other terms
    EXPECT_EQ(outcome.reply.enhanced, (smtp::protocol::EnhancedCode{4, 7, 5}));
    const std::string words = outcome.reply.joined();
    EXPECT_NE(words.find("certificate has expired"), std::string::npos);
    EXPECT_NE(words.find("MTA-STS"), std::string::npos);
    EXPECT_NE(words.find("mx.example.net[192.0.2.1]"), std::string::npos);
}

TEST(NotSecured, WithoutStarttls) {
    const Outcome outcome =
        not_secured(under(Security::dane, TlsUse::required),
                    broken_session(false, CertificateFault::none, "502 no"), "mx.example.net[192.0.2.1]");
    EXPECT_EQ(outcome.result, Disposition::deferred);
    EXPECT_EQ(outcome.reply.enhanced, (smtp::protocol::EnhancedCode{4, 7, 10}));
}

TEST(PassedOver, IsTemporary) {
    const Outcome outcome = passed_over(under(Security::sts, TlsUse::required), "mx.example.net");
    EXPECT_EQ(outcome.result, Disposition::deferred);
    EXPECT_NE(outcome.reply.joined().find("passed over"), std::string::npos);
}

TEST(BrokenTlsMemory, HoldsForItsTimeAndIsBounded) {  // TLS-2, PR-43
    BrokenTls memory;
    const TimePoint now = TimePoint(std::chrono::hours(24 * 365 * 50));
    const std::string host = "mx.example.net[192.0.2.1]";
    EXPECT_FALSE(memory.holds(host, now));
    memory.note(host, now + std::chrono::hours(24));
    EXPECT_TRUE(memory.holds(host, now + std::chrono::hours(23)));
    EXPECT_FALSE(memory.holds(host, now + std::chrono::hours(24)));
    memory.forget(host);
    EXPECT_FALSE(memory.holds(host, now));
    for (std::size_t i = 0; i < kMaxBrokenTls + 5; ++i)
        memory.note(std::to_string(i), now + std::chrono::seconds(i + 1));
    EXPECT_EQ(memory.size(), kMaxBrokenTls);
    EXPECT_FALSE(memory.holds("0", now));  // what ends first goes first
    EXPECT_TRUE(memory.holds(std::to_string(kMaxBrokenTls + 4), now));
}

}  // namespace
}  // namespace posthorn::delivery
