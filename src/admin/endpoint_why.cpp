// GET /v1/why?what=: why mail waits, or what became of it; composed by the daemon.
#include "admin/endpoint.hpp"

namespace posthorn::admin {

void get_why(const CorePtr& core, const Request& request, Respond respond) {
    constexpr std::size_t kLongest = 400;
    const auto what = request.query.find("what");
    if (request.query.size() != 1 || what == request.query.end() || what->second.empty() || what->second.size() > kLongest) {
        respond(failure(400, "name one thing (?what=): a queue id, a recipient, a domain or a provider"));
        return;
    }
    if (!core->daemon.why) {
        respond(failure(501, "this daemon does not deliver"));
        return;
    }
    auto done = [core, respond = std::move(respond)](std::string answer) mutable {
        if (!core->stopped) respond({200, std::move(answer), {}});
    };
    core->daemon.why(what->second, std::move(done));
}

}  // namespace posthorn::admin
