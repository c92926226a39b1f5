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
// not exist").
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
    bool authenticated = false;   // DNSSEC, only where the resolver is trusted to say so (dns.trust_ad)
    std::string detail;           // for the operator, where status is not ok: who was asked and what was said

    MxAnswer() = default;
};

struct AddressAnswer {
    Status status = Status::temporary;
    std::vector<IpAddress> v4;
    std::vector<IpAddress> v6;
    std::chrono::seconds ttl{0};
    bool authenticated = false;
    // ok as soon as one family answered. Where the other family failed to answer, or where status is not ok:
    // why.
    std::string detail;

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

    TxtAnswer() = default;
};

// Names an address claims (its PTR records).
struct PtrAnswer {
    Status status = Status::temporary;
    std::vector<std::string> names;
    std::chrono::seconds ttl{0};
    std::string detail;

    PtrAnswer() = default;
};

}  // namespace posthorn::dns
