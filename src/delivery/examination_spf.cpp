// SPF: of MAIL FROM's domain, of the EHLO name, of From's domain.
#include <fmt/format.h>

#include "auth/dns_record.hpp"
#include "auth/spf_record.hpp"
#include "base/join.hpp"
#include "delivery/examiner.hpp"

namespace posthorn::delivery {

using auth::DnsAnswer;
using auth::DnsType;

namespace {

std::string no_address_words(const std::string& helo) {
    return fmt::format(
        "our public address is not known: the name we say in EHLO, {}, has none in DNS; publish one, or name the address", helo);
}

}  // namespace

void Examiner::spf() {
    const std::string& domain = spf_domain();
    if (question_.ips.empty()) {
        fact(FactKind::spf, FactResult::unknown, domain, no_address_words(question_.helo));
        return;
    }
    const std::vector<std::string> records = spf_records_of(domain);
    const std::chrono::seconds ttl = ask(DnsType::txt, domain).ttl;
    std::vector<IpAddress> missing;
    const std::size_t first = found_.facts.size();
    for (const IpAddress& ip : question_.ips) {
        const std::optional<auth::spf::Outcome> outcome = evaluate(domain, ip);
        const std::string subject = fmt::format("{} from {}", domain, ip.to_string());
        if (!outcome) {
            fact(FactKind::spf, FactResult::unknown, subject, "not asked yet");
            continue;
        }
        const std::string verdict(to_string(outcome->verdict));
        switch (outcome->verdict) {
            case auth::spf::Verdict::pass:
                fact(FactKind::spf, FactResult::pass, subject,
                     fmt::format("SPF passes by \"{}\"{}", outcome->term,
                                 outcome->domain == domain ? std::string() : " of " + outcome->domain));
                break;
            case auth::spf::Verdict::temperror:
                fact(FactKind::spf, FactResult::unknown, subject, "SPF could not be evaluated: " + outcome->why);
                break;
            default:
                missing.push_back(ip);
                fact(FactKind::spf, FactResult::fail, subject,
                     outcome->term.empty()
                         ? fmt::format("SPF gives {}: {}", verdict, outcome->why)
                         : fmt::format("SPF gives {} by \"{}\" of {}", verdict, outcome->term, outcome->domain));
                break;
        }
        found_.facts.back().ttl = ttl;
    }
    std::vector<std::string> doubts;  // Gmail's 4.7.24
    if (records.size() == 1)
        if (const auto record = auth::spf::parse(records.front())) doubts = auth::spf::suspicions(*record);
    const std::string line = auth::zone_file(auth::txt_record(domain, auth::spf::with_addresses(records, missing)));
    for (std::size_t i = first; i < found_.facts.size(); ++i) {
        Fact& one = found_.facts[i];
        if (one.result == FactResult::fail) {
            one.record = line;
            one.repair = records.empty() ? fmt::format("publish this TXT record at {}", domain)
                         : records.size() > 1
                             ? fmt::format("put this one TXT record at {} in place of its {} SPF records", domain, records.size())
                             : fmt::format("change the SPF record of {} to this", domain);
        } else if (one.result == FactResult::pass && !doubts.empty()) {
            one.result = FactResult::fail;
            one.detail += ", but the record is one that Gmail calls suspicious (4.7.24): " + text::joined(doubts);
            one.repair =
                fmt::format("name the machines that send for {} and no others: {} and those of your other senders", domain,
                            (question_.ips.front().is_v4() ? "ip4:" : "ip6:") + question_.ips.front().to_string());
        }
    }
}

// Failing is what counts: without a record the null sender's mail has its DKIM signature.
void Examiner::spf_of_helo() {
    if (question_.mail_from_domain.empty() || question_.mail_from_domain == question_.helo) return;
    for (const IpAddress& ip : question_.ips) {
        const std::optional<auth::spf::Outcome> outcome = evaluate(question_.helo, ip);
        const std::string subject = fmt::format("{} from {}", question_.helo, ip.to_string());
        if (!outcome || outcome->verdict == auth::spf::Verdict::temperror) {
            fact(FactKind::spf_helo, FactResult::unknown, subject,
                 outcome ? "SPF could not be evaluated: " + outcome->why : "not asked yet");
        } else if (outcome->verdict == auth::spf::Verdict::pass) {
            fact(FactKind::spf_helo, FactResult::pass, subject,
                 fmt::format("SPF of the EHLO name passes by \"{}\"", outcome->term));
        } else if (outcome->verdict == auth::spf::Verdict::none || outcome->verdict == auth::spf::Verdict::neutral) {
            Fact& none = fact(FactKind::spf_helo, FactResult::pass, subject,
                              "the EHLO name has no SPF record that says no; with \"v=spf1 a -all\" at it reports (with the null "
                              "sender) would pass SPF, too");
            none.record = auth::zone_file(auth::txt_record(question_.helo, "v=spf1 a -all"));
        } else {
            Fact& fails =
                fact(FactKind::spf_helo, FactResult::fail, subject,
                     fmt::format("SPF of the EHLO name gives {}{}", to_string(outcome->verdict),
                                 outcome->term.empty() ? ": " + outcome->why : fmt::format(" by \"{}\"", outcome->term)));
            fails.repair = fmt::format("change the SPF record of {} to this", question_.helo);
            const std::vector<IpAddress> ours = {ip};
            fails.record = auth::zone_file(auth::txt_record(question_.helo, auth::spf::with_addresses(spf_records_of(question_.helo), ours)));
        }
        found_.facts.back().ttl = ask(DnsType::txt, question_.helo).ttl;
    }
}

// PR-32: docomo wants an SPF record of From's domain, whatever MAIL FROM is.
void Examiner::spf_of_from() {
    const std::string& domain = question_.from_domain;
    if (domain.empty() || domain == spf_domain()) return;
    const DnsAnswer& answer = ask(DnsType::txt, domain);
    if (!answer.known()) {
        fact(FactKind::spf_from, FactResult::unknown, domain, "DNS gave no answer about TXT of " + domain);
        return;
    }
    const std::vector<std::string> records = spf_records_of(domain);
    if (records.size() == 1 && auth::spf::parse(records.front())) {
        fact(FactKind::spf_from, FactResult::pass, domain, "From's domain has an SPF record");
    } else {
        Fact& none =
            fact(FactKind::spf_from, FactResult::fail, domain,
                 records.empty() ? "From's domain has no SPF record, which docomo asks for though MAIL FROM is another domain"
                                 : "the SPF record of From's domain is broken");
        none.repair = fmt::format("publish this TXT record at {}{}", domain, records.empty() ? "" : " in place of what is there");
        none.record = auth::zone_file(auth::txt_record(domain, auth::spf::with_addresses(records, question_.ips)));
    }
    found_.facts.back().ttl = answer.ttl;
}

}  // namespace posthorn::delivery
