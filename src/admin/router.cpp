// From method and path to an endpoint.
#include "admin/endpoint.hpp"
#include "auth/suspension.hpp"
#include "base/text.hpp"

namespace posthorn::admin {
namespace {

Answer not_allowed(const char* allow) {
    Answer answer = failure(405, std::string("allowed here: ") + allow);
    answer.allow = allow;
    return answer;
}

using Simple = void (*)(const CorePtr&, const Request&, Respond);

// /v1/queue/ID and what can be done with it.
void route_message(const CorePtr& core, const Request& request, std::string_view rest, Respond respond) {
    const std::string_view id_text = text::take_field(rest, '/');
    const auto id = QueueId::parse(id_text);
    if (!id) {
        respond(failure(404, "\"" + text::safe_for_log(id_text, 40) +
                                 "\" is no queue id; an id has 13 letters and digits"));
        return;
    }
    if (rest.empty()) {
        if (request.method == "GET") {
            get_message(core, *id, request.visitor, std::move(respond));
        } else if (request.method == "DELETE") {
            revise_message(core, *id, queue::Revision::remove, std::move(respond));
        } else {
            respond(not_allowed("GET, DELETE"));
        }
        return;
    }
    const bool known = rest == "retry" || rest == "hold" || rest == "release" || rest == "bounce";
    if (!known) {
        respond(failure(404, "a message can be asked to retry, hold, release or bounce"));
    } else if (request.method != "POST") {
        respond(not_allowed("POST"));
    } else {
        revise_message(core, *id,
                       rest == "retry"    ? queue::Revision::retry
                       : rest == "hold"   ? queue::Revision::hold
                       : rest == "bounce" ? queue::Revision::bounce
                                          : queue::Revision::release,
                       std::move(respond));
    }
}

constexpr std::string_view kMessages = "/v1/queue/";

struct Place {
    std::string_view path;
    const char* method;
    Simple endpoint;
};
constexpr Place kPlaces[] = {
    {"/mailq", "GET", get_mailq},
    {"/mailq/flush", "POST", post_flush},
    {"/metrics", "GET", get_metrics},
    {"/v1/alarms", "GET", get_alarms},
    {"/v1/alarms/test", "POST", post_alarms_test},
    {"/v1/diagnosis", "GET", get_diagnosis},
    {"/v1/events", "GET", get_events},
    {"/v1/guard", "GET", get_guard},
    {"/v1/guard/forgive", "POST", post_forgive},
    {"/v1/health", "GET", get_health},
    {"/v1/queue", "GET", get_queue},
    {"/v1/reload", "POST", post_reload},
    {"/v1/route", "GET", get_route},
    {"/v1/senders", "GET", get_senders},
    {"/v1/status", "GET", get_status},
    {"/v1/survey", "GET", get_survey},
    {"/v1/suspensions", "GET", get_suspensions},
    {"/v1/suspensions/resume", "POST", post_suspensions_resume},
    {"/v1/suspensions/suspend", "POST", post_suspensions_suspend},
    {"/v1/suppressions", "GET", get_suppressions},
    {"/v1/suppressions/add", "POST", post_suppressions_add},
    {"/v1/suppressions/remove", "POST", post_suppressions_remove},
    {"/v1/tls-reports", "GET", get_tls_reports},
    {"/v1/tls-reports/send", "POST", post_tls_reports},
    {"/v1/tls-reports/show", "GET", get_tls_report},
    {"/v1/users/resume", "POST", post_resume},
    {"/v1/users/suspend", "POST", post_suspend},
    {"/v1/users/suspended", "GET", get_suspended},
    {"/v1/why", "GET", get_why},
    {"/v1/webhooks", "GET", get_webhooks},
    {"/v1/webhooks/replay", "POST", post_webhooks_replay},
};

// What every user of this machine may ask: endpoints that look at the visitor themselves. Of /v1/queue/ID only the message
// itself: what follows a further slash changes something.
bool is_everybodys(const Request& request) {
    const std::string_view path = request.path;
    if (request.method == "GET") {
        return path == "/v1/queue" || path == "/mailq" ||
               (path.starts_with(kMessages) && path.find('/', kMessages.size()) == std::string_view::npos);
    }
    return request.method == "POST" && path == "/mailq/flush";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> endpoints() {
    std::vector<std::pair<std::string, std::string>> all;
    for (const Place& place : kPlaces) all.emplace_back(place.method, place.path);
    const std::string message = std::string(kMessages) + QueueId(1).to_string();
    all.emplace_back("GET", message);
    all.emplace_back("DELETE", message);
    for (const char* revision : {"/retry", "/hold", "/release", "/bounce"}) all.emplace_back("POST", message + revision);
    return all;
}

bool may_see(const Visitor& visitor, std::string_view source) {
    return visitor.sees_all() || source == auth::source_of_uid(visitor.uid);
}

void route(const CorePtr& core, const Request& request, Respond respond) {
    if (!request.visitor.sees_all() && !is_everybodys(request)) {
        respond(failure(403, "only root, the daemon's own user and those whom [admin] operators names may do that; "
                             "uid " + std::to_string(request.visitor.uid) + " may look at its own mail"));
        return;
    }
    if (request.path.starts_with(kMessages) && request.path.size() > kMessages.size()) {
        route_message(core, request, std::string_view(request.path).substr(kMessages.size()),
                      std::move(respond));
        return;
    }
    for (const Place& place : kPlaces) {
        if (request.path == place.path) {
            if (request.method == place.method) {
                place.endpoint(core, request, std::move(respond));
            } else {
                respond(not_allowed(place.method));
            }
            return;
        }
    }
    respond(failure(
        404, "there is nothing at this path; there are /v1/queue, /v1/health, /v1/status, /v1/senders, /v1/reload, /mailq and /metrics"));
}

Answer answer_for(const queue::StoreError& error) {
    switch (error.fault) {
        case queue::StoreFault::not_found:
            return failure(404, error.what.empty()
                                    ? "no such message: it was delivered, it failed, or it never was"
                                    : error.what);
        case queue::StoreFault::refused:
        case queue::StoreFault::known:
            return failure(409, error.what);
        case queue::StoreFault::busy:
        case queue::StoreFault::disk_full:
        case queue::StoreFault::shutting_down:
            return failure(503, error.what);
        case queue::StoreFault::io_error:
        case queue::StoreFault::corrupt:
            break;
    }
    return failure(500, error.what);
}

}  // namespace posthorn::admin
