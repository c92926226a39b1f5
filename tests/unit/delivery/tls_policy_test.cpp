// Which policy decides about TLS to a host, and what it demands (RFC 7672, RFC 8461, RFC 8689).
#include "delivery/tls_policy.hpp"

#include <gtest/gtest.h>
#include <openssl/x509.h>

#include "support/tls_cert.hpp"

namespace posthorn::delivery {
namespace {

using net::TlsCheck;
using smtp::protocol::TlsUse;

dns::TlsaRecord digest(std::uint8_t usage, std::uint8_t selector = 1, std::uint8_t matching = 1) {
    return dns::TlsaRecord(usage, selector, matching, std::string(matching == 2 ? 64 : 32, 'd'));
}

TlsaFindings found(std::vector<dns::TlsaRecord> records, std::string base = "mx.example.net") {
    TlsaFindings findings;
    findings.base_domain = std::move(base);
    findings.records = std::move(records);
    return findings;
}

TlsaFindings failed() {
    TlsaFindings findings;
    findings.failed = true;
    findings.detail = "SERVFAIL from 127.0.0.1";
    return findings;
}

std::shared_ptr<const StsPolicy> sts(StsMode mode, std::string pattern = "mx.example.net") {
    auto policy = std::make_shared<StsPolicy>();
    policy->mode = mode;
    policy->mx = {std::move(pattern)};
    policy->domain = "example.org";
    policy->id = "1";
    return policy;
}

HostFacts secure_host() {
    HostFacts host;
    host.name = "mx.example.net";
    host.mx_secure = host.address_secure = host.certain = true;
    return host;
}

HostFacts plain_host() {
    HostFacts host;
    host.name = "mx.example.net";
    return host;
}

TlsRules rules(std::shared_ptr<const StsPolicy> policy = nullptr) {
    TlsRules out;
    out.domain = "example.org";
    out.sts = std::move(policy);
    return out;
}

DeliveryTerms terms(bool require_tls, bool ignore_policy = false) {
    DeliveryTerms out;
    out.require_tls = require_tls;
    out.ignore_policy = ignore_policy;
    return out;
}

TlsRules with_general(TlsPolicy policy, std::shared_ptr<const StsPolicy> sts_policy = nullptr) {
    TlsRules out = rules(std::move(sts_policy));
    out.general = policy;
    return out;
}

TlsRules with_provider(TlsPolicy policy, std::shared_ptr<const StsPolicy> sts_policy = nullptr) {
    TlsRules out = rules(std::move(sts_policy));
    out.provider = policy;
    return out;
}

TlsRules with_relay(RelayTls tls) {
    TlsRules out = rules(sts(StsMode::enforce, "other.example.net"));
    out.relay = tls;
    return out;
}

struct Case {
    const char* name;
    TlsRules rules;
    HostFacts host;
    TlsaFindings tlsa;
    DeliveryTerms terms;
    // What is expected.
    bool usable;
    Security security;
    TlsUse tls;
    TlsCheck check;
    bool must_pass;
    bool clear_text_will_do;
    std::optional<TlsResultType> finding;
};

class TlsPolicyTable : public testing::TestWithParam<Case> {};

TEST_P(TlsPolicyTable, Decides) {
    const Case& item = GetParam();
    const HostSecurity got = host_security(item.rules, item.host, item.tlsa, item.terms);
    EXPECT_EQ(got.usable, item.usable) << got.why;
    EXPECT_EQ(to_string(got.security), to_string(item.security));
    EXPECT_FALSE(got.why.empty());
    EXPECT_EQ(to_string(got.finding.value_or(TlsResultType::success)),
              to_string(item.finding.value_or(TlsResultType::success)));
    if (!item.usable) return;
    EXPECT_EQ(got.tls, item.tls);
    EXPECT_EQ(got.check, item.check);
    EXPECT_EQ(got.must_pass, item.must_pass);
    EXPECT_EQ(got.clear_text_will_do, item.clear_text_will_do);
    // Never weaker than a policy: whatever is verified is never followed by clear text (TLS-2).
    EXPECT_FALSE(got.check != TlsCheck::none && got.must_pass && got.clear_text_will_do);
    EXPECT_FALSE(got.security != Security::opportunistic && got.remembers);
}

const auto kEnforce = sts(StsMode::enforce);
const auto kTesting = sts(StsMode::testing);
const auto kOther = sts(StsMode::enforce, "*.other.example");
const auto kOtherTesting = sts(StsMode::testing, "*.other.example");
constexpr auto kDnssec = TlsResultType::dnssec_invalid;
constexpr auto kMismatch = TlsResultType::validation_failure;
constexpr auto kUnusable = TlsResultType::tlsa_invalid;
constexpr std::nullopt_t kNothing = std::nullopt;
const TlsaFindings kNoTlsa;
const DeliveryTerms kPlain;
using Security::dane;
using Security::dane_unusable;
using Security::none;
using Security::opportunistic;
using Security::relay;
using Security::required;
using Security::sts_testing;

INSTANTIATE_TEST_SUITE_P(
    Cases, TlsPolicyTable,
    testing::Values(
        // Our own rules.
        Case{"TLS-2_opportunistic", rules(), plain_host(), kNoTlsa, kPlain, true, opportunistic,
             TlsUse::opportunistic, TlsCheck::none, true, true, kNothing},
        Case{"none_never_asks", with_general(TlsPolicy::none), plain_host(), kNoTlsa, kPlain, true, none,
             TlsUse::never, TlsCheck::none, true, false, kNothing},
        Case{"none_switches_policies_off", with_general(TlsPolicy::none, kEnforce), plain_host(), kNoTlsa,
             kPlain, true, none, TlsUse::never, TlsCheck::none, true, false, kNothing},
        Case{"required", with_general(TlsPolicy::required), plain_host(), kNoTlsa, kPlain, true, required,
             TlsUse::required, TlsCheck::none, true, false, kNothing},
        Case{"provider_over_general", with_provider(TlsPolicy::required), plain_host(), kNoTlsa, kPlain, true,
             required, TlsUse::required, TlsCheck::none, true, false, kNothing},
        Case{"provider_none", with_provider(TlsPolicy::none), plain_host(), kNoTlsa, kPlain, true, none,
             TlsUse::never, TlsCheck::none, true, false, kNothing},
        // MTA-STS.
        Case{"STS-5_no_policy", rules(), secure_host(), kNoTlsa, kPlain, true, opportunistic,
             TlsUse::opportunistic, TlsCheck::none, true, true, kNothing},
        Case{"STS-6_enforce", rules(kEnforce), plain_host(), kNoTlsa, kPlain, true, Security::sts,
             TlsUse::required, TlsCheck::pkix, true, false, kNothing},
        Case{"STS-6_another_host_is_passed_over", rules(kOther), plain_host(), kNoTlsa, kPlain, false,
             Security::sts, TlsUse::required, TlsCheck::none, true, false, kMismatch},
        Case{"STS-7_testing_delivers_and_looks", rules(kTesting), plain_host(), kNoTlsa, kPlain, true,
             sts_testing, TlsUse::opportunistic, TlsCheck::pkix, false, true, kNothing},
        Case{"STS-7_testing_delivers_to_another_host", rules(kOtherTesting), plain_host(), kNoTlsa, kPlain,
             true, sts_testing, TlsUse::opportunistic, TlsCheck::none, true, true, kMismatch},
        Case{"STS-7_testing_is_no_weaker_than_our_rule", with_general(TlsPolicy::required, kTesting),
             plain_host(), kNoTlsa, kPlain, true, sts_testing, TlsUse::required, TlsCheck::pkix, false, false,
             kNothing},
        Case{"STS_over_provider_none", with_provider(TlsPolicy::none, kEnforce), plain_host(), kNoTlsa,
             kPlain, true, Security::sts, TlsUse::required, TlsCheck::pkix, true, false, kNothing},
        // DANE.
        Case{"DA-6_no_answer", rules(), secure_host(), failed(), kPlain, false, dane, TlsUse::required,
             TlsCheck::none, true, false, kDnssec},
        Case{"DA-6_also_where_MTA_STS_would_do", rules(kEnforce), secure_host(), failed(), kPlain, false,
             dane, TlsUse::required, TlsCheck::none, true, false, kDnssec},
        Case{"DA-8_usable", rules(), secure_host(), found({digest(3)}), kPlain, true, dane, TlsUse::required,
             TlsCheck::dane, true, false, kNothing},
        Case{"DA-8_usage_2", rules(), secure_host(), found({digest(2, 0, 2)}), kPlain, true, dane,
             TlsUse::required, TlsCheck::dane, true, false, kNothing},
        Case{"DA-8_one_of_two_usable", rules(), secure_host(), found({digest(1), digest(3)}), kPlain, true,
             dane, TlsUse::required, TlsCheck::dane, true, false, kNothing},
        Case{"DA-8_all_unusable", rules(), secure_host(), found({digest(0), digest(1)}), kPlain, true,
             dane_unusable, TlsUse::required, TlsCheck::none, true, false, kUnusable},
        Case{"DA-12_over_MTA_STS", rules(kOther), secure_host(), found({digest(3)}), kPlain, true, dane,
             TlsUse::required, TlsCheck::dane, true, false, kNothing},
        Case{"DA-12_unusable_over_MTA_STS", rules(kEnforce), secure_host(), found({digest(0)}), kPlain, true,
             dane_unusable, TlsUse::required, TlsCheck::none, true, false, kUnusable},
        Case{"DANE_over_provider_none", with_provider(TlsPolicy::none), secure_host(), found({digest(3)}),
             kPlain, true, dane, TlsUse::required, TlsCheck::dane, true, false, kNothing},
        // TLS-Required: No.
        Case{"RT-2_ignores_MTA_STS", rules(kOther), plain_host(), kNoTlsa, terms(false, true), true,
             opportunistic, TlsUse::opportunistic, TlsCheck::none, true, true, kNothing},
        Case{"RT-2_ignores_DANE", rules(), secure_host(), failed(), terms(false, true), true, opportunistic,
             TlsUse::opportunistic, TlsCheck::none, true, true, kNothing},
        Case{"RT-2_keeps_our_own_rule", with_general(TlsPolicy::required), secure_host(), kNoTlsa,
             terms(false, true), true, required, TlsUse::required, TlsCheck::none, true, false, kNothing},
        // REQUIRETLS.
        Case{"RT-1_verifies_by_name", rules(), secure_host(), kNoTlsa, terms(true), true, opportunistic,
             TlsUse::required, TlsCheck::pkix, true, false, kNothing},
        Case{"RT-1_verifies_by_DANE", rules(), secure_host(), found({digest(3)}), terms(true), true, dane,
             TlsUse::required, TlsCheck::dane, true, false, kNothing},
        Case{"RT-1_unusable_TLSA_prove_nothing", rules(), secure_host(), found({digest(0)}), terms(true),
             true, dane_unusable, TlsUse::required, TlsCheck::pkix, true, false, kUnusable},
        Case{"RT-1_testing_must_pass", rules(kTesting), plain_host(), kNoTlsa, terms(true), true, sts_testing,
             TlsUse::required, TlsCheck::pkix, true, false, kNothing},
        Case{"RT-1_over_none", with_general(TlsPolicy::none), secure_host(), kNoTlsa, terms(true), true, none,
             TlsUse::required, TlsCheck::pkix, true, false, kNothing},
        // Relays: the route is ours.
        Case{"relay_none", with_relay(RelayTls::none), plain_host(), kNoTlsa, kPlain, true, none,
             TlsUse::never, TlsCheck::none, true, false, kNothing},
        Case{"relay_opportunistic", with_relay(RelayTls::opportunistic), plain_host(), kNoTlsa, kPlain, true,
             opportunistic, TlsUse::opportunistic, TlsCheck::none, true, true, kNothing},
        Case{"relay_required", with_relay(RelayTls::required), plain_host(), kNoTlsa, kPlain, true, required,
             TlsUse::required, TlsCheck::none, true, false, kNothing},
        Case{"relay_verified", with_relay(RelayTls::verified), plain_host(), kNoTlsa, kPlain, true, relay,
             TlsUse::required, TlsCheck::pkix, true, false, kNothing},
        Case{"relay_implicit", with_relay(RelayTls::implicit), plain_host(), kNoTlsa, kPlain, true, relay,
             TlsUse::required, TlsCheck::pkix, true, false, kNothing}),
    [](const testing::TestParamInfo<Case>& info) {
        std::string name = info.param.name;
        for (char& sign : name)
            if (sign == '-') sign = '_';
        return name;
    });

// RFC 7672 s2.2.3, DA-4, DA-5, DA-7: where TLSA records are looked for.
TEST(TlsaBaseDomains, DependOnWhatIsSecure) {
    HostFacts host = secure_host();
    EXPECT_EQ(tlsa_base_domains(rules(), host, kPlain), (std::vector<std::string>{"mx.example.net"}));
    host.address_secure = false;  // DA-5: nothing to be found there, and asking may break
    EXPECT_TRUE(tlsa_base_domains(rules(), host, kPlain).empty());
    host.alias = "real.example.com";
    host.alias_secure = true;  // the CNAME is signed, what it leads to is not
    EXPECT_EQ(tlsa_base_domains(rules(), host, kPlain), (std::vector<std::string>{"mx.example.net"}));
    host.address_secure = true;  // DA-7: the fully expanded name comes first
    EXPECT_EQ(tlsa_base_domains(rules(), host, kPlain),
              (std::vector<std::string>{"real.example.com", "mx.example.net"}));
    host.mx_secure = false;  // DA-4
    EXPECT_TRUE(tlsa_base_domains(rules(), host, kPlain).empty());
}

TEST(TlsaBaseDomains, AreNotAskedForWhereDaneDoesNotCount) {
    const HostFacts host = secure_host();
    EXPECT_TRUE(tlsa_base_domains(rules(), host, terms(false, true)).empty());  // RT-2
    EXPECT_TRUE(tlsa_base_domains(with_relay(RelayTls::verified), host, kPlain).empty());
    EXPECT_TRUE(tlsa_base_domains(with_general(TlsPolicy::none), host, kPlain).empty());
    HostFacts literal = host;
    literal.literal = true;
    EXPECT_TRUE(tlsa_base_domains(rules(), literal, kPlain).empty());
    EXPECT_EQ(tlsa_name("mx.example.net", 25), "_25._tcp.mx.example.net");
    EXPECT_EQ(tlsa_name("mx.example.net", 2525), "_2525._tcp.mx.example.net");  // DA-5: the actual port
}

TEST(TlsaAnswers, AreTakenInOneByOne) {
    dns::TlsaAnswer answer;
    answer.status = dns::Status::nxdomain;
    answer.authenticated = true;
    TlsaFindings findings;
    EXPECT_FALSE(heed(findings, "real.example.com", answer));
    answer.status = dns::Status::ok;
    answer.records = {digest(3)};
    answer.authenticated = false;  // RFC 7672 s2.1.1: insecure records count as none
    EXPECT_FALSE(heed(findings, "real.example.com", answer));
    EXPECT_TRUE(findings.base_domain.empty());
    answer.authenticated = true;
    EXPECT_TRUE(heed(findings, "mx.example.net", answer));
    EXPECT_EQ(findings.base_domain, "mx.example.net");
    EXPECT_EQ(findings.records.size(), 1U);
    EXPECT_FALSE(findings.failed);
}

TEST(TlsaAnswers, AFailureIsTheEnd) {  // DA-6
    dns::TlsaAnswer answer;
    answer.status = dns::Status::temporary;
    answer.detail = "SERVFAIL";
    TlsaFindings findings;
    EXPECT_TRUE(heed(findings, "mx.example.net", answer));
    EXPECT_TRUE(findings.failed);
    EXPECT_EQ(findings.detail, "SERVFAIL");
}

std::string der_of_certificate() {
    const test::TlsCert made = test::TlsCert::self_signed();
    BIO* in = BIO_new_mem_buf(made.certificate.data(), static_cast<int>(made.certificate.size()));
    X509* certificate = PEM_read_bio_X509(in, nullptr, nullptr, nullptr);
    std::string der(static_cast<std::size_t>(i2d_X509(certificate, nullptr)), '\0');
    auto* at = reinterpret_cast<unsigned char*>(der.data());
    i2d_X509(certificate, &at);
    X509_free(certificate);
    BIO_free(in);
    return der;
}

TEST(TlsaRecords, WhichAreUsable) {  // RFC 7672 s3.1, DA-9
    EXPECT_TRUE(is_usable(digest(2)));
    EXPECT_TRUE(is_usable(digest(3)));
    EXPECT_TRUE(is_usable(digest(3, 0, 2)));
    EXPECT_FALSE(is_usable(digest(0)));  // s3.1.3
    EXPECT_FALSE(is_usable(digest(1)));
    EXPECT_FALSE(is_usable(digest(4)));
    EXPECT_FALSE(is_usable(digest(255)));
    EXPECT_FALSE(is_usable(digest(3, 2)));
    EXPECT_FALSE(is_usable(digest(3, 1, 3)));
    EXPECT_FALSE(is_usable(dns::TlsaRecord(3, 1, 1, std::string(31, 'd'))));
    EXPECT_FALSE(is_usable(dns::TlsaRecord(3, 1, 2, std::string(32, 'd'))));
    EXPECT_FALSE(is_usable(dns::TlsaRecord(3, 1, 1, "")));
    const std::string der = der_of_certificate();
    EXPECT_TRUE(is_usable(dns::TlsaRecord(3, 0, 0, der)));
    EXPECT_FALSE(is_usable(dns::TlsaRecord(3, 1, 0, der)));  // a certificate is no key
    EXPECT_FALSE(is_usable(dns::TlsaRecord(3, 0, 0, der + "x")));
    EXPECT_FALSE(is_usable(dns::TlsaRecord(3, 0, 0, "")));
    EXPECT_EQ(to_string(dns::TlsaRecord(3, 1, 1, "\x01\xfe")), "3 1 1 01fe");
}

TEST(HostSecurity, NamesOfUsage2) {  // RFC 7672 s3.2.3, DA-9, DA-10
    TlsRules rule = rules();
    rule.domain_alias = "example.com";
    const HostSecurity got =
        host_security(rule, secure_host(), found({digest(2)}, "real.example.com"), kPlain);
    EXPECT_EQ(got.sni, "real.example.com");
    EXPECT_EQ(got.names,
              (std::vector<std::string>{"real.example.com", "mx.example.net", "example.org", "example.com"}));
    ASSERT_EQ(got.tlsa.size(), 1U);
    EXPECT_EQ(got.tlsa.front().usage, 2);
    EXPECT_EQ(got.report_as, TlsPolicyType::tlsa);
    EXPECT_EQ(got.policy_strings.front().substr(0, 8), "2 1 1 64");
}

// A name that plain DNS gave for a relay's domain proves nothing: then the certificate must be the domain's.
TEST(HostSecurity, TheNameOfARelaysHost) {
    HostFacts host;
    host.origin = "relay.example";
    const auto names = [&] { return host_security(with_relay(RelayTls::verified), host, kNoTlsa, kPlain).names; };
    host.name = "elsewhere.test";
    EXPECT_EQ(names(), std::vector<std::string>{"relay.example"});
    host.name = "mx.relay.example";
    EXPECT_EQ(names(), std::vector<std::string>{"mx.relay.example"});
    host.name = "elsewhere.test";
    host.mx_secure = true;
    EXPECT_EQ(names(), std::vector<std::string>{"elsewhere.test"});
}

TEST(HostSecurity, SniIsTheHost) {  // TLS-6
    EXPECT_EQ(host_security(rules(), plain_host(), kNoTlsa, kPlain).sni, "mx.example.net");
    EXPECT_EQ(host_security(rules(kEnforce), plain_host(), kNoTlsa, kPlain).names,
              (std::vector<std::string>{"mx.example.net"}));
}

TEST(HostSecurity, WhatMakesAHostCertain) {  // RT-1
    EXPECT_FALSE(host_security(rules(), plain_host(), kNoTlsa, terms(true)).certain);
    EXPECT_TRUE(host_security(rules(), secure_host(), kNoTlsa, terms(true)).certain);
    EXPECT_TRUE(host_security(rules(kEnforce), plain_host(), kNoTlsa, terms(true)).certain);
    EXPECT_FALSE(host_security(rules(kOtherTesting), plain_host(), kNoTlsa, terms(true)).certain);
    EXPECT_TRUE(host_security(with_relay(RelayTls::verified), plain_host(), kNoTlsa, terms(true)).certain);
}

TEST(HostSecurity, OnlyOpportunisticTlsIsRemembered) {  // TLS-2
    EXPECT_TRUE(host_security(rules(), plain_host(), kNoTlsa, kPlain).remembers);
    EXPECT_FALSE(host_security(rules(kTesting), plain_host(), kNoTlsa, kPlain).remembers);
    EXPECT_FALSE(host_security(rules(kEnforce), plain_host(), kNoTlsa, kPlain).remembers);
    EXPECT_FALSE(host_security(rules(), secure_host(), found({digest(3)}), kPlain).remembers);
    EXPECT_FALSE(host_security(rules(), secure_host(), found({digest(0)}), kPlain).remembers);
    EXPECT_FALSE(host_security(rules(), secure_host(), kNoTlsa, terms(true)).remembers);
}

TEST(TlsResultTypes, OfCertificates) {  // RFC 8460 s4.3.1
    EXPECT_EQ(result_of(net::CertificateFault::none), TlsResultType::success);
    EXPECT_EQ(result_of(net::CertificateFault::expired), TlsResultType::certificate_expired);
    EXPECT_EQ(result_of(net::CertificateFault::host_mismatch), TlsResultType::certificate_host_mismatch);
    EXPECT_EQ(result_of(net::CertificateFault::not_trusted), TlsResultType::certificate_not_trusted);
    EXPECT_EQ(result_of(net::CertificateFault::no_tlsa_match), TlsResultType::validation_failure);
}

mail::Message with_header(std::string header, bool require_tls = false) {
    mail::Message message;
    message.reverse_path = "alice@example.org";
    message.header = std::move(header);
    message.require_tls = require_tls;
    return message;
}

TEST(Terms, TlsRequiredNo) {  // RFC 8689 s3, RT-2
    EXPECT_FALSE(terms_of(with_header("From: <alice@example.org>\r\n")).ignore_policy);
    EXPECT_TRUE(terms_of(with_header("From: <a@example.org>\r\nTLS-Required: No\r\n")).ignore_policy);
    EXPECT_TRUE(terms_of(with_header("tls-required:\r\n no\r\nFrom: <a@example.org>\r\n")).ignore_policy);
    EXPECT_FALSE(terms_of(with_header("TLS-Required: Yes\r\n")).ignore_policy);
    EXPECT_FALSE(terms_of(with_header("X-TLS-Required: No\r\nTLS-Required-Not: No\r\n")).ignore_policy);
    EXPECT_FALSE(
        terms_of(with_header("TLS-Required: No\r\nTLS-Required: No\r\n")).ignore_policy);  // one instance
    EXPECT_FALSE(terms_of(with_header("Subject: x\r\n TLS-Required: No\r\n")).ignore_policy);
    const DeliveryTerms both = terms_of(with_header("TLS-Required: No\r\n", true));
    EXPECT_TRUE(both.require_tls);  // s3: the field is ignored where REQUIRETLS is asked for
    EXPECT_FALSE(both.ignore_policy);
}

TEST(Terms, APlanHasAMannerForEachKindOfTerms) {
    DeliveryPlan plan;
    plan.manner = "direct";
    EXPECT_EQ(manner_for(plan, kPlain), manner_for(plan, terms(true)));
    EXPECT_NE(manner_for(plan, kPlain), manner_for(plan, terms(false, true)));
}

// Domains with the same MX hosts share connections, but not where what was verified is the domain's own (RFC 7672 s3.2.3,
// RFC 8461 s4.1), nor where we come from elsewhere or ask more of TLS.
TEST(Manner, ConnectionsAreSharedOnlyUnderEqualDemands) {
    DeliveryPlan plan;
    plan.domain = "a.test";
    const std::string plain = direct_manner(plan, TlsPolicy::opportunistic);
    DeliveryPlan other = plan;
    other.domain = "b.test";
    EXPECT_EQ(direct_manner(other, TlsPolicy::opportunistic), plain);
    EXPECT_NE(direct_manner(plan, TlsPolicy::required), plain);
    EXPECT_NE(direct_manner(plan, TlsPolicy::none), plain);

    plan.mx_secure = other.mx_secure = true;
    EXPECT_NE(direct_manner(plan, TlsPolicy::opportunistic), plain);
    EXPECT_NE(direct_manner(plan, TlsPolicy::opportunistic), direct_manner(other, TlsPolicy::opportunistic));
    plan.mx_secure = false;

    const auto under = [&](std::string domain, std::string id, StsMode mode) {
        auto policy = std::make_shared<StsPolicy>();
        policy->domain = std::move(domain);
        policy->id = std::move(id);
        policy->mode = mode;
        plan.sts = policy;
        return direct_manner(plan, TlsPolicy::opportunistic);
    };
    const std::string enforced = under("a.test", "1", StsMode::enforce);
    EXPECT_NE(enforced, plain);
    EXPECT_EQ(under("a.test", "1", StsMode::enforce), enforced);
    EXPECT_NE(under("b.test", "1", StsMode::enforce), enforced);
    EXPECT_NE(under("a.test", "2", StsMode::enforce), enforced);
    EXPECT_NE(under("a.test", "1", StsMode::testing), enforced);
}

TEST(Manner, ConnectionsAreSharedOnlyFromOneSource) {
    DeliveryPlan plan;
    const std::string plain = direct_manner(plan, TlsPolicy::opportunistic);
    const std::string by_relay = relay_manner(plan, "smart#1");
    EXPECT_NE(by_relay, relay_manner(plan, "smart#2"));
    const auto from = [](std::optional<IpAddress> v4, std::optional<IpAddress> v6, bool allow_v6) {
        DeliveryPlan one;
        one.source.v4 = v4;
        one.source.v6 = v6;
        one.source.allow_v6 = allow_v6;
        return one;
    };
    for (const DeliveryPlan& one : {from(IpAddress::parse("192.0.2.1").value(), std::nullopt, true),
                                    from(std::nullopt, IpAddress::parse("2001:db8::1").value(), true), from(std::nullopt, std::nullopt, false)}) {
        EXPECT_NE(direct_manner(one, TlsPolicy::opportunistic), plain);
        EXPECT_NE(relay_manner(one, "smart#1"), by_relay);
    }
}

}  // namespace
}  // namespace posthorn::delivery
