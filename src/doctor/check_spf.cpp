// SPF beyond "does it pass?": how many records, what they cost, and what is odd in them (SD-76, SD-77).
#include <fmt/format.h>

#include "auth/dns_record.hpp"
#include "auth/spf.hpp"
#include "auth/spf_record.hpp"
#include "doctor/inspector.hpp"

namespace posthorn::doctor {

using auth::DnsAnswer;
using auth::DnsType;
namespace spf = auth::spf;

namespace {

constexpr unsigned kMaxLookups = 10;     // RFC 7208 s4.6.4
constexpr unsigned kMaxVoidLookups = 2;  // the same
constexpr unsigned kLookupsToSpare = 2;  // who has fewer left is told

std::string line_of(const spf::TermSeen& term) {
    std::string line(2 * std::size_t(term.depth + 1), ' ');
    line += term.term;
    if (term.lookups > 0) line += fmt::format("  [{} look-up{}]", term.lookups, term.lookups == 1 ? "" : "s");
    if (term.void_lookups > 0) line += fmt::format("  [{} without an answer]", term.void_lookups);
    if (term.matches) line += "  <- matches";
    if (!term.note.empty()) line += "  (" + term.note + ")";
    return line;
}

std::string tree_of(const spf::Survey& survey) {
    constexpr std::size_t kMaxLines = 60;
    std::string text;
    for (std::size_t i = 0; i < survey.terms.size(); ++i) {
        if (i == kMaxLines) return text + fmt::format("\n  and {} more", survey.terms.size() - i);
        text += "\n" + line_of(survey.terms[i]);
    }
    return text;
}

// What a record without duplicates and mistakes is still warned of.
std::vector<std::string> oddities_of(const spf::Record& record) {
    std::vector<std::string> odd;
    if (record.find(spf::TermKind::ptr) != nullptr)
        odd.emplace_back(
            "\"ptr\" should not be used: it is slow, and big receivers do not look (RFC 7208 s5.5)");
    for (std::string& open : spf::suspicions(record)) odd.push_back(std::move(open));
    const spf::Term* const all = record.find(spf::TermKind::all);
    if (all == nullptr && record.find(spf::TermKind::redirect) == nullptr)
        odd.emplace_back("it does not end in \"~all\" or \"-all\", so that it says nothing about strangers");
    else if (all != nullptr && all->qualifier == '?')
        odd.emplace_back("\"?all\" says nothing about strangers; \"~all\" is what receivers expect");
    if (all != nullptr && all != &record.terms.back() && !record.terms.back().is_modifier())
        odd.emplace_back("what stands behind \"all\" is never looked at");
    return odd;
}

std::string sentences(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : "; ") + word;
    return text;
}

}  // namespace

void Inspector::spf_record(const Domain& domain, const std::string& name) {
    if (name.empty() || has("spf-record", name)) return;
    const std::string title = "SPF record of " + name;
    const DnsAnswer& answer = ask(DnsType::txt, name);
    if (!answer.known()) {
        add("spf-record", name, Verdict::unknown, title, "DNS gave no answer about TXT of " + name);
        return;
    }
    const std::vector<std::string> records = spf_records_of(name);
    if (records.empty()) {
        add("spf-record", name, Verdict::skipped, title, name + " has no SPF record").seen.ttl = answer.ttl;
        return;
    }
    const auto replacement = [&] {
        return zone_file(auth::txt_record(name, spf::with_addresses(records, domain.ips)));
    };
    const auto record = spf::parse(records.front());
    if (records.size() > 1) {
        Finding& several = add("spf-record", name, Verdict::fail, title,
                               fmt::format("{} has {} SPF records where one is allowed; receivers take that "
                                           "as an error (permerror, RFC 7208 s4.5)",
                                           name, records.size()));
        for (const std::string& one : records) several.detail += "\n  " + one;
        several.repair =
            fmt::format("put this one TXT record at {} in place of its {} SPF records", name, records.size());
        several.records.push_back(replacement());
    } else if (!record) {
        Finding& broken = add("spf-record", name, Verdict::fail, title,
                              fmt::format("receivers cannot read it: {}", record.error().what));
        broken.repair = "put this record in its place";
        broken.records.push_back(replacement());
    } else if (const std::vector<std::string> odd = oddities_of(*record); !odd.empty()) {
        Finding& strange =
            add("spf-record", name, Verdict::warn, title, sentences(odd) + "\n  " + records.front());
        strange.repair = "change the record of " + name;
    } else {
        add("spf-record", name, Verdict::pass, title, records.front());
    }
    found_.findings.back().seen.ttl = answer.ttl;
}

