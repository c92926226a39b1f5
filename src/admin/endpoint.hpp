// The endpoints: one function each, in a file of its own, and what they all work with.
#pragma once

#include <boost/asio/post.hpp>
#include <boost/json/object.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "admin/http.hpp"
#include "admin/server.hpp"
#include "base/clock.hpp"
#include "base/queue_id.hpp"
#include "queue/store.hpp"

namespace posthorn::admin {

class EventFeed;

// Shared by the server and by answers that are still to come; on the io_context's thread, but for what
// at_home does.
struct Core {
    boost::asio::io_context& io;
    queue::QueueStore& store;
    Daemon daemon;
    bool stopped = false;  // then nothing of the daemon is called any more
    std::shared_ptr<EventFeed> events;
    std::map<QueueId, TimePoint> flushed;   // single messages that visitors had tried, and when: not more often than once a minute
};
using CorePtr = std::shared_ptr<Core>;

void get_health(const CorePtr& core, const Request& request, Respond respond);
void get_status(const CorePtr& core, const Request& request, Respond respond);
void get_metrics(const CorePtr& core, const Request& request, Respond respond);
void post_reload(const CorePtr& core, const Request& request, Respond respond);
void get_suspended(const CorePtr& core, const Request& request, Respond respond);
void post_suspend(const CorePtr& core, const Request& request, Respond respond);
void post_resume(const CorePtr& core, const Request& request, Respond respond);
void get_suspensions(const CorePtr& core, const Request& request, Respond respond);
void post_suspensions_suspend(const CorePtr& core, const Request& request, Respond respond);
void post_suspensions_resume(const CorePtr& core, const Request& request, Respond respond);
void get_suppressions(const CorePtr& core, const Request& request, Respond respond);
void post_suppressions_add(const CorePtr& core, const Request& request, Respond respond);
void post_suppressions_remove(const CorePtr& core, const Request& request, Respond respond);
void get_alarms(const CorePtr& core, const Request& request, Respond respond);
void post_alarms_test(const CorePtr& core, const Request& request, Respond respond);
void get_webhooks(const CorePtr& core, const Request& request, Respond respond);
void post_webhooks_replay(const CorePtr& core, const Request& request, Respond respond);
void get_guard(const CorePtr& core, const Request& request, Respond respond);
void post_forgive(const CorePtr& core, const Request& request, Respond respond);
void get_tls_reports(const CorePtr& core, const Request& request, Respond respond);
void get_tls_report(const CorePtr& core, const Request& request, Respond respond);
void post_tls_reports(const CorePtr& core, const Request& request, Respond respond);
void get_events(const CorePtr& core, const Request& request, Respond respond);
void get_diagnosis(const CorePtr& core, const Request& request, Respond respond);
void get_survey(const CorePtr& core, const Request& request, Respond respond);
void get_why(const CorePtr& core, const Request& request, Respond respond);
void get_route(const CorePtr& core, const Request& request, Respond respond);
void get_senders(const CorePtr& core, const Request& request, Respond respond);
void get_mailq(const CorePtr& core, const Request& request, Respond respond);
void post_flush(const CorePtr& core, const Request& request, Respond respond);
void get_history(const CorePtr& core, const Request& request, Respond respond);
void get_domains(const CorePtr& core, const Request& request, Respond respond);
void get_doctor(const CorePtr& core, const Request& request, Respond respond);
void get_records(const CorePtr& core, const Request& request, Respond respond);
// The dashboard's page and its parts: "/" and "/assets/VERSION/NAME". Everybody's: nothing of mail is in them.
void get_asset(const CorePtr& core, const Request& request, Respond respond);
void get_queue(const CorePtr& core, const Request& request, Respond respond);
void get_message(const CorePtr& core, QueueId id, const Visitor& visitor, Respond respond);
void revise_message(const CorePtr& core, QueueId id, queue::Revision revision, Respond respond);

// A queue entry as this visitor may read it.
[[nodiscard]] boost::json::object entry_json(const Core& core, const queue::QueueEntry& entry, const Visitor& visitor);
// Whether a message is there for this visitor: all are for operators, to others their own.
[[nodiscard]] bool may_see(const Visitor& visitor, std::string_view source);

// Method and path of all there are; for the test that walks them.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> endpoints();

// Finds the endpoint; answers 403, 404 and 405 itself. What is not said to be everybody's is the operators' alone.
void route(const CorePtr& core, const Request& request, Respond respond);

[[nodiscard]] Answer answer_for(const queue::StoreError& error);

// A callback for the store, which calls it on a thread of its own: carries the result home and answers there.
// to_answer: Answer(Core&, T&).
template <class T, class ToAnswer>
queue::Done<T> at_home(CorePtr core, Respond respond, ToAnswer to_answer) {
    return [core = std::move(core), respond = std::move(respond),
            to_answer = std::move(to_answer)](queue::StoreResult<T> result) mutable {
        boost::asio::io_context& io = core->io;
        boost::asio::post(io, [core = std::move(core), respond = std::move(respond),
                               to_answer = std::move(to_answer), result = std::move(result)]() mutable {
            if (core->stopped) {
                return;
            }
            respond(result.has_value() ? to_answer(*core, *result) : answer_for(result.error()));
        });
    };
}

}  // namespace posthorn::admin
