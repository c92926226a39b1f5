// Mail addresses in a line of text, made unrecognisable for logs that others read (log.addresses).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace posthorn {

// masked: "a***@example.com". hash: "#1f0c8a6b5e4d3c2b@example.com", the same for the same address without
// case, so that it can be followed through the log by whoever knows it, and by nobody who lacks the key. The
// domain stays: which provider has trouble is what logs are for.
enum class AddressForm : std::uint8_t { full, masked, hash };

using MaskKey = std::array<std::uint64_t, 2>;

// Every local part before an "@" and a domain, quoted or in UTF-8, also where it stands in a peer's words.
// Octets that a local part may hold by RFC 5321 s4.1.2 are taken for one, so that rather too much is hidden
// ("bounce+bob=example.org@...") than too little. Form `full` gives the text back. Pure.
[[nodiscard]] std::string mask_addresses(std::string_view text, AddressForm form, const MaskKey& key);

// SipHash-2-4 (Aumasson, Bernstein 2012): a short keyed hash.
[[nodiscard]] std::uint64_t sip_hash(std::string_view octets, const MaskKey& key);

// The key that a configured text stands for; any text will do.
[[nodiscard]] MaskKey mask_key_of(std::string_view text);

}  // namespace posthorn
