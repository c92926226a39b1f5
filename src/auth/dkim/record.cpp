// Key records as text.
#include "auth/dkim/record.hpp"

#include <fmt/format.h>

namespace posthorn::auth::dkim {
namespace {

constexpr std::size_t kMaxString = 255;  // RFC 1035 s3.3: a <character-string> has one octet for its length

// The quoted strings of a TXT record, `between` them. Verifiers join them without anything between (RFC 6376
// s3.6.2.2).
std::string quoted_strings(std::string_view value, std::string_view between, std::string_view quote) {
    std::string out;
    for (std::size_t at = 0; at < value.size(); at += kMaxString) {
        if (at > 0) out += between;
        out.append(quote).append(value.substr(at, kMaxString)).append(quote);
    }
    return out;
}

}  // namespace

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
