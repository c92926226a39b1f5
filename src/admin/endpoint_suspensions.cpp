// GET /v1/suspensions, POST /v1/suspensions/suspend and /v1/suspensions/resume: pairs of sender and provider whose mail is held.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "admin/endpoint.hpp"
#include "admin/queue_json.hpp"
#include "toml/units.hpp"

namespace posthorn::admin {
namespace {

constexpr Duration kLongest = std::chrono::hours(24 * 365);

// False when the query is wrong: then `wrong` says how.
bool read_change(const Request& request, PairChange& change, std::string& wrong) {
    for (const auto& [name, value] : request.query) {
        if (name == "sender") {
            change.sender = value;
        } else if (name == "provider") {
            change.provider = value;
        } else if (name == "reason" && change.suspend) {
            change.reason = value;
        } else if (name == "for" && change.suspend) {
            change.duration = toml::parse_duration(value);
            if (!change.duration || *change.duration <= Duration(0) || *change.duration > kLongest) {
                wrong = "for: a time such as 30m, 2h or 3d";
                return false;
            }
        } else {
            wrong = change.suspend ? "there are the parameters sender, provider, for and reason" : "there are the parameters sender and provider";
            return false;
        }
    }
    if (!change.sender.empty() && !change.provider.empty()) return true;
    wrong = "sender (a domain, one of our addresses, or ip) and provider (its name, a mail host, or a recipient domain) are needed";
    return false;
}

void change_pair(const CorePtr& core, const Request& request, bool suspend, Respond respond) {
    PairChange change;
    change.suspend = suspend;
    std::string wrong;
    if (!read_change(request, change, wrong)) {
        respond(failure(400, wrong));
        return;
    }
    if (!core->daemon.change_pair) {
        respond(failure(501, "this daemon suspends no pairs"));
        return;
    }
    auto done = [core, respond = std::move(respond)](Result<std::vector<std::string>> changed) mutable {
        if (core->stopped) return;
        if (!changed) {
            respond(failure(400, changed.error().what));
            return;
        }
        boost::json::array pairs;
        for (const std::string& pair : *changed) pairs.emplace_back(printable(pair));
        boost::json::object body;
        body["pairs"] = std::move(pairs);
        respond({200, boost::json::serialize(body), {}});
    };
    core->daemon.change_pair(std::move(change), std::move(done));
}

}  // namespace

void get_suspensions(const CorePtr& core, const Request&, Respond respond) {
    boost::json::object body;
    body["suspensions"] = core->daemon.pairs ? boost::json::parse(core->daemon.pairs()) : boost::json::array();
    respond({200, boost::json::serialize(body), {}});
}

void post_suspensions_suspend(const CorePtr& core, const Request& request, Respond respond) {
    change_pair(core, request, true, std::move(respond));
}

void post_suspensions_resume(const CorePtr& core, const Request& request, Respond respond) {
    change_pair(core, request, false, std::move(respond));
}

}  // namespace posthorn::admin
