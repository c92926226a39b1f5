// A DNS record to publish, in the forms in which people must enter it: zone file, web panel, Route 53, JSON.
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <span>
#include <string>
#include <string_view>

namespace posthorn::auth {

// Values only; who makes one fills name, type and value, and what he knows of the rest. Equal in all forms: none says more than another.
struct DnsRecord {
    std::string name;                // A-labels, no dot at the end
    std::string type = "TXT";        // TXT, A, AAAA, PTR, MX, CNAME
    std::string value;               // TXT: one text, unquoted and uncut; MX: "10 mail.example.com"; names without a dot at the end
    std::string zone;                // the apex of the zone the name lies in; empty: not known
    std::chrono::seconds ttl{3600};  // asked for where a form has a place for it (SD-76)
    std::string purpose;             // one line for people

    DnsRecord() = default;
    DnsRecord(std::string at, std::string kind, std::string says) : name(std::move(at)), type(std::move(kind)), value(std::move(says)) {}
    friend bool operator==(const DnsRecord&, const DnsRecord&) = default;
};

[[nodiscard]] inline DnsRecord txt_record(std::string name, std::string text) { return {std::move(name), "TXT", std::move(text)}; }

// Most web panels ask for the name within the zone (SD-8 d): "s1._domainkey", "@" for the apex itself. The whole name where the zone is not known.
[[nodiscard]] std::string host_part(const DnsRecord& record);

// What goes into a web panel's field for the value: one line, no quotes, nothing escaped (SD-8 a).
[[nodiscard]] const std::string& one_line(const DnsRecord& record);

// 'name. IN TXT "..."', or 'name. IN TXT ( "..."\n    "..." )' with strings of at most 255 octets (RFC 1035 s3.3, s5.1), which readers join with
// nothing between (RFC 6376 s3.6.2.2, RFC 7208 s3.3); names in values end in a dot. No TTL: the zone's own ($TTL) holds. No line end.
[[nodiscard]] std::string zone_file(const DnsRecord& record);

// One change batch for `aws route53 change-resource-record-sets --change-batch` (SD-8 c). Route 53 knows sets of records: those of one name and type
// become one set, and UPSERT puts it in place of the whole set that is there. So texts at the same name that shall stay are given as records, too.
[[nodiscard]] std::string route53_batch(std::span<const DnsRecord> records, std::string_view comment);

// {"name", "type", "value", "ttl", "zone", "host", "zone_file", "purpose"}
[[nodiscard]] boost::json::object to_json(const DnsRecord& record);

}  // namespace posthorn::auth
