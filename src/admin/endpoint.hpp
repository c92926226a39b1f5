// The endpoints: one function each, in a file of its own, and what they all work with.
#pragma once

#include <boost/asio/post.hpp>
#include <boost/json/object.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "admin/access.hpp"
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
    Access access{AccessRules{}};
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
void get_sandbox(const CorePtr& core, const Request& request, Respond respond);
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
void get_message(const CorePtr& core, const Request& request, Respond respond);
void delete_message(const CorePtr& core, const Request& request, Respond respond);
void post_retry(const CorePtr& core, const Request& request, Respond respond);
void post_hold(const CorePtr& core, const Request& request, Respond respond);
void post_release(const CorePtr& core, const Request& request, Respond respond);
void post_bounce(const CorePtr& core, const Request& request, Respond respond);
void get_session(const CorePtr& core, const Request& request, Respond respond);
void post_session(const CorePtr& core, const Request& request, Respond respond);
void post_session_end(const CorePtr& core, const Request& request, Respond respond);
void get_config(const CorePtr& core, const Request& request, Respond respond);
void get_openapi(const CorePtr& core, const Request& request, Respond respond);

// A queue entry as this visitor may read it.
[[nodiscard]] boost::json::object entry_json(const Core& core, const queue::QueueEntry& entry, const Visitor& visitor);
// Whether a message is there for this visitor: all are for operators, to others their own.
[[nodiscard]] bool may_see(const Visitor& visitor, std::string_view source);

// Method and path of all there are, with a queue id where one belongs; for tests that walk them.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> endpoints();

// Finds the endpoint; answers 400 to parameters that are not its own, and 401, 403, 404 and 405 itself. Who may is in its row (places.hpp).
// REQUIRES: request.visitor is judged (Access::judge).
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
