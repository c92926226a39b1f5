// The DNS record of a DKIM key (RFC 6376 s3.6.1) in the forms in which people must enter it.
#pragma once

#include <string>
#include <string_view>

#include "auth/dkim/key.hpp"

namespace posthorn::auth::dkim {

struct KeyRecord {
    std::string host;       // "selector._domainkey": what web panels of the zone want
    std::string name;       // "selector._domainkey.example.com": what others want
    std::string value;      // "v=DKIM1; k=rsa; p=..." in one line, without quotes
    std::string zone_file;  // 'name. IN TXT ( "..." "..." )': strings of at most 255 octets (RFC 1035 s3.3),
                            // one a line
    std::string route53;    // change batch for `aws route53 change-resource-record-sets --change-batch`
};

// domain and selector in A-label form.
[[nodiscard]] KeyRecord key_record(std::string_view domain, std::string_view selector, const PrivateKey& key);

}  // namespace posthorn::auth::dkim
