// GET /v1/senders: who has sent how much of late, by user and script.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "admin/endpoint.hpp"
#include "admin/queue_json.hpp"
#include "auth/suspension.hpp"

namespace posthorn::admin {

void get_senders(const CorePtr& core, const Request&, Respond respond) {
    if (!core->daemon.senders) {
        respond(failure(501, "this daemon counts no senders"));
        return;
    }
    const TimePoint now = core->daemon.now();
    const SteadyTime steady = std::chrono::steady_clock::now();
    boost::json::array senders;
    for (const auth::SenderUse& use : core->daemon.senders()) {
        boost::json::object one;
        one["source"] = printable(use.source);
        one["user"] = printable(use.user);
        one["means"] = printable(use.means);
        boost::json::object hour;
        hour["messages"] = use.hour_messages;
        hour["recipients"] = use.hour_recipients;
        one["hour"] = std::move(hour);
        boost::json::object day;
        day["messages"] = use.day_messages;
        day["recipients"] = use.day_recipients;
        one["day"] = std::move(day);
        one["last"] = format_time(now - std::chrono::duration_cast<Duration>(steady - use.last));
        one["suspended"] = core->daemon.suspensions != nullptr && core->daemon.suspensions->find_source(use.source) != nullptr;
        senders.push_back(std::move(one));
    }
    boost::json::object body;
    body["senders"] = std::move(senders);
    respond({200, boost::json::serialize(body), {}});
}

}  // namespace posthorn::admin
