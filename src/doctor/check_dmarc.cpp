// DMARC beyond "is there a record?": its policy in words, what it names in vain, who gets the reports (SD-79,
// SD-80); and which names count (SD-3).
#include <fmt/format.h>

#include "auth/dns_record.hpp"
#include "base/text.hpp"
#include "doctor/inspector.hpp"
#include "mail/organisational_domain.hpp"

namespace posthorn::doctor {

using auth::DnsAnswer;
using auth::DnsStatus;
using auth::DnsType;
using auth::dmarc::Discovery;

namespace {

std::string_view in_words(auth::dmarc::Policy policy) {
    switch (policy) {
        case auth::dmarc::Policy::none:
            return "p=none: receivers treat mail that fails as before, and report it";
        case auth::dmarc::Policy::quarantine:
            return "p=quarantine: receivers put mail that fails into the spam folder";
        case auth::dmarc::Policy::reject:
            break;
    }
    return "p=reject: receivers refuse mail that fails";
}

bool has_tag(std::string_view record, std::string_view name) {
    for (const std::string_view piece : text::split(record, ';')) {
        const std::string_view tag = text::trim(piece);
        if (text::iequals(text::trim(tag.substr(0, tag.find('='))), name)) return true;
    }
    return false;
}

// The record without its tag pct.
std::string without_percent(std::string_view record) {
    std::string out;
    for (const std::string_view piece : text::split(record, ';')) {
        const std::string_view tag = text::trim(piece);
        if (tag.empty() || text::iequals(text::trim(tag.substr(0, tag.find('='))), "pct")) continue;
        out += (out.empty() ? "" : "; ") + std::string(tag);
    }
    return out;
}

std::string yes_or_no(bool aligned) {
    return aligned ? "aligned" : "NOT aligned";
}

std::string_view in_words(auth::dmarc::Alignment mode) {
    return mode == auth::dmarc::Alignment::strict ? "strict: the same name" : "relaxed";
}

}  // namespace

void Inspector::dmarc_record(const Domain& domain) {
    if (has("dmarc-record", domain.from_domain)) return;
    const Discovery discovery = dmarc_of(domain);
    const std::string title = "DMARC policy of " + domain.from_domain;
    if (discovery.found != Discovery::Found::record) {
        const bool open = discovery.found == Discovery::Found::temporary;
        add("dmarc-record", domain.from_domain, open ? Verdict::unknown : Verdict::skipped, title,
            open ? "DNS gave no answer" : "there is no record that receivers could follow");
        return;
    }
    std::vector<std::string> odd = discovery.record.complaints;
    std::string detail(in_words(discovery.policy()));
    if (discovery.inherited) detail += fmt::format("; by {}, for names below it (sp=)", discovery.at);
    if (has_tag(discovery.text, "pct")) {
        if (discovery.record.percent < 100)
            odd.push_back(
                fmt::format("pct={} has no effect any more (RFC 9989): the policy holds for all mail",
                            discovery.record.percent));
        else
            detail += "; pct=100 has no effect any more (RFC 9989) and can be left out";
    }
    if (discovery.policy() == auth::dmarc::Policy::none)
        detail +=
            "; when the reports show that all of your mail passes, go on to p=quarantine, then p=reject";
    for (const std::string& one : odd) detail += "; " + one;
    Finding& finding = add("dmarc-record", domain.from_domain, odd.empty() ? Verdict::pass : Verdict::warn,
                           title, detail + "\n  " + discovery.text);
    finding.seen.ttl = ask(DnsType::txt, discovery.at).ttl;
    if (odd.empty()) return;
    finding.repair = "change the record at " + discovery.at;
    if (has_tag(discovery.text, "pct") && odd.size() == 1 && discovery.record.complaints.empty())
        finding.records.push_back(zone_file(auth::txt_record(discovery.at, without_percent(discovery.text))));
}

// RFC 7489 s7.1: another domain has to agree to be sent reports.
void Inspector::report_address(const std::string& uri, const std::string& policy_domain,
                               std::vector<std::string>& faults, std::vector<std::string>& records) {
    const std::string shown = "\"" + text::safe_for_log(uri, 200) + "\"";
    if (!text::istarts_with(uri, "mailto:")) {
        faults.push_back(shown + " does not begin with mailto:, so nobody reports there");
        return;
    }
    // "mailto:a@example.com!10m": a size may follow (s6.3).
    std::string address = uri.substr(std::string_view("mailto:").size());
    address = address.substr(0, address.find_first_of("!?"));
    const std::size_t at = address.rfind('@');
    if (at == std::string::npos || at == 0 || at + 1 == address.size()) {
        faults.push_back(shown + " is no mail address");
        return;
    }
    const std::string target = text::to_lower(address.substr(at + 1));
    const DnsAnswer& mx = ask(DnsType::mx, target);
    const DnsAnswer& v4 = ask(DnsType::a, target);
    const bool null_mx =
        mx.status == DnsStatus::ok &&
        std::all_of(mx.texts.begin(), mx.texts.end(), [](const std::string& host) { return host.empty(); });
    if (null_mx)
        faults.push_back(fmt::format("{} takes no mail, as its null MX says: reports to {} cannot arrive",
                                     target, address));
    else if (mx.known() && v4.known() && mx.status != DnsStatus::ok && v4.status != DnsStatus::ok)
        faults.push_back(
            fmt::format("{} has neither MX nor address: reports to {} cannot arrive", target, address));
    if (mail::organisational_domain(target) == mail::organisational_domain(policy_domain)) return;
    const std::string place = policy_domain + "._report._dmarc." + target;
    const DnsAnswer& consent = ask(DnsType::txt, place);
    if (!consent.known()) return;
    if (std::any_of(consent.texts.begin(), consent.texts.end(), auth::dmarc::is_record)) return;
    faults.push_back(fmt::format(
        "{} has not agreed to take reports about {} (no TXT record {}), so receivers send none there", target,
        policy_domain, place));
    records.push_back(zone_file(auth::txt_record(place, "v=DMARC1")));
}

void Inspector::dmarc_reports(const Domain& domain) {
    if (has("dmarc-reports", domain.from_domain)) return;
    const Discovery discovery = dmarc_of(domain);
    const std::string title = "DMARC reports of " + domain.from_domain;
    if (discovery.found != Discovery::Found::record) {
        const bool open = discovery.found == Discovery::Found::temporary;
        add("dmarc-reports", domain.from_domain, open ? Verdict::unknown : Verdict::skipped, title,
            open ? "DNS gave no answer" : "there is no DMARC record");
        return;
    }
    const std::string policy_domain = discovery.at.substr(std::string_view("_dmarc.").size());
    std::vector<std::string> faults, records;
    std::string list;
    constexpr std::size_t kMaxAddresses = 5;
    for (std::size_t i = 0; i < std::min(discovery.record.reports_to.size(), kMaxAddresses); ++i) {
        const std::string& uri = discovery.record.reports_to[i];
        list += (list.empty() ? "" : ", ") + uri;
        report_address(uri, policy_domain, faults, records);
    }
    if (list.empty()) {
        Finding& nobody =
            add("dmarc-reports", domain.from_domain, Verdict::warn, title,
                "the record names nobody who gets reports (rua), so that nobody learns of mail that fails");
        nobody.repair = "add \"; rua=mailto:ADDRESS\" to the record at " + discovery.at +
                        "; the mailbox must exist, and this server takes no mail in";
    } else if (faults.empty()) {
        add("dmarc-reports", domain.from_domain, Verdict::pass, title, "reports go to " + list);
    } else {
        std::string detail;
        for (const std::string& fault : faults) detail += (detail.empty() ? "" : "; ") + fault;
        Finding& lost = add("dmarc-reports", domain.from_domain, Verdict::warn, title, detail);
        lost.repair = records.empty()
                          ? "correct rua= in the record at " + discovery.at
                          : "let the owner of that domain publish this record, or name a mailbox of your own";
        lost.records = std::move(records);
    }
    found_.findings.back().seen.ttl = ask(DnsType::txt, discovery.at).ttl;
}

void Inspector::identities(const Domain& domain) {
    if (has("identities", domain.from_domain)) return;
    const Discovery discovery = dmarc_of(domain);
    const std::string& envelope = envelope_of(domain);
    const bool spf = auth::dmarc::aligned(envelope, domain.from_domain, discovery.record.spf);
    bool dkim = false;
    std::string text =
        fmt::format("SPF    at {} ({}): {}", envelope,
                    domain.mail_from_domain.empty() ? "the EHLO name, as there is no MAIL FROM" : "MAIL FROM",
                    yes_or_no(spf));
    text += fmt::format(" ({})\nSPF    at {} (the EHLO name), for bounces and reports",
                        in_words(discovery.record.spf), domain.helo);
    for (const delivery::DkimSubject& signature : domain.signatures) {
        const bool same = auth::dmarc::aligned(signature.domain, domain.from_domain, discovery.record.dkim);
        dkim = dkim || same;
        text +=
            fmt::format("\nDKIM   at {}._domainkey.{} (d={}): {} ({})", signature.selector, signature.domain,
                        signature.domain, yes_or_no(same), in_words(discovery.record.dkim));
    }
    if (domain.signatures.empty()) text += "\nDKIM   nowhere, as mail is not signed";
    text += fmt::format("\nDMARC  at {} (From)",
                        discovery.at.empty() ? "_dmarc." + domain.from_domain : discovery.at);
    Finding& finding = add("identities", domain.from_domain,
                           spf && dkim   ? Verdict::pass
                           : spf || dkim ? Verdict::warn
                                         : Verdict::fail,
                           "Where mail of " + domain.from_domain + " is judged", text);
    if (!dkim)
        finding.repair =
            fmt::format("give {} a [[domain]] section with a key of its own", domain.from_domain);
    else if (!spf)
        finding.repair = fmt::format(
            "send with a MAIL FROM of {} or a name below it; DKIM alone carries DMARC now, and forwarders "
            "break it at times",
            domain.from_domain);
}

}  // namespace posthorn::doctor
