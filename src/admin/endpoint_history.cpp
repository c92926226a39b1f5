// GET /v1/history?hours=&step=: figures of the past by minutes. GET /v1/domains: our domains. GET /v1/doctor?domain= and GET /v1/records?domain=:
// what receivers find of one, and what it must publish.
#include "admin/endpoint.hpp"
#include "base/text.hpp"
#include "mail/domain.hpp"

namespace posthorn::admin {
namespace {

constexpr std::uint64_t kMostHours = 7 * 24;
constexpr std::uint64_t kMostMinutes = 24 * 60;

using Examine = std::function<void(std::string domain, UniqueFunction<void(Examined)> done)>;

void examine(const CorePtr& core, const Request& request, const Examine& with, Respond respond) {
    const auto given = request.query.find("domain");
    if (request.query.size() != 1 || given == request.query.end()) {
        respond(failure(400, "name one of our domains: ?domain=example.com"));
        return;
    }
    const auto domain = mail::to_ascii(given->second);
    if (!domain || domain->find('.') == std::string::npos) {
        respond(failure(400, "\"" + text::safe_for_log(given->second, 80) + "\" is no domain; one looks like example.com"));
        return;
    }
    if (!with) {
        respond(failure(501, "this daemon examines nothing"));
        return;
    }
    auto done = [core, respond = std::move(respond)](Examined examined) mutable {
        if (core->stopped) return;
        if (examined.status == 200) respond({200, std::move(examined.body), {}});
        else respond(failure(examined.status, examined.body));
    };
    with(text::to_lower(*domain), std::move(done));
}

}  // namespace

void get_history(const CorePtr& core, const Request& request, Respond respond) {
    std::uint64_t hours = 24, step = 1;
    for (const auto& [name, value] : request.query) {
        const bool is_hours = name == "hours";
        const auto number = is_hours || name == "step" ? text::parse_unsigned(value, is_hours ? kMostHours : kMostMinutes) : std::nullopt;
        if (!number || *number == 0) {
            respond(failure(400, "there are hours (1 to 168) and step (minutes, 1 to 1440)"));
            return;
        }
        (is_hours ? hours : step) = *number;
    }
    if (!core->daemon.history) {
        respond(failure(501, "this daemon keeps no history"));
        return;
    }
    respond({200, core->daemon.history(std::chrono::hours(hours), static_cast<std::uint32_t>(step)), {}});
}

void get_domains(const CorePtr& core, const Request&, Respond respond) {
    if (!core->daemon.domains) {
        respond(failure(501, "this daemon examines nothing"));
        return;
    }
    respond({200, core->daemon.domains(), {}});
}

void get_doctor(const CorePtr& core, const Request& request, Respond respond) {
    examine(core, request, core->daemon.examine, std::move(respond));
}

void get_records(const CorePtr& core, const Request& request, Respond respond) {
    examine(core, request, core->daemon.records, std::move(respond));
}

}  // namespace posthorn::admin
