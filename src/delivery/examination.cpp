// The facts in their order; DKIM, DMARC and what both mean together.
#include "delivery/examination.hpp"

#include <fmt/format.h>

#include <set>

#include "auth/dkim/published_key.hpp"
#include "auth/dkim/record.hpp"
#include "base/join.hpp"
#include "base/text.hpp"
#include "delivery/examiner.hpp"
#include "mail/organisational_domain.hpp"

namespace posthorn::delivery {

using auth::DnsAnswer;
using auth::DnsQuestion;
using auth::DnsType;

namespace {

bool is_plain(std::string_view text) {
    return !text::has_control(text) && text::is_ascii(text);
}

}  // namespace

Examination Examiner::run() {
    spf();
    spf_of_helo();
    spf_of_from();
    dkim();
    dmarc();
    ptr();
    sender_domains();
    helo();
    // Names in DNS may have any octets, and these words go to terminals, mail and JSON.
    for (Fact& one : found_.facts) {
        if (!is_plain(one.detail)) one.detail = text::safe_for_log(one.detail);
        if (!is_plain(one.repair)) one.repair = text::safe_for_log(one.repair);
    }
    return std::move(found_);
}

void Examiner::dkim() {
    if (question_.signatures.empty()) {
        Fact& none = fact(FactKind::dkim, FactResult::fail, question_.from_domain,
                          question_.unsigned_reason.empty() ? "mail of " + question_.from_domain + " is not signed"
                                                            : "mail is not signed: " + question_.unsigned_reason);
        // A reason has its remedy with it, and another than this where a key only waits for its record.
        none.repair = question_.unsigned_reason.empty()
                          ? fmt::format("make a key with \"posthorn domain add {}\", and publish its record", question_.from_domain)
                          : std::string("mend what the reason names; \"posthorn dns show\" has the record to publish");
        return;
    }
    for (const DkimSubject& signature : question_.signatures) {
        const auth::DnsRecord record = auth::dkim::key_record(signature.domain, signature.selector, *signature.key);
        const DnsAnswer& answer = ask(DnsType::txt, record.name);
        if (!answer.known()) {
            fact(FactKind::dkim, FactResult::unknown, record.name,
                 "DNS gave no answer about TXT of " + record.name + (answer.detail.empty() ? "" : " (" + answer.detail + ")"));
            continue;
        }
        const auth::dkim::KeyFinding finding = auth::dkim::compare(answer.texts, *signature.key);
        const bool same = finding.state == auth::dkim::KeyState::same;
        Fact& one = fact(FactKind::dkim, same ? FactResult::pass : FactResult::fail, record.name, finding.words);
        one.ttl = answer.ttl;
        if (same) continue;
        one.record = zone_file(record);
        if (finding.state == auth::dkim::KeyState::missing)
            one.repair = "publish this TXT record";
        else if (finding.state == auth::dkim::KeyState::other)
            one.repair = "publish this record in its place, or, where the other key is wanted, give Posthorn its private half";
        else
            one.repair = "publish this record in place of what is there";
    }
}

void Examiner::dmarc() {
    auth::dmarc::Step step = auth::dmarc::discover(question_.from_domain, known_);
    auth::dmarc::Discovery discovery;
    if (auto* questions = std::get_if<std::vector<DnsQuestion>>(&step)) {
        for (DnsQuestion& question : *questions) want(std::move(question));
        discovery.found = auth::dmarc::Discovery::Found::temporary;
    } else {
        discovery = std::move(std::get<auth::dmarc::Discovery>(step));
    }
    using Found = auth::dmarc::Discovery::Found;
    const std::string place = "_dmarc." + mail::organisational_domain(question_.from_domain);
    switch (discovery.found) {
        case Found::record:
            fact(FactKind::dmarc, FactResult::pass, question_.from_domain,
                 fmt::format("there is a DMARC record at {} with p={}{}{}", discovery.at, to_string(discovery.policy()),
                             discovery.record.complaints.empty() ? "" : "; ", text::joined(discovery.record.complaints)));
            break;
        case Found::temporary:
            fact(FactKind::dmarc, FactResult::unknown, question_.from_domain, discovery.why);
            break;
        default: {
            Fact& none = fact(FactKind::dmarc, FactResult::fail, question_.from_domain, discovery.why);
            none.repair = discovery.found == Found::none
                              ? "publish this TXT record; p=none asks receivers for nothing but reports"
                              : "publish one record such as this in place of what is there";
            none.record = auth::zone_file(auth::txt_record(
                discovery.found == Found::broken ? discovery.at : place,
                "v=DMARC1; p=none" + (question_.report_to.empty() ? std::string() : "; rua=" + question_.report_to)));
        }
    }
    if (const DnsAnswer* answer = known_.find(DnsQuestion(DnsType::txt, discovery.at))) found_.facts.back().ttl = answer->ttl;
    alignment(discovery);
}

// RFC 7489 s3.1: what passes must speak for From's domain. A signature or address that cannot be judged now leaves it open.
void Examiner::alignment(const auth::dmarc::Discovery& discovery) {
    const std::string& from = question_.from_domain;
    bool spf_passes = false, spf_open = question_.ips.empty();
    std::set<std::string> signs, may_sign;
    for (const Fact& fact : found_.facts) {
        if (fact.kind == FactKind::spf) {
            spf_passes = spf_passes || fact.result == FactResult::pass;
            spf_open = spf_open || fact.result == FactResult::unknown;
        }
        if (fact.kind != FactKind::dkim) continue;
        if (fact.result == FactResult::pass) signs.insert(fact.subject);
        if (fact.result == FactResult::unknown) may_sign.insert(fact.subject);
    }
    const bool spf_aligned = auth::dmarc::aligned(spf_domain(), from, discovery.record.spf);
    bool dkim_aligned = false, dkim_passes = false, dkim_open = false;
    for (const DkimSubject& signature : question_.signatures) {
        if (!auth::dmarc::aligned(signature.domain, from, discovery.record.dkim)) continue;
        const std::string name = signature.selector + "._domainkey." + signature.domain;
        dkim_aligned = true;
        dkim_passes = dkim_passes || signs.contains(name);
        dkim_open = dkim_open || may_sign.contains(name);
    }
    if (dkim_passes || (spf_aligned && spf_passes)) {
        fact(FactKind::alignment, FactResult::pass, from,
             fmt::format("{} {} for From's domain",
                         dkim_passes && spf_aligned && spf_passes ? "DKIM and SPF"
                         : dkim_passes                            ? "DKIM"
                                                                  : "SPF",
                         dkim_passes && spf_aligned && spf_passes ? "pass" : "passes"));
        return;
    }
    if (dkim_open || (spf_aligned && spf_open)) {
        fact(FactKind::alignment, FactResult::unknown, from, "neither SPF nor DKIM could be judged");
        return;
    }
    const bool strict =
        discovery.record.spf == auth::dmarc::Alignment::strict || discovery.record.dkim == auth::dmarc::Alignment::strict;
    Fact& none = fact(FactKind::alignment, FactResult::fail, from, "");
    if (spf_aligned || dkim_aligned) {
        none.detail = "what would speak for From's domain does not pass: neither a signature of it nor SPF of MAIL FROM";
        none.repair = "repair DKIM or SPF";
    } else {
        none.detail = fmt::format(
            "MAIL FROM is of {} and {}, neither of which speaks for From's domain {}{}", spf_domain(),
            question_.signatures.empty() ? "there is no signature" : "the signature of " + question_.signatures.front().domain,
            from, strict ? " (its DMARC record asks for the very same name)" : "");
        none.repair = fmt::format(
            "add a [[domain]] section with a key for {}, or send from an address of a domain that is configured", from);
    }
}

Examination examine(const DiagnosisQuestion& question, const auth::DnsAnswers& known) {
    return Examiner(question, known).run();
}

}  // namespace posthorn::delivery
