// POST /v1/queue/ID/retry|hold|release and DELETE /v1/queue/ID.
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "admin/endpoint.hpp"

namespace posthorn::admin {

void revise_message(const CorePtr& core, QueueId id, queue::Revision revision, Respond respond) {
    const auto to_answer = [](Core& home, queue::Revised& revised) {
        if (home.daemon.on_revised && !revised.due.empty()) {
            home.daemon.on_revised(revised.due);
        }
        boost::json::object body;
        body["recipients"] = revised.recipients;
        return Answer{200, boost::json::serialize(body), {}};
    };
    core->store.revise(id, revision, core->daemon.now(),
                       at_home<queue::Revised>(core, std::move(respond), to_answer));
}

}  // namespace posthorn::admin
