// The forms: cutting, quoting, and what stands around both.
#include "auth/dns_record.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <vector>

#include "base/text.hpp"

namespace posthorn::auth {
namespace {

constexpr std::size_t kMaxString = 255;  // RFC 1035 s3.3: a <character-string> has one octet for its length

// What stands for an octet that is none of visible ASCII: three digits, in zone files decimal (RFC 1035
// s5.1), in Route 53 octal.
enum class Digits : std::uint8_t { decimal, octal };

std::string quoted(std::string_view text, Digits digits) {
    std::string out = "\"";
    for (const char c : text) {
        const auto octet = static_cast<unsigned char>(c);
        if (octet < 0x20 || octet >= 0x7F) {
            out += digits == Digits::decimal ? fmt::format("\\{:03}", octet) : fmt::format("\\{:03o}", octet);
            continue;
        }
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

std::string quoted_strings(std::string_view value, std::string_view between, Digits digits) {
    if (value.empty()) return quoted(value, digits);
    std::string out;
    for (std::size_t at = 0; at < value.size(); at += kMaxString) {
        if (at > 0) out += between;
        out += quoted(value.substr(at, kMaxString), digits);
    }
    return out;
}

bool ends_in_name(const DnsRecord& record) {
    return record.type == "PTR" || record.type == "MX" || record.type == "CNAME";
}

std::string route53_value(const DnsRecord& record) {
    if (record.type == "TXT") return quoted_strings(record.value, " ", Digits::octal);
    return ends_in_name(record) ? record.value + "." : record.value;
}

std::string json_string(std::string_view text) {
    return boost::json::serialize(boost::json::string(text));
}

bool of_one_set(const DnsRecord& a, const DnsRecord& b) {
    return text::iequals(a.name, b.name) && a.type == b.type;
}

}  // namespace

std::string host_part(const DnsRecord& record) {
    if (record.zone.empty()) return record.name;
    if (text::iequals(record.name, record.zone)) return "@";
    const std::string below = "." + record.zone;
    if (record.name.size() <= below.size() ||
        !text::iequals(std::string_view(record.name).substr(record.name.size() - below.size()), below))
        return record.name;
    return record.name.substr(0, record.name.size() - below.size());
}

const std::string& one_line(const DnsRecord& record) {
    return record.value;
}

std::string zone_file(const DnsRecord& record) {
    const std::string head = record.name + ". IN " + record.type + " ";
    if (record.type != "TXT") return head + record.value + (ends_in_name(record) ? "." : "");
    if (record.value.size() <= kMaxString) return head + quoted(record.value, Digits::decimal);
    return head + "( " + quoted_strings(record.value, "\n    ", Digits::decimal) + " )";
}

std::string route53_batch(std::span<const DnsRecord> records, std::string_view comment) {
    std::vector<std::vector<const DnsRecord*>> sets;
    for (const DnsRecord& record : records) {
        const auto set = std::find_if(sets.begin(), sets.end(),
                                      [&](const auto& one) { return of_one_set(*one.front(), record); });
        if (set == sets.end())
            sets.push_back({&record});
        else if (std::none_of(set->begin(), set->end(),
                              [&](const DnsRecord* one) { return one->value == record.value; }))
            set->push_back(&record);
    }
    std::string changes;
    for (const auto& set : sets) {
        std::string values;
        for (const DnsRecord* record : set)
            values += fmt::format("{}\n          {{ \"Value\": {} }}", values.empty() ? "" : ",",
                                  json_string(route53_value(*record)));
        const DnsRecord& first = *set.front();
        changes += fmt::format(R"({}
    {{
      "Action": "UPSERT",
      "ResourceRecordSet": {{
        "Name": {},
        "Type": {},
        "TTL": {},
        "ResourceRecords": [{}
        ]
      }}
    }})",
                               changes.empty() ? "" : ",", json_string(first.name + "."),
                               json_string(first.type), first.ttl.count(), values);
    }
    return fmt::format("{{\n  \"Comment\": {},\n  \"Changes\": [{}\n  ]\n}}\n", json_string(comment),
                       changes);
}

boost::json::object to_json(const DnsRecord& record) {
    return {{"name", record.name},
            {"type", record.type},
            {"value", record.value},
            {"ttl", record.ttl.count()},
            {"zone", record.zone},
            {"host", host_part(record)},
            {"zone_file", zone_file(record)},
            {"purpose", record.purpose}};
}

}  // namespace posthorn::auth
