// POST /v1/reload: what SIGHUP does, with the mistakes in the answer.
#include "admin/endpoint.hpp"

namespace posthorn::admin {

void post_reload(const CorePtr& core, const Request&, Respond respond) {
    if (!core->daemon.reload) {
        respond(failure(501, "this daemon cannot reload; restart it"));
        return;
    }
    const Result<void> reloaded = core->daemon.reload();
    respond(reloaded ? Answer{200, R"({"reloaded":true})", {}} : failure(422, reloaded.error().what));
}

}  // namespace posthorn::admin
