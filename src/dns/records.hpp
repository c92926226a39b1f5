// What DNS said about a name, as plain values: mail hosts, addresses, texts, and how sure the answer is.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.hpp"

namespace posthorn::dns {

// ok: there are records. nxdomain: the name does not exist. no_data: the name exists, without such records.
// temporary: no answer, SERVFAIL, REFUSED or rubbish; nothing is known, try later (never treat it as "does
// not exist"). Where an answer is temporary, its local_shortage tells whose fault that is: true when the
// question never got as far as a server because this process had no descriptors or memory left, or is ending.
// Such a failure says nothing about the destination, and must not count against it.
enum class Status : std::uint8_t { ok, nxdomain, no_data, temporary };

[[nodiscard]] std::string_view to_string(Status status);  // "ok", "nxdomain", "nodata", "tempfail"

struct MxHost {
    std::uint16_t preference = 0;
    std::string name;  // lower case, no trailing dot

    MxHost() = default;
    MxHost(std::uint16_t number, std::string host) : preference(number), name(std::move(host)) {}
    friend bool operator==(const MxHost&, const MxHost&) = default;
};

// Where mail for a domain goes. hosts is empty unless status is ok and null_mx is false.
struct MxAnswer {
    Status status = Status::temporary;
    std::vector<MxHost> hosts;    // lowest preference first; equals in the order DNS gave them
    bool null_mx = false;         // the domain takes no mail at all (RFC 7505): fails at once, 5.1.10
    bool implicit = false;        // no MX, so hosts is the name itself (RFC 5321 s5.1), if it has addresses
    std::string cname_target;     // where CNAMEs led, or empty
    std::chrono::seconds ttl{0};  // how long the answer may still be used
    // DNSSEC vouches for all of it, CNAMEs included; only where the resolver is trusted to say so
    // (dns.trust_ad).
    bool authenticated = false;
    std::string detail;           // for the operator, where status is not ok: who was asked and what was said
    bool local_shortage = false;  // see Status

    MxAnswer() = default;
};

// Where a host is, and what RFC 7672 s2.2 needs for its TLSA base domain:
//   authenticated                            the fully expanded name, cname_target or else the host itself
//   not authenticated, alias_authenticated   the host's own name only: its zone is signed, its target's is
//   not neither                                  none, DANE does not apply: TLSA records are not asked for
struct AddressAnswer {
    Status status = Status::temporary;
    std::vector<IpAddress> v4;
    std::vector<IpAddress> v6;
    std::chrono::seconds ttl{0};
    // DNSSEC vouches for the addresses and for every CNAME on the way to them.
    bool authenticated = false;
    // DNSSEC vouches for the host's own CNAME, wherever that leads. Always false without a CNAME. Where the
    // addresses are not authenticated it is asked for on its own; when that fails, status is temporary, as
    // nobody can say whether DANE applies (RFC 7672 s2.1.2).
    bool alias_authenticated = false;
    std::string cname_target;  // where CNAMEs led in the end, or empty
    // ok as soon as one family answered. Where the other family failed to answer, or where status is not ok:
    // why.
    std::string detail;
    bool local_shortage = false;  // see Status

    AddressAnswer() = default;
    // IPv4 first: on a small VPS IPv6 is the one without a PTR record.
    [[nodiscard]] std::vector<IpAddress> all() const;
};

struct TxtAnswer {
    Status status = Status::temporary;
    std::vector<std::string>
        texts;  // one per record, its strings joined without anything between (RFC 7208 s3.3)
    std::chrono::seconds ttl{0};
    bool authenticated = false;
    std::string detail;
    bool local_shortage = false;  // see Status

    TxtAnswer() = default;
};

// One TLSA record (RFC 6698 s2.1), as it is in DNS: which are usable is decided where TLS is (RFC 7672 s3.1).
struct TlsaRecord {
    std::uint8_t usage = 0;
    std::uint8_t selector = 0;
    std::uint8_t matching = 0;
    std::string data;  // octets

    TlsaRecord() = default;
    TlsaRecord(std::uint8_t use, std::uint8_t part, std::uint8_t match, std::string octets)
        : usage(use), selector(part), matching(match), data(std::move(octets)) {}
    friend bool operator==(const TlsaRecord&, const TlsaRecord&) = default;
};

// nxdomain and no_data: no TLSA records. temporary (SERVFAIL, time-out, bogus): the host must not be used
// (RFC 7672 s2.1.2, DA-6). records that are not authenticated count as none.
struct TlsaAnswer {
    Status status = Status::temporary;
    std::vector<TlsaRecord> records;  // well-formed ones, in the order of DNS
    bool authenticated = false;       // of the negative answers, too: a signed zone says that there are none
    std::string cname_target;         // where CNAMEs led, or empty
    std::chrono::seconds ttl{0};
    std::string detail;
    bool local_shortage = false;  // see Status

    TlsaAnswer() = default;
};

// Names an address claims (its PTR records).
struct PtrAnswer {
    Status status = Status::temporary;
    std::vector<std::string> names;
    std::chrono::seconds ttl{0};
    std::string detail;
    bool local_shortage = false;  // see Status

    PtrAnswer() = default;
};

}  // namespace posthorn::dns
