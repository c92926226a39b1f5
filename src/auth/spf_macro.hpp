// The macros of SPF (RFC 7208 s7): whether a text is well formed, and what it stands for.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/endpoint.hpp"

namespace posthorn::auth::spf {

// s7.2: what the letters stand for. domain: <domain>, of the record being evaluated; sender: of the whole evaluation.
struct MacroValues {
    std::string sender_local;
    std::string sender_domain;
    std::string domain;
    std::string helo;
    IpAddress ip;
    std::string validated_name;  // %{p}; "unknown" where there is none

    explicit MacroValues(IpAddress from) : ip(from) {}
};

// macro-string of s7.1, without the letters that only explanations may have (c, r, t).
[[nodiscard]] bool is_macro_string(std::string_view text);
// domain-spec: a macro-string that ends in a macro or in a label that can be the last one.
[[nodiscard]] bool is_domain_spec(std::string_view text);
[[nodiscard]] bool uses_validated_name(std::string_view text);  // %{p}: takes questions about the address

// REQUIRES: is_macro_string(text).
[[nodiscard]] std::string expand(std::string_view text, const MacroValues& values);
// The same as a name to ask for: lower case, no final dot, shortened from the left to 253 octets (s7.3). Empty: it is no name.
[[nodiscard]] std::string expand_domain(std::string_view text, const MacroValues& values);

// A name that can be asked for: labels of 1 to 63 octets, 253 in all. All of visible ASCII and the space may be in them.
[[nodiscard]] bool is_dns_name(std::string_view name);

}  // namespace posthorn::auth::spf
