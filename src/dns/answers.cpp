// What RFC 5321 s5.1, RFC 7505, RFC 7208 and RFC 7672 make of records.
#include "dns/answers.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace posthorn::dns {
namespace {

// What the plain answers have in common.
template <class Answer>
Answer told_by(Lookup& lookup) {
    Answer answer;
    answer.status = lookup.status;
    answer.ttl = lookup.ttl;
    answer.local_shortage = lookup.local_shortage;
    answer.detail = std::move(lookup.detail);
    return answer;
}

std::string target_of(const Lookup& lookup, const std::string& name) {
    return lookup.final_name == name ? std::string() : lookup.final_name;
}

}  // namespace

IpAddress address_of(const Record& record) {
    if (record.type == RecordType::a) {
        std::array<std::uint8_t, 4> octets{};
        std::memcpy(octets.data(), record.text.data(), octets.size());
        return IpAddress::from_v4(octets);
    }
    std::array<std::uint8_t, 16> octets{};
    std::memcpy(octets.data(), record.text.data(), octets.size());
    return IpAddress::from_v6(octets);
}

// "4.3.2.1.in-addr.arpa" or the nibbles of RFC 3596 s2.5.
std::string reverse_name(const IpAddress& address) {
    const auto& octets = address.octets();
    std::string name;
    if (address.is_v4()) {
        for (std::size_t i = 16; i > 12; --i) {
            name += std::to_string(octets[i - 1]) + '.';
        }
        return name + "in-addr.arpa";
    }
    constexpr std::string_view kHex = "0123456789abcdef";
    for (std::size_t i = 16; i > 0; --i) {
        name += kHex[octets[i - 1] & 0x0F];
        name += '.';
        name += kHex[octets[i - 1] >> 4];
        name += '.';
    }
    return name + "ip6.arpa";
}

MxAnswer mx_answer(Lookup lookup, const std::string& domain) {
    MxAnswer answer = told_by<MxAnswer>(lookup);
    answer.authenticated = lookup.authenticated;
    answer.cname_target = target_of(lookup, domain);
    if (lookup.status == Status::no_data) {
        // RFC 5321 s5.1: "If an empty list of MXs is returned, the address is treated as if it was associated
        // with an implicit MX RR, with a preference of 0, pointing to that host." A CNAME's target is "the
        // initial name" then.
        answer.status = Status::ok;
        answer.implicit = true;
        answer.hosts.emplace_back(std::uint16_t{0}, lookup.final_name);
        return answer;
    }
    if (lookup.status != Status::ok) {
        return answer;
    }
    for (Record& record : lookup.records) {
        if (!record.text.empty()) {
            answer.hosts.emplace_back(record.preference, std::move(record.text));
        }
    }
    if (answer.hosts.empty()) {
        // RFC 7505 s3: a single MX whose host is the root. Beside other hosts the root is a mistake and left
        // out.
        answer.null_mx = true;
        answer.detail = "the domain " + domain + " accepts no mail: it has a null MX record (RFC 7505)";
        return answer;
    }
    std::stable_sort(answer.hosts.begin(), answer.hosts.end(),
                     [](const MxHost& a, const MxHost& b) { return a.preference < b.preference; });
    if (answer.hosts.size() > kMaxMxHosts) {
        answer.hosts.resize(kMaxMxHosts);
    }
    return answer;
}

AddressAnswer address_answer(const Lookup* v4, const Lookup* v6, const std::string& host) {
    AddressAnswer answer;
    const auto take = [](const Lookup* lookup, std::vector<IpAddress>& addresses) {
        for (std::size_t i = 0; lookup != nullptr && i < lookup->records.size() && i < kMaxAddresses; ++i) {
            addresses.push_back(address_of(lookup->records[i]));
        }
    };
    take(v4, answer.v4);
    take(v6, answer.v6);

    // A family that failed to answer does not take away what the other one has.
    const Lookup* failed = v4 != nullptr && v4->status == Status::temporary   ? v4
                           : v6 != nullptr && v6->status == Status::temporary ? v6
                                                                              : nullptr;
    const Lookup* told = v4 == nullptr || (answer.v4.empty() && !answer.v6.empty()) ? v6 : v4;
    if (!answer.v4.empty() || !answer.v6.empty()) {
        answer.status = Status::ok;
        answer.ttl = answer.v4.empty() ? v6->ttl : answer.v6.empty() ? v4->ttl : std::min(v4->ttl, v6->ttl);
        answer.authenticated =
            (answer.v4.empty() || v4->authenticated) && (answer.v6.empty() || v6->authenticated);
        answer.detail = failed != nullptr ? failed->detail : std::string();
    } else {
        told = failed != nullptr ? failed : told;
        answer.status = told->status;
        answer.ttl = v4 != nullptr && v6 != nullptr ? std::min(v4->ttl, v6->ttl) : told->ttl;
        answer.authenticated = told->authenticated;
        answer.local_shortage = told->local_shortage;
        answer.detail = told->detail;
        if (answer.status == Status::no_data && v4 != nullptr && v6 != nullptr) {
            answer.detail =
                "the name " + told->final_name + " exists in DNS, but has no address (neither A nor AAAA)";
        }
    }
    answer.cname_target = target_of(*told, host);
    answer.alias_authenticated = answer.authenticated && !answer.cname_target.empty();
    return answer;
}

void add_alias(AddressAnswer& answer, Lookup alias) {
    if (alias.status != Status::temporary) {
        answer.alias_authenticated = alias.status == Status::ok && alias.authenticated;
        return;
    }
    answer.status = Status::temporary;
    answer.local_shortage = alias.local_shortage;
    answer.detail = std::move(alias.detail);
}

TxtAnswer txt_answer(Lookup lookup) {
    TxtAnswer answer = told_by<TxtAnswer>(lookup);
    answer.authenticated = lookup.authenticated;
    for (Record& record : lookup.records) {
        answer.texts.push_back(std::move(record.text));
    }
    return answer;
}

TlsaAnswer tlsa_answer(Lookup lookup, const std::string& name) {
    TlsaAnswer answer = told_by<TlsaAnswer>(lookup);
    answer.authenticated = lookup.authenticated;
    answer.cname_target = target_of(lookup, name);
    const auto octet = [](char c) { return static_cast<std::uint8_t>(c); };
    for (const Record& record : lookup.records) {
        answer.records.emplace_back(octet(record.text[0]), octet(record.text[1]), octet(record.text[2]),
                                    record.text.substr(3));
    }
    return answer;
}

PtrAnswer ptr_answer(Lookup lookup) {
    PtrAnswer answer = told_by<PtrAnswer>(lookup);
    for (Record& record : lookup.records) {
        answer.names.push_back(std::move(record.text));
    }
    return answer;
}

}  // namespace posthorn::dns
