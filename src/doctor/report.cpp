// Findings as a report: the list of all checks, the order, the one line, the exit code, and JSON.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>

#include "base/sysexits.hpp"
#include "delivery/diagnosis.hpp"
#include "doctor/finding.hpp"
#include "doctor/meaning.hpp"

namespace posthorn::doctor {

std::string_view to_string(Verdict verdict) {
    switch (verdict) {
        case Verdict::pass:
            return "PASS";
        case Verdict::skipped:
            return "SKIP";
        case Verdict::warn:
            return "WARN";
        case Verdict::fail:
            return "FAIL";
        case Verdict::unknown:
            break;
    }
    return "UNKNOWN";
}

const std::vector<Check>& checks() {
    static const std::vector<Check> kChecks = {
        {"ptr", "each address we send from has a name, and the name leads back to it"},
        {"ptr-name",
         "that name is the one we say in EHLO, and not one that a hoster gives to all his addresses"},
        {"helo", "the EHLO name has our address"},
        {"port25", "the big providers' mail servers can be reached"},
        {"dkim", "the key in DNS is the one on disk"},
        {"spf", "SPF passes for MAIL FROM's domain, from each address"},
        {"alignment", "what passes of SPF and DKIM speaks for From's domain"},
        {"dmarc", "From's domain has a DMARC record"},
        {"identities", "at which names SPF, DKIM and DMARC are evaluated, and which are aligned"},
        {"config", "the configuration and all files it names can be read"},
        {"keys", "key files are there, and nobody else may read them"},
        {"certificate", "the certificate is in force, for our name, with its chain, and fits its key"},
        {"sender-domain", "the domain exists, and mail to it can arrive"},
        {"zone", "the domain's zone is there"},
        {"dnssec", "the zone's signatures are right"},
        {"mx-hosts", "the domain's mail servers have addresses"},
        {"spf-helo", "SPF of the EHLO name does not say no"},
        {"spf-record", "there is one SPF record, and nothing is odd in it"},
        {"spf-tree", "look-ups and void look-ups of the SPF record, term by term"},
        {"spf-from", "From's domain has an SPF record, though MAIL FROM is another"},
        {"dkim-key", "the key is strong enough and not marked as a test"},
        {"dmarc-record", "the DMARC policy in words, and what in it has no effect"},
        {"dmarc-reports", "who gets the DMARC reports, and whether they may"},
        {"escapes", "no quotes and backslashes in live records"},
        {"adsp", "no obsolete ADSP record"},
        {"ipv6", "IPv6 addresses are fit to send from"},
        {"dnsbl", "the address is on no block list that was asked"},
        {"resolver", "the resolver answers, and does not make answers up"},
        {"clock", "this machine's clock is kept right"},
        {"queue", "no mail waits too long, and nothing is suspended"},
        {"disk", "the queue's directory has room and is on a local disk"},
        {"users", "the users file can be read"},
        {"urls", "the addresses for one-click unsubscription answer"},
        {"daemon", "the daemon runs"},
    };
    return kChecks;
}

namespace {

std::size_t rank_of(const std::string& check) {
    const std::vector<Check>& all = checks();
    return static_cast<std::size_t>(
        std::find_if(all.begin(), all.end(), [&](const Check& one) { return one.id == check; }) -
        all.begin());
}

std::string counted(std::size_t number, std::string_view one, std::string_view many) {
    return fmt::format("{} {}", number, number == 1 ? one : many);
}

std::string verdict_of(const Report& report) {
    const std::size_t fail = report.count(Verdict::fail), warn = report.count(Verdict::warn),
                      unknown = report.count(Verdict::unknown);
    if (report.findings.empty()) return "nothing was looked at";
    std::string text;
    if (fail > 0)
        text = fmt::format("{} fail{}, first of all: {}", counted(fail, "check", "checks"),
                           fail == 1 ? "s" : "", report.findings.front().title);
    else if (warn > 0)
        text = "mail can leave and will be accepted, but " + counted(warn, "thing", "things") +
               " should be better";
    else if (unknown > 0)
        text = "nothing fails, but " + counted(unknown, "thing", "things") + " could not be found out";
    else
        return "all is in order";
    if (fail > 0 && warn > 0) text += fmt::format("; {}", counted(warn, "warning", "warnings"));
    if (fail + warn > 0 && unknown > 0) text += fmt::format("; {} not known", unknown);
    return text;
}

}  // namespace

namespace {

// The findings that a diagnosis makes, too, as its facts. What is only warned of (an IPv6 address that is not used, a second key) decides nothing.
std::vector<Meaning> standings_of(const std::vector<Finding>& findings, std::string_view provider) {
    using delivery::FactKind;
    using delivery::FactResult;
    delivery::Diagnosis diagnosis;
    bool complete = true;
    for (const FactKind kind : {FactKind::ptr, FactKind::spf, FactKind::dkim, FactKind::dmarc, FactKind::alignment, FactKind::sender_domain}) {
        bool any = false;
        for (const Finding& finding : findings) {
            if (finding.check != delivery::to_string(kind)) continue;
            any = true;
            if (finding.verdict == Verdict::warn || finding.verdict == Verdict::skipped) continue;
            delivery::Fact fact;
            fact.kind = kind;
            fact.subject = finding.subject;
            fact.result = finding.verdict == Verdict::pass ? FactResult::pass : finding.verdict == Verdict::fail ? FactResult::fail : FactResult::unknown;
            diagnosis.facts.push_back(std::move(fact));
        }
        complete = complete && any;
    }
    if (!complete) return {};
    std::vector<Meaning> standings;
    for (const auto& [name, known_as] : {std::pair("gmail", "google"), std::pair("yahoo", "yahoo"), std::pair("outlook", "microsoft")})
        if (provider.empty() || provider == name) standings.push_back({name, delivery::standing_with(known_as, diagnosis).words});
    return standings;
}

}  // namespace

std::size_t Report::count(Verdict wanted) const {
    return static_cast<std::size_t>(std::count_if(findings.begin(), findings.end(),
                                                  [&](const Finding& one) { return one.verdict == wanted; }));
}

Report report_of(std::vector<Finding> findings, std::string_view provider) {
    for (Finding& finding : findings) {
        if (finding.verdict == Verdict::warn || finding.verdict == Verdict::fail)
            finding.meaning = meaning_of(finding.check);
        if (!provider.empty())
            std::erase_if(finding.meaning, [&](const Meaning& one) { return one.provider != provider; });
    }
    std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
        return a.verdict != b.verdict ? a.verdict > b.verdict : rank_of(a.check) < rank_of(b.check);
    });
    Report report;
    report.findings = std::move(findings);
    report.verdict = verdict_of(report);
    report.standings = standings_of(report.findings, provider);
    return report;
}

