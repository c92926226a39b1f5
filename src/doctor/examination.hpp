// What DNS says about a sender, as findings: on the answers of one place, then of all places together. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "auth/dns_answers.hpp"
#include "delivery/diagnosis.hpp"
#include "doctor/finding.hpp"

namespace posthorn::doctor {

// A domain that we send for. from_domain, mail_from_domain, helo, ips, signatures, unsigned_reason and
// report_to as in a diagnosis; names are lower case A-labels.
struct Question {
    std::vector<delivery::DiagnosisQuestion>
        domains;  // the addresses (ips) and the EHLO name (helo) are the same in all of them
    bool prefers_v4 =
        true;  // delivery.family leaves IPv6 out while its reverse DNS is not right: then that only warns
    std::vector<std::string>
        block_lists;  // zones of DNS block lists ("zen.spamhaus.org"); empty: none is asked

    Question() = default;
};

// As of delivery::examine(): what is wanted has to be answered first; which findings there are, and their
// subjects, depends on the question and on what is published, so that those of two places can be compared.
struct Examination {
    std::vector<auth::DnsQuestion> wanted;
    std::vector<Finding> findings;
};
[[nodiscard]] Examination examine(const Question& question, const auth::DnsAnswers& known);

// Whether the zone's own servers are to be asked about a name, see delivery::is_ours().
[[nodiscard]] bool is_ours(const Question& question, const std::string& name);

// The findings as the resolver shows them, and as the first, second ... server of each zone does, as one:
// what the zone's servers say decides, and all that answer must agree on a pass; where the resolver says
// something else, `seen` has both, and for how long.
[[nodiscard]] std::vector<Finding> combine(std::vector<Finding> at_resolver,
                                           std::span<const std::vector<Finding>> at_authorities);

}  // namespace posthorn::doctor
