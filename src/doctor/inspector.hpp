// The examination of one question on the answers of one place: what the checks of DNS share. Used by
// check_*.cpp and examination.cpp alone.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "auth/dmarc.hpp"
#include "auth/dns_wishes.hpp"
#include "delivery/diagnosis.hpp"
#include "doctor/examination.hpp"

namespace posthorn::doctor {

class Inspector {
public:
    Inspector(const Question& question, const auth::DnsAnswers& known) : question_(question), known_(known) {}

    Examination run();

private:
    using Domain = delivery::DiagnosisQuestion;

    const auth::DnsAnswer& ask(auth::DnsType type, const std::string& name) { return auth::ask(known_, type, name, found_.wanted); }
    void want(auth::DnsQuestion question) { auth::want(found_.wanted, std::move(question)); }
    // A finding is made once, however many domains share its subject.
    [[nodiscard]] bool has(std::string_view check, std::string_view subject) const {
        return std::any_of(found_.findings.begin(), found_.findings.end(),
                           [&](const Finding& one) { return one.check == check && one.subject == subject; });
    }
    Finding& add(std::string check, std::string subject, Verdict verdict, std::string title,
                 std::string detail) {
        Finding made;
        made.check = std::move(check);
        made.subject = std::move(subject);
        made.verdict = verdict;
        made.title = std::move(title);
        made.detail = std::move(detail);
        found_.findings.push_back(std::move(made));
        return found_.findings.back();
    }
    [[nodiscard]] static const std::string& envelope_of(const Domain& domain) {
        return domain.mail_from_domain.empty() ? domain.helo : domain.mail_from_domain;
    }
    std::vector<std::string> spf_records_of(const std::string& name);
    const auth::dmarc::Discovery& dmarc_of(const Domain& domain);

    // Of the machine.
    void addresses(const Domain& domain);
    void names_of_addresses(const Domain& domain);
    void ipv6(const Domain& domain);
    void block_lists(const Domain& domain);
    // Of one domain.
    void facts(const Domain& domain);
    void compare_key(Finding& finding, const delivery::DkimSubject& signature);
    void spf_record(const Domain& domain, const std::string& name);
    void spf_tree(const Domain& domain);
    void keys(const Domain& domain);
    void adsp(const Domain& domain);
    void dmarc_record(const Domain& domain);
    void dmarc_reports(const Domain& domain);
    void report_address(const std::string& uri, const std::string& policy_domain,
                        std::vector<std::string>& faults, std::vector<std::string>& records);
    void identities(const Domain& domain);
    void escapes(const Domain& domain);
    void zone(const std::string& name);
    void mail_hosts(const std::string& name);
    void without_ipv6(const Domain& domain);

    const Question& question_;
    const auth::DnsAnswers& known_;
    Examination found_;
    auth::dmarc::Discovery discovery_;
};

}  // namespace posthorn::doctor
