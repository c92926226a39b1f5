// GET /v1/session: who asks and what he may. POST /v1/session: a browser logs in with a token; POST /v1/session/end: and out again.
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "admin/endpoint.hpp"

namespace posthorn::admin {
namespace {

Answer session_of(const Core& core, Rights rights) {
    boost::json::object body;
    body["rights"] = to_string(rights);
    body["read_only"] = core.access.rules().read_only;
    body["login"] = core.access.rules().dashboard && core.access.rules().has_token();
    body["hostname"] = core.access.rules().hostname;
    // What may be wrong with this version is no stranger's business.
    body["version"] = rights == Rights::none ? "" : POSTHORN_VERSION;
    return {200, boost::json::serialize(body), {}};
}

// The token of {"token": "..."}; empty: there is none.
std::string token_in(const std::string& body) {
    boost::system::error_code ec;
    const boost::json::value value = boost::json::parse(body, ec);
    const auto* object = ec ? nullptr : value.if_object();
    const auto* token = object == nullptr ? nullptr : object->if_contains("token");
    return token == nullptr || !token->is_string() ? std::string() : std::string(token->get_string());
}

}  // namespace

void get_session(const CorePtr& core, const Request& request, Respond respond) { respond(session_of(*core, request.visitor.rights)); }

void post_session(const CorePtr& core, const Request& request, Respond respond) {
    Access& access = core->access;
    if (!access.rules().dashboard || !access.rules().has_token()) {
        respond(failure(404, "nobody logs in here: [admin] dashboard is false, or there is no token"));
        return;
    }
    if (auto refused = access.refuse_login(request)) {
        respond(std::move(*refused));
        return;
    }
    const std::string token = token_in(request.body);
    if (token.empty()) {
        respond(failure(400, R"(the body is {"token": "..."})"));
        return;
    }
    const Rights rights = access.rights_of(token);
    if (rights == Rights::none) {
        respond(access.wrong_token());
        return;
    }
    auto cookie = access.log_in(token, request, std::chrono::steady_clock::now());
    if (!cookie) {
        respond(failure(503, "the system has no random numbers to give; try again"));
        return;
    }
    Answer answer = session_of(*core, access.rules().read_only ? Rights::read : rights);
    answer.fields.emplace_back("Set-Cookie", std::move(*cookie));
    respond(std::move(answer));
}

void post_session_end(const CorePtr& core, const Request& request, Respond respond) {
    std::string forgotten = core->access.log_out(request);
    Answer answer = session_of(*core, Rights::none);
    answer.fields.emplace_back("Set-Cookie", std::move(forgotten));
    respond(std::move(answer));
}

}  // namespace posthorn::admin
