// GET /v1/tls-reports and .../show: what was counted of TLS. POST /v1/tls-reports/send: reports of days that are over, now.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "admin/endpoint.hpp"

namespace posthorn::admin {
namespace {

constexpr const char* kNone = "this daemon makes no TLS reports";

}  // namespace

void get_tls_reports(const CorePtr& core, const Request&, Respond respond) {
    if (!core->daemon.tls_days) {
        respond(failure(501, kNone));
        return;
    }
    boost::json::array days;
    for (const TlsDomainDay& one : core->daemon.tls_days()) {
        boost::json::object day;
        day["day"] = one.day;
        day["domain"] = one.domain;
        day["sessions"] = one.sessions;
        day["failures"] = one.failures;
        days.push_back(std::move(day));
    }
    boost::json::object body;
    body["days"] = std::move(days);
    respond({200, boost::json::serialize(body), {}});
}

void get_tls_report(const CorePtr& core, const Request& request, Respond respond) {
    const auto day = request.query.find("day");
    const auto domain = request.query.find("domain");
    if (!core->daemon.tls_report) {
        respond(failure(501, kNone));
    } else if (request.query.size() != 2 || day == request.query.end() || domain == request.query.end()) {
        respond(failure(400, "name a day and a domain: ?day=2026-11-22&domain=example.com"));
    } else if (Result<std::string> report = core->daemon.tls_report(day->second, domain->second); !report) {
        respond(failure(404, report.error().what));
    } else {
        respond({200, std::move(*report), {}});
    }
}

void post_tls_reports(const CorePtr& core, const Request& request, Respond respond) {
    const auto day = request.query.find("day");
    if (!core->daemon.send_tls_reports) {
        respond(failure(501, kNone));
        return;
    }
    if (request.query.size() > (day == request.query.end() ? 0U : 1U)) {
        respond(failure(400, "there is the parameter day"));
        return;
    }
    auto done = [core, respond = std::move(respond)](Result<TlsReportRun> run) mutable {
        if (core->stopped) return;
        if (!run) {
            respond(failure(409, run.error().what));
            return;
        }
        boost::json::object body;
        body["sent"] = run->sent;
        body["unwanted"] = run->unwanted;
        body["later"] = run->later;
        body["finished"] = run->finished;
        respond({200, boost::json::serialize(body), {}});
    };
    core->daemon.send_tls_reports(day == request.query.end() ? std::string() : day->second, std::move(done));
}

}  // namespace posthorn::admin
