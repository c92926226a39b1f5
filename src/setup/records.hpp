// What a domain must publish so that its mail is taken: every record, whether it is there, and what is there in its place. Pure.
#pragma once

#include <boost/json/object.hpp>

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auth/dns_answers.hpp"
#include "auth/dns_record.hpp"
#include "base/endpoint.hpp"

namespace posthorn::setup {

// A DKIM key that is published, or is to be: the public half alone.
struct SelectorRecord {
    std::string selector;
    std::string value;   // "v=DKIM1; k=rsa; p=...", as auth::dkim::key_record() makes it
    std::string stage;   // of keys that Posthorn rotates: "pending", "active"...; empty: a fixed one

    SelectorRecord(std::string s, std::string v, std::string at = {}) : selector(std::move(s)), value(std::move(v)), stage(std::move(at)) {}
};

// Names in lower case A-labels.
struct RecordsQuestion {
    std::string domain;                // of From and MAIL FROM
    std::string hostname;              // our EHLO name
    std::vector<IpAddress> ips;        // public, that mail leaves from; empty: those that the host name has in DNS
    bool ipv6 = true;                  // mail leaves over IPv6, too
    std::vector<SelectorRecord> keys;
    std::string report_to;             // who gets DMARC's reports: "mailto:..."; empty: postmaster of the domain
    std::string tls_report_to;         // who gets TLSRPT's; empty: as report_to
};

enum class RecordKind : std::uint8_t { ptr, address, spf, dkim, dmarc, dmarc_report, spf_helo, tlsrpt, mta_sts };
[[nodiscard]] std::string_view to_string(RecordKind kind);  // "ptr", "address", "spf", ...

// required: mail is refused or distrusted without it. advised: better with it. hint: concerns mail that the domain receives.
enum class Need : std::uint8_t { required, advised, hint };
[[nodiscard]] std::string_view to_string(Need need);

struct WantedRecord {
    enum class State : std::uint8_t {
        present,  // there is nothing to do
        missing,
        differs,  // there is one, and it must become this
        unknown   // DNS was not asked, or gave no answer
    };

    RecordKind kind = RecordKind::spf;
    Need need = Need::required;
    auth::DnsRecord record;             // what is right; of `present` what is there
    State state = State::unknown;       // at the zone's own servers where they were asked, else at the resolver
    State at_resolver = State::unknown;
    std::chrono::seconds ttl{0};        // how long the resolver, and so others, may still use what it has
    std::string found;                  // what is there in its place; several: one a line
    std::vector<std::string> others;    // other texts at the same name, which must stay: Route 53 replaces whole sets
    std::string words;                  // for the operator: what is the matter, who must do it

    friend bool operator==(const WantedRecord&, const WantedRecord&) = default;
};
[[nodiscard]] std::string_view to_string(WantedRecord::State state);  // "present", "missing", "differs", "unknown"

// Complete once nothing is wanted any more. Which records there are depends on the question and the addresses alone (and hints on the MX), so that two
// places can be compared; what DNS did not say is `unknown`, never `missing`. With nothing known at all it gives what a new domain must publish.
struct WantedRecords {
    std::vector<auth::DnsQuestion> wanted;
    std::vector<WantedRecord> records;  // PTR first (SD-82), hints last
};
[[nodiscard]] WantedRecords wanted_records(const RecordsQuestion& question, const auth::DnsAnswers& known);

// Whether the zone's own servers are asked about a name: those of the domain, the host name and our addresses.
[[nodiscard]] bool is_ours(const RecordsQuestion& question, std::string_view name);

// The resolver's view and those of the zone's servers (the first server of each zone, the second, ...) as one: SD-6, SD-7. A record is there only when all
// servers that answered have it; the words say where places differ, and for how long.
[[nodiscard]] std::vector<WantedRecord> combine(std::vector<WantedRecord> at_resolver, std::span<const std::vector<WantedRecord>> at_authorities);

// The records, and what must stay beside them: for auth::route53_batch().
[[nodiscard]] std::vector<auth::DnsRecord> with_neighbours(std::span<const WantedRecord> records);

// {"kind", "need", "state", "at_resolver", "ttl", "found", "words", "record": {...}}
[[nodiscard]] boost::json::object to_json(const WantedRecord& record);

}  // namespace posthorn::setup
