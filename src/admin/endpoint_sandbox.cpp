// GET /v1/sandbox: what confines the daemon, and what it could not do when it tried.
#include "admin/endpoint.hpp"

namespace posthorn::admin {

void get_sandbox(const CorePtr& core, const Request&, Respond respond) {
    if (!core->daemon.sandbox) {
        respond(failure(501, "this daemon does not confine itself"));
        return;
    }
    core->daemon.sandbox([core, respond = std::move(respond)](std::string found) mutable {
        if (!core->stopped) respond({200, std::move(found), {}});
    });
}

}  // namespace posthorn::admin
