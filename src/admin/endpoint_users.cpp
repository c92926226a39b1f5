// GET /v1/users/suspended, POST /v1/users/suspend and /v1/users/resume: who may not send for now.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "admin/endpoint.hpp"
#include "admin/queue_json.hpp"
#include "auth/suspension.hpp"

namespace posthorn::admin {
namespace {

void change_user(const CorePtr& core, const Request& request, bool suspend, Respond respond) {
    SuspensionChange change;
    change.suspend = suspend;
    for (const auto& [name, value] : request.query) {
        if (name == "user") {
            change.user = value;
        } else if (name == "uid") {
            change.uid = auth::uid_of_source("uid=" + value);
            if (!change.uid) {
                respond(failure(400, "uid: the number of the system user"));
                return;
            }
        } else if (name == "reason" && suspend) {
            change.reason = value;
        } else {
            respond(failure(400, suspend ? "there are the parameters user, uid and reason" : "there are the parameters user and uid"));
            return;
        }
    }
    if (const auto fault = auth::fault_of_user_name(change.user); !fault.empty()) {
        respond(failure(400, fault));
        return;
    }
    if (!core->daemon.change_suspension) {
        respond(failure(501, "this daemon suspends nobody"));
        return;
    }
    auto done = [core, user = change.user, suspend,
                 respond = std::move(respond)](Result<SuspensionOutcome> outcome) mutable {
        if (core->stopped) return;
        if (!outcome) {
            respond(failure(500, outcome.error().what));
            return;
        }
        boost::json::object body;
        body["user"] = printable(user);
        body["suspended"] = suspend;
        body["changed"] = outcome->changed;
        body["recipients"] = outcome->recipients;
        body["finished"] = outcome->finished;
        if (!outcome->trouble.empty()) body["trouble"] = printable(outcome->trouble);
        respond({200, boost::json::serialize(body), {}});
    };
    core->daemon.change_suspension(std::move(change), std::move(done));
}

}  // namespace

void post_suspend(const CorePtr& core, const Request& request, Respond respond) {
    change_user(core, request, true, std::move(respond));
}

void post_resume(const CorePtr& core, const Request& request, Respond respond) {
    change_user(core, request, false, std::move(respond));
}

void get_suspended(const CorePtr& core, const Request&, Respond respond) {
    boost::json::array users;
    if (core->daemon.suspensions != nullptr) {
        for (const auto& [name, suspension] : core->daemon.suspensions->users()) {
            boost::json::object user = to_json(suspension);
            user["user"] = printable(name);
            if (suspension.uid) user["uid"] = *suspension.uid;
            users.push_back(std::move(user));
        }
    }
    boost::json::object body;
    body["suspended"] = std::move(users);
    respond({200, boost::json::serialize(body), {}});
}

}  // namespace posthorn::admin
