// REQUIRETLS (RFC 8689): which messages may go only where TLS is certain, and what it means where it is not.
#pragma once

#include <string>
#include <string_view>

#include "delivery/outcome.hpp"
#include "mail/message.hpp"

namespace posthorn::delivery {

// RFC 8689 s4.2.1 binds messages with a reverse-path. A DSN about one carries the option as well, but goes
// also to a server that does not know it (s5: the option SHOULD NOT cause it to be discarded). TLS-Required:
// No (s3) asks us to be less strict than MTA-STS or DANE; it is passed on as any other field.
[[nodiscard]] bool requires_tls(const mail::Message& message);

// What a host lacks, in the order in which it is found out.
enum class Lacking {
    certainty,  // plain DNS named it, so anybody may have: neither DNSSEC, MTA-STS, our configuration nor a
                // literal did
    tls,        // no STARTTLS
    identity,   // its certificate does not prove that name
    support,    // no REQUIRETLS in its answer to EHLO under TLS
};

// Final: a sender who asked for this wants to know at once (s4.2.1: 5.7.30, and 5.7.10 where TLS itself is
// missing). detail: OpenSSL's or the server's words, or empty.
[[nodiscard]] Outcome tls_not_assured(Lacking lacking, std::string_view domain, std::string_view host,
                                      std::string_view detail);

}  // namespace posthorn::delivery
