// GET /v1/alarms: what is raised. POST /v1/alarms/test: a test alarm by all outputs. GET /v1/webhooks and POST
// /v1/webhooks/replay?name=&from=: how far receivers are, and telling them again.
#include "admin/endpoint.hpp"
#include "base/text.hpp"

namespace posthorn::admin {

void get_alarms(const CorePtr& core, const Request&, Respond respond) {
    if (!core->daemon.alarms) {
        respond(failure(501, "this daemon raises no alarms"));
        return;
    }
    respond({200, core->daemon.alarms(), {}});
}

void post_alarms_test(const CorePtr& core, const Request&, Respond respond) {
    if (!core->daemon.test_alarms) {
        respond(failure(501, "this daemon raises no alarms"));
        return;
    }
    auto done = [core, respond = std::move(respond)](std::string body) mutable {
        if (!core->stopped) respond({200, std::move(body), {}});
    };
    core->daemon.test_alarms(std::move(done));
}

void get_webhooks(const CorePtr& core, const Request&, Respond respond) {
    if (!core->daemon.webhooks) {
        respond(failure(501, "this daemon has no webhooks"));
        return;
    }
    respond({200, core->daemon.webhooks(), {}});
}

void post_webhooks_replay(const CorePtr& core, const Request& request, Respond respond) {
    if (!core->daemon.replay_webhook) {
        respond(failure(501, "this daemon has no webhooks"));
        return;
    }
    const auto name = request.query.find("name");
    const auto from = request.query.find("from");
    if (request.query.size() != 2 || name == request.query.end() || from == request.query.end()) {
        respond(failure(400, "name a webhook and the first number: ?name=shop&from=120"));
        return;
    }
    const auto number = text::parse_unsigned(from->second, 1'000'000'000'000'000'000);
    if (!number) {
        respond(failure(400, "from is no number of the journal"));
        return;
    }
    const Result<void> moved = core->daemon.replay_webhook(name->second, *number);
    if (!moved) {
        respond(failure(404, moved.error().what));
        return;
    }
    respond({200, "{}", {}});
}

}  // namespace posthorn::admin
