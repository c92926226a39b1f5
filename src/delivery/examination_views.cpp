// Where answers come from: our addresses, our zones, and the facts of several places as one.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "delivery/examination.hpp"
#include "dns/answers.hpp"
#include "mail/organisational_domain.hpp"

namespace posthorn::delivery {

using auth::DnsAnswer;
using auth::DnsQuestion;
using auth::DnsType;

std::vector<DnsQuestion> ask_own_addresses(const DiagnosisQuestion& question) {
    if (!question.ips.empty() || question.helo.empty()) return {};
    std::vector<DnsQuestion> questions = {DnsQuestion(DnsType::a, question.helo)};
    if (question.ipv6) questions.emplace_back(DnsType::aaaa, question.helo);
    return questions;
}

std::vector<IpAddress> own_addresses(const DiagnosisQuestion& question, const auth::DnsAnswers& known) {
    std::vector<IpAddress> addresses = question.ips;
    for (const DnsQuestion& asked : ask_own_addresses(question)) {
        const DnsAnswer* const answer = known.find(asked);
        if (answer == nullptr) continue;
        std::copy_if(answer->addresses.begin(), answer->addresses.end(), std::back_inserter(addresses),
                     [](const IpAddress& ip) { return !ip.is_private(); });
    }
    // More would be a mistake, and each costs a dozen questions.
    constexpr std::size_t kMaxAddresses = 4;
    if (addresses.size() > kMaxAddresses) addresses.resize(kMaxAddresses, addresses.front());
    return addresses;
}

bool is_ours(const DiagnosisQuestion& question, const std::string& name) {
    std::set<std::string> ours = {mail::organisational_domain(question.from_domain),
                                  mail::organisational_domain(question.mail_from_domain),
                                  mail::organisational_domain(question.helo)};
    for (const DkimSubject& signature : question.signatures) ours.insert(mail::organisational_domain(signature.domain));
    for (const IpAddress& ip : question.ips) ours.insert(dns::reverse_name(ip));
    ours.erase(std::string());
    return std::any_of(ours.begin(), ours.end(),
                       [&](const std::string& domain) { return name == domain || name.ends_with("." + domain); });
}

std::vector<Fact> combine(std::vector<Fact> at_resolver, std::span<const std::vector<Fact>> at_authorities) {
    for (Fact& fact : at_resolver) {
        const bool resolver_passes = fact.result == FactResult::pass;
        const bool resolver_fails = fact.result == FactResult::fail;
        const std::chrono::seconds ttl = fact.ttl;
        std::size_t passing = 0, failing = 0;
        const Fact* decides = nullptr;  // a failing one, else a passing one
        for (const std::vector<Fact>& view : at_authorities) {
            const auto same = std::find_if(view.begin(), view.end(), [&](const Fact& other) {
                return other.kind == fact.kind && other.subject == fact.subject;
            });
            if (same == view.end() || same->result == FactResult::unknown) continue;
            const bool fails = same->result == FactResult::fail;
            ++(fails ? failing : passing);
            if (decides == nullptr || (fails && decides->result == FactResult::pass)) decides = &*same;
        }
        if (decides != nullptr) {
            Fact combined = *decides;
            if (failing > 0 && passing > 0)
                combined.detail += fmt::format("; so say {} of the zone's {} servers that answered: the others are ahead of them",
                                               failing, failing + passing);
            else if (failing > 0 && resolver_passes)
                combined.detail += "; the resolver still has an older answer that passes";
            else if (failing == 0 && resolver_fails)
                combined.detail += fmt::format(
                    "; that is what the zone's servers say, while the resolver, and so others, may have the old answer for {} s "
                    "more",
                    ttl.count());
            fact = std::move(combined);
        }
        fact.at_authority = decides != nullptr && failing == 0;
        fact.at_resolver = resolver_passes;
        fact.ttl = ttl;
    }
    return at_resolver;
}

}  // namespace posthorn::delivery
