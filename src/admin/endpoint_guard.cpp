// GET /v1/guard: addresses with failures or bans. POST /v1/guard/forgive?address= or ?all=true: forgets them.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "admin/endpoint.hpp"

namespace posthorn::admin {

void get_guard(const CorePtr& core, const Request&, Respond respond) {
    if (!core->daemon.guarded) {
        respond(failure(501, "this daemon guards no door"));
        return;
    }
    boost::json::array addresses;
    for (const GuardedAddress& known : core->daemon.guarded()) {
        boost::json::object one;
        one["address"] = known.address;
        one["banned"] = known.banned_for > Duration::zero();
        one["banned_seconds"] = std::chrono::ceil<std::chrono::seconds>(known.banned_for).count();
        one["bans"] = known.bans;
        one["failures"] = known.failures;
        one["turned_away"] = known.turned_away;
        one["reason"] = known.reason;
        addresses.push_back(std::move(one));
    }
    boost::json::object body;
    body["addresses"] = std::move(addresses);
    respond({200, boost::json::serialize(body), {}});
}

void post_forgive(const CorePtr& core, const Request& request, Respond respond) {
    if (!core->daemon.forgive || !core->daemon.forgive_all) {
        respond(failure(501, "this daemon guards no door"));
        return;
    }
    const auto address = request.query.find("address");
    const auto all = request.query.find("all");
    if (request.query.size() != 1 || (address == request.query.end() && (all == request.query.end() || all->second != "true"))) {
        respond(failure(400, "name one address: ?address=192.0.2.1, or ?all=true"));
        return;
    }
    boost::json::object body;
    if (address == request.query.end()) {
        core->daemon.forgive_all();
        body["forgiven"] = true;
    } else {
        const Result<bool> known = core->daemon.forgive(address->second);
        if (!known) {
            respond(failure(400, known.error().what));
            return;
        }
        body["forgiven"] = *known;
    }
    respond({200, boost::json::serialize(body), {}});
}

}  // namespace posthorn::admin