void Inspector::spf_tree(const Domain& domain) {
    const std::string& name = envelope_of(domain);
    if (name.empty() || has("spf-tree", name)) return;
    const std::string title = "Look-ups of the SPF record of " + name;
    const DnsAnswer& answer = ask(DnsType::txt, name);
    const std::vector<std::string> records = spf_records_of(name);
    if (!answer.known() || records.size() != 1 || !spf::parse(records.front()) || domain.ips.empty()) {
        const bool known = answer.known() && !domain.ips.empty();
        add("spf-tree", name, known ? Verdict::skipped : Verdict::unknown, title,
            known ? "there is no single, readable SPF record to follow" : "not known yet");
        return;
    }
    // The worst of our addresses: a and mx ask for other records with IPv6 than with IPv4.
    spf::Survey worst;
    bool any = false, all_pass = true;
    for (const IpAddress& ip : domain.ips) {
        const spf::Step judged = spf::evaluate(spf::Subject(ip, name, domain.helo), known_);
        const auto* const outcome = std::get_if<spf::Outcome>(&judged);
        all_pass = all_pass && outcome != nullptr && outcome->verdict == spf::Verdict::pass;
        spf::SurveyStep step = spf::survey(spf::Subject(ip, name, domain.helo), known_);
        if (auto* questions = std::get_if<std::vector<auth::DnsQuestion>>(&step)) {
            for (auth::DnsQuestion& question : *questions) want(std::move(question));
            continue;
        }
        spf::Survey& survey = std::get<spf::Survey>(step);
        if (!any || survey.lookups > worst.lookups || survey.void_lookups > worst.void_lookups)
            worst = std::move(survey);
        any = true;
    }
    if (!any) {
        add("spf-tree", name, Verdict::unknown, title, "not known yet");
        return;
    }
    const bool too_many = worst.lookups > kMaxLookups;
    const bool too_void = worst.void_lookups > kMaxVoidLookups;
    const bool tight = worst.lookups + kLookupsToSpare > kMaxLookups || worst.void_lookups > 0;
    Finding& finding =
        add("spf-tree", name,
            // Receivers stop at the term that matches: what stands behind ours harms others' mail.
            too_many || too_void       ? (all_pass ? Verdict::warn : Verdict::fail)
            : tight || !worst.complete ? Verdict::warn
                                       : Verdict::pass,
            title,
            fmt::format("{} of {} look-ups, {} of {} without an answer (RFC 7208 s4.6.4){}", worst.lookups,
                        kMaxLookups, worst.void_lookups, kMaxVoidLookups, tree_of(worst)));
    finding.seen.ttl = answer.ttl;
    if (too_many)
        finding.repair =
            "take includes out of services that no longer send for you, or write the addresses of small ones "
            "as ip4: and ip6:; receivers stop at "
            "the eleventh term that asks DNS, whatever stands behind it";
    else if (too_void)
        finding.repair = "take the terms out that name what does not exist";
    else if (worst.void_lookups > 0)
        finding.repair =
            "take the term out that names what does not exist; with three of them the record would be void";
    else if (!worst.complete)
        finding.repair =
            "repair or take out the term that is marked: mail that no term before it matches meets an error "
            "there";
    else if (tight)
        finding.repair =
            "the next service that is included may be one too many: name addresses where you can";
}

}  // namespace posthorn::doctor
