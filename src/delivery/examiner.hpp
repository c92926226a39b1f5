// The evaluation of one diagnosis on the answers of one place: what the methods for each kind of fact share. Used by examination*.cpp alone.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "auth/dmarc.hpp"
#include "auth/dns_wishes.hpp"
#include "auth/spf.hpp"
#include "delivery/examination.hpp"

namespace posthorn::delivery {

class Examiner {
public:
    Examiner(const DiagnosisQuestion& question, const auth::DnsAnswers& known) : question_(question), known_(known) {}

    Examination run();

private:
    const auth::DnsAnswer& ask(auth::DnsType type, const std::string& name) { return auth::ask(known_, type, name, found_.wanted); }
    void want(auth::DnsQuestion question) { auth::want(found_.wanted, std::move(question)); }
    Fact& fact(FactKind kind, FactResult result, std::string subject, std::string detail) {
        Fact made;
        made.kind = kind;
        made.result = result;
        made.subject = std::move(subject);
        made.detail = std::move(detail);
        found_.facts.push_back(std::move(made));
        return found_.facts.back();
    }

    std::optional<auth::spf::Outcome> evaluate(const std::string& domain, const IpAddress& ip) {
        auth::spf::Step step = auth::spf::evaluate(auth::spf::Subject(ip, domain, question_.helo), known_);
        if (auto* outcome = std::get_if<auth::spf::Outcome>(&step)) return std::move(*outcome);
        for (auth::DnsQuestion& question : std::get<std::vector<auth::DnsQuestion>>(step)) want(std::move(question));
        return std::nullopt;
    }
    std::vector<std::string> spf_records_of(const std::string& domain) {
        std::vector<std::string> records;
        for (const std::string& text : ask(auth::DnsType::txt, domain).texts)
            if (auth::spf::is_record(text)) records.push_back(text);
        return records;
    }
    // The domain SPF is evaluated for: of null senders the EHLO name (RFC 7208 s2.4).
    [[nodiscard]] const std::string& spf_domain() const {
        return question_.mail_from_domain.empty() ? question_.helo : question_.mail_from_domain;
    }

    void spf();
    void spf_of_helo();
    void spf_of_from();
    void dkim();
    void dmarc();
    void alignment(const auth::dmarc::Discovery& discovery);
    void ptr();
    void sender_domains();
    void helo();

    const DiagnosisQuestion& question_;
    const auth::DnsAnswers& known_;
    Examination found_;
};

}  // namespace posthorn::delivery
