// The fields of a suspended pair.
#include "app/pair_view.hpp"

#include "admin/queue_json.hpp"
#include "base/utc.hpp"
#include "delivery/diagnosis.hpp"

namespace posthorn::app {
namespace {

void put(boost::json::object& to, const char* name, const std::optional<TimePoint>& when) {
    to[name] = nullptr;
    if (when) to[name] = utc_text(*when);
}

}  // namespace

boost::json::object pair_json(const delivery::SuspendedPair& pair) {
    boost::json::object out;
    out["pair"] = admin::printable(pair.name());
    out["words"] = admin::printable(pair.sentence());
    out["sender"] = admin::printable(pair.sender);
    out["source"] = admin::printable(pair.source);
    out["provider"] = admin::printable(pair.group);
    out["reason"] = to_string(pair.reason);
    out["phase"] = to_string(pair.phase);
    out["since"] = utc_text(pair.since);
    out["reply"] = admin::printable(pair.reply);
    out["host"] = admin::printable(pair.host);
    out["rule"] = pair.rule;
    out["meaning"] = admin::printable(pair.meaning);
    out["advice"] = admin::printable(pair.advice);
    out["link"] = admin::printable(pair.link);
    boost::json::array causes;
    for (const std::string_view word : pair.causes.words()) causes.emplace_back(word);
    out["causes"] = std::move(causes);
    out["first_message"] = pair.first_message ? pair.first_message.to_string() : "";
    out["unexplained"] = pair.unexplained;
    put(out, "next_poll", pair.next_poll);
    put(out, "next_probe", pair.next_probe);
    put(out, "until", pair.until);
    out["probes"] = pair.probes;
    out["connections"] = pair.connections;
    out["diagnosis"] = nullptr;
    if (pair.diagnosis) out["diagnosis"] = to_json(*pair.diagnosis);
    return out;
}

boost::json::array pairs_json(const std::vector<delivery::SuspendedPair>& pairs) {
    boost::json::array all;
    for (const delivery::SuspendedPair& pair : pairs) all.push_back(pair_json(pair));
    return all;
}

}  // namespace posthorn::app
