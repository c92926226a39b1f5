// GET /v1/queue: one page of waiting messages; to users who are no operators only their own.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "admin/endpoint.hpp"
#include "admin/queue_json.hpp"
#include "auth/suspension.hpp"
#include "base/text.hpp"

namespace posthorn::admin {
namespace {

// A page of messages with 100 recipients each is some 8 MiB of JSON, made on the home shard.
constexpr std::size_t kMostPerPage = 200;

// False when the query is wrong: then `wrong` says how.
bool read_query(const Request& request, queue::ListQuery& query, std::string& wrong) {
    query.limit = 50;
    for (const auto& [name, value] : request.query) {
        if (name == "after") {
            const auto id = QueueId::parse(value);
            if (!id) {
                wrong = "after: not a queue id";
                return false;
            }
            query.after = *id;
        } else if (name == "limit") {
            const auto limit = text::parse_unsigned(value, kMostPerPage);
            if (!limit || *limit == 0) {
                wrong = "limit: a number from 1 to " + std::to_string(kMostPerPage);
                return false;
            }
            query.limit = *limit;
        } else if (name == "domain") {
            query.domain = text::to_lower(value);
        } else if (name == "from") {
            query.reverse_path = value;
        } else if (name == "user" && request.visitor.sees_all()) {
            query.sources.push_back(auth::source_of(value));
        } else if (name == "uid") {
            const auto uid = auth::uid_of_source("uid=" + value);
            if (!uid || !may_see(request.visitor, auth::source_of_uid(*uid))) {
                wrong = uid ? "uid: only your own mail is shown to you" : "uid: a number";
                return false;
            }
            query.sources.push_back(auth::source_of_uid(*uid));
        } else {
            wrong = "unknown parameter " + text::safe_for_log(name, 40) +
                    "; there are after, limit, domain, from, user and uid";
            return false;
        }
    }
    if (!request.visitor.sees_all()) query.sources = {auth::source_of_uid(request.visitor.uid)};
    return true;
}

}  // namespace

boost::json::object entry_json(const Core& core, const queue::QueueEntry& entry, const Visitor& visitor) {
    boost::json::object out = to_json(entry, core.daemon.suspensions);
    if (core.daemon.why_held && visitor.sees_all()) {
        boost::json::array& recipients = out["recipients"].as_array();
        for (std::size_t i = 0; i < recipients.size() && i < entry.recipients.size(); ++i)
            if (const std::string why = core.daemon.why_held(entry.recipients[i]); !why.empty())
                recipients[i].as_object()["held"] = printable(why);
    }
    if (core.daemon.given_up && visitor.sees_all()) {
        boost::json::array& recipients = out["recipients"].as_array();
        for (std::size_t i = 0; i < recipients.size() && i < entry.recipients.size(); ++i)
            if (const auto when = core.daemon.given_up(entry.recipients[i])) recipients[i].as_object()["given_up"] = format_time(*when);
    }
    // The operator's words about a user are not for him.
    if (auto* suspension = out.if_contains("suspension"); suspension != nullptr && !visitor.sees_all()) {
        suspension->as_object().erase("reason");
    }
    return out;
}

void get_queue(const CorePtr& core, const Request& request, Respond respond) {
    queue::ListQuery query;
    std::string wrong;
    if (!read_query(request, query, wrong)) {
        respond(failure(400, wrong));
        return;
    }
    const std::size_t limit = query.limit;
    const auto to_answer = [limit, visitor = request.visitor](Core& home, std::vector<queue::QueueEntry>& entries) {
        boost::json::array messages;
        messages.reserve(entries.size());
        for (const queue::QueueEntry& entry : entries) {
            messages.push_back(entry_json(home, entry, visitor));
        }
        boost::json::object body;
        body["messages"] = std::move(messages);
        body["next"] = nullptr;
        if (entries.size() >= limit) {
            body["next"] = entries.back().id.to_string();
        }
        return Answer{200, boost::json::serialize(body), {}};
    };
    core->store.list(std::move(query),
                     at_home<std::vector<queue::QueueEntry>>(core, std::move(respond), to_answer));
}

}  // namespace posthorn::admin
