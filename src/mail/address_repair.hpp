// Puts the addresses of one header field right without touching what is right already (RFC 6409 s4.2, s8; RFC 2047 s5).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "mail/address_field.hpp"

namespace posthorn::mail {

struct AddressPolicy {
    std::string_view domain;                     // completes bare addresses and stands for the local ones; empty: nothing does
    std::span<const std::string> local_domains;
    bool complete = true;                        // false: a bare address is a mistake
    bool keep_bare = false;                      // true: it is neither, and stays
    bool encode = true;                          // false: 8-bit octets are one
    bool utf8 = false;                           // SMTPUTF8: 8-bit octets may stay
};

enum class AddressMistake { none, bare, encoded_word, eight_bit };

struct AddressRepair {
    std::string value;                           // the field's value as it is to be, when anything changed
    bool completed = false;                      // a domain was added or replaced
    bool encoded = false;
    bool quoted = false;                         // a display name with an "@"
    AddressMistake mistake = AddressMistake::none;   // not none: nothing else counts
    [[nodiscard]] bool changed() const { return completed || encoded || quoted; }
};

// `field` is what read_address_field says of `value`. `column`: octets of "Name:" before it.
[[nodiscard]] AddressRepair repair_addresses(std::string_view value, const AddressField& field, std::size_t column,
                                             const AddressPolicy& policy);

}  // namespace posthorn::mail
