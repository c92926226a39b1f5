// GET /v1/health: can mail be stored.
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "admin/endpoint.hpp"

namespace posthorn::admin {

void get_health(const CorePtr& core, const Request&, Respond respond) {
    const queue::StoreHealth health = core->store.health();
    boost::json::object body;
    body["healthy"] = health.healthy;
    if (!health.healthy) {
        body["error"] = health.reason;
    }
    respond({health.healthy ? 200U : 503U, boost::json::serialize(body), {}});
}

}  // namespace posthorn::admin
