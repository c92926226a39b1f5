// The DNS record of a DKIM key (RFC 6376 s3.6.1).
#pragma once

#include <string_view>

#include "auth/dkim/key.hpp"
#include "auth/dns_record.hpp"

namespace posthorn::auth::dkim {

// domain and selector in A-label form. The value is the same each time: "v=DKIM1; k=rsa; p=...". zone is the domain: where it is not its own zone, who
// knows better sets it.
[[nodiscard]] DnsRecord key_record(std::string_view domain, std::string_view selector, const PrivateKey& key);

}  // namespace posthorn::auth::dkim
