// The order of the policies, host by host.
#include "delivery/tls_policy.hpp"

#include <openssl/x509.h>

#include <algorithm>

#include "mail/domain.hpp"

namespace posthorn::delivery {
namespace {

using net::TlsCheck;
using smtp::protocol::TlsUse;

bool is_well_formed(const dns::TlsaRecord& record) {
    const auto* at = reinterpret_cast<const unsigned char*>(record.data.data());
    const unsigned char* const end = at + record.data.size();
    const auto size = static_cast<long>(record.data.size());
    if (record.selector == 0) {
        const std::unique_ptr<X509, void (*)(X509*)> certificate(d2i_X509(nullptr, &at, size), X509_free);
        return certificate != nullptr && at == end;
    }
    const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(d2i_PUBKEY(nullptr, &at, size), EVP_PKEY_free);
    return key != nullptr && at == end;
}

// The policy of our own for hosts that DNS names.
HostSecurity by_rule(TlsPolicy policy, const char* whose) {
    HostSecurity out;
    switch (policy) {
        case TlsPolicy::none:
            out.security = Security::none;
            out.tls = TlsUse::never;
            out.why = std::string("TLS is switched off by ") + whose;
            break;
        case TlsPolicy::opportunistic:
            out.tls = TlsUse::opportunistic;
            out.clear_text_will_do = true;
            out.remembers = true;
            out.why = "TLS is used where it works, and no certificate is verified";
            break;
        case TlsPolicy::required:
            out.security = Security::required;
            out.tls = TlsUse::required;
            out.why = std::string("TLS is required by ") + whose + ", and no certificate is verified";
            break;
    }
    return out;
}

// A name that plain DNS gave for a relay's domain proves nothing about who is there; the domain's own names
// do.
const std::string& relay_name(const HostFacts& host) {
    const bool of_the_domain =
        host.origin.empty() || host.mx_secure || mail::is_subdomain_of(host.name, host.origin);
    return of_the_domain ? host.name : host.origin;
}

HostSecurity by_relay(RelayTls tls, const HostFacts& facts) {
    switch (tls) {
        case RelayTls::none:
            return by_rule(TlsPolicy::none, "[[relay]] tls");
        case RelayTls::opportunistic:
            return by_rule(TlsPolicy::opportunistic, "[[relay]] tls");
        case RelayTls::required:
            return by_rule(TlsPolicy::required, "[[relay]] tls");
        case RelayTls::verified:
        case RelayTls::implicit:
        case RelayTls::by_port:
            break;
    }
    HostSecurity out;
    out.security = Security::relay;
    out.tls = TlsUse::required;
    out.implicit_tls = tls == RelayTls::implicit;
    out.check = TlsCheck::pkix;
    const std::string& host = relay_name(facts);
    out.names = {host};
    out.why = "the relay's certificate must be for " + host +
              (out.implicit_tls ? ", with TLS from the first octet" : "");
    return out;
}

// DA-8, DA-9, DA-10.
HostSecurity by_dane(const TlsRules& rules, const HostFacts& host, const TlsaFindings& found) {
    HostSecurity out;
    out.report_as = TlsPolicyType::tlsa;
    out.tls = TlsUse::required;
    for (const dns::TlsaRecord& record : found.records) {
        out.policy_strings.push_back(to_string(record));
        if (is_usable(record))
            out.tlsa.emplace_back(record.usage, record.selector, record.matching, record.data);
    }
    if (out.tlsa.empty()) {
        out.security = Security::dane_unusable;
        out.finding = TlsResultType::tlsa_invalid;
        out.why = "none of the TLSA records of " + found.base_domain +
                  " can be used, so TLS is required without a verified certificate";
        return out;
    }
    out.security = Security::dane;
    out.check = TlsCheck::dane;
    out.sni = found.base_domain;
    // RFC 7672 s3.2.3: for usage 2, the base domain, and the next hop in both its forms; and the host as the
    // MX names it.
    out.names = {found.base_domain};
    for (const std::string& name : {host.name, rules.domain, rules.domain_alias})
        if (!name.empty() && std::find(out.names.begin(), out.names.end(), name) == out.names.end())
            out.names.push_back(name);
    out.why = "its certificate must match a TLSA record of " + found.base_domain + " (DANE)";
    return out;
}

// STS-6, STS-7. `ours` is what our own rule asks for, which testing changes nothing of.
HostSecurity by_sts(const StsPolicy& policy, const HostFacts& host, HostSecurity ours) {
    const bool matches = policy.matches(host.name);
    const bool enforce = policy.mode == StsMode::enforce;
    HostSecurity out = enforce ? HostSecurity() : std::move(ours);
    out.report_as = TlsPolicyType::sts;
    out.policy_strings = policy.lines();
    out.session_policy = "sts " + policy.domain + " " + policy.id;
    out.certain = matches;
    out.remembers = false;
    out.security = enforce ? Security::sts : Security::sts_testing;
    if (!matches) {
        out.finding = TlsResultType::validation_failure;
        out.usable = !enforce;
        out.why = "the MTA-STS policy of " + policy.domain + " does not name " + host.name +
                  (enforce ? ", so mail for it must not go there"
                           : "; the policy is in testing, so mail goes there, and it is reported");
        return out;
    }
    out.check = TlsCheck::pkix;
    out.must_pass = enforce;
    out.names = {host.name};
    if (enforce) {
        out.tls = TlsUse::required;
        out.why =
            "its certificate must be for " + host.name + " (MTA-STS, " + to_string(policy.mode).data() + ")";
    } else {
        out.why = "MTA-STS is in testing: mail goes there as ever, and whether its certificate is for " +
                  host.name + " is reported";
        if (out.tls == TlsUse::never) out.check = TlsCheck::none;
    }
    return out;
}

HostSecurity by_policies(const TlsRules& rules, const HostFacts& host, const TlsaFindings& tlsa,
                         const DeliveryTerms& terms) {
    if (rules.relay) return by_relay(*rules.relay, host);
    if (rules.general == TlsPolicy::none) return by_rule(TlsPolicy::none, "delivery.tls");
    const bool heeds =
        !terms.ignore_policy;  // RT-2: "TLS-Required: No" asks to deliver whatever DANE and MTA-STS say
    if (heeds && tlsa.failed) {
        // DA-6, RFC 7672 s2.1.2: somebody may be hiding the records, so the host counts as one that cannot be
        // reached.
        HostSecurity out;
        out.usable = false;
        out.security = Security::dane;
        out.report_as = TlsPolicyType::tlsa;
        out.finding = TlsResultType::dnssec_invalid;
        out.why =
            "DNS gave no reliable answer about its TLSA records, so it is not used for now: " + tlsa.detail;
        return out;
    }
    if (heeds && !tlsa.base_domain.empty()) return by_dane(rules, host, tlsa);
    HostSecurity ours = rules.provider ? by_rule(*rules.provider, "[[provider]] tls")
                                       : by_rule(rules.general, "delivery.tls");
    if (heeds && rules.sts && !host.literal) return by_sts(*rules.sts, host, std::move(ours));
    return ours;
}

// RFC 8689 s4.2.1, RT-1: a host nobody can have made up, TLS, and a certificate that proves its name.
void require_tls(HostSecurity& out, const HostFacts& host) {
    out.tls = TlsUse::required;
    out.clear_text_will_do = false;
    out.remembers = false;
    if (out.check != TlsCheck::dane) {
        out.check = TlsCheck::pkix;
        out.names = {relay_name(host)};
    }
    out.must_pass = true;
    out.why += "; REQUIRETLS asks for a verified certificate of a host that is certain";
}

}  // namespace

std::vector<std::string> tlsa_base_domains(const TlsRules& rules, const HostFacts& host,
                                           const DeliveryTerms& terms) {
    if (terms.ignore_policy || rules.relay || rules.general == TlsPolicy::none || host.literal) return {};
    if (!host.mx_secure) return {};  // DA-4
    std::vector<std::string> names;
    if (host.address_secure && !host.alias.empty()) names.push_back(host.alias);
    if (host.address_secure || host.alias_secure) names.push_back(host.name);  // DA-5, DA-7
    return names;
}

std::string tlsa_name(std::string_view base_domain, std::uint16_t port) {
    return "_" + std::to_string(port) + "._tcp." + std::string(base_domain);
}

bool heed(TlsaFindings& findings, const std::string& base_domain, const dns::TlsaAnswer& answer) {
    if (answer.status == dns::Status::temporary) {
        findings.failed = true;
        findings.detail = answer.detail;
        return true;
    }
    if (answer.status != dns::Status::ok || !answer.authenticated || answer.records.empty()) return false;
    findings.base_domain = base_domain;
    findings.records = answer.records;
    return true;
}

bool is_usable(const dns::TlsaRecord& record) {
    if (record.usage != 2 && record.usage != 3) return false;  // s3.1.3: the PKIX usages say nothing here
    if (record.selector > 1) return false;
    switch (record.matching) {
        case 0:
            return is_well_formed(record);
        case 1:
            return record.data.size() == 32;
        case 2:
            return record.data.size() == 64;
        default:
            return false;
    }
}

std::string to_string(const dns::TlsaRecord& record) {
    static constexpr std::string_view kHex = "0123456789abcdef";
    std::string out = std::to_string(record.usage) + " " + std::to_string(record.selector) + " " +
                      std::to_string(record.matching) + " ";
    for (const char octet : record.data) {
        out += kHex[static_cast<unsigned char>(octet) >> 4];
        out += kHex[static_cast<unsigned char>(octet) & 15];
    }
    return out;
}

std::string_view to_string(Security security) {
    switch (security) {
        case Security::none:
            return "none";
        case Security::opportunistic:
            return "opportunistic";
        case Security::required:
            return "required";
        case Security::relay:
            return "relay";
        case Security::sts_testing:
            return "mta-sts-testing";
        case Security::sts:
            return "mta-sts";
        case Security::dane_unusable:
            return "dane-unusable";
        case Security::dane:
            return "dane";
    }
    return "unknown";
}

HostSecurity host_security(const TlsRules& rules, const HostFacts& host, const TlsaFindings& tlsa,
                           const DeliveryTerms& terms) {
    HostSecurity out = by_policies(rules, host, tlsa, terms);
    if (out.sni.empty()) out.sni = host.name;  // TLS-6
    out.certain = out.certain || host.certain || rules.relay.has_value();
    if (terms.require_tls && out.usable) require_tls(out, host);
    return out;
}

TlsResultType result_of(net::CertificateFault fault) {
    switch (fault) {
        case net::CertificateFault::none:
            return TlsResultType::success;
        case net::CertificateFault::expired:
            return TlsResultType::certificate_expired;
        case net::CertificateFault::host_mismatch:
            return TlsResultType::certificate_host_mismatch;
        case net::CertificateFault::not_trusted:
            return TlsResultType::certificate_not_trusted;
        case net::CertificateFault::no_tlsa_match:
        case net::CertificateFault::other:
            return TlsResultType::validation_failure;
    }
    return TlsResultType::validation_failure;
}

}  // namespace posthorn::delivery
