// GET /v1/route?domain=&sender=: what would happen to mail from one domain to another.
#include "admin/endpoint.hpp"

namespace posthorn::admin {

void get_route(const CorePtr& core, const Request& request, Respond respond) {
    RouteQuestion question;
    for (const auto& [name, value] : request.query) {
        if (name == "domain") {
            question.domain = value;
        } else if (name == "sender") {
            question.sender_domain = value;
        } else {
            respond(failure(400, "there are the parameters domain and sender"));
            return;
        }
    }
    if (question.domain.empty()) {
        respond(failure(400, "name a domain: ?domain=example.com"));
        return;
    }
    if (!core->daemon.explain_route) {
        respond(failure(501, "this daemon does not deliver"));
        return;
    }
    auto done = [core, respond = std::move(respond)](std::string explained) mutable {
        if (!core->stopped) respond({200, std::move(explained), {}});
    };
    core->daemon.explain_route(std::move(question), std::move(done));
}

}  // namespace posthorn::admin
