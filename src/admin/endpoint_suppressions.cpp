// GET /v1/suppressions, POST /v1/suppressions/add and /v1/suppressions/remove: addresses that no mail goes to any more.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>

#include "admin/endpoint.hpp"
#include "admin/queue_json.hpp"
#include "base/text.hpp"
#include "delivery/suppression.hpp"

namespace posthorn::admin {
namespace {

constexpr std::size_t kMost = 1000;

boost::json::object to_json(const queue::Suppression& entry) {
    boost::json::object one;
    one["address"] = printable(entry.address);
    one["since"] = format_time(entry.since);
    one["class"] = entry.failure_class;
    one["reply"] = printable(entry.reply);
    if (entry.message.value() != 0) one["message"] = entry.message.to_string();
    return one;
}

// "address" holds one or several, a line each. The error is the first that is none.
Result<std::vector<std::string>> addresses_of(const Request& request) {
    std::vector<std::string> keys;
    const auto given = request.query.find("address");
    std::string_view rest = given == request.query.end() ? std::string_view() : std::string_view(given->second);
    while (!rest.empty()) {
        const std::string_view line = text::trim(text::take_field(rest, '\n'));
        if (line.empty()) continue;
        std::string key = delivery::suppression_key(line);
        if (key.empty() || key.front() == '@') return Error{"\"" + text::safe_for_log(line, 80) + "\" is no address"};
        keys.push_back(std::move(key));
    }
    if (keys.empty()) return Error{"address: which one? Several may be given, a line each"};
    return keys;
}

bool knows_parameters(const Request& request, bool with_reason) {
    for (const auto& [name, value] : request.query)
        if (name != "address" && !(with_reason && name == "reason")) return false;
    return true;
}

}  // namespace

void get_suppressions(const CorePtr& core, const Request& request, Respond respond) {
    std::string after;
    std::size_t limit = 100;
    for (const auto& [name, value] : request.query) {
        if (name == "after") {
            after = value;
        } else if (name == "limit") {
            const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), limit);
            if (ec != std::errc() || end != value.data() + value.size() || limit == 0 || limit > kMost) {
                respond(failure(400, "limit: a number from 1 to 1000"));
                return;
            }
        } else {
            respond(failure(400, "there are the parameters after and limit"));
            return;
        }
    }
    auto to_answer = [limit](Core&, std::vector<queue::Suppression>& found) {
        boost::json::array entries;
        for (const queue::Suppression& entry : found) entries.push_back(to_json(entry));
        boost::json::object body;
        body["suppressed"] = std::move(entries);
        body["next"] = found.size() < limit ? boost::json::value(nullptr) : boost::json::value(printable(found.back().address));
        return Answer{200, boost::json::serialize(body), {}};
    };
    core->store.suppressions(std::move(after), limit, at_home<std::vector<queue::Suppression>>(core, std::move(respond), std::move(to_answer)));
}

void post_suppressions_add(const CorePtr& core, const Request& request, Respond respond) {
    if (!knows_parameters(request, true)) {
        respond(failure(400, "there are the parameters address and reason"));
        return;
    }
    Result<std::vector<std::string>> addresses = addresses_of(request);
    if (!addresses) {
        respond(failure(400, addresses.error().what));
        return;
    }
    constexpr std::size_t kBound = delivery::SuppressionList::kMost;
    if (const std::size_t present = core->daemon.suppressed ? core->daemon.suppressed() : 0; present + addresses->size() > kBound) {
        respond(failure(400, "the list has " + std::to_string(present) + " addresses and takes at most " + std::to_string(kBound) +
                                 "; remove those that nobody writes to (`posthorn suppression remove`)"));
        return;
    }
    const auto reason = request.query.find("reason");
    std::vector<queue::Suppression> entries;
    for (std::string& address : *addresses) {
        queue::Suppression entry;
        entry.address = std::move(address);
        entry.since = core->daemon.now();
        entry.failure_class = delivery::kByOperator;
        if (reason != request.query.end()) entry.reply = reason->second;
        entries.push_back(std::move(entry));
    }
    auto to_answer = [entries](Core& home, std::uint64_t& fresh) mutable {
        boost::json::object body;
        body["added"] = fresh;
        body["known"] = entries.size() - fresh;
        if (home.daemon.on_suppressed) home.daemon.on_suppressed(std::move(entries));
        return Answer{200, boost::json::serialize(body), {}};
    };
    core->store.suppress(std::move(entries), at_home<std::uint64_t>(core, std::move(respond), std::move(to_answer)));
}

void post_suppressions_remove(const CorePtr& core, const Request& request, Respond respond) {
    if (!knows_parameters(request, false)) {
        respond(failure(400, "there is the parameter address"));
        return;
    }
    Result<std::vector<std::string>> addresses = addresses_of(request);
    if (!addresses) {
        respond(failure(400, addresses.error().what));
        return;
    }
    auto to_answer = [keys = *addresses](Core& home, std::uint64_t& removed) {
        if (home.daemon.on_unsuppressed) home.daemon.on_unsuppressed(keys);
        boost::json::object body;
        body["removed"] = removed;
        body["unknown"] = keys.size() - std::min<std::uint64_t>(removed, keys.size());
        return Answer{200, boost::json::serialize(body), {}};
    };
    core->store.unsuppress(std::move(*addresses), at_home<std::uint64_t>(core, std::move(respond), std::move(to_answer)));
}

}  // namespace posthorn::admin
