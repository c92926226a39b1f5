// Settings of intake: what is repaired in mail that is handed in, what is refused instead, what our trace tells.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace posthorn::intake {

// What our Received field tells of the one who handed the mail in (RFC 5321 s4.4, SMTP-13).
enum class ClientAddress : std::uint8_t {
    hide_private,  // private addresses and names that mean nothing outside (a container's) stay in the house
    hide,          // neither address nor name of any client
    show,
};

enum class LongLines : std::uint8_t { re_encode, refuse };  // lines over 998 octets (SUB-13)

struct IntakeOptions {
    ClientAddress hide_client_address = ClientAddress::hide_private;
    bool add_from = true;            // a missing From is made of the envelope's sender (SUB-10)
    bool add_to = true;              // "To: undisclosed-recipients:;" where no recipient is named (SUB-12)
    bool complete_addresses = true;  // "alice" gets a domain; else such mail is refused (SUB-2)
    std::string qualify_domain;      // that domain; empty: the sender's, else the first [[domain]]'s
    // Names of this machine that stand for qualify_domain (SUB-18).
    std::vector<std::string> local_domains = {"localhost", "localhost.localdomain"};
    bool encode_header = true;               // 8-bit text becomes encoded words; else 550 5.6.7 (SUB-14)
    bool add_mime_fields = true;             // to an 8-bit body that has none (SUB-15)
    bool accept_undeclared_8bit = true;      // an 8-bit body without BODY=8BITMIME (RFC 6152 s3)
    LongLines long_lines = LongLines::re_encode;
    std::uint64_t max_field_size = 32 * 1024;  // octets of one field's value; To, Cc and References are exempt
    std::vector<std::string> remove_fields = {"X-PHP-Originating-Script", "X-PHP-Script", "X-Originating-IP"};
    bool remove_private_received = false;  // Received fields of hops in private networks (SMTP-14: off)
};

}  // namespace posthorn::intake
