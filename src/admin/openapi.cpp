// The description of the interface after OpenAPI 3.1, made from the table that requests are routed by.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "admin/places.hpp"
#include "base/text.hpp"

namespace posthorn::admin {
namespace {

namespace json = boost::json;

json::object reference(std::string_view schema) { return {{"$ref", "#/components/schemas/" + std::string(schema)}}; }

json::object content_of(std::string_view answer) {
    const bool is_media = answer.find('/') != std::string_view::npos;
    json::object content;
    if (!is_media) {
        content["application/json"] = json::object{{"schema", reference(answer)}};
    } else {
        content[answer] = json::object{{"schema", json::object{{"type", "string"}}}};
    }
    if (answer == "application/x-ndjson") content["text/event-stream"] = json::object{{"schema", json::object{{"type", "string"}}}};
    return content;
}

json::array parameters_of(const Place& place) {
    json::array all;
    for (const std::string_view part : text::split(place.path, '/')) {
        if (!part.starts_with('{')) continue;
        json::object one;
        one["name"] = part.substr(1, part.size() - 2);
        one["in"] = "path";
        one["required"] = true;
        one["schema"] = json::object{{"type", "string"}};
        all.push_back(std::move(one));
    }
    for (const Parameter& parameter : place.parameters) {
        json::object one;
        one["name"] = parameter.name;
        one["in"] = "query";
        one["description"] = parameter.words;
        one["required"] = parameter.required;
        one["schema"] = json::parse(parameter.schema);
        all.push_back(std::move(one));
    }
    return all;
}

// "getQueueMessage" of GET /v1/queue/{id}: unique, since method and path are.
std::string operation_id(const Place& place) {
    std::string id = text::to_lower(place.method);
    for (std::string_view part : text::split(place.path, '/')) {
        if (part.empty() || part == "v1") continue;
        bool upper = true;
        for (const char c : part) {
            if (!text::is_alnum(c)) {
                upper = true;
                continue;
            }
            id += upper ? text::to_upper(c) : c;
            upper = false;
        }
    }
    return id;
}

json::object operation_of(const Place& place) {
    json::object good;
    good["description"] = place.words;
    good["content"] = content_of(place.answer);
    json::object error;
    error["description"] = "What is wrong, and what to do: 400 parameters, 401 no or a wrong token, 403 not yours, 404 not there, 409 the queue "
                           "refuses, 429 too often, 501 this daemon cannot, 503 not now, 504 not in time.";
    error["content"] = content_of("Error");
    json::object responses;
    responses["200"] = std::move(good);
    responses["default"] = std::move(error);
    json::object out;
    out["operationId"] = operation_id(place);
    out["summary"] = place.words;
    out["x-rights"] = to_string(place.least);
    if (json::array parameters = parameters_of(place); !parameters.empty()) out["parameters"] = std::move(parameters);
    if (!place.body.empty()) {
        json::object body;
        body["required"] = true;
        body["content"] = content_of(place.body);
        out["requestBody"] = std::move(body);
    }
    json::array security;
    if (place.least != Rights::none) {
        security.push_back(json::object{{"token", json::array()}});
        security.push_back(json::object{{"session", json::array()}});
    }
    out["security"] = std::move(security);
    out["responses"] = std::move(responses);
    return out;
}

constexpr std::string_view kAbout =
    "HTTP over the unix socket that [admin] socket names, where the kernel says who asks, and over TCP at [admin] listen, where a token does. "
    "x-rights is what an operation takes: none; own: users of the machine, for their own mail; read: also read_only_token; all: root, the "
    "daemon's user, operators, token. A change by a browser's session needs X-Posthorn-Request: 1. docs/API.md tells all of it.";

constexpr std::string_view kSecurity =
    R"({"token":{"type":"http","scheme":"bearer"},"session":{"type":"apiKey","in":"cookie","name":"posthorn_session"}})";

}  // namespace

std::string openapi_document() {
    json::object info;
    info["title"] = "Posthorn's admin interface";
    info["version"] = POSTHORN_VERSION;
    info["description"] = kAbout;
    json::object paths;
    for (const Place& place : places()) {
        json::value& path = paths[place.path];
        if (!path.is_object()) path = json::object();
        path.as_object()[text::to_lower(place.method)] = operation_of(place);
    }
    json::object components;
    components["securitySchemes"] = json::parse(kSecurity);
    components["schemas"] = json::parse(openapi_schemas());
    json::object document;
    document["openapi"] = "3.1.0";
    document["info"] = std::move(info);
    document["paths"] = std::move(paths);
    document["components"] = std::move(components);
    return json::serialize(document);
}

}  // namespace posthorn::admin
