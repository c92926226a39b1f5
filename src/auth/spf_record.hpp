// SPF records as text: their terms (RFC 7208 s4.6.1, s12), what is suspicious in them, and the change that adds an address of ours.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.hpp"
#include "base/result.hpp"

namespace posthorn::auth::spf {

enum class TermKind : std::uint8_t { all, include, a, mx, ptr, ip4, ip6, exists, redirect, exp, other };

struct Term {
    TermKind kind = TermKind::all;
    char qualifier = '+';              // of mechanisms
    std::string text;                  // as published
    std::string domain;                // domain-spec, macros unexpanded; empty: the current domain
    std::optional<IpAddress> network;  // ip4, ip6
    unsigned prefix4 = 32;             // ip4, a, mx
    unsigned prefix6 = 128;            // ip6, a, mx

    [[nodiscard]] bool is_modifier() const { return kind >= TermKind::redirect; }
    // s4.6.4: counts towards the ten.
    [[nodiscard]] bool asks_dns() const;
};

struct Record {
    std::vector<Term> terms;

    [[nodiscard]] const Term* find(TermKind kind) const;  // the first, or null
};

// All of it or nothing: a syntax error anywhere is a permerror (s4.6), and so is a second redirect or exp (s6). The error names the term.
[[nodiscard]] Result<Record> parse(std::string_view text);

// What receivers take for an invitation to everybody (Gmail's 4.7.24): "+all", networks wider than /12 of IPv4 or /20 of IPv6. One sentence each.
[[nodiscard]] std::vector<std::string> suspicions(const Record& record);

// The records with the address added, as one: what to publish in place of them. The address stands first, where it costs no look-up and comes
// before every limit. Without a record: one that names the address and asks for softfail of others. Of several records (a permerror, s4.5) the
// terms are joined; where they disagree about the rest, the milder word ("~all") is kept. Terms that are no SPF are left out.
[[nodiscard]] std::string with_addresses(std::span<const std::string> records, std::span<const IpAddress> addresses);

}  // namespace posthorn::auth::spf
