// From method and path to an endpoint, by the table: what is in no row is nobody's, and each row says who may.
#include <algorithm>

#include "admin/endpoint.hpp"
#include "admin/places.hpp"
#include "auth/suspension.hpp"
#include "base/text.hpp"

namespace posthorn::admin {
namespace {

Answer not_allowed(std::string allow) {
    Answer answer = failure(405, "allowed here: " + allow);
    answer.allow = std::move(allow);
    return answer;
}

bool may(Rights has, const Place& place) {
    if (place.least == Rights::none) return true;
    if (has == Rights::read && place.method != "GET") return false;
    return has == Rights::all || (has == Rights::read && place.least != Rights::all) || (has == Rights::own && place.least == Rights::own);
}

Answer refusal_for(const Visitor& visitor) {
    if (visitor.rights == Rights::own) {
        return failure(403, "only root, the daemon's own user and those whom [admin] operators names may do that; "
                            "uid " + std::to_string(visitor.uid) + " may look at its own mail");
    }
    if (visitor.rights == Rights::read) {
        return failure(403, "who comes with this token may look at everything and change nothing: it is [admin] read_only_token, or read_only "
                            "is set; the command line on the machine itself may");
    }
    Answer answer = failure(401, "show a token: \"Authorization: Bearer TOKEN\", as [admin] token_file or read_only_token_file holds it; a "
                                 "browser logs in at /");
    answer.fields.emplace_back("WWW-Authenticate", "Bearer");
    return answer;
}

// What is wrong with the query; empty: each parameter is in the row, and those that must be there are.
std::string fault_of_query(const Place& place, const Request& request) {
    for (const auto& [name, value] : request.query) {
        const auto known = [&name](const Parameter& one) { return one.name == name; };
        if (std::any_of(place.parameters.begin(), place.parameters.end(), known)) continue;
        std::string words = "unknown parameter " + text::safe_for_log(name, 40) + "; there ";
        if (place.parameters.empty()) return words + "are none";
        words += place.parameters.size() == 1 ? "is " : "are ";
        for (std::size_t i = 0; i < place.parameters.size(); ++i)
            words.append(i == 0 ? "" : i + 1 == place.parameters.size() ? " and " : ", ").append(place.parameters[i].name);
        return words;
    }
    for (const Parameter& one : place.parameters) {
        const auto given = request.query.find(std::string(one.name));
        if (one.required && (given == request.query.end() || given->second.empty()))
            return std::string(one.name) + " is missing: " + std::string(one.words);
    }
    return {};
}

}  // namespace

std::optional<std::string_view> fits(std::string_view path_template, std::string_view path) {
    const std::vector<std::string_view> wanted = text::split(path_template, '/'), given = text::split(path, '/');
    if (wanted.size() != given.size()) return std::nullopt;
    std::string_view found;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const bool named = wanted[i].starts_with('{');
        if (named ? given[i].empty() : wanted[i] != given[i]) return std::nullopt;
        if (named) found = given[i];
    }
    return found;
}

std::vector<std::pair<std::string, std::string>> endpoints() {
    std::vector<std::pair<std::string, std::string>> all;
    for (const Place& place : places()) {
        std::string path(place.path);
        if (const auto id = path.find("{id}"); id != std::string::npos) path.replace(id, 4, QueueId(1).to_string());
        all.emplace_back(place.method, std::move(path));
    }
    return all;
}

bool may_see(const Visitor& visitor, std::string_view source) {
    return visitor.sees_all() || (visitor.rights == Rights::own && source == auth::source_of_uid(visitor.uid));
}

void route(const CorePtr& core, const Request& request, Respond respond) {
    const std::string_view method = request.method == "HEAD" ? std::string_view("GET") : std::string_view(request.method);
    std::string allowed;
    for (const Place& place : places()) {
        const auto segment = fits(place.path, request.path);
        if (!segment) continue;
        if (place.method != method) {
            // Who may not do the one is not told of the other.
            if (may(request.visitor.rights, place)) allowed.append(allowed.empty() ? "" : ", ").append(place.method);
            continue;
        }
        if (!may(request.visitor.rights, place)) {
            respond(refusal_for(request.visitor));
            return;
        }
        if (place.path.find("{id}") != std::string_view::npos && !QueueId::parse(*segment)) {
            respond(failure(404, "\"" + text::safe_for_log(*segment, 40) + "\" is no queue id; an id has 13 letters and digits"));
            return;
        }
        if (const std::string fault = fault_of_query(place, request); !fault.empty()) {
            respond(failure(400, fault));
            return;
        }
        Request found = request;
        found.segment = std::string(*segment);
        place.endpoint(core, found, std::move(respond));
        return;
    }
    if (!allowed.empty()) {
        respond(not_allowed(std::move(allowed)));
    } else if (!request.visitor.sees_all()) {
        respond(refusal_for(request.visitor));
    } else {
        respond(failure(404, "there is nothing at this path; GET /v1/openapi.json lists what there is"));
    }
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
