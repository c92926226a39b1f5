// Whether DNS publishes the key we sign with, fault by fault, each with an exit code of its own (SD-46).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auth/dkim/key.hpp"
#include "auth/dns_answers.hpp"

namespace posthorn::auth::dkim {

// The numbers are `posthorn dkim testkey`'s exit codes and documented: never changed, never used twice.
enum class KeyFault : std::uint8_t {
    none = 0,           // "key OK"
    no_record = 1,      // the name exists, without a TXT record
    no_name = 2,        // NXDOMAIN
    several = 3,        // more than one TXT record: verifiers take any one (RFC 6376 s3.6.2.2)
    revoked = 4,        // p= is empty
    malformed = 5,      // no tag list, no p=, not base64, quotes or backslashes in the value, no key in p=
    other_type = 6,     // k= names another kind of key than ours
    other_key = 7,      // well-formed, another key than ours: modulus mismatch
    cut_short = 8,      // ours, without its end
    too_short = 9,      // RSA below 1024 bits (RFC 8301 s3.2)
    no_sha256 = 10,     // h= does not allow sha256
    no_email = 11,      // s= does not allow email
    testing = 12,       // t=y: the key is ours, but receivers need not count it
    strict = 13,        // t=s: the key is ours, but i= must be the very d=, never a subdomain; ours is
    servers_differ = 14,  // the zone's servers, or they and the resolver, do not say the same
    exposed = 15,       // the key's file may be read or changed by others
    temporary = 75,     // DNS did not answer
};

[[nodiscard]] constexpr int exit_code_of(KeyFault fault) { return static_cast<int>(fault); }
[[nodiscard]] std::string_view to_string(KeyFault fault);  // "no_record"; of none "ok"

struct KeyVerdict {
    KeyFault fault = KeyFault::temporary;
    std::string words;                 // "key OK", or one sentence: what is wrong, and what to do
    std::vector<std::string> notes;    // what else is to be known, and faults of lower rank
    bool dnssec = false;               // DNSSEC vouches for the answer, so the resolver says

    // Receivers accept signatures of ours by it.
    [[nodiscard]] bool usable() const {
        return fault == KeyFault::none || fault == KeyFault::testing || fault == KeyFault::strict || fault == KeyFault::exposed;
    }
};

// What one record is for our key. Never no_record, no_name, several, servers_differ, exposed or temporary.
struct RecordVerdict {
    KeyFault fault = KeyFault::none;
    std::string words;   // one sentence, also of none
};
[[nodiscard]] RecordVerdict judge_record(std::string_view record, const PrivateKey& ours);

// Pure. answer: to TXT at name, "selector._domainkey.domain". Never servers_differ or exposed, which no single answer tells.
[[nodiscard]] KeyVerdict judge_key(const DnsAnswer& answer, const PrivateKey& ours, std::string_view name);

// What one place said.
struct KeySight {
    std::string place;   // "the resolver", "ns1.example.net (192.0.2.53:53)"
    DnsAnswer answer;
    KeyVerdict verdict;

    KeySight() = default;
};

// All places as one: the verdict that they share, else servers_differ with what each says and, of the resolver, how long it may go on saying so.
// A place that does not answer has no say while another does. resolver may be null. exposed_to: of PrivateKey::warnings(), or empty.
[[nodiscard]] KeyVerdict judge_places(std::span<const KeySight> authorities, const KeySight* resolver, std::string_view exposed_to);

}  // namespace posthorn::auth::dkim
