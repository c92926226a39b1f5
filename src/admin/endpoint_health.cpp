// GET /v1/health: can mail be stored. The writer is asked, and then the disk: while no mail comes, nobody else finds out that it is full.
#include <boost/asio/post.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "admin/endpoint.hpp"

namespace posthorn::admin {
namespace {

Answer health_answer(const std::string& fault) {
    boost::json::object body;
    body["healthy"] = fault.empty();
    if (!fault.empty()) body["error"] = fault;
    return {fault.empty() ? 200U : 503U, boost::json::serialize(body), {}};
}

}  // namespace

void get_health(const CorePtr& core, const Request&, Respond respond) {
    // An operation that changes nothing: while the store refuses mail, it refuses this, too.
    core->store.forget_pickups({}, [core, respond = std::move(respond)](queue::StoreResult<std::uint64_t> result) mutable {
        boost::asio::post(core->io, [core, respond = std::move(respond), result = std::move(result)]() mutable {
            if (core->stopped) return;
            if (!result || !core->daemon.try_disk) return respond(health_answer(result ? std::string() : result.error().what));
            core->daemon.try_disk([core, respond = std::move(respond)](const std::string& fault) mutable {
                if (!core->stopped) respond(health_answer(fault));
            });
        });
    });
}

}  // namespace posthorn::admin
