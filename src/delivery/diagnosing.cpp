// One diagnosis: what its rules want is asked, and the facts of all places become one.
#include "delivery/diagnosing.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "auth/dkim/keys.hpp"
#include "base/clock.hpp"
#include "base/text.hpp"
#include "delivery/agent.hpp"
#include "delivery/examination.hpp"
#include "delivery/inquiry.hpp"
#include "delivery/source_address.hpp"
#include "dns/resolver.hpp"
#include "mail/domain.hpp"
#include "net/task_group.hpp"

namespace posthorn::delivery {

using auth::DnsAnswers;
using net::awaitable;

namespace {

Diagnosis conclude(const DnsViews& asked, const DiagnosisQuestion& question) {
    std::vector<std::vector<Fact>> views;
    for (const DnsAnswers& view : asked.at_authorities) views.push_back(examine(question, view).facts);
    Diagnosis diagnosis;
    diagnosis.at = wall_now();
    diagnosis.facts = combine(examine(question, asked.at_resolver).facts, views);
    std::stable_sort(diagnosis.facts.begin(), diagnosis.facts.end(),
                     [](const Fact& a, const Fact& b) { return a.kind < b.kind; });
    diagnosis.summary = summary_of(diagnosis.facts);
    return diagnosis;
}

// Our own addresses, which the resolver alone is asked for: they decide what else is to be asked.
DnsRules about_addresses(const DiagnosisQuestion& question) {
    DnsRules rules;
    rules.wanted = [question](const DnsAnswers& known) {
        std::vector<auth::DnsQuestion> missing = ask_own_addresses(question);
        std::erase_if(missing, [&](const auth::DnsQuestion& one) { return known.find(one) != nullptr; });
        return missing;
    };
    rules.ours = [question](const std::string& name) { return is_ours(question, name); };
    return rules;
}

DnsRules about_all(const DiagnosisQuestion& question) {
    DnsRules rules;
    rules.wanted = [question](const DnsAnswers& known) { return examine(question, known).wanted; };
    rules.ours = [question](const std::string& name) { return is_ours(question, name); };
    return rules;
}

}  // namespace

DiagnosisQuestion question_about(const Settings& settings, std::string_view from_domain, std::string_view mail_from_domain,
                                 std::string_view ip) {
    const auto name_of = [](std::string_view domain) {
        const auto ascii = mail::to_ascii(domain);
        return ascii ? *ascii : text::to_lower(domain);
    };
    DiagnosisQuestion question;
    question.from_domain = name_of(from_domain);
    question.mail_from_domain = mail_from_domain.empty() ? std::string() : name_of(mail_from_domain);
    question.helo = text::to_lower(settings.hostname);
    question.ipv6 = settings.delivery.family != IpFamily::v4;
    if (const auto told = IpAddress::parse(ip)) {
        question.ips.push_back(*told);
    } else {
        const SourceAddresses sources = source_for(
            settings.delivery, question.mail_from_domain.empty() ? question.from_domain : question.mail_from_domain, {});
        for (const std::optional<IpAddress>& source : {sources.v4, question.ipv6 ? sources.v6 : std::nullopt})
            if (source && !source->is_private()) question.ips.push_back(*source);
    }
    const auth::dkim::Selection selection = settings.keys->select(question.from_domain);
    for (const auth::dkim::SigningIdentity& identity : selection.identities)
        question.signatures.emplace_back(identity.domain, identity.selector, identity.key);
    question.unsigned_reason = selection.reason;
    const std::string& contact = settings.delivery.tls_report.contact;
    question.report_to = "mailto:" + (contact.empty() ? "postmaster@" + question.from_domain : contact);  // as `dns show` has it
    return question;
}

awaitable<Diagnosis> diagnose(dns::Resolver& resolver, DiagnosisQuestion question, net::TaskGroup* group,
                              std::chrono::seconds limit) {
    const SteadyTime end = std::chrono::steady_clock::now() + limit;
    DnsRules first = about_addresses(question);
    DnsViews nothing_yet;
    DnsViews addresses = co_await inquire(resolver, std::move(first), std::move(nothing_yet), end, group);
    question.ips = own_addresses(question, addresses.at_resolver);
    DnsRules rules = about_all(question);
    const DnsViews views = co_await inquire(resolver, std::move(rules), std::move(addresses), end, group);
    co_return conclude(views, question);
}

}  // namespace posthorn::delivery
