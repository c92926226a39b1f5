// GET /v1/events: what happens, live, one object of JSON a line, until the asker has enough.
#include "admin/endpoint.hpp"
#include "admin/event_feed.hpp"
#include "base/text.hpp"
#include "mail/domain.hpp"

namespace posthorn::admin {

void get_events(const CorePtr& core, const Request& request, Respond respond) {
    EventFilter filter;
    for (const auto& [name, value] : request.query) {
        if (name == "id") {
            const auto id = QueueId::parse(value);
            if (!id) {
                respond(failure(400, "id: not a queue id; `posthorn queue list` shows them"));
                return;
            }
            filter.id = id->to_string();
        } else if (name == "domain") {
            const auto domain = mail::to_ascii(value);
            if (!domain) {
                respond(failure(400, "domain: not the name of a domain"));
                return;
            }
            filter.domain = text::to_lower(*domain);
        } else {
            respond(failure(400, "unknown parameter " + text::safe_for_log(name, 40) + "; there are id and domain"));
            return;
        }
    }
    EventManner manner;
    manner.server_sent = request.field("accept").find("text/event-stream") != std::string_view::npos;
    manner.last_id = std::string(request.field("last-event-id"));
    respond(core->events ? core->events->follow(std::move(filter), std::move(manner)) : failure(501, "this daemon shows no events"));
}

}  // namespace posthorn::admin
