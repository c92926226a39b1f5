// Names and addresses: reverse DNS, the sender's domains, the EHLO name.
#include <fmt/format.h>

#include "auth/dns_record.hpp"
#include "base/join.hpp"
#include "base/text.hpp"
#include "delivery/examiner.hpp"
#include "dns/answers.hpp"
#include "mail/domain.hpp"
#include "mail/organisational_domain.hpp"

namespace posthorn::delivery {

using auth::DnsAnswer;
using auth::DnsStatus;
using auth::DnsType;

namespace {

DnsType address_type(const IpAddress& ip) {
    return ip.is_v4() ? DnsType::a : DnsType::aaaa;
}

bool has(const DnsAnswer& answer, const IpAddress& ip) {
    return std::find(answer.addresses.begin(), answer.addresses.end(), ip) != answer.addresses.end();
}

}  // namespace

bool looks_generic(const std::string& name, const IpAddress& ip) {
    if (!ip.is_v4()) return false;
    const std::string text = ip.to_string();
    std::size_t found = 0;
    std::vector<std::string_view> numbers;
    for (const std::string_view piece : text::split(text, '.')) numbers.push_back(piece);
    for (const std::string_view number : numbers) {
        for (std::size_t at = name.find(number); at != std::string::npos; at = name.find(number, at + 1)) {
            const bool whole = (at == 0 || !text::is_digit(name[at - 1])) &&
                               (at + number.size() >= name.size() || !text::is_digit(name[at + number.size()]));
            if (!whole) continue;
            ++found;
            break;
        }
    }
    return found >= 3;
}

// PR-2: a name, and the name leads back.
void Examiner::ptr() {
    constexpr std::size_t kMaxNames = 10;
    for (const IpAddress& ip : question_.ips) {
        const std::string reverse = dns::reverse_name(ip);
        const DnsAnswer& names = ask(DnsType::ptr, reverse);
        const std::string subject = ip.to_string();
        if (!names.known()) {
            fact(FactKind::ptr, FactResult::unknown, subject,
                 "DNS gave no answer about the name of " + subject + (names.detail.empty() ? "" : " (" + names.detail + ")"));
            continue;
        }
        std::chrono::seconds ttl = names.ttl;
        std::string leads_back;
        bool open = false;
        for (std::size_t i = 0; i < std::min(names.texts.size(), kMaxNames); ++i) {
            const DnsAnswer& addresses = ask(address_type(ip), names.texts[i]);
            open = open || !addresses.known();
            if (addresses.known()) ttl = std::min(ttl, addresses.ttl);
            if (leads_back.empty() && has(addresses, ip)) leads_back = names.texts[i];
        }
        const std::string hoster = fmt::format(
            "set the reverse DNS (PTR record) of {} to {}: in the hoster's panel, or by asking his support, as the zone is his",
            subject, question_.helo);
        if (!leads_back.empty()) {
            fact(FactKind::ptr, FactResult::pass, subject,
                 fmt::format(
                     "{} is {}, and that name is {}{}", subject, leads_back, subject,
                     looks_generic(leads_back, ip)
                         ? "; the name looks like one that a hoster gives to all his addresses, which some receivers dislike"
                         : ""));
        } else if (open) {
            fact(FactKind::ptr, FactResult::unknown, subject,
                 fmt::format("{} is {}; DNS gave no answer about the addresses of that", subject, text::joined(names.texts)));
        } else if (names.texts.empty()) {
            Fact& none =
                fact(FactKind::ptr, FactResult::fail, subject, fmt::format("{} has no name in DNS (no PTR record)", subject));
            none.repair = hoster;
            none.record = zone_file(auth::DnsRecord(reverse, "PTR", question_.helo));
        } else {
            Fact& other = fact(FactKind::ptr, FactResult::fail, subject,
                               fmt::format("{} is {}, but that name has no such address", subject, text::joined(names.texts)));
            other.repair = fmt::format("give {} the address {}, or {}", names.texts.front(), subject, hoster);
            if (mail::is_valid_hostname(names.texts.front()))
                other.record = zone_file(auth::DnsRecord(names.texts.front(), std::string(to_string(address_type(ip))), subject));
        }
        found_.facts.back().ttl = ttl;
    }
}

// PR-18, PR-32, RFC 7505 s4.2: the domain exists and could be answered to.
void Examiner::sender_domains() {
    std::vector<std::string> domains = {question_.from_domain};
    if (!question_.mail_from_domain.empty() && question_.mail_from_domain != question_.from_domain)
        domains.push_back(question_.mail_from_domain);
    for (const std::string& domain : domains) {
        const DnsAnswer& zone = ask(DnsType::soa, mail::organisational_domain(domain));
        const DnsAnswer& mx = ask(DnsType::mx, domain);
        const DnsAnswer& v4 = ask(DnsType::a, domain);
        const DnsAnswer& v6 = ask(DnsType::aaaa, domain);
        const bool null_mx = mx.status == DnsStatus::ok &&
                             std::all_of(mx.texts.begin(), mx.texts.end(), [](const std::string& host) { return host.empty(); });
        if (null_mx) {
            Fact& null = fact(FactKind::sender_domain, FactResult::fail, domain,
                              domain +
                                  " says by a null MX record that it takes no mail; receivers refuse mail from there, as nobody "
                                  "could be told (RFC 7505)");
            null.repair = fmt::format("put an MX record that names a mail server in place of the null MX of {}", domain);
        } else if (mx.status == DnsStatus::ok || v4.status == DnsStatus::ok || v6.status == DnsStatus::ok) {
            fact(FactKind::sender_domain, FactResult::pass, domain,
                 fmt::format("{} exists and {}", domain, mx.status == DnsStatus::ok ? "has MX records" : "has an address"));
        } else if (zone.status == DnsStatus::nxdomain || mx.status == DnsStatus::nxdomain) {
            Fact& none = fact(FactKind::sender_domain, FactResult::fail, domain, domain + " does not exist in DNS");
            none.repair = zone.status == DnsStatus::nxdomain
                              ? fmt::format("look whether {} is still registered, and its name servers answer",
                                            mail::organisational_domain(domain))
                              : fmt::format("publish an MX record of {}, or send from a domain that has one", domain);
        } else if (!mx.known() || !v4.known() || !v6.known()) {
            fact(FactKind::sender_domain, FactResult::unknown, domain,
                 "DNS gave no answer about " + domain + (mx.detail.empty() ? "" : " (" + mx.detail + ")"));
        } else {
            Fact& none = fact(FactKind::sender_domain, FactResult::fail, domain,
                              domain + " has neither MX nor address, so that nobody can answer");
            none.repair = fmt::format("publish an MX record of {}", domain);
            none.record = zone_file(auth::DnsRecord(domain, "MX", "10 " + question_.helo));
        }
        found_.facts.back().ttl = mx.ttl;
    }
}

void Examiner::helo() {
    for (const IpAddress& ip : question_.ips) {
        const DnsAnswer& addresses = ask(address_type(ip), question_.helo);
        const std::string subject = fmt::format("{} for {}", question_.helo, ip.to_string());
        if (!addresses.known()) {
            fact(FactKind::helo, FactResult::unknown, subject,
                 "DNS gave no answer about " + question_.helo + (addresses.detail.empty() ? "" : " (" + addresses.detail + ")"));
        } else if (has(addresses, ip)) {
            fact(FactKind::helo, FactResult::pass, subject,
                 fmt::format("the name we say in EHLO, {}, is {}", question_.helo, ip.to_string()));
        } else {
            Fact& other = fact(
                FactKind::helo, FactResult::fail, subject,
                fmt::format("the name we say in EHLO, {}, {} {}", question_.helo,
                            addresses.addresses.empty() ? "has no address like" : "has other addresses than", ip.to_string()));
            other.repair = "publish this record, or set \"hostname\" to a name that has the address";
            other.record = zone_file(auth::DnsRecord(question_.helo, std::string(to_string(address_type(ip))), ip.to_string()));
        }
        found_.facts.back().ttl = addresses.ttl;
    }
}

}  // namespace posthorn::delivery
