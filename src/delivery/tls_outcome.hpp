// What the opening of a session says about TLS: the result that TLSRPT counts, and the outcome where mail
// must not go that way.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "delivery/outcome.hpp"
#include "delivery/tls_policy.hpp"
#include "delivery/tls_report.hpp"
#include "net/tls_context.hpp"

namespace posthorn::delivery {

// How far it came.
struct OpeningFacts {
    OpeningFacts() = default;

    bool open = false;         // mail may be sent
    bool secure = false;       // under TLS
    bool tls_failed = false;   // STARTTLS or the handshake broke, or STARTTLS was refused or missing
    bool shook_hands = false;  // it came to a handshake, whatever became of it
    net::CertificateFault fault =
        net::CertificateFault::none;  // of a certificate that was refused, or only looked at
    std::string words;                // OpenSSL's, the peer's or ours
};

// RFC 8460 s4.3: nothing where TLS was not decided, as the session did not come so far or TLS was never asked
// for.
[[nodiscard]] std::optional<TlsResultType> tls_result(const HostSecurity& security,
                                                      const OpeningFacts& facts);

// The session failed by what `security` demands of TLS. Always temporary: what is wrong there may be put
// right (DA-8, STS-6); about this message, as other mail to the same host may be under other terms. host:
// "mx.example.com[192.0.2.1]".
[[nodiscard]] Outcome not_secured(const HostSecurity& security, const OpeningFacts& facts,
                                  std::string_view host);
// The host is passed over before any connection: `security` is not usable.
[[nodiscard]] Outcome passed_over(const HostSecurity& security, std::string_view host);

}  // namespace posthorn::delivery
