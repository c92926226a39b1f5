// From the day an operator names to the reporter's, and from its counts to the admin interface's.
#include "app/tls_report_view.hpp"

#include <optional>
#include <utility>

#include "base/text.hpp"

namespace posthorn::app {
namespace {

using delivery::Day;

constexpr std::size_t kMostReports = 1000;

Error no_day(const std::string& text) {
    return Error{"\"", text::safe_for_log(text, 40), "\" is no day; one looks like this: 2026-11-22"};
}

std::vector<admin::TlsDomainDay> tls_days(const delivery::TlsResults& results) {
    std::vector<admin::TlsDomainDay> all;
    for (const Day day : results.days()) {
        for (const std::string& domain : results.domains(day)) {
            if (all.size() >= kMostReports) return all;
            const delivery::TlsDay* found = results.find(day, domain);
            admin::TlsDomainDay one;
            one.day = delivery::to_string(day);
            one.domain = domain;
            one.sessions = found->sessions();
            for (const delivery::TlsPolicyCount& policy : found->policies) one.failures += policy.failures;
            all.push_back(std::move(one));
        }
    }
    return all;
}

using SendDone = UniqueFunction<void(Result<admin::TlsReportRun>)>;

void send(delivery::TlsReporter& reporter, const std::string& text, SendDone done) {
    std::optional<Day> day;
    if (!text.empty()) {
        day = delivery::parse_day(text);
        if (!day) {
            done(no_day(text));
            return;
        }
    }
    reporter.send_now(day, [done = std::move(done)](Result<delivery::ReportRun> run) mutable {
        if (!run) {
            done(run.error());
            return;
        }
        admin::TlsReportRun shown;
        shown.sent = run->sent;
        shown.unwanted = run->unwanted;
        shown.later = run->later;
        shown.finished = run->finished;
        done(shown);
    });
}

}  // namespace

void lend_tls_reports(admin::Daemon& lent, const delivery::TlsResults& results, delivery::TlsReporter& reporter) {
    lent.tls_days = [&results] { return tls_days(results); };
    lent.tls_report = [&reporter](const std::string& day, const std::string& domain) -> Result<std::string> {
        const auto parsed = delivery::parse_day(day);
        if (!parsed) return no_day(day);
        return reporter.preview(*parsed, text::to_lower(domain));
    };
    lent.send_tls_reports = [&reporter](const std::string& day, SendDone done) { send(reporter, day, std::move(done)); };
}

}  // namespace posthorn::app
