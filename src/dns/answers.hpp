// Turns what DNS said about one question into the answers of records.hpp. Pure.
#pragma once

#include <string>

#include "dns/message.hpp"
#include "dns/records.hpp"

namespace posthorn::dns {

// More than any domain has use for; what is beyond is as if it were not there.
inline constexpr std::size_t kMaxMxHosts = 100;
inline constexpr std::size_t kMaxAddresses = 100;  // of each family

[[nodiscard]] MxAnswer mx_answer(Lookup lookup, const std::string& domain);
// null: that family was not asked for. REQUIRES: at least one is not null.
[[nodiscard]] AddressAnswer address_answer(const Lookup* v4, const Lookup* v6, const std::string& host);
// RFC 7672 s2.2.3: the addresses are not authenticated, but the host's own CNAME may be. alias: the answer to
// a question for that CNAME alone.
void add_alias(AddressAnswer& answer, Lookup alias);
[[nodiscard]] TxtAnswer txt_answer(Lookup lookup);
[[nodiscard]] TlsaAnswer tlsa_answer(Lookup lookup, const std::string& name);
[[nodiscard]] PtrAnswer ptr_answer(Lookup lookup);

// REQUIRES: an A or AAAA record that read_message() made.
[[nodiscard]] IpAddress address_of(const Record& record);

// "4.3.2.1.in-addr.arpa", or the nibbles of RFC 3596 s2.5.
[[nodiscard]] std::string reverse_name(const IpAddress& address);

}  // namespace posthorn::dns
