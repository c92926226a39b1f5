// Settings of intake: what is repaired in mail that is handed in, what is refused instead, what our trace tells.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace posthorn::intake {

// What our Received field tells of the one who handed the mail in (RFC 5321 s4.4, SMTP-13).
enum class ClientAddress : std::uint8_t {
    hide_private,  // private addresses and names that mean nothing outside (a container's) stay in the house
    hide,          // neither address nor name of any client
    show,
};

enum class LongLines : std::uint8_t { re_encode, refuse };  // lines over 998 octets (SUB-13)

// What becomes of mail whose From is at a domain that is not ours, as contact forms make it that put the visitor there.
enum class ForeignFrom : std::uint8_t {
    rewrite,  // From becomes the site's address, the visitor goes to Reply-To
    refuse,   // 550 5.7.1
    keep,     // it stays; whether such mail may leave unsigned is up to dkim.unknown_domain
};

// As whom programs of this machine send that belong to no [[site]] ([local]).
struct SenderOptions {
    ForeignFrom from = ForeignFrom::rewrite;
    std::string address;                         // the default sender; empty: the system user's name at the default domain
    ForeignFrom clients_from = ForeignFrom::rewrite;  // for clients that send over TCP without a login
    std::string mailname_file = "/etc/mailname"; // names the default domain if that is one of ours (SD-52); empty: not looked at
};

// As whom the programs of one web site, container or user send ([[site]]).
struct SiteOptions {
    std::string name;
    std::vector<std::string> users;              // names or uids; "*": everybody who is in no other site
    std::string socket;                          // a unix socket of its own: who comes through it belongs to the site, whatever his uid
    std::uint32_t socket_mode = 0666;
    std::string spool;                           // and a spool directory
    std::vector<std::string> domains;            // lower case A-labels, each one of [[domain]] or below; empty: all [[domain]]s
    std::string sender;                          // the default sender; empty: the system user's name at the first domain
    ForeignFrom from = ForeignFrom::rewrite;
};

// The spool directory of programs that found no daemon to take their mail, and how it is looked at (docs/SENDMAIL.md).
struct PickupOptions {
    std::string directory = "/var/spool/posthorn";   // empty: none but those of the sites
    Duration scan_interval = std::chrono::seconds(60);
    Duration abandoned_after = std::chrono::hours(24);   // files that their programs did not finish
};

// Names of this machine: who gets their mail (docs/LOCAL.md).
struct LocalOptions {
    std::string aliases_file = "/etc/aliases";  // empty: none is read
    std::vector<std::string> users_to;          // who gets what no alias and no .forward says; empty: the alias of root
    bool forward_files = true;                  // ~/.forward of the system's users
    // Messages of one system user with one subject to local names within storm_window; 0: no limit (SM-51).
    std::uint32_t storm_limit = 20;
    Duration storm_window = std::chrono::hours(1);
};

struct IntakeOptions {
    ClientAddress hide_client_address = ClientAddress::hide_private;
    bool add_from = true;            // a missing From is made of the envelope's sender (SUB-10)
    bool add_to = true;              // "To: undisclosed-recipients:;" where no recipient is named (SUB-12)
    bool complete_addresses = true;  // "alice" gets a domain; else such mail is refused (SUB-2)
    std::string qualify_domain;      // that domain; empty: the sender's, else the first [[domain]]'s
    // Names of this machine that stand for qualify_domain (SUB-18), and whose local parts are local names (SM-45).
    std::vector<std::string> local_domains = {"localhost", "localhost.localdomain"};
    bool encode_header = true;               // 8-bit text becomes encoded words; else 550 5.6.7 (SUB-14)
    bool add_mime_fields = true;             // to an 8-bit body that has none (SUB-15)
    bool accept_undeclared_8bit = true;      // an 8-bit body without BODY=8BITMIME (RFC 6152 s3)
    LongLines long_lines = LongLines::re_encode;
    std::uint64_t max_field_size = 32 * 1024;  // octets of one field's value; To, Cc and References are exempt
    std::vector<std::string> remove_fields = {"X-PHP-Originating-Script", "X-PHP-Script", "X-Originating-IP"};
    bool remove_private_received = false;  // Received fields of hops in private networks (SMTP-14: off)
    SenderOptions sender;
    std::vector<SiteOptions> sites;
    PickupOptions pickup;
    LocalOptions local;
};

}  // namespace posthorn::intake
