// GET /v1/queue/ID: one message and all its recipients; to users who are no operators only their own.
#include <boost/json/serialize.hpp>

#include "admin/endpoint.hpp"
#include "admin/queue_json.hpp"
#include "auth/suspension.hpp"

namespace posthorn::admin {

void get_message(const CorePtr& core, const Request& request, Respond respond) {
    const auto to_answer = [visitor = request.visitor](Core& home, queue::QueueEntry& entry) {
        // In the words of the store: whether there is such a message of somebody else is not his business.
        if (!may_see(visitor, entry.source)) return failure(404, "no message " + entry.id.to_string() + " in the queue");
        return Answer{200, boost::json::serialize(entry_json(home, entry, visitor)), {}};
    };
    core->store.show(*QueueId::parse(request.segment), at_home<queue::QueueEntry>(core, std::move(respond), to_answer));
}

}  // namespace posthorn::admin
