// DMARC and who may get its reports; the hints about mail that the domain receives.
#include <fmt/format.h>

#include "auth/dmarc.hpp"
#include "base/text.hpp"
#include "mail/organisational_domain.hpp"
#include "setup/record_survey.hpp"

namespace posthorn::setup {

using auth::DnsAnswer;
using auth::DnsQuestion;
using auth::DnsRecord;
using auth::DnsStatus;
using auth::DnsType;

namespace {

std::string report_address(const RecordsQuestion& question) {
    return question.report_to.empty() ? "mailto:postmaster@" + question.domain : question.report_to;
}

// The domain of "mailto:reports@example.net!10m" (RFC 7489 s6.2); empty: no address.
std::string domain_of(std::string_view uri) {
    if (!text::istarts_with(uri, "mailto:")) return {};
    uri = uri.substr(0, uri.find_first_of("!?"));
    const std::size_t at = uri.rfind('@');
    return at == std::string_view::npos ? std::string() : text::to_lower(uri.substr(at + 1));
}

}  // namespace

// RFC 7489 s6.3. p=none first: it asks receivers for nothing but reports, and these tell what else sends in
// the domain's name.
void RecordSurvey::dmarc() {
    using Found = auth::dmarc::Discovery::Found;
    auth::dmarc::Step step = auth::dmarc::discover(question_.domain, known_);
    auth::dmarc::Discovery discovery;
    if (auto* questions = std::get_if<std::vector<DnsQuestion>>(&step)) {
        for (DnsQuestion& question : *questions) want(std::move(question));
        discovery.found = Found::temporary;
    } else {
        discovery = std::move(std::get<auth::dmarc::Discovery>(step));
    }
    // The registered domain's record covers all names below it.
    std::string place = "_dmarc." + mail::organisational_domain(question_.domain);
    if (discovery.found == Found::record || discovery.found == Found::broken) place = discovery.at;
    const std::string value = discovery.found == Found::record
                                  ? discovery.text
                                  : "v=DMARC1; p=none; rua=" + report_address(question_);
    WantedRecord& one =
        add(RecordKind::dmarc, Need::required, auth::txt_record(place, value),
            "DMARC: what receivers do with mail that only claims to be yours, and who hears of it");
    one.record.zone = zone_of(question_.domain);
    if (const DnsAnswer* answer = known_.find(DnsQuestion(DnsType::txt, place))) {
        one.ttl = answer->ttl;
        for (const std::string& text : answer->texts)
            if (!auth::dmarc::is_record(text) && text != discovery.text) one.others.push_back(text);
    }
    one.found = text::has_control(discovery.text) ? text::safe_for_log(discovery.text) : discovery.text;
    switch (discovery.found) {
        case Found::record: {
            one.state = State::present;
            one.words = fmt::format("policy: {}", to_string(discovery.policy()));
            if (discovery.inherited)
                one.words += fmt::format("; {} has none of its own, that of the domain above counts",
                                         question_.domain);
            if (discovery.record.reports_to.empty())
                one.words += "; it asks nobody for reports: add rua=" + report_address(question_) +
                             " to hear what receivers see";
            for (const std::string& complaint : discovery.record.complaints) one.words += "; " + complaint;
            break;
        }
        case Found::none:
            one.state = State::missing;
            one.words =
                "p=none first; when the reports show nothing but your own mail, p=quarantine, then p=reject";
            break;
        case Found::broken:
            one.state = State::differs;
            one.words = discovery.why;
            break;
        case Found::temporary:
            one.words = discovery.why;
            break;
    }
    const std::vector<std::string> ours = {report_address(question_)};
    dmarc_reports(place.substr(std::string_view("_dmarc.").size()),
                  discovery.found == Found::record ? discovery.record.reports_to : ours);
}

// RFC 7489 s7.1: another domain gets reports only when it says that it wants them.
void RecordSurvey::dmarc_reports(const std::string& record_at, const std::vector<std::string>& uris) {
    std::vector<std::string> told;
    for (const std::string& uri : uris) {
        const std::string target = domain_of(uri);
        if (target.empty() || mail::organisational_domain(target) == mail::organisational_domain(record_at))
            continue;
        if (std::find(told.begin(), told.end(), target) != told.end()) continue;
        told.push_back(target);
        WantedRecord& one =
            add(RecordKind::dmarc_report, Need::advised,
                auth::txt_record(record_at + "._report._dmarc." + target, "v=DMARC1"),
                fmt::format("consent of {} to get the DMARC reports of {}", target, record_at));
        one.record.zone = mail::organisational_domain(target);
        const DnsAnswer& answer = ask(DnsType::txt, one.record.name);
        tell_text(one, "v=DMARC1");
        if (answer.known() && one.state != State::present)
            one.words = fmt::format(
                "without it receivers send no reports there; it stands in the zone of {}, whose owner "
                "publishes it",
                target);
    }
}

void RecordSurvey::tell_text(WantedRecord& wanted, std::string_view beginning) {
    const DnsAnswer& answer = ask(DnsType::txt, wanted.record.name);
    wanted.ttl = answer.ttl;
    wanted.state = answer.known() ? State::missing : State::unknown;
    for (const std::string& text : answer.texts) {
        if (wanted.state != State::present && text::istarts_with(text, beginning)) {
            wanted.state = State::present;
            wanted.record.value = text;
            wanted.found = text::has_control(text) ? text::safe_for_log(text) : text;
        } else {
            wanted.others.push_back(text);
        }
    }
}

// RFC 8460, RFC 8461: about the TLS of mail that others send to the domain; Posthorn only sends.
void RecordSurvey::hints() {
    const DnsAnswer& mx = ask(DnsType::mx, question_.domain);
    const bool null_mx =
        mx.status == DnsStatus::ok &&
        std::all_of(mx.texts.begin(), mx.texts.end(), [](const std::string& host) { return host.empty(); });
    if (null_mx || (mx.known() && mx.status != DnsStatus::ok)) return;
    const std::string to =
        question_.tls_report_to.empty() ? report_address(question_) : question_.tls_report_to;
    WantedRecord& tlsrpt = add(RecordKind::tlsrpt, Need::hint,
                               auth::txt_record("_smtp._tls." + question_.domain, "v=TLSRPTv1; rua=" + to),
                               "TLSRPT: senders report when TLS towards your MX fails (RFC 8460)");
    tlsrpt.record.zone = zone_of(question_.domain);
    tell_text(tlsrpt, "v=TLSRPTv1");
    WantedRecord& sts = add(RecordKind::mta_sts, Need::hint,
                            auth::txt_record("_mta-sts." + question_.domain, "v=STSv1; id=1"),
                            "MTA-STS: senders insist on TLS towards your MX (RFC 8461)");
    sts.record.zone = zone_of(question_.domain);
    tell_text(sts, "v=STSv1");
    if (sts.state != State::present)
        sts.words = fmt::format(
            "only together with a policy at https://mta-sts.{}/.well-known/mta-sts.txt that names your MX; "
            "with each change of it a new id",
            question_.domain);
}

}  // namespace posthorn::setup
