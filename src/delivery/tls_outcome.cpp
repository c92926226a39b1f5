// TLS results and outcomes in words.
#include "delivery/tls_outcome.hpp"

namespace posthorn::delivery {

std::optional<TlsResultType> tls_result(const HostSecurity& security, const OpeningFacts& facts) {
    if (security.tls == smtp::protocol::TlsUse::never) return std::nullopt;
    if (!facts.open && !facts.tls_failed) return std::nullopt;
    if (facts.tls_failed && facts.shook_hands)
        return facts.fault == net::CertificateFault::none ? TlsResultType::validation_failure
                                                          : result_of(facts.fault);
    if (!facts.secure) return TlsResultType::starttls_not_supported;
    if (security.finding) return security.finding;
    return result_of(facts.fault);
}

namespace {

Outcome waiting(smtp::protocol::EnhancedCode code, smtp::protocol::Stage stage, std::string_view host,
                std::string text) {
    Outcome outcome =
        own_outcome(Disposition::deferred, Class::temp, Scope::message, 451, code, std::move(text));
    outcome.stage = stage;
    outcome.host = host;
    return outcome;
}

}  // namespace

Outcome not_secured(const HostSecurity& security, const OpeningFacts& facts, std::string_view host) {
    const std::string name(host);
    const std::string demand = security.why.empty() ? std::string() : " (" + security.why + ")";
    if (!facts.shook_hands) {
        // What the session says of itself begins with what is said here.
        static constexpr std::string_view kDemanded = "TLS is required, and ";
        std::string words = facts.words;
        if (const auto at = words.find(kDemanded); at != std::string::npos) words.erase(0, at + kDemanded.size());
        return waiting({4, 7, 10}, smtp::protocol::Stage::starttls, host,
                       "TLS is demanded of " + name + demand + ": " + words + "; nothing was sent there");
    }
    const std::string what = facts.fault == net::CertificateFault::none
                                 ? "TLS is demanded of " + name + ", and failed: "
                                 : "the certificate of " + name + " is not what is demanded: ";
    return waiting({4, 7, 5}, smtp::protocol::Stage::tls, host,
                   what + facts.words + demand + "; nothing was sent there");
}

Outcome passed_over(const HostSecurity& security, std::string_view host) {
    return waiting({4, 7, 5}, smtp::protocol::Stage::connect, host,
                   "The mail host " + std::string(host) + " is passed over: " + security.why);
}

}  // namespace posthorn::delivery
