// What TLS to a mail host must fulfil, or why that host is not to be used: DANE, then MTA-STS, then our own
// rules.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "delivery/mta_sts.hpp"
#include "delivery/options.hpp"
#include "delivery/plan.hpp"
#include "delivery/tls_report.hpp"
#include "dns/records.hpp"
#include "net/tls_context.hpp"
#include "smtp/protocol/client_session.hpp"

namespace posthorn::delivery {

// What holds for all hosts of a plan. `general` none switches TLS off altogether, DANE and MTA-STS with it;
// anything else is the least that is asked for.
struct TlsRules {
    std::string domain;        // of the recipients: the next hop
    std::string domain_alias;  // where CNAMEs of it led (securely), or empty
    TlsPolicy general = TlsPolicy::opportunistic;
    std::optional<TlsPolicy> provider;  // of [[provider]]: in place of `general`, but below DANE and MTA-STS
    std::optional<RelayTls> relay;      // the route is ours: neither DANE nor MTA-STS are asked
    std::shared_ptr<const StsPolicy> sts;  // null: none

    TlsRules() = default;
};
// What DNS said about one host.
struct HostFacts {
    std::string name;    // of the MX record
    std::string origin;  // see RouteHost
    std::string alias;   // where its CNAMEs led, or empty
    bool literal = false;
    bool certain = false;         // see RouteHost
    bool mx_secure = false;       // DNSSEC vouches for the MX records that name it
    bool address_secure = false;  // DNSSEC vouches for addresses and CNAMEs
    bool alias_secure = false;    // for its own CNAME only

    HostFacts() = default;
};
// What was found at the base domains so far.
struct TlsaFindings {
    std::string base_domain;  // empty: no secure record anywhere
    std::vector<dns::TlsaRecord> records;
    bool failed = false;  // DNS gave no answer that could be relied on
    std::string detail;

    TlsaFindings() = default;
};

// Where TLSA records are to be looked for, in this order, until there are some (RFC 7672 s2.2.2, s2.2.3;
// DA-4, DA-5, DA-7): the fully expanded name where all of it is secure, then the name itself. Empty: DANE
// does not apply to the host.
[[nodiscard]] std::vector<std::string> tlsa_base_domains(const TlsRules& rules, const HostFacts& host,
                                                         const DeliveryTerms& terms);
// "_25._tcp.mx.example.com" (RFC 6698 s3): of the port that is connected to.
[[nodiscard]] std::string tlsa_name(std::string_view base_domain, std::uint16_t port);
// Takes an answer in. True: no other base domain is to be asked.
bool heed(TlsaFindings& findings, const std::string& base_domain, const dns::TlsaAnswer& answer);
// RFC 7672 s3.1: usages 2 and 3, selectors 0 and 1, matching 0 (well-formed DER), 1 and 2 (digests of the
// right length).
[[nodiscard]] bool is_usable(const dns::TlsaRecord& record);
[[nodiscard]] std::string to_string(const dns::TlsaRecord& record);  // "3 1 1 8cb0..." in lower case

// Which rule decided.
enum class Security : std::uint8_t {
    none,           // delivery.tls = "none", or the provider's or relay's rule says so
    opportunistic,  // TLS-2: encrypted where that works; nothing is verified
    required,       // encrypted or not at all; nothing is verified
    relay,          // a relay of ours that shows its certificate
    sts_testing,    // as our own rule says, and what MTA-STS would say is reported (STS-7)
    sts,            // STS-6
    dane_unusable,  // there are secure TLSA records, none of which can be used: encrypted or not at all
                    // (DA-8)
    dane,
};
[[nodiscard]] std::string_view to_string(Security security);  // "mta-sts-testing"

struct HostSecurity {
    HostSecurity() = default;

    bool usable = true;
    Security security = Security::opportunistic;
    smtp::protocol::TlsUse tls = smtp::protocol::TlsUse::opportunistic;
    bool implicit_tls = false;  // from the first octet
    net::TlsCheck check = net::TlsCheck::none;
    bool must_pass = true;  // of the check
    std::string sni;
    std::vector<std::string> names;
    std::vector<net::TlsaAssociation> tlsa;
    std::string session_policy;  // see TlsTarget::policy
    bool certain = false;        // for REQUIRETLS: nobody on the way can have made this host up
    // A broken handshake is followed by clear text; `remembers`: and that is remembered (TLS-2). Never under
    // any policy.
    bool clear_text_will_do = false;
    bool remembers = false;

    TlsPolicyType report_as = TlsPolicyType::no_policy_found;
    std::vector<std::string> policy_strings;  // TLSA records, or the lines of the MTA-STS policy
    std::optional<TlsResultType> finding;     // known before any connection: reported whatever comes of that
    std::string why;                          // a sentence: what is demanded, or why the host is passed over
};

// Pure; never weaker than the strongest policy that applies (RFC 8461 s2: MTA-STS does not override a DANE
// that fails, DA-12).
[[nodiscard]] HostSecurity host_security(const TlsRules& rules, const HostFacts& host,
                                         const TlsaFindings& tlsa, const DeliveryTerms& terms);

// RFC 8460 s4.3.1.
[[nodiscard]] TlsResultType result_of(net::CertificateFault fault);

}  // namespace posthorn::delivery
