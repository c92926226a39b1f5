// From answers of DNS to facts: what each says, what is wrong with it, how it is repaired. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "auth/dns_answers.hpp"
#include "delivery/diagnosis.hpp"

namespace posthorn::delivery {

// What can be said with the answers of one place. The facts are complete once nothing is wanted any more; a question that nobody answers is added as
// temporary. Which facts there are, and their subjects, depends on the question alone, so that those of two places can be compared.
struct Examination {
    std::vector<auth::DnsQuestion> wanted;
    std::vector<Fact> facts;  // at_authority and at_resolver are not set
};
[[nodiscard]] Examination examine(const DiagnosisQuestion& question, const auth::DnsAnswers& known);

// Our public addresses where the question names none: those that the EHLO name has, without private ones. Wanted first, then the addresses.
[[nodiscard]] std::vector<auth::DnsQuestion> ask_own_addresses(const DiagnosisQuestion& question);
[[nodiscard]] std::vector<IpAddress> own_addresses(const DiagnosisQuestion& question, const auth::DnsAnswers& known);

// Whether the zone's own servers are to be asked about a name: those of our domains, and the reverse zones of our addresses. What others publish
// (includes of their SPF records) is not ours to repair, and not theirs to be asked for every few minutes.
[[nodiscard]] bool is_ours(const DiagnosisQuestion& question, const std::string& name);

// PR-20: names that hosters give to addresses that nobody named: most of the address's numbers are in it.
[[nodiscard]] bool looks_generic(const std::string& name, const IpAddress& ip);

// The facts as the resolver shows them, and as each of the zones' servers does (the first server of each zone, the second, ...), as one. A server
// that did not answer has no say while another did.
[[nodiscard]] std::vector<Fact> combine(std::vector<Fact> at_resolver, std::span<const std::vector<Fact>> at_authorities);

}  // namespace posthorn::delivery
