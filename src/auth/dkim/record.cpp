// Key records as text.
#include "auth/dkim/record.hpp"

#include <fmt/format.h>

#include "auth/txt_record.hpp"

namespace posthorn::auth::dkim {

KeyRecord key_record(std::string_view domain, std::string_view selector, const PrivateKey& key) {
    KeyRecord record;
    record.host = fmt::format("{}._domainkey", selector);
    record.name = fmt::format("{}.{}", record.host, domain);
    record.value = fmt::format("v=DKIM1; k={}; p={}", key.algorithm() == Algorithm::rsa ? "rsa" : "ed25519",
                               key.public_base64());
    record.zone_file =
        fmt::format("{}. IN TXT ( {} )", record.name, quoted_strings(record.value, "\n    ", "\""));
    record.route53 = fmt::format(R"({{
  "Comment": "DKIM key {}",
  "Changes": [
    {{
      "Action": "UPSERT",
      "ResourceRecordSet": {{
        "Name": "{}.",
        "Type": "TXT",
        "TTL": 3600,
        "ResourceRecords": [
          {{ "Value": "{}" }}
        ]
      }}
    }}
  ]
}}
)",
                                 record.name, record.name, quoted_strings(record.value, " ", "\\\""));
    return record;
}

}  // namespace posthorn::auth::dkim
