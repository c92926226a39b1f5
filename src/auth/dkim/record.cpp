// Key records as values.
#include "auth/dkim/record.hpp"

#include <fmt/format.h>

namespace posthorn::auth::dkim {

DnsRecord key_record(std::string_view domain, std::string_view selector, const PrivateKey& key) {
    DnsRecord record =
        txt_record(fmt::format("{}._domainkey.{}", selector, domain),
                   fmt::format("v=DKIM1; k={}; p={}", key.algorithm() == Algorithm::rsa ? "rsa" : "ed25519",
                               key.public_base64()));
    record.zone = domain;
    record.purpose =
        fmt::format("DKIM key {} of {}: receivers check our signatures with it", selector, domain);
    return record;
}

}  // namespace posthorn::auth::dkim
