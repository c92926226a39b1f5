// What a server said it can do in its answer to EHLO (RFC 5321 s4.1.1.1).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "smtp/protocol/reply.hpp"

namespace posthorn::smtp::protocol {

struct Extensions {
    bool esmtp = false;                  // false: only HELO was understood, and nothing below is true
    bool pipelining = false;             // RFC 2920
    bool size = false;                   // RFC 1870
    std::uint64_t size_limit = 0;        // octets; 0: none was named
    bool eight_bit_mime = false;         // RFC 6152
    bool smtputf8 = false;               // RFC 6531
    bool dsn = false;                    // RFC 3461
    bool starttls = false;               // RFC 3207
    bool enhanced_status_codes = false;  // RFC 2034
    bool chunking = false;               // RFC 3030
    bool require_tls = false;            // RFC 8689
    std::vector<std::string> auth;       // mechanisms, upper case
    std::uint32_t rcpt_max = 0;          // RFC 9422 LIMITS, 0: none
    std::uint32_t mail_max = 0;

    friend bool operator==(const Extensions&, const Extensions&) = default;
};

// Keywords in any case; unknown ones and unreadable arguments are passed over. "AUTH=LOGIN" of old servers is
// understood.
[[nodiscard]] Extensions parse_extensions(const Reply& ehlo_reply);

}  // namespace posthorn::smtp::protocol
