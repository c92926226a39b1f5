// GET /v1/queue/ID: one message and all its recipients.
#include <boost/json/serialize.hpp>

#include "admin/endpoint.hpp"
#include "admin/queue_json.hpp"

namespace posthorn::admin {

void get_message(const CorePtr& core, QueueId id, Respond respond) {
    const auto to_answer = [](Core& home, queue::QueueEntry& entry) {
        return Answer{200, boost::json::serialize(to_json(entry, home.daemon.suspensions)), {}};
    };
    core->store.show(id, at_home<queue::QueueEntry>(core, std::move(respond), to_answer));
}

}  // namespace posthorn::admin