int exit_code_of(const Report& report, bool strict) {
    if (report.count(Verdict::fail) > 0 || (strict && report.count(Verdict::warn) > 0))
        return exit_code::kFailure;
    return report.count(Verdict::unknown) > 0 || report.findings.empty() ? exit_code::kTempFail
                                                                         : exit_code::kOk;
}

namespace json = boost::json;

namespace {

json::array list_of(const std::vector<std::string>& texts) {
    json::array list;
    for (const std::string& text : texts) list.emplace_back(text);
    return list;
}

json::object to_json(const Finding& finding) {
    json::object out;
    out["verdict"] = to_string(finding.verdict);
    out["check"] = finding.check;
    out["subject"] = finding.subject;
    out["title"] = finding.title;
    out["detail"] = finding.detail;
    json::object meaning;
    for (const Meaning& one : finding.meaning) meaning[one.provider] = one.words;
    out["meaning"] = std::move(meaning);
    out["repair"] = finding.repair;
    out["records"] = list_of(finding.records);
    out["commands"] = list_of(finding.commands);
    json::object seen;
    seen["differs"] = finding.seen.differs;
    seen["at_authority"] = finding.seen.at_authority;
    seen["at_resolver"] = finding.seen.at_resolver;
    seen["ttl"] = finding.seen.ttl.count();
    out["seen"] = std::move(seen);
    return out;
}

}  // namespace

json::object to_json(const Report& report) {
    json::object counts;
    for (const Verdict verdict :
         {Verdict::fail, Verdict::warn, Verdict::unknown, Verdict::skipped, Verdict::pass})
        counts[to_string(verdict)] = report.count(verdict);
    json::object providers;
    for (const Meaning& one : report.standings) providers[one.provider] = one.words;
    json::array findings;
    for (const Finding& finding : report.findings) findings.emplace_back(to_json(finding));
    json::object out;
    out["verdict"] = report.verdict;
    out["counts"] = std::move(counts);
    out["providers"] = std::move(providers);
    out["findings"] = std::move(findings);
    return out;
}

}  // namespace posthorn::doctor
