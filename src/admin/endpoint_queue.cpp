// GET /v1/queue: one page of waiting messages.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "admin/endpoint.hpp"
#include "admin/queue_json.hpp"
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
        } else {
            wrong = "unknown parameter " + text::safe_for_log(name, 40) +
                    "; there are after, limit, domain and from";
            return false;
        }
    }
    return true;
}

}  // namespace

void get_queue(const CorePtr& core, const Request& request, Respond respond) {
    queue::ListQuery query;
    std::string wrong;
    if (!read_query(request, query, wrong)) {
        respond(failure(400, wrong));
        return;
    }
    const std::size_t limit = query.limit;
    const auto to_answer = [limit](Core& home, std::vector<queue::QueueEntry>& entries) {
        boost::json::array messages;
        messages.reserve(entries.size());
        for (const queue::QueueEntry& entry : entries) {
            messages.push_back(to_json(entry, home.daemon.suspensions));
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
