// What the delivery layer says, with what each provider makes of it.
#include "app/diagnosis_view.hpp"

#include <boost/json/array.hpp>

#include "admin/queue_json.hpp"

namespace posthorn::app {

namespace json = boost::json;

json::object diagnosis_json(const std::string& domain, const std::string& sender_domain, const delivery::Diagnosis& diagnosis) {
    json::object out;
    out["domain"] = admin::printable(domain);
    out["sender_domain"] = admin::printable(sender_domain);
    const json::object told = delivery::to_json(diagnosis);
    for (const auto& member : told) out[member.key()] = member.value();
    // What strangers publish is in it.
    for (json::value& fact : out["facts"].as_array()) {
        for (const char* key : {"subject", "detail", "repair"}) {
            json::value& text = fact.as_object()[key];
            text = admin::printable(std::string(text.as_string()));
        }
    }
    json::array providers;
    for (const delivery::Standing& standing : delivery::standings(diagnosis))
        providers.push_back(json::object{{"provider", standing.provider},
                                         {"everyone", to_string(standing.everyone)},
                                         {"bulk", to_string(standing.bulk)},
                                         {"words", standing.words}});
    out["providers"] = std::move(providers);
    return out;
}

}  // namespace posthorn::app
