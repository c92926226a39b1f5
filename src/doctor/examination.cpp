// The checks in their order, the facts that a diagnosis knows as findings, and the findings of several places
// as one.
#include "doctor/examination.hpp"

#include <fmt/format.h>

#include "auth/spf.hpp"
#include "base/text.hpp"
#include "delivery/examination.hpp"
#include "doctor/inspector.hpp"

namespace posthorn::doctor {

using auth::DnsAnswer;
using auth::DnsQuestion;
using auth::DnsType;
using delivery::Fact;
using delivery::FactKind;
using delivery::FactResult;

namespace {

Verdict verdict_of(FactResult result) {
    switch (result) {
        case FactResult::pass:
            return Verdict::pass;
        case FactResult::fail:
            return Verdict::fail;
        case FactResult::unknown:
            break;
    }
    return Verdict::unknown;
}

std::string title_of(const Fact& fact) {
    switch (fact.kind) {
        case FactKind::spf:
            return "SPF of " + fact.subject;
        case FactKind::spf_helo:
            return "SPF of the EHLO name " + fact.subject;
        case FactKind::spf_from:
            return "SPF record of From's domain " + fact.subject;
        case FactKind::dkim:
            return "DKIM key " + fact.subject;
        case FactKind::dmarc:
            return "DMARC of " + fact.subject;
        case FactKind::alignment:
            return "Alignment of " + fact.subject;
        case FactKind::ptr:
            return "Reverse DNS of " + fact.subject;
        case FactKind::sender_domain:
            return "Domain " + fact.subject;
        case FactKind::helo:
            break;
    }
    return "EHLO name " + fact.subject;
}

bool is_plain(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || !text::is_control(c); }) &&
           text::is_ascii(text);
}

// Names and records in DNS may have any octets, and these words go to terminals and JSON. Lines of ours stay
// lines.
std::string made_plain(const std::string& text) {
    if (is_plain(text)) return text;
    std::string out;
    for (const std::string_view line : text::split(text, '\n'))
        out += (out.empty() ? "" : "\n") + text::safe_for_log(line, 4000);
    return out;
}

void make_plain(Finding& finding) {
    for (std::string* text : {&finding.title, &finding.detail, &finding.repair, &finding.subject})
        *text = made_plain(*text);
    for (std::string& record : finding.records) record = made_plain(record);
}

}  // namespace

std::vector<std::string> Inspector::spf_records_of(const std::string& name) {
    std::vector<std::string> records;
    for (const std::string& text : ask(DnsType::txt, name).texts)
        if (auth::spf::is_record(text)) records.push_back(text);
    return records;
}

const auth::dmarc::Discovery& Inspector::dmarc_of(const Domain& domain) {
    auth::dmarc::Step step = auth::dmarc::discover(domain.from_domain, known_);
    discovery_ = {};
    if (auto* questions = std::get_if<std::vector<DnsQuestion>>(&step)) {
        for (DnsQuestion& question : *questions) want(std::move(question));
        discovery_.found = auth::dmarc::Discovery::Found::temporary;
    } else {
        discovery_ = std::move(std::get<auth::dmarc::Discovery>(step));
    }
    return discovery_;
}

// What a diagnosis looks at is the doctor's, too.
void Inspector::facts(const Domain& domain) {
    delivery::Examination examined = delivery::examine(domain, known_);
    for (DnsQuestion& question : examined.wanted) want(std::move(question));
    const bool another_key_passes = std::any_of(
        examined.facts.begin(), examined.facts.end(),
        [](const Fact& fact) { return fact.kind == FactKind::dkim && fact.result == FactResult::pass; });
    for (Fact& fact : examined.facts) {
        const std::string check(delivery::to_string(fact.kind));
        if (has(check, fact.subject)) continue;
        Finding& finding = add(check, fact.subject, verdict_of(fact.result), title_of(fact), fact.detail);
        finding.repair = fact.repair;
        if (!fact.record.empty() && fact.result == FactResult::fail) finding.records.push_back(fact.record);
        finding.seen.ttl = fact.ttl;
        // PR-32: only docomo asks for it.
        if (fact.kind == FactKind::spf_from && finding.verdict == Verdict::fail)
            finding.verdict = Verdict::warn;
        if (fact.kind != FactKind::dkim || fact.result != FactResult::fail) continue;
        if (another_key_passes) {
            finding.verdict = Verdict::warn;
            finding.detail += "; mail passes by its other signature";
        }
        // Again and again without harm: it makes what is not there, and prints the records that DNS lacks.
        if (domain.signatures.empty()) finding.commands.push_back("posthorn domain add " + domain.from_domain);
        for (const delivery::DkimSubject& signature : domain.signatures)
            if (signature.selector + "._domainkey." + signature.domain == fact.subject)
                compare_key(finding, signature);
    }
}

