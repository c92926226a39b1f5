// GET /v1/config: the settings in force, environment included and secrets masked, as `posthorn check-config --show` prints them.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "admin/endpoint.hpp"
#include "admin/queue_json.hpp"
#include "toml/reader.hpp"

namespace posthorn::admin {
namespace {

boost::json::value as_json(const toml::Value& value);

boost::json::object as_json(const toml::Table& table) {
    boost::json::object out;
    for (const toml::Entry& entry : table) out[printable(entry.key)] = as_json(entry.value);
    return out;
}

boost::json::value as_json(const toml::Value& value) {
    if (const auto* text = value.as<std::string>()) return boost::json::string(printable(*text));
    if (const auto* number = value.as<std::int64_t>()) return *number;
    if (const auto* real = value.as<double>()) return *real;
    if (const auto* yes = value.as<bool>()) return *yes;
    if (const auto* table = value.as<toml::Table>()) return as_json(*table);
    boost::json::array items;
    if (const auto* list = value.as<toml::List>())
        for (const toml::Value& item : *list) items.push_back(as_json(item));
    return items;
}

}  // namespace

void get_config(const CorePtr& core, const Request&, Respond respond) {
    if (!core->daemon.config) {
        respond(failure(501, "this daemon shows no settings"));
        return;
    }
    const std::string text = core->daemon.config();
    boost::json::object body;
    body["settings"] = as_json(toml::read_toml(text).root);
    body["toml"] = printable(text);
    respond({200, boost::json::serialize(body), {}});
}

}  // namespace posthorn::admin
