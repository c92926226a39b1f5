// POST /v1/queue/ID/retry|hold|release|bounce and DELETE /v1/queue/ID.
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "admin/endpoint.hpp"

namespace posthorn::admin {

namespace {

// `tried`: recipients that go past all suspensions already, and are not in the store's count.
void revise(const CorePtr& core, QueueId id, queue::Revision revision, std::uint64_t tried, Respond respond) {
    const auto to_answer = [tried](Core& home, queue::Revised& revised) {
        if (home.daemon.on_revised && !revised.due.empty()) {
            home.daemon.on_revised(revised.due);
        }
        boost::json::object body;
        body["recipients"] = tried + revised.recipients;
        return Answer{200, boost::json::serialize(body), {}};
    };
    core->store.revise(id, revision, core->daemon.now(),
                       at_home<queue::Revised>(core, std::move(respond), to_answer));
}

}  // namespace

void post_retry(const CorePtr& core, const Request& request, Respond respond) {
    const QueueId id = *QueueId::parse(request.segment);
    if (!core->daemon.retry_now) {
        revise(core, id, queue::Revision::retry, 0, std::move(respond));
        return;
    }
    // First what waits: so it keeps the time since when it was held. Then what an operator holds.
    core->daemon.retry_now(id, [core, id, respond = std::move(respond)](std::uint64_t tried) mutable {
        if (!core->stopped) revise(core, id, queue::Revision::retry, tried, std::move(respond));
    });
}

void post_hold(const CorePtr& core, const Request& request, Respond respond) {
    revise(core, *QueueId::parse(request.segment), queue::Revision::hold, 0, std::move(respond));
}

void post_release(const CorePtr& core, const Request& request, Respond respond) {
    revise(core, *QueueId::parse(request.segment), queue::Revision::release, 0, std::move(respond));
}

void post_bounce(const CorePtr& core, const Request& request, Respond respond) {
    revise(core, *QueueId::parse(request.segment), queue::Revision::bounce, 0, std::move(respond));
}

void delete_message(const CorePtr& core, const Request& request, Respond respond) {
    revise(core, *QueueId::parse(request.segment), queue::Revision::remove, 0, std::move(respond));
}

}  // namespace posthorn::admin
