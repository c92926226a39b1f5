// DMARC (RFC 7489): records, where the one for a From domain is found, and whether a domain is aligned with it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "auth/dns_answers.hpp"
#include "base/result.hpp"

namespace posthorn::auth::dmarc {

enum class Policy : std::uint8_t { none, quarantine, reject };
enum class Alignment : std::uint8_t { relaxed, strict };

[[nodiscard]] std::string_view to_string(Policy policy);

struct Record {
    Policy policy = Policy::none;
    Policy subdomain_policy = Policy::none;  // p where there is no sp
    Alignment dkim = Alignment::relaxed;     // adkim
    Alignment spf = Alignment::relaxed;      // aspf
    unsigned percent = 100;                  // pct
    std::vector<std::string> reports_to;     // rua, as they stand
    std::vector<std::string> complaints;     // what is ignored or taken for something else, and why
};

// Whether a TXT record is a DMARC record: its first tag is v=DMARC1 (s6.6.3 step 2).
[[nodiscard]] bool is_record(std::string_view text);
// s6.3, s6.4. Error: receivers ignore the record as a whole, and why.
[[nodiscard]] Result<Record> parse(std::string_view text);

// What a receiver finds for a From domain (s6.6.3).
struct Discovery {
    enum class Found : std::uint8_t { record, none, broken, temporary } found = Found::none;
    std::string at;    // "_dmarc.example.com": where it is, or where it was looked for last
    std::string text;  // the record, or the broken one
    Record record;
    bool inherited = false;  // it is that of the organisational domain, so that sp counts
    std::string why;         // of none, broken and temporary

    [[nodiscard]] Policy policy() const { return inherited ? record.subdomain_policy : record.policy; }
};

// Pure. The questions that must be answered first, or what was found. The From domain itself, then its organisational domain by the Public
// Suffix List. RFC 9989 walks up the tree of names instead: for all domains whose owner publishes at one of the two places that gives the same.
using Step = std::variant<std::vector<DnsQuestion>, Discovery>;
[[nodiscard]] Step discover(std::string_view from_domain, const DnsAnswers& known);

// s3.1: whether a domain that SPF or DKIM vouches for speaks for the From domain.
[[nodiscard]] bool aligned(std::string_view authenticated, std::string_view from_domain, Alignment mode);

}  // namespace posthorn::auth::dmarc
