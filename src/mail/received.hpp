// The Received field that is put before each message we take (RFC 5321 s4.4; SMTP-13, TLS-4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/endpoint.hpp"
#include "base/queue_id.hpp"

namespace posthorn::mail {

struct ReceivedFacts {
    std::string helo;                    // as the client said it; sanitised here. Empty: no FROM clause
    std::optional<IpAddress> client_ip;  // none hides it (a container's or a person's address)
    std::string by;                      // our host name
    std::string_view with;  // received_protocol(), or "local" for the sendmail program; empty: none
    QueueId id;
    std::string for_address;  // only when the message has exactly one recipient; else empty
    std::string tls;          // cipher suite, "TLS_AES_256_GCM_SHA384"; empty without TLS (RFC 8314 s4.3)
    TimePoint date{};
};

// "SMTP", "ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA" (RFC 3848), "UTF8SMTP", "UTF8SMTPS", ... (RFC 6531 s4.3).
[[nodiscard]] std::string_view received_protocol(bool esmtp, bool tls, bool authenticated, bool smtputf8);

// Whether what a client said in EHLO means something outside its own network: a domain name of several labels that is
// not reserved for private use (RFC 6761, RFC 6762, RFC 8375, and what routers make up), or the literal of a public
// address. A container's random name is none.
[[nodiscard]] bool is_public_helo(std::string_view helo);
// What stands in the FROM clause instead: a name that cannot exist (RFC 6761 s6.4), since the clause must be there (RFC
// 5321 s4.4).
inline constexpr std::string_view kHiddenHelo = "hidden.invalid";

// The whole field with its CRLF, folded at 78 columns where there is a place to fold, no line over 998
// octets, printable.
[[nodiscard]] std::string make_received(const ReceivedFacts& facts);

}  // namespace posthorn::mail
