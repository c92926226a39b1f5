// Where the parts of each address stand in a header field, so that one part can be changed and every other octet stays.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace posthorn::mail {

// Octets [begin, end) of the value that was read.
struct Span {
    std::size_t begin = 0, end = 0;
    [[nodiscard]] bool empty() const { return begin == end; }
    [[nodiscard]] std::string_view of(std::string_view text) const { return text.substr(begin, end - begin); }
};

struct AddressPlace {
    Span display;         // from the first to the last word before "<"; empty: none
    Span local;           // quoted or not
    Span domain;          // empty: the address is bare ("alice")
    bool in_angle = false;
    bool has_route = false;      // "<@relay:user@domain>" (RFC 5322 s4.4)
    bool display_has_at = false; // "info@example.com <info@example.com>": to be quoted
    bool sound = true;           // false: what stands here is no address
};

struct AddressField {
    std::vector<AddressPlace> addresses;
    std::vector<Span> comments;   // with their outer parentheses
    bool has_group = false;       // "name: a, b;"
    bool sound = true;            // false: something in the field is no address list (RFC 5322 s3.4 with s4.4)
};

// Reads the value of From, Sender, Reply-To, To or Cc, folded or not. Linear; any octets are taken.
[[nodiscard]] AddressField read_address_field(std::string_view value);

}  // namespace posthorn::mail
