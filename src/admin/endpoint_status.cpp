// GET /v1/status: the store's figures, and those that the daemon lends.
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "admin/endpoint.hpp"

namespace posthorn::admin {

void get_status(const CorePtr& core, const Request&, Respond respond) {
    const queue::StoreHealth health = core->store.health();
    boost::json::object store;
    store["healthy"] = health.healthy;
    store["reason"] = health.reason;
    store["messages"] = health.messages;
    store["recipients"] = health.recipients;
    store["inbox_bytes"] = health.inbox_bytes;
    store["batches"] = health.batches;
    store["operations"] = health.operations;
    store["wal_bytes"] = health.wal_bytes;
    store["last_commit_microseconds"] = health.last_commit_microseconds;
    boost::json::object body;
    body["store"] = std::move(store);
    if (core->daemon.status) {
        boost::system::error_code ec;
        boost::json::value daemon = boost::json::parse(core->daemon.status(), ec);
        if (ec) {
            respond(failure(500, "the daemon's figures are not JSON: " + ec.message()));
            return;
        }
        body["daemon"] = std::move(daemon);
    }
    respond({200, boost::json::serialize(body), {}});
}

}  // namespace posthorn::admin
