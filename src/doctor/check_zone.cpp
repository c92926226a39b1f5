// The sender's zone: that it exists and is validated, hosts that take its mail, and what editors of zones
// leave in records (SD-79, SD-83).
#include <fmt/format.h>

#include "auth/dns_record.hpp"
#include "base/text.hpp"
#include "doctor/inspector.hpp"
#include "mail/organisational_domain.hpp"

namespace posthorn::doctor {

using auth::DnsAnswer;
using auth::DnsStatus;
using auth::DnsType;

namespace {

// Quotes that word processors make of '"', as UTF-8.
constexpr std::string_view kTypographic[] = {"\xe2\x80\x9c", "\xe2\x80\x9d", "\xe2\x80\x9e", "\xe2\x80\x98",
                                             "\xe2\x80\x99"};

bool is_damaged(std::string_view text) {
    return text.find('\\') != std::string_view::npos || text.find('"') != std::string_view::npos ||
           !text::is_ascii(text) || text::has_control(text) ||
           (!text.empty() && (text::is_space(text.front()) || text::is_space(text.back())));
}

// What the record was to be: "v=DMARC1\; p=none" -> "v=DMARC1; p=none"; '"v=DKIM1; p=MI" "IB"' -> "v=DKIM1;
// p=MIIB".
std::string cleaned(std::string_view text) {
    std::string plain(text);
    for (const std::string_view quote : kTypographic)
        for (std::size_t at = plain.find(quote); at != std::string::npos; at = plain.find(quote, at))
            plain.replace(at, quote.size(), "\"");
    std::string out;
    for (std::size_t i = 0; i < plain.size(); ++i) {
        if (plain.compare(i, 3, "\" \"") == 0) {
            i += 2;  // two strings of one record
        } else if (plain[i] != '\\' && plain[i] != '"' && !text::is_8bit(plain[i]) &&
                   (!text::is_control(plain[i]))) {
            out += plain[i];
        }
    }
    return std::string(text::trim(out));
}

bool speaks_of(std::string_view text, std::string_view tag) {
    return text::icontains(text, tag);
}

}  // namespace

// A backslash before ";" is the zone file's way to write it; in the live record it ends what receivers read.
void Inspector::escapes(const Domain& domain) {
    if (has("escapes", domain.from_domain)) return;
    struct Place {
        std::string name;
        std::string_view tag;  // what a text there must have to be meant
    };
    std::vector<Place> places = {{domain.from_domain, "v=spf1"},
                                 {domain.helo, "v=spf1"},
                                 {"_dmarc." + domain.from_domain, "v="},
                                 {"_dmarc." + mail::organisational_domain(domain.from_domain), "v="}};
    if (!domain.mail_from_domain.empty()) places.push_back({domain.mail_from_domain, "v=spf1"});
    for (const delivery::DkimSubject& signature : domain.signatures)
        places.push_back({signature.selector + "._domainkey." + signature.domain, "p="});
    std::vector<std::string> damaged, records, seen;
    std::size_t silent = 0;
    for (const Place& place : places) {
        if (std::find(seen.begin(), seen.end(), place.name) != seen.end()) continue;
        seen.push_back(place.name);
        const DnsAnswer& answer = ask(DnsType::txt, place.name);
        silent += answer.known() ? 0 : 1;
        for (const std::string& text : answer.texts) {
            if (!speaks_of(text, place.tag) || !is_damaged(text)) continue;
            damaged.push_back(fmt::format("{} holds {}", place.name, text::safe_for_log(text, 200)));
            records.push_back(zone_file(auth::txt_record(place.name, cleaned(text))));
        }
    }
    const std::string title = "Spelling of the records of " + domain.from_domain;
    if (damaged.empty() && silent == seen.size()) {
        add("escapes", domain.from_domain, Verdict::unknown, title, "DNS gave no answer about any of them");
        return;
    }
    if (damaged.empty()) {
        add("escapes", domain.from_domain, Verdict::pass, title,
            "no quotes, backslashes or other signs of an editor in them");
        return;
    }
    std::string detail;
    for (const std::string& one : damaged) detail += (detail.empty() ? "" : "\n") + one;
    Finding& finding =
        add("escapes", domain.from_domain, Verdict::fail, title,
            "quotes, backslashes or odd characters are part of the live record, where they do not belong:\n" +
                detail);
    finding.repair =
        "enter the value as `posthorn dns show` prints it for web panels: without quotes and backslashes; as "
        "zone file:";
    finding.records = std::move(records);
}

// PR-18: Yahoo looks for the SOA record.
void Inspector::zone(const std::string& name) {
    const std::string apex = mail::organisational_domain(name);
    if (apex.empty() || has("zone", apex)) return;
    const DnsAnswer& soa = ask(DnsType::soa, apex);
    Finding& finding = add("zone", apex,
                           soa.status == DnsStatus::ok ? Verdict::pass
                           : soa.known()               ? Verdict::fail
                                                       : Verdict::unknown,
                           "Zone " + apex,
                           soa.status == DnsStatus::ok         ? "the zone is there (SOA record)"
                           : soa.status == DnsStatus::nxdomain ? apex + " does not exist in DNS"
                           : soa.known()                       ? apex + " has no SOA record"
                                                               : "DNS gave no answer about " + apex +
                                               (soa.detail.empty() ? "" : " (" + soa.detail + ")"));
    finding.seen.ttl = soa.ttl;
    if (finding.verdict == Verdict::fail)
        finding.repair = fmt::format(
            "look whether {} is still registered, and whether its name servers have the zone", apex);
    Finding& signed_zone =
        add("dnssec", apex, soa.known() ? Verdict::pass : Verdict::unknown, "DNSSEC of " + apex,
            !soa.known()    ? soa.detail.empty() ? "no answer" : soa.detail
            : soa.authentic ? "signed, and the resolver says that the signatures are right"
                            : "the zone is not signed, or this resolver does not look; nobody asks for it");
    signed_zone.seen.ttl = soa.ttl;
}

// Answers, DSNs and complaints must be able to come back (RFC 5321 s4.5.1, s2.3.5; RFC 2181 s10.3).
void Inspector::mail_hosts(const std::string& name) {
    if (has("mx-hosts", name)) return;
    constexpr std::size_t kMaxHosts = 10;
    const DnsAnswer& mx = ask(DnsType::mx, name);
    const std::string title = "Mail servers of " + name;
    std::vector<std::string> faults;
    std::size_t good = 0;
    bool open = !mx.known();
    for (std::size_t i = 0; i < std::min(mx.texts.size(), kMaxHosts); ++i) {
        const std::string& host = mx.texts[i];
        if (host.empty()) continue;
        if (IpAddress::parse(host)) {
            faults.push_back(host + " is an address, where the name of a host has to stand (RFC 5321 s5.1)");
            continue;
        }
        const DnsAnswer& v4 = ask(DnsType::a, host);
        const DnsAnswer& v6 = ask(DnsType::aaaa, host);
        const DnsAnswer& alias = ask(DnsType::cname, host);
        open = open || ((!v4.known() || !v6.known()) && v4.addresses.empty() && v6.addresses.empty());
        if (v4.known() && v6.known() && v4.addresses.empty() && v6.addresses.empty())
            faults.push_back(host + " has no address");
        else
            ++good;
        if (alias.status == DnsStatus::ok && !alias.texts.empty())
            faults.push_back(host +
                             " is an alias (CNAME), which an MX record must not name (RFC 2181 s10.3)");
    }
    const bool none = mx.texts.empty() || (mx.texts.size() == 1 && mx.texts.front().empty());
    Finding& finding = add("mx-hosts", name,
                           none && mx.known() ? Verdict::skipped
                           : open             ? Verdict::unknown
                           : faults.empty()   ? Verdict::pass
                           : good == 0        ? Verdict::fail
                                              : Verdict::warn,
                           title, "");
    finding.seen.ttl = mx.ttl;
    if (finding.verdict == Verdict::skipped)
        finding.detail = "there are no MX records to follow";
    else if (finding.verdict == Verdict::unknown)
        finding.detail = "DNS gave no answer about all of them";
    else if (faults.empty())
        finding.detail = fmt::format("{} host{}, with addresses", good, good == 1 ? "" : "s");
    for (const std::string& fault : faults)
        if (finding.verdict >= Verdict::warn) finding.detail += (finding.detail.empty() ? "" : "; ") + fault;
    if (finding.verdict >= Verdict::warn)
        finding.repair =
            fmt::format("correct the MX records of {}: answers and reports about your mail go there", name);
}

}  // namespace posthorn::doctor