Examination Inspector::run() {
    for (const Domain& domain : question_.domains) {
        addresses(domain);
        facts(domain);
        names_of_addresses(domain);
        ipv6(domain);
        spf_record(domain, envelope_of(domain));
        spf_record(domain, domain.helo);
        spf_record(domain, domain.from_domain);
        spf_tree(domain);
        keys(domain);
        adsp(domain);
        dmarc_record(domain);
        dmarc_reports(domain);
        identities(domain);
        escapes(domain);
        zone(domain.from_domain);
        mail_hosts(domain.from_domain);
        if (!domain.mail_from_domain.empty()) {
            zone(domain.mail_from_domain);
            mail_hosts(domain.mail_from_domain);
        }
        block_lists(domain);
    }
    for (const Domain& domain : question_.domains) without_ipv6(domain);
    for (Finding& finding : found_.findings) make_plain(finding);
    return std::move(found_);
}

Examination examine(const Question& question, const auth::DnsAnswers& known) {
    return Inspector(question, known).run();
}

bool is_ours(const Question& question, const std::string& name) {
    return std::any_of(
        question.domains.begin(), question.domains.end(),
        [&](const delivery::DiagnosisQuestion& domain) { return delivery::is_ours(domain, name); });
}

namespace {

const Finding* same_in(const std::vector<Finding>& view, const Finding& finding) {
    const auto same = std::find_if(view.begin(), view.end(), [&](const Finding& other) {
        return other.check == finding.check && other.subject == finding.subject;
    });
    return same == view.end() ? nullptr : &*same;
}

// Whether DNSSEC holds, only a resolver that validates says: the zone's servers answer whatever they have.
bool is_for_resolver(const Finding& finding) {
    return finding.check == "dnssec" || finding.check == "dnsbl";
}

void judge_dnssec(Finding& finding, std::span<const std::vector<Finding>> at_authorities) {
    if (finding.check != "dnssec" || finding.verdict != Verdict::unknown) return;
    for (const std::vector<Finding>& view : at_authorities) {
        const Finding* const there = same_in(view, finding);
        if (there == nullptr || there->verdict == Verdict::unknown) continue;
        finding.verdict = Verdict::fail;
        finding.detail = fmt::format(
            "the servers of {} answer, but the resolver gives no answer ({}): its DNSSEC signatures are "
            "wrong or over, or the resolver itself does not work; "
            "every receiver that validates sees nothing of this domain",
            finding.subject, finding.seen.at_resolver);
        finding.repair =
            "look at the zone with a DNSSEC debugger; sign it again, or take its DS record out at the "
            "registrar";
        finding.commands.push_back("delv " + finding.subject + " SOA");
        return;
    }
}

}  // namespace

std::vector<Finding> combine(std::vector<Finding> at_resolver,
                             std::span<const std::vector<Finding>> at_authorities) {
    for (Finding& finding : at_resolver) {
        finding.seen.at_resolver = finding.detail;
        if (is_for_resolver(finding)) {
            judge_dnssec(finding, at_authorities);
            continue;
        }
        const Finding* decides = nullptr;  // the worst of what is known
        std::size_t known = 0, agree = 0;
        for (const std::vector<Finding>& view : at_authorities) {
            const Finding* const there = same_in(view, finding);
            if (there == nullptr || there->verdict == Verdict::unknown) continue;
            ++known;
            if (decides == nullptr || there->verdict > decides->verdict) decides = there;
        }
        if (decides == nullptr) continue;
        for (const std::vector<Finding>& view : at_authorities) {
            const Finding* const there = same_in(view, finding);
            if (there != nullptr && there->verdict == decides->verdict) ++agree;
        }
        Seen seen = finding.seen;
        seen.at_authority = decides->detail;
        seen.differs = decides->verdict != finding.verdict;
        Finding combined = *decides;
        if (agree < known)
            combined.detail += fmt::format(
                "; so say {} of the zone's {} servers that answered: they do not have the same data", agree,
                known);
        if (seen.differs && finding.verdict == Verdict::unknown)
            combined.detail += "; the resolver gave no answer";
        else if (seen.differs)
            combined.detail += fmt::format(
                "; that is what the zone's own servers say, while the resolver, and so others, may have the "
                "old answer for {} s more",
                seen.ttl.count());
        combined.seen = std::move(seen);
        finding = std::move(combined);
    }
    return at_resolver;
}

}  // namespace posthorn::doctor
