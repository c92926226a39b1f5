// Reads a DNS reply as it came over the wire (RFC 1035 s4): its code, its records of the kinds we use, its
// negative TTL.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dns/records.hpp"

namespace posthorn::dns {

enum class RecordType : std::uint16_t {
    a = 1,
    ns = 2,
    cname = 5,
    soa = 6,
    ptr = 12,
    mx = 15,
    txt = 16,
    aaaa = 28,
    tlsa = 52
};

[[nodiscard]] std::string_view to_string(RecordType type);

// One record. text holds what the type is about: a host name (NS, CNAME, SOA's primary, PTR, MX), the joined strings (TXT), the
// octets of the address (A: 4, AAAA: 16), or all octets of the record (TLSA: at least 3). Names are lower
// case without trailing dot; the root is "".
struct Record {
    std::string owner;
    RecordType type = RecordType::a;
    std::chrono::seconds ttl{0};
    std::uint16_t preference = 0;  // MX
    std::string text;
};

struct Message {
    std::uint8_t rcode = 0;
    bool truncated = false;
    bool authoritative = false;                        // AA
    bool recursive = false;                            // RA: it asks other servers for us
    bool authenticated = false;                        // the AD bit, as sent
    bool refers = false;                               // NS records in the authority section: "ask those"
    std::vector<Record> answers;                       // of the types above; others are left out
    std::optional<std::chrono::seconds> negative_ttl;  // from the SOA in the authority section, RFC 2308 s5
};

// Nothing when the octets are no well-formed reply. Pure; safe on any input (compression pointers only lead
// backwards).
[[nodiscard]] std::optional<Message> read_message(std::span<const std::uint8_t> octets);

// What a reply means for one question: the records at the end of the chain of CNAMEs.
struct Lookup {
    Status status = Status::temporary;
    std::vector<Record> records;
    std::string final_name;      // where the chain of CNAMEs led; the question's name when there is none
    bool chain_is_open = false;  // the reply ends in a CNAME without saying what is there: ask for final_name
    std::chrono::seconds ttl{0};  // the smallest on the way; of a negative answer the SOA's
    bool authenticated = false;
    bool local_shortage = false;  // temporary through no fault of a server, see Status
    std::string detail;
};

// temporary for what is no answer at all: an error code, a truncated reply, or one of a lame server, which
// knows nothing about the name and would not ask others. detail then goes on after "192.0.2.1:53 ".
[[nodiscard]] Lookup interpret(const Message& message, const std::string& name, RecordType type);

// "MX of example.com": for people, and as the key of equal questions.
[[nodiscard]] std::string question_of(const std::string& name, RecordType type);

// Lower case without trailing dot: the form in which names are compared.
[[nodiscard]] std::string canonical_name(std::string_view name);

}  // namespace posthorn::dns
